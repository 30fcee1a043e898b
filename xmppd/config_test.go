package xmppd

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestConfigValidate(t *testing.T) {
	if err := testConfig(t).Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no domain", func(c *Config) { c.Domain = "" }, "domain: must be set"},
		{"upper case", func(c *Config) { c.Domain = "Meet.example.com" }, `domain: "Meet.example.com" is not a domain in lower case`},
		{"twice", func(c *Config) { c.GuestDomain = "auth.meet.example.com" }, "guest_domain: auth.meet.example.com is served already, see auth_domain"},
		{"component is a host", func(c *Config) { c.Components["meet.example.com"] = "x" }, "components: meet.example.com is served already"},
		{"secret", func(c *Config) { c.Components["x.meet.example.com"] = "" }, "components: x.meet.example.com needs a secret"},
		{"proxy", func(c *Config) { c.ClientProxies = map[string]string{"x.example.com": "y"} }, `client_proxies: "y" is not an account`},
		{"listener", func(c *Config) { c.HTTPListen = "5280" }, `http_listen: "5280" is not an address and a port`},
		{"proxies", func(c *Config) { c.TrustedProxies = []string{"here"} }, "trusted_proxies:"},
		{"proxy protocol", func(c *Config) { c.ProxyProtocol = []string{"here"} }, "proxy_protocol:"},
		{"authentication", func(c *Config) { c.Authentication = "magic" }, `authentication: "magic"`},
		{"token", func(c *Config) { c.Token.Secret = "" }, "token."},
		{"database", func(c *Config) { c.Database = "" }, "database: must be set"},
		{"service account", func(c *Config) { c.ServiceAccounts[0].Password = "" }, "service_accounts[0]: needs a name and a password"},
		{"admin", func(c *Config) { c.Admins = []string{"x"} }, `admins: "x" is not an account`},
		{"stanza", func(c *Config) { c.Sessions.StanzaBytes = 1 }, "sessions.stanza_bytes:"},
		{"unacked", func(c *Config) { c.Sessions.UnackedBytes = 1 }, "sessions.unacked_bytes:"},
		{"hibernate", func(c *Config) { c.Hibernate = 0 }, "hibernate: must be at least 1s"},
		{"bosh", func(c *Config) { c.BOSH.MaxWait = 0 }, "bosh.max_wait: must be at least 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testConfig(t)
			tt.change(&c)
			if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestClientAddress(t *testing.T) {
	s := &Server{proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}}
	for _, tt := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:1", "", "192.0.2.1"},
		{"192.0.2.1:1", "198.51.100.1", "192.0.2.1"}, // a stranger may claim what he likes
		{"127.0.0.1:1", "198.51.100.1", "198.51.100.1"},
		{"127.0.0.1:1", "203.0.113.9, 198.51.100.1, 10.1.1.1", "198.51.100.1"},
		{"127.0.0.1:1", "nonsense, 10.1.1.1", "10.1.1.1"},
		{"127.0.0.1:1", "", "127.0.0.1"},
		{"pipe", "2001:db8::1", "2001:db8::1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := s.client(r); got.String() != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestMeta(t *testing.T) {
	s := &Server{}
	r := httptest.NewRequest("GET", "/xmpp-websocket?room=a+b%2Fc&prefix=t&previd=p&token=q&vnode=v", nil)
	r.Header.Set("Authorization", "Bearer h")
	r.Header.Set("X-Proxy-Region", "eu")
	m := s.meta(r, "websocket")
	if m.Room != "a b/c" || m.Prefix != "t" || m.Previd != "p" || m.Token != "q" || m.Region != "eu" {
		t.Errorf("%+v", m)
	}
	r = httptest.NewRequest("GET", "/xmpp-websocket", nil)
	r.Header.Set("Authorization", "Bearer h")
	if m := s.meta(r, "websocket"); m.Token != "h" {
		t.Errorf("%+v", m)
	}
}
