package app

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"regexp"
	"slices"
	"strings"

	"mellium.im/xmpp/jid"

	"parley/bridge"
	"parley/focus"
	"parley/internal/config"
	"parley/internal/logx"
	"parley/internal/xmppclient"
	meetweb "parley/meet-web"
	"parley/xmppd"
)

// Config is everything an operator can say, of all parts. A key that is left
// empty and follows from another says so.
type Config struct {
	// Domain is the XMPP domain people log in to; all other names follow from it.
	Domain string `yaml:"domain"`
	// ManagedAccounts keeps the accounts focus@auth.DOMAIN and jvb@auth.DOMAIN at the
	// passwords of these settings (or of the secrets file). Turn it off to look after
	// them yourself, for instance for a focus or bridge that is not Parley's.
	ManagedAccounts bool `yaml:"managed_accounts"`
	// TLS is the certificate of HTTPS and of XMPP's STARTTLS.
	TLS TLSConfig `yaml:"tls"`
	// Log says how much is logged, to standard error.
	Log logx.Config `yaml:"log"`
	// Metrics are the listeners for metrics and health.
	Metrics MetricsConfig `yaml:"metrics"`

	// XMPPD is the XMPP server.
	XMPPD xmppd.Config `yaml:"xmppd"`
	// Focus is the focus.
	Focus focus.Config `yaml:"focus"`
	// Bridge is the media bridge.
	Bridge bridge.Config `yaml:"bridge"`
	// Web is the web front.
	Web meetweb.Config `yaml:"web"`
}

// TLSConfig names a certificate.
type TLSConfig struct {
	// CertFile is a PEM file with the certificate and its chain; empty means a
	// self-signed one, made in the data directory.
	CertFile string `yaml:"cert_file"`
	// KeyFile is the PEM file with the certificate's key.
	KeyFile string `yaml:"key_file"`
}

// MetricsConfig are the listeners for metrics (/metrics) and health
// (/about/health), one for each form a process can have; empty means none. Keep
// them on loopback.
type MetricsConfig struct {
	// Serve is the listener of `parley serve`.
	Serve string `yaml:"serve"`
	// XMPPD is the listener of `parley xmppd`.
	XMPPD string `yaml:"xmppd"`
	// Focus is the listener of `parley focus`.
	Focus string `yaml:"focus"`
	// Bridge is the listener of `parley bridge`.
	Bridge string `yaml:"bridge"`
	// Web is the listener of `parley web`.
	Web string `yaml:"web"`
	// Profiles adds the Go runtime's profiles (/debug/pprof/) to whichever listener
	// there is. They cost CPU while they are taken and tell much about the process.
	Profiles bool `yaml:"profiles"`
}

// of picks the listener of a process that runs parts.
func (c MetricsConfig) of(parts []Part) (key, addr string) {
	if len(parts) > 1 {
		return "metrics.serve", c.Serve
	}
	return "metrics." + string(parts[0]), map[Part]string{XMPPD: c.XMPPD, Focus: c.Focus, Bridge: c.Bridge, Web: c.Web}[parts[0]]
}

const (
	envPrefix   = "PARLEY_"
	serverID    = "default-id" // of a bridge that was not named
	focusUser   = "focus"
	bridgeUser  = "jvb"
	breweryRoom = "jvbbrewery"
)

// envIgnored are variables with our prefix that are no settings.
var envIgnored = []string{"PARLEY_CONFIG", "PARLEY_DATA"}

// DefaultConfig is a working server on this machine. What follows from other
// keys is left empty here and filled in by derive.
func DefaultConfig() Config {
	c := Config{
		Domain:          "meet.localhost",
		ManagedAccounts: true,
		Log:             logx.DefaultConfig(),
		Metrics: MetricsConfig{Serve: "127.0.0.1:9290", XMPPD: "127.0.0.1:9291", Focus: "127.0.0.1:9292",
			Bridge: "127.0.0.1:9293", Web: "127.0.0.1:9294"},
		XMPPD:  xmppd.DefaultConfig(),
		Focus:  focus.DefaultConfig(),
		Bridge: bridge.DefaultConfig(),
		Web:    meetweb.DefaultConfig(),
	}
	c.Focus.Domain, c.Web.Domain = "", ""
	c.Focus.Client.Address, c.Focus.Component.Address, c.Focus.Client.TLS = "", "", ""
	c.Bridge.XMPP = nil
	c.Bridge.WebSocket.Domains = nil
	c.Web.XMPPAddress, c.Web.Bridges = "", nil
	c.XMPPD.TrustLoopback = false // clients on this machine look for STARTTLS like all others
	clearXMPPD(&c.XMPPD)
	return c
}

