package meetweb

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// Config is what an operator can say about the web front.
type Config struct {
	// HTTPSListen is HOST:PORT of the public listener; empty means none.
	HTTPSListen string `yaml:"https_listen"`
	// HTTPListen is HOST:PORT of the plain listener, for this machine's own browsers
	// and for a reverse proxy; empty means none.
	HTTPListen string `yaml:"http_listen"`

	// Domain is the XMPP domain the page logs in to.
	Domain string `yaml:"domain"`
	// MUCDomain is the host of the meeting rooms; empty means conference.DOMAIN.
	MUCDomain string `yaml:"muc_domain"`
	// FocusDomain receives conference requests; empty means focus.DOMAIN.
	FocusDomain string `yaml:"focus_domain"`
	// FocusUser is the address of the focus in the rooms; empty means focus@auth.DOMAIN.
	FocusUser string `yaml:"focus_user"`
	// AnonymousDomain is where people without a token log in; empty means nowhere.
	AnonymousDomain string `yaml:"anonymous_domain"`
	// HiddenDomain is the domain of people who are not shown, such as recorders.
	HiddenDomain string `yaml:"hidden_domain"`
	// Page holds further keys for config.js, over our own.
	Page map[string]any `yaml:"page"`

	// XMPPAddress is HOST:PORT of the XMPP server's HTTP side (BOSH and WebSocket).
	XMPPAddress string `yaml:"xmpp_address"`
	// Bridges maps server ids, as they stand in /colibri-ws/SERVER/…, to HOST:PORT of
	// the bridges' channel listeners. Other ids are answered 404.
	Bridges map[string]string `yaml:"bridges"`
	// ConferenceRequestAddress is HOST:PORT of the focus's HTTP side; empty means that
	// conference requests go over XMPP only.
	ConferenceRequestAddress string `yaml:"conference_request_address"`

	// FrameAncestors are the sites that may embed the page, as in a content security
	// policy; "*" means all.
	FrameAncestors []string `yaml:"frame_ancestors"`
	// AllowedOrigins are the sites whose scripts may open BOSH, WebSocket and bridge
	// channels (https://example.com); empty means all.
	AllowedOrigins []string `yaml:"allowed_origins"`
	// TrustedProxies are the addresses or networks whose X-Forwarded-… headers are believed.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// AccessLog writes a line per request at level info instead of debug; tokens never
	// stand in it.
	AccessLog bool `yaml:"access_log"`
	// MaxConnections bounds the open connections of each listener.
	MaxConnections int `yaml:"max_connections"`
	// ReadHeaderTimeout bounds how long a request's header may take.
	ReadHeaderTimeout time.Duration `yaml:"read_header_timeout"`
	// IdleTimeout closes a connection without a request.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// ProxyTimeout bounds the wait for an answer of the XMPP server; BOSH holds
	// requests for a minute, so it must stay above 70s.
	ProxyTimeout time.Duration `yaml:"proxy_timeout"`
}

// DefaultConfig is the front of an all-in-one server on this machine.
func DefaultConfig() Config {
	return Config{
		HTTPSListen:       ":8443",
		HTTPListen:        "127.0.0.1:8000",
		Domain:            "meet.localhost",
		XMPPAddress:       "127.0.0.1:5280",
		Bridges:           map[string]string{"default-id": "127.0.0.1:9090"},
		FrameAncestors:    []string{"*"},
		TrustedProxies:    []string{"127.0.0.1", "::1"},
		MaxConnections:    8192,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ProxyTimeout:      100 * time.Second,
	}
}

// withNames fills in the names that follow from the domain.
func (c Config) withNames() Config {
	fill := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	fill(&c.MUCDomain, "conference."+c.Domain)
	fill(&c.FocusDomain, "focus."+c.Domain)
	fill(&c.FocusUser, "focus@auth."+c.Domain)
	return c
}

// Validate names the first setting that cannot work.
func (c Config) Validate() error {
	if c.HTTPSListen == "" && c.HTTPListen == "" {
		return errors.New("https_listen: the front needs this or http_listen")
	}
	for key, addr := range map[string]string{"https_listen": c.HTTPSListen, "http_listen": c.HTTPListen,
		"conference_request_address": c.ConferenceRequestAddress} {
		if _, _, err := net.SplitHostPort(addr); addr != "" && err != nil {
			return fmt.Errorf("%s: %q is not HOST:PORT", key, addr)
		}
	}
	if _, _, err := net.SplitHostPort(c.XMPPAddress); err != nil {
		return fmt.Errorf("xmpp_address: %q is not HOST:PORT", c.XMPPAddress)
	}
	if c.Domain == "" || strings.ContainsAny(c.Domain, "/@ ") {
		return fmt.Errorf("domain: %q is not a domain", c.Domain)
	}
	for id, addr := range c.Bridges {
		if !serverID.MatchString(id) {
			return fmt.Errorf("bridges: %q is not a server id (letters, digits, dots, dashes, underscores)", id)
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("bridges.%s: %q is not HOST:PORT", id, addr)
		}
	}
	for _, s := range c.FrameAncestors {
		if s == "" || strings.ContainsAny(s, "; ,\r\n\t") {
			return fmt.Errorf("frame_ancestors: %q is not a source such as https://example.com", s)
		}
	}
	if _, err := parseNetworks(c.TrustedProxies); err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	switch {
	case c.MaxConnections < 1:
		return errors.New("max_connections: must be at least 1")
	case c.ReadHeaderTimeout <= 0:
		return errors.New("read_header_timeout: must be positive")
	case c.IdleTimeout <= 0:
		return errors.New("idle_timeout: must be positive")
	case c.ProxyTimeout <= 70*time.Second:
		return errors.New("proxy_timeout: must be above 70s, since BOSH holds requests for a minute")
	}
	return nil
}

// serverID is what may stand for a bridge in an address.
var serverID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// parseNetworks reads addresses and networks.
func parseNetworks(texts []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range texts {
		if p, err := netip.ParsePrefix(text); err == nil {
			list = append(list, p.Masked())
			continue
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network", text)
		}
		list = append(list, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
	}
	return list, nil
}
