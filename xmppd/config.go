package xmppd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sort"
	"time"

	"parley/jwtauth"
	"parley/xmppd/c2s"
	"parley/xmppd/meeting"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// Ways to log in to the main domain.
const (
	ByToken     = "token"     // people show a room token
	Anonymously = "anonymous" // people just come in
	ByAccount   = "accounts"  // people have a name and a password
)

// Config is the whole XMPP server. The comment of a field is what the operator reads.
type Config struct {
	// Domain is the main domain, which people log in to. The other names below
	// follow from it where they are left empty.
	Domain string `yaml:"domain"`
	// AuthDomain is where services have their accounts. Empty: auth.DOMAIN.
	AuthDomain string `yaml:"auth_domain"`
	// GuestDomain is a host for guests without token or password; empty: none.
	GuestDomain string `yaml:"guest_domain"`
	// RecorderDomain is where recorders and transcribers have accounts; empty: none.
	RecorderDomain string `yaml:"recorder_domain"`
	// Shared is a host where services log in under any name with one secret.
	Shared SharedConfig `yaml:"shared"`
	// ConferenceDomain holds the meeting rooms. Empty: conference.DOMAIN.
	ConferenceDomain string `yaml:"conference_domain"`
	// BreweryDomain holds the rooms where bridges report. Empty: internal.AUTH_DOMAIN.
	BreweryDomain string `yaml:"brewery_domain"`

	// C2SListen is where clients connect by TCP; empty: nowhere.
	C2SListen string `yaml:"c2s_listen"`
	// DirectTLSListen is where clients connect by TLS from the first byte; empty: nowhere.
	DirectTLSListen string `yaml:"direct_tls_listen"`
	// HTTPListen is where /http-bind and /xmpp-websocket are served, for the web
	// front or another proxy; empty: nowhere. Keep it on loopback.
	HTTPListen string `yaml:"http_listen"`
	// ComponentListen is where components connect; empty: nowhere. Keep it on loopback.
	ComponentListen string `yaml:"component_listen"`

	// Database is the file that keeps accounts. It is made if it does not exist.
	Database string `yaml:"database"`

	// Authentication is how people log in to the main domain over BOSH and
	// WebSocket: token, anonymous, or accounts.
	Authentication string `yaml:"authentication"`
	// PasswordAccounts also lets accounts with a password log in to the main domain,
	// whatever Authentication says.
	PasswordAccounts bool `yaml:"password_accounts"`
	// Token says which tokens are good.
	Token jwtauth.Config `yaml:"token"`
	// RequireTLS refuses log-ins and new accounts on unencrypted TCP streams from other
	// machines. Those behind a TCP proxy on this machine seem to be on it, unless it says
	// who they are (proxy_protocol): let the proxy pass TLS on.
	RequireTLS bool `yaml:"require_tls"`
	// TrustLoopback treats connections from this machine as if they were encrypted.
	TrustLoopback bool `yaml:"trust_loopback"`
	// TrustedProxies are addresses and networks of proxies whose X-Forwarded-For and
	// X-Forwarded-Proto are believed.
	TrustedProxies []string `yaml:"trusted_proxies"`

	// ProxyProtocol are addresses and networks of TCP proxies before c2s_listen and
	// direct_tls_listen (HAProxy's send-proxy or send-proxy-v2). Each connection from there
	// has to begin with a header of the PROXY protocol, version 1 or 2, that says who the
	// client is, and is closed otherwise; nobody else is asked. So list no machine whose
	// own services connect without.
	ProxyProtocol []string `yaml:"proxy_protocol"`

	// Components are external services: their domain, and the secret they prove.
	Components map[string]string `yaml:"components"`
	// KickOldComponent lets a new connection of a component replace one that is alive; one
	// that gives no sign of life within 3 s is replaced anyway.
	KickOldComponent bool `yaml:"kick_old_component"`
	// ServiceAccounts are accounts that follow the configuration at each start.
	ServiceAccounts []ServiceAccount `yaml:"service_accounts"`
	// Admins are further accounts (user@host) that may do everything. The service
	// accounts and, as rooms see them, the components are administrators anyway.
	Admins []string `yaml:"admins"`
	// ClientProxies are domains whose requests go to an account that is logged in as
	// a client, for instance focus.DOMAIN: focus@auth.DOMAIN.
	ClientProxies map[string]string `yaml:"client_proxies"`

	// Sessions are the limits of client sessions.
	Sessions c2s.Config `yaml:"sessions"`
	// Hibernate is how long a lost session may be resumed.
	Hibernate time.Duration `yaml:"hibernate"`
	// ServiceHibernate is the same for the accounts of AuthDomain.
	ServiceHibernate time.Duration `yaml:"service_hibernate"`
	// ComponentStanzaBytes is the largest stanza taken from a component.
	ComponentStanzaBytes int `yaml:"component_stanza_bytes"`
	// SendQueue is how many bytes may wait for a client that reads slowly; then its
	// stream is closed.
	SendQueue int `yaml:"send_queue"`
	// ServiceSendQueue is the same for a component.
	ServiceSendQueue int `yaml:"service_send_queue"`
	// IdleTime is how long a stream may be silent before the server asks whether
	// anybody is there.
	IdleTime time.Duration `yaml:"idle_time"`
	// BOSH are the limits of sessions over HTTP.
	BOSH BOSHConfig `yaml:"bosh"`
	// Registration is whether people may make accounts themselves.
	Registration RegistrationConfig `yaml:"registration"`
	// OfflineMessages is how many messages are kept for an account nobody is logged in
	// to; further ones are refused.
	OfflineMessages int `yaml:"offline_messages"`
	// MaxConnections is how many connections each listener serves at one time.
	MaxConnections int `yaml:"max_connections"`

	// Services are what ordinary XMPP clients use beside meetings.
	Services ServicesConfig `yaml:"services"`

	// Rooms is how meeting rooms behave.
	Rooms muc.Config `yaml:"rooms"`
	// Brewery is how the rooms where services report behave.
	Brewery muc.Config `yaml:"brewery"`
	// Meeting are Jitsi's rules on meeting rooms.
	Meeting meeting.Config `yaml:"meeting"`
}

