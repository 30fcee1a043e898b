package xmppd

import (
	"regexp"
	"strings"
	"testing"
)

// proxied opens a TCP stream through a proxy that speaks for client.
func (w *world) proxied(name, client string) *peer {
	w.t.Helper()
	p := connPeer(w.t, name, dial(w.t, w.c2s))
	p.say("PROXY TCP4 %s 198.51.100.1 56324 5222\r\n"+header, client, "meet.example.com")
	return p
}

func TestProxyProtocol(t *testing.T) {
	w := start(t, func(c *Config) {
		c.ProxyProtocol = []string{"127.0.0.0/8"}
		c.TrustLoopback = false
		c.Sessions.SessionsPerAddress = 2
	})
	// The proxy is on this machine and its client is not: he has to encrypt.
	p := w.proxied("far", "192.0.2.7")
	p.expect(`<stream:features><starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"><required/></starttls></stream:features>`)
	// Streams are counted where clients are, not where the proxy is.
	second := w.proxied("second", "192.0.2.7")
	second.expect(`</stream:features>`)
	if got := w.proxied("third", "192.0.2.7").ended(); !strings.Contains(got, "Too many connections from this address") {
		t.Errorf("the third stream heard %q", got)
	}
	w.proxied("other", "192.0.2.8").expect(`</stream:features>`)
	// A client on this machine is one, as the proxy is.
	w.proxied("near", "127.0.0.1").expect(`<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"></starttls><mechanisms `)

	for name, first := range map[string]string{
		"no header": "", "in the wrong place": header, "nobody": "PROXY UNKNOWN\r\n", "bad": "PROXY TCP4 192.0.2.7 x 1 2\r\n",
	} {
		p := connPeer(t, name, dial(t, w.c2s))
		p.say("%s", first)
		p.say(header, "meet.example.com")
		if got := p.ended(); got != "" {
			t.Errorf("%s: heard %q", name, got)
		}
	}
}

// Who is no proxy is not asked, and gains nothing by such a header.
func TestForgedProxyHeader(t *testing.T) {
	w := start(t, func(c *Config) { c.ProxyProtocol = []string{"192.0.2.1"} })
	if got := w.proxied("forger", "127.0.0.1").ended(); !regexp.MustCompile(`<stream:error><(not-well-formed|bad-format) `).MatchString(got) {
		t.Errorf("heard %q", got)
	}
}

// A proxy elsewhere cannot put its clients on this machine.
func TestProxyElsewhere(t *testing.T) {
	w := start(t, func(c *Config) { c.ProxyProtocol = []string{"192.0.2.7"}; c.TrustLoopback = false })
	w.c2s = abroad{listen(t)}
	l := w.c2s
	go func() { _ = w.ServeC2S(l) }()
	if got := w.proxied("near the proxy", "127.0.0.1").ended(); got != "" {
		t.Errorf("heard %q", got)
	}
	w.proxied("far", "203.0.113.9").expect(`<required/>`)
}