// Load reads the settings: defaults, then the file, then the environment.
// unknown hears of variables that look like settings and are none.
func Load(file string, environ []string, unknown func(variable string)) (Config, error) {
	c := DefaultConfig()
	err := config.Load(&c, config.Source{File: file, Environ: environ, Prefix: envPrefix, Ignore: envIgnored, Unknown: unknown})
	if missing := (*fs.PathError)(nil); errors.As(err, &missing) && missing.Path == file {
		err = explainFile(err)
	}
	return c, err
}

// fill stores v where nothing was said.
func fill(s *string, v string) {
	if *s == "" {
		*s = v
	}
}

// derive fills in what follows from other keys. secrets gives the generated
// ones and is asked only when one is missing.
func (c *Config) derive(parts []Part, d data, secrets func() (Secrets, error)) error {
	c.Domain = strings.ToLower(c.Domain)
	fill(&c.Focus.Domain, c.Domain)
	fill(&c.Web.Domain, c.Domain)
	c.deriveXMPPD(d)

	near := c.nearby(parts)
	fill(&c.Focus.Client.Address, near.c2s)
	fill(&c.Focus.Component.Address, near.components)
	fillTLS(&c.Focus.Client.TLS, c.Focus.Client.Address)
	fill(&c.Web.XMPPAddress, near.http)
	fill(&c.Bridge.WebSocket.ServerID, serverID)
	if c.Web.Bridges == nil {
		c.Web.Bridges = map[string]string{c.Bridge.WebSocket.ServerID: near.bridge}
	}
	if len(c.Bridge.WebSocket.Domains) == 0 {
		c.Bridge.WebSocket.Domains = []string{publicHost(c.Web.HTTPSListen)}
	}
	if c.Focus.HTTPListen != "" {
		fill(&c.Web.ConferenceRequestAddress, dialable(c.Focus.HTTPListen, "8888"))
	}
	c.deriveBridgeLogin(d, near)
	return c.deriveSecrets(parts, secrets)
}

// nearby is where the parts reach each other when nobody says otherwise: in the
// same process, or on this machine.
type nearby struct{ c2s, components, http, bridge string }

func (c *Config) nearby(parts []Part) nearby {
	if len(parts) > 1 {
		return nearby{nearC2S, nearComponents, nearHTTP, nearBridge}
	}
	return nearby{dialable(c.XMPPD.C2SListen, "5222"), dialable(c.XMPPD.ComponentListen, "5347"),
		dialable(c.XMPPD.HTTPListen, "5280"), dialable(c.Bridge.WebSocket.Listen, "9090")}
}

// fillTLS wants encryption on every way on which somebody could listen in. On this
// machine nobody can, and the server may say so by offering none.
func fillTLS(mode *xmppclient.TLSMode, addr string) {
	if *mode == "" && (onLoopback(addr) || addr == nearC2S) {
		*mode = xmppclient.TLSIfPossible
	}
	fill((*string)(mode), string(xmppclient.TLSRequired))
}

// deriveBridgeLogin gives the bridge its account, and completes logins that were
// written down without the names everybody would guess.
func (c *Config) deriveBridgeLogin(d data, near nearby) {
	if len(c.Bridge.XMPP) == 0 {
		c.Bridge.XMPP = []bridge.XMPPConfig{{}}
	}
	c.Bridge.XMPP = slices.Clone(c.Bridge.XMPP)
	for i := range c.Bridge.XMPP {
		x := &c.Bridge.XMPP[i]
		if x.Component {
			fill(&x.Address, near.components)
			fill(&x.Domain, "jitsi-videobridge."+c.Domain)
			if len(x.Allow) == 0 {
				x.Allow = []string{focusUser + "@auth." + c.Domain, "focus." + c.Domain}
			}
			continue
		}
		fill(&x.Address, near.c2s)
		fill(&x.Domain, "auth."+c.Domain)
		fill(&x.Username, bridgeUser)
		fillTLS(&x.TLS, x.Address)
		if len(x.Rooms) == 0 {
			x.Rooms = []string{breweryRoom + "@internal.auth." + c.Domain}
		}
		if c.TLS.CertFile == "" && onLoopback(x.Address) {
			fill(&x.CAFile, d.certificate())
		}
	}
}