// ServiceAccount is an account of one of our services.
type ServiceAccount struct {
	// Name is the user name.
	Name string `yaml:"name"`
	// Domain is the host of the account. Empty: the auth domain.
	Domain string `yaml:"domain"`
	// Password is its password.
	Password string `yaml:"password"`
	// Setting is the configuration key Password comes from, for messages.
	Setting string `yaml:"-"`
}

// SharedConfig is a host for services without accounts of their own.
type SharedConfig struct {
	// Domain is its name; empty: there is none.
	Domain string `yaml:"domain"`
	// Secret is what all services show there, at least 16 bytes.
	Secret string `yaml:"secret"`
	// Previous is the secret it has followed, good in PLAIN until all know the new one.
	Previous string `yaml:"previous"`
}

// minSharedSecret is the shortest secret that opens a host under any name.
const minSharedSecret = 16

func (c SharedConfig) validate() error {
	if c.Domain == "" {
		return nil
	}
	if len(c.Secret) < minSharedSecret || c.Previous != "" && len(c.Previous) < minSharedSecret {
		return fmt.Errorf("shared.secret, shared.previous: must have at least %d bytes", minSharedSecret)
	}
	return nil
}

// BOSHConfig are the limits of sessions over HTTP (XEP-0124).
type BOSHConfig struct {
	// MaxWait is the longest a request may be held.
	MaxWait time.Duration `yaml:"max_wait"`
	// Inactivity is how long a session may be without a request.
	Inactivity time.Duration `yaml:"inactivity"`
	// MaxSessions is how many there may be at one time.
	MaxSessions int `yaml:"max_sessions"`
}

