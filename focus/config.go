package focus

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"parley/focus/conference"
	"parley/focus/selector"
	"parley/internal/xmppclient"
)

// Config is what an operator can say about the focus.
type Config struct {
	// Domain is the main domain; the names below that are left empty follow from it.
	Domain string `yaml:"domain"`
	// Client is the user the focus enters rooms as.
	Client ClientConfig `yaml:"client"`
	// Component is the service that receives conference requests.
	Component ComponentConfig `yaml:"component"`
	// ClientProxy is set, to the proxy's domain (focus.DOMAIN), when a client
	// proxy of the server hands conference requests to the user instead of the
	// component. Requests from this domain, and from no other, carry their real
	// sender in the resource.
	ClientProxy string `yaml:"client_proxy"`
	// RoomDomains are the hosts a conference may be asked for on; empty means
	// conference.DOMAIN and breakout.DOMAIN.
	RoomDomains []string `yaml:"room_domains"`
	// TrustedDomains are the login domains whose members may call themselves
	// recorders, gateways or transcribers.
	TrustedDomains []string `yaml:"trusted_domains"`
	// MaxConferences is how many conferences run at once; more are answered as
	// not ready.
	MaxConferences int `yaml:"max_conferences"`
	// MaxBegun is how many conferences one person may begin within a minute by asking
	// for rooms; asking for one that runs is free. More are answered as not ready.
	MaxBegun int `yaml:"max_begun"`
	// Bridge says how bridges are found, watched and chosen.
	Bridge BridgeConfig `yaml:"bridge"`
	// Conference holds the rules of every meeting.
	Conference conference.Config `yaml:"conference"`
	// HTTPListen, HOST:PORT, serves conference requests by HTTP
	// (/conference-request/v1); empty means not at all. Where people need a token to log
	// in (xmppd.token, which then stands in the focus's settings too) a request needs
	// it as well.
	HTTPListen string `yaml:"http_listen"`
}

// ClientConfig is the focus's login as a user.
type ClientConfig struct {
	// Address is HOST:PORT of the server's client port.
	Address string `yaml:"address"`
	// Domain is the login domain; empty means auth.DOMAIN.
	Domain string `yaml:"domain"`
	// Username is the account, and the nickname in rooms: clients look for "focus".
	Username string `yaml:"username"`
	// Password is the account's password.
	Password string `yaml:"password"`
	// TLS is required, ifpossible or disabled; empty means required, and on this
	// machine's loopback, where no certificate is checked, ifpossible.
	TLS xmppclient.TLSMode `yaml:"tls"`
	// CAFile is a PEM file with the certificates to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
}

// ComponentConfig is the focus's login as a component (XEP-0114).
type ComponentConfig struct {
	// Enabled is false when conference requests come through a client proxy.
	Enabled bool `yaml:"enabled"`
	// Address is HOST:PORT of the server's component port.
	Address string `yaml:"address"`
	// Name is the component's domain; empty means focus.DOMAIN.
	Name string `yaml:"name"`
	// Secret is what the server knows this component by.
	Secret string `yaml:"secret"`
}

// BridgeConfig says how bridges are found, watched and chosen.
type BridgeConfig struct {
	// Brewery is the room bridges gather in; empty means
	// jvbbrewery@internal.auth.DOMAIN, "none" means that there is none.
	Brewery string `yaml:"brewery"`
	// Static lists bridges that are components of their own and in no brewery.
	Static []StaticBridge `yaml:"static"`
	// HealthInterval is the time between two health checks of a bridge; 0 turns
	// them off.
	HealthInterval time.Duration `yaml:"health_interval"`
	// HealthRetry is how long after an unanswered check the second and last try
	// is made.
	HealthRetry time.Duration `yaml:"health_retry"`
	// Selection weighs bridges against each other.
	Selection selector.Config `yaml:"selection"`
}

// StaticBridge is a bridge known by address.
type StaticBridge struct {
	// Address is where it listens, such as jitsi-videobridge.example.com.
	Address string `yaml:"address"`
	// Region is where it stands; may be empty.
	Region string `yaml:"region"`
}

// noBrewery is the value of BridgeConfig.Brewery that means none.
const noBrewery = "none"