// deriveSecrets fills in what the parts know each other by.
func (c *Config) deriveSecrets(parts []Part, secrets func() (Secrets, error)) error {
	var generated Secrets
	asked := false
	want := func(s *string, pick func(*Secrets) string) error {
		if *s != "" {
			return nil
		}
		if !asked {
			asked = true // also when it fails: one complaint is enough
			var err error
			if generated, err = secrets(); err != nil {
				return err
			}
		}
		*s = pick(&generated)
		return nil
	}
	var errs []error
	if slices.Contains(parts, XMPPD) || slices.Contains(parts, Focus) {
		errs = append(errs, want(&c.Focus.Client.Password, func(s *Secrets) string { return s.FocusPassword }))
		if c.Focus.Component.Enabled {
			errs = append(errs, want(&c.Focus.Component.Secret, func(s *Secrets) string {
				return c.componentSecret(c.Focus.Component.Name, s.FocusComponent)
			}))
		}
	}
	if slices.Contains(parts, XMPPD) || slices.Contains(parts, Bridge) {
		for i := range c.Bridge.XMPP {
			x := &c.Bridge.XMPP[i]
			errs = append(errs, want(&x.Password, func(s *Secrets) string {
				if x.Component {
					return c.componentSecret(x.Domain, s.BridgeComponent)
				}
				return s.BridgePassword
			}))
		}
	}
	if slices.Contains(parts, XMPPD) || slices.Contains(parts, Focus) && c.Focus.HTTPListen != "" {
		if t := c.tokens(); !t.HasPublicKey() {
			errs = append(errs, want(&t.Secret, func(s *Secrets) string { return s.TokenSecret }))
		}
	}
	if slices.Contains(parts, XMPPD) {
		c.shareSecrets()
	}
	return errors.Join(errs...)
}

// keyPrefix recognises the sentences of the services' Validate and Run, which
// begin with a key.
var keyPrefix = regexp.MustCompile(`^[a-z0-9_.\[\]]+:`)

// inPart puts a part's name before its error, as a key if it begins with one.
func inPart(part string, err error) error {
	if err == nil {
		return nil
	}
	if keyPrefix.MatchString(err.Error()) {
		return fmt.Errorf("%s.%w", part, err)
	}
	return fmt.Errorf("%s: %w", part, err)
}

// validate names the first setting of each part that cannot work. It wants
// derived settings.
func (c *Config) validate(parts []Part) error {
	if !isDomain(c.Domain) { // all names follow from it, so all would complain
		return fmt.Errorf("domain: %q is not a domain", c.Domain)
	}
	var errs []error
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		errs = append(errs, errors.New("tls: cert_file and key_file belong together"))
	}
	if c.Focus.HTTPListen != "" && c.XMPPD.Meeting.Reservations.URL != "" {
		errs = append(errs, errors.New("focus.http_listen: conference requests by HTTP would go past xmppd.meeting.reservations; leave one of the two empty"))
	}
	errs = append(errs, inPart("log", c.Log.Validate()))
	for part, check := range map[Part]func() error{
		XMPPD: c.XMPPD.Validate, Focus: c.Focus.Validate, Bridge: c.Bridge.Validate, Web: c.Web.Validate,
	} {
		if slices.Contains(parts, part) {
			errs = append(errs, inPart(string(part), check()))
		}
	}
	return errors.Join(errs...)
}

// isDomain holds the domain against the rule for names in addresses.
func isDomain(s string) bool {
	j, err := jid.Parse(s)
	return err == nil && j.String() == s && j.Domainpart() == s && !strings.Contains("."+s, "..") // no empty label
}

// dialable is the address a part on this machine reaches a listener at.
func dialable(listen, port string) string {
	host, p, err := net.SplitHostPort(listen)
	if err != nil {
		return "127.0.0.1:" + port
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, p)
}

// publicHost is the name under which clients other than our page, which knows
// better, are told to find the front.
func publicHost(httpsListen string) string {
	_, port, err := net.SplitHostPort(httpsListen)
	if err != nil {
		return "localhost"
	}
	return "localhost:" + port
}

func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