// DefaultConfig serves meet.localhost. It lacks a database, a token secret, and
// the secrets of components and service accounts.
func DefaultConfig() Config {
	c := Config{
		Domain:               "meet.localhost",
		C2SListen:            ":5222",
		HTTPListen:           "127.0.0.1:5280",
		ComponentListen:      "127.0.0.1:5347",
		Authentication:       ByToken,
		PasswordAccounts:     true,
		Token:                jwtauth.DefaultConfig(),
		RequireTLS:           true,
		TrustLoopback:        true,
		TrustedProxies:       []string{"127.0.0.1", "::1"},
		Sessions:             c2s.DefaultConfig(),
		Hibernate:            60 * time.Second,
		ServiceHibernate:     15 * time.Second,
		ComponentStanzaBytes: 512 << 10,
		SendQueue:            4 << 20,
		ServiceSendQueue:     64 << 20,
		IdleTime:             60 * time.Second,
		BOSH:                 BOSHConfig{MaxWait: 120 * time.Second, Inactivity: 60 * time.Second, MaxSessions: 10000},
		Registration:         RegistrationConfig{PerHour: 10},
		OfflineMessages:      100,
		MaxConnections:       20000,
		Services:             DefaultServicesConfig(),
		Rooms:                muc.DefaultConfig(),
		Brewery:              muc.BreweryConfig(),
		Meeting:              meeting.DefaultConfig(),
	}
	c.Meeting.Domain = "" // follows from Domain
	return c
}

// names fills in the domains that follow from Domain.
func (c Config) names() Config {
	fill := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	fill(&c.AuthDomain, "auth."+c.Domain)
	fill(&c.ConferenceDomain, "conference."+c.Domain)
	fill(&c.BreweryDomain, "internal."+c.AuthDomain)
	c.Services = c.Services.names(c.Domain)
	fill(&c.Meeting.Domain, c.Domain)
	accounts := append([]ServiceAccount(nil), c.ServiceAccounts...)
	for i := range accounts {
		fill(&accounts[i].Domain, c.AuthDomain)
		fill(&accounts[i].Setting, fmt.Sprintf("service_accounts[%d].password", i))
	}
	c.ServiceAccounts = accounts
	if len(c.Brewery.Services) == 0 {
		c.Brewery.Services = append([]string{c.AuthDomain}, sortedKeys(c.Components)...)
	}
	return c
}

func sortedKeys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// Validate names the first key that does not fit.
func (c Config) Validate() error {
	if c.Domain == "" {
		return errors.New("domain: must be set")
	}
	c = c.names()
	for _, step := range []func() error{c.validateNames, c.validateListeners, c.validateLogin, c.validateLimits} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := c.Sessions.Validate(); err != nil {
		return fmt.Errorf("sessions.%w", err)
	}
	if err := c.Services.Validate(); err != nil {
		return fmt.Errorf("services.%w", err)
	}
	if err := c.Rooms.Validate(); err != nil {
		return fmt.Errorf("rooms.%w", err)
	}
	if err := c.Brewery.Validate(); err != nil {
		return fmt.Errorf("brewery.%w", err)
	}
	if err := c.Meeting.Validate(); err != nil {
		return fmt.Errorf("meeting.%w", err)
	}
	return nil
}