// DefaultConfig is an all-in-one server on this machine.
func DefaultConfig() Config {
	return Config{
		Domain:         "meet.localhost",
		Client:         ClientConfig{Address: "127.0.0.1:5222", Username: "focus", TLS: xmppclient.TLSIfPossible},
		Component:      ComponentConfig{Enabled: true, Address: "127.0.0.1:5347"},
		MaxConferences: 10000,
		MaxBegun:       20,
		Bridge: BridgeConfig{
			HealthInterval: 10 * time.Second,
			HealthRetry:    5 * time.Second,
			Selection:      selector.DefaultConfig(),
		},
		Conference: conference.DefaultConfig(),
	}
}

// withNames fills in the names that follow from the domain.
func (c Config) withNames() Config {
	fill := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	fill(&c.Client.Domain, "auth."+c.Domain)
	fill(&c.Component.Name, "focus."+c.Domain)
	fill(&c.Bridge.Brewery, "jvbbrewery@internal.auth."+c.Domain)
	if len(c.RoomDomains) == 0 {
		c.RoomDomains = []string{"conference." + c.Domain, "breakout." + c.Domain}
	}
	return c
}

// Validate names the first setting that cannot work.
func (c Config) Validate() error {
	if c.Domain == "" {
		return errors.New("domain: is empty")
	}
	c = c.withNames()
	for _, d := range slices.Concat([]string{c.Domain, c.Client.Domain, c.Component.Name}, c.RoomDomains, c.TrustedDomains) {
		if a, err := jid.Parse(d); err != nil || a.Localpart() != "" || a.Resourcepart() != "" {
			return fmt.Errorf("%q is not a domain", d)
		}
	}
	if err := c.validateLogin(); err != nil {
		return err
	}
	if err := c.Bridge.validate(); err != nil {
		return fmt.Errorf("bridge.%w", err)
	}
	if err := c.Conference.Validate(); err != nil {
		return fmt.Errorf("conference.%w", err)
	}
	if c.MaxConferences < 1 {
		return fmt.Errorf("max_conferences: %d is below 1", c.MaxConferences)
	}
	if c.MaxBegun < 1 {
		return fmt.Errorf("max_begun: %d is below 1", c.MaxBegun)
	}
	if c.HTTPListen != "" {
		if _, _, err := net.SplitHostPort(c.HTTPListen); err != nil {
			return fmt.Errorf("http_listen: %q is not HOST:PORT", c.HTTPListen)
		}
	}
	return nil
}

func (c Config) validateLogin() error {
	if err := c.Client.login().Validate(); err != nil {
		return fmt.Errorf("client.%w", err)
	}
	if !c.Component.Enabled {
		return nil
	}
	if c.Component.Secret == "" {
		return errors.New("component.secret: is empty")
	}
	if err := c.Component.login().Validate(); err != nil {
		return fmt.Errorf("component.%w", err)
	}
	return nil
}

// login is the user's way to the server. Its resource is fixed: the server's proxy and
// clients know the focus by it.
func (c ClientConfig) login() xmppclient.Config {
	return xmppclient.Config{
		Address: c.Address, Domain: c.Domain, Username: c.Username, Password: c.Password, Resource: c.Username,
		TLS: c.TLS, CAFile: c.CAFile, InsecureSkipVerify: loopback(c.Address),
	}
}

func (c ComponentConfig) login() xmppclient.Config {
	return xmppclient.Config{Address: c.Address, Component: true, Domain: c.Name, Password: c.Secret}
}

// loopback says whether the address is on this machine, so that nobody can stand
// between us and the server.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c BridgeConfig) validate() error {
	if c.Brewery != noBrewery {
		if a, err := jid.Parse(c.Brewery); err != nil || a.Localpart() == "" || a.Resourcepart() != "" {
			return fmt.Errorf("brewery: %q is not the address of a room", c.Brewery)
		}
	}
	for _, s := range c.Static {
		if _, err := jid.Parse(s.Address); err != nil {
			return fmt.Errorf("static: %q is not an address", s.Address)
		}
	}
	if c.HealthInterval < 0 || c.HealthRetry < 0 {
		return errors.New("health_interval, health_retry: must not be negative")
	}
	if err := c.Selection.Validate(); err != nil {
		return fmt.Errorf("selection.%w", err)
	}
	return nil
}