func (c *Config) validateNames() error {
	seen := make(map[string]string)
	check := func(key, domain string) error {
		if domain == "" {
			return nil
		}
		a, err := stanza.ParseAddr(domain)
		if err != nil || a.String() != a.Domain() || a.Domain() != domain {
			return fmt.Errorf("%s: %q is not a domain in lower case", key, domain)
		}
		if other := seen[domain]; other != "" {
			return fmt.Errorf("%s: %s is served already, see %s", key, domain, other)
		}
		seen[domain] = key
		return nil
	}
	for _, d := range [][2]string{{"domain", c.Domain}, {"auth_domain", c.AuthDomain}, {"guest_domain", c.GuestDomain},
		{"recorder_domain", c.RecorderDomain}, {"shared.domain", c.Shared.Domain}, {"conference_domain", c.ConferenceDomain}, {"brewery_domain", c.BreweryDomain}, {"services.pubsub_domain", c.Services.PubSubDomain},
		{"services.upload_domain", c.Services.UploadDomain}} {
		if err := check(d[0], d[1]); err != nil {
			return err
		}
	}
	for _, d := range sortedKeys(c.Components) {
		if err := check("components", d); err != nil {
			return err
		}
		if c.Components[d] == "" {
			return fmt.Errorf("components: %s needs a secret", d)
		}
	}
	for _, d := range sortedKeys(c.ClientProxies) {
		if err := check("client_proxies", d); err != nil {
			return err
		}
		if a, err := stanza.ParseAddr(c.ClientProxies[d]); err != nil || a.Local() == "" || a.IsFull() {
			return fmt.Errorf("client_proxies: %q is not an account", c.ClientProxies[d])
		}
	}
	return nil
}

func (c *Config) validateListeners() error {
	for _, l := range [][2]string{{"c2s_listen", c.C2SListen}, {"direct_tls_listen", c.DirectTLSListen},
		{"http_listen", c.HTTPListen}, {"component_listen", c.ComponentListen}} {
		if l[1] == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(l[1]); err != nil {
			return fmt.Errorf("%s: %q is not an address and a port", l[0], l[1])
		}
	}
	if _, err := networks("trusted_proxies", c.TrustedProxies); err != nil {
		return err
	}
	_, err := networks("proxy_protocol", c.ProxyProtocol)
	return err
}

// networks reads a list of addresses and networks; key is its name.
func networks(key string, list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is neither an address nor a network", key, s)
		}
		out = append(out, p)
	}
	return out, nil
}

func (c *Config) validateLogin() error {
	switch c.Authentication {
	case ByToken:
		if err := c.Token.Validate(); err != nil {
			return fmt.Errorf("token.%w", err)
		}
	case Anonymously, ByAccount:
	default:
		return fmt.Errorf("authentication: %q is not token, anonymous or accounts", c.Authentication)
	}
	if c.Database == "" {
		return errors.New("database: must be set")
	}
	if err := c.Shared.validate(); err != nil {
		return err
	}
	for i, a := range c.ServiceAccounts {
		if a.Name == "" || a.Password == "" {
			return fmt.Errorf("service_accounts[%d]: needs a name and a password", i)
		}
	}
	for _, a := range c.Admins {
		if x, err := stanza.ParseAddr(a); err != nil || x.Local() == "" || x.IsFull() {
			return fmt.Errorf("admins: %q is not an account", a)
		}
	}
	return nil
}

func (c *Config) validateLimits() error {
	for _, x := range []struct {
		key string
		ok  bool
		why string
	}{
		{"hibernate", c.Hibernate >= time.Second, "must be at least 1s"},
		{"service_hibernate", c.ServiceHibernate >= time.Second, "must be at least 1s"},
		{"component_stanza_bytes", c.ComponentStanzaBytes >= 10000, "must be at least 10000"},
		{"send_queue", c.SendQueue >= 64<<10, "must be at least 65536"},
		{"service_send_queue", c.ServiceSendQueue >= 64<<10, "must be at least 65536"},
		{"idle_time", c.IdleTime >= time.Second, "must be at least 1s"},
		{"bosh.max_wait", c.BOSH.MaxWait >= time.Second, "must be at least 1s"},
		{"bosh.inactivity", c.BOSH.Inactivity >= time.Second, "must be at least 1s"},
		{"bosh.max_sessions", c.BOSH.MaxSessions >= 1, "must be at least 1"},
		{"registration.per_hour", c.Registration.PerHour >= 1, "must be at least 1"},
		{"offline_messages", c.OfflineMessages >= 0, "must not be negative"},
		{"max_connections", c.MaxConnections >= 1, "must be at least 1"},
	} {
		if !x.ok {
			return fmt.Errorf("%s: %s", x.key, x.why)
		}
	}
	return nil
}
