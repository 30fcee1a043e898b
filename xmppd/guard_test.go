package xmppd

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// encrypted opens a stream, starts TLS and opens it again.
func (w *world) encrypted(host string, o *tls.Config) (*peer, *tls.Conn) {
	w.t.Helper()
	conn := dial(w.t, w.c2s)
	fmt.Fprintf(conn, header+"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", host)
	buf := make([]byte, 1)
	var got strings.Builder
	for !strings.HasSuffix(got.String(), `<proceed xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>`) {
		if _, err := conn.Read(buf); err != nil {
			w.t.Fatalf("%v after %s", err, got.String())
		}
		got.Write(buf)
	}
	o.InsecureSkipVerify = true
	tc := tls.Client(conn, o)
	if err := tc.Handshake(); err != nil {
		w.t.Fatal(err)
	}
	p := connPeer(w.t, "tls", tc)
	p.say(header, host)
	return p, tc
}

// TestChannelBinding: loopback may encrypt too, and log-ins are bound to it.
func TestChannelBinding(t *testing.T) {
	w := start(t)
	w.person("alice", "a")
	exporter := func(s *tls.ConnectionState) scram.ChannelBinding {
		key, err := s.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if err != nil {
			t.Fatal(err)
		}
		return scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: key}
	}
	endpoint := func(s *tls.ConnectionState) scram.ChannelBinding {
		b, err := scram.NewTLSServerEndpointBinding(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		name, mech string
		hash       scram.HashGeneratorFcn
		max        uint16
		bind       func(*tls.ConnectionState) scram.ChannelBinding
		bad        bool
		want       string
	}{
		{"exporter", "SCRAM-SHA-256-PLUS", scram.SHA256, tls.VersionTLS13, exporter, false, "success"},
		{"certificate", "SCRAM-SHA-1-PLUS", scram.SHA1, tls.VersionTLS13, endpoint, false, "success"},
		{"certificate with TLS 1.2", "SCRAM-SHA-256-PLUS", scram.SHA256, tls.VersionTLS12, endpoint, false, "success"},
		{"somebody between", "SCRAM-SHA-256-PLUS", scram.SHA256, tls.VersionTLS13, exporter, true, "not-authorized"},
		{"bound with the plain name", "SCRAM-SHA-256", scram.SHA256, tls.VersionTLS13, exporter, false, "malformed-request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, tc := w.encrypted(domain, &tls.Config{MaxVersion: tt.max})
			p.expect(`<mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism>.*<mechanism>PLAIN</mechanism></mechanisms><sasl-channel-binding`)
			p.expect(`</stream:features>`)
			state := tc.ConnectionState()
			cb := tt.bind(&state)
			if tt.bad {
				cb.Data[0] ^= 1
			}
			client, err := tt.hash.NewClient("alice", "pw of alice", "")
			if err != nil {
				t.Fatal(err)
			}
			conv := client.NewConversationWithChannelBinding(cb)
			first, _ := conv.Step("")
			p.say(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%s'>%s</auth>`, tt.mech, b64(first))
			m := p.expect(`<(challenge) [^>]*>([^<]*)|<malformed-request`)
			if m[1] == "" {
				has(t, m[0], tt.want)
				return
			}
			second, err := conv.Step(unb64(m[2]))
			if err != nil {
				t.Fatal(err)
			}
			p.say(`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>`, b64(second))
			has(t, p.expect(`(?s)<(success|failure).*?</(success|failure)>`)[0], tt.want)
		})
	}
}

// TestSASLErrors: RFC 6120 §6.5.
func TestSASLErrors(t *testing.T) {
	w := start(t, func(c *Config) { c.Sessions.LoginAttempts = 20 })
	w.person("alice", "a")
	p, _ := w.encrypted(domain, &tls.Config{})
	p.expect(`</stream:features>`)
	plain := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, tt := range []struct{ name, element, body, want string }{
		{"unknown mechanism", "auth mechanism='NONSENSE'", "=", "invalid-mechanism"},
		{"no mechanism", "auth", "=", "invalid-mechanism"},
		{"not base64", "auth mechanism='PLAIN'", "%%%", "incorrect-encoding"},
		{"no user", "auth mechanism='PLAIN'", plain("\x00\x00x"), "malformed-request"},
		{"wrong password", "auth mechanism='PLAIN'", plain("\x00alice\x00x"), "not-authorized"},
		{"unknown user", "auth mechanism='PLAIN'", plain("\x00nobody\x00x"), "not-authorized"},
		{"as somebody else", "auth mechanism='PLAIN'", plain("bob@meet.example.com\x00alice\x00pw of alice"), "invalid-authzid"},
		{"answer to nothing", "response", "=", "malformed-request"},
		{"given up", "abort", "", "aborted"},
		{"anonymous", "auth mechanism='ANONYMOUS'", "", "invalid-mechanism"},
	} {
		name := strings.Fields(tt.element)[0]
		p.say(`<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</%s>`, tt.element, tt.body, name)
		if got := p.expect(`<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><([a-z-]+)/>.*?</failure>`)[1]; got != tt.want {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
	// After all that the right password still opens the door, after an empty challenge.
	p.say(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>`)
	p.expect(`<challenge xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
	p.say(`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>`, plain("alice@meet.example.com\x00alice\x00pw of alice"))
	p.expect(`<success`)
	p.say(header, domain)
	p.expect(`</stream:features>`)
	p.say(`<message to='bob@meet.example.com'><body>too early</body></message>`)
	has(t, p.ended(), `<not-authorized`)
}

// TestWrongPasswords: who guesses is stopped on all connections, and nobody else.
func TestWrongPasswords(t *testing.T) {
	w := start(t, func(c *Config) { c.Sessions.WrongPasswords = 3 })
	w.person("alice", "a")
	try := func(from, password string) string {
		p := w.forwardedPeer(from, "", http.Header{"X-Forwarded-For": {from}})
		p.say(wsOpen, w.cfg.Domain)
		p.expect(`</stream:features>`)
		p.say(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN">%s</auth>`, b64("\x00alice\x00"+password))
		got := p.expect(`<success|<failure [^>]*><([a-z-]+)/>`)[1]
		p.end()
		return got
	}
	for range 3 {
		if got := try("192.0.2.1", "wrong"); got != "not-authorized" {
			t.Errorf("a wrong password: %s", got)
		}
	}
	for from, want := range map[string]string{"192.0.2.1": "temporary-auth-failure", "192.0.2.2": "", "127.0.0.1": ""} {
		if got := try(from, "pw of alice"); got != want {
			t.Errorf("the right password from %s: %q", from, got)
		}
	}
}

func TestBeforeLogin(t *testing.T) {
	w := start(t)
	p := w.tcp("early", domain)
	p.expect(`</stream:features>`)
	p.say(`<enable xmlns='urn:xmpp:sm:3'/>`)
	p.expect(`<failed xmlns="urn:xmpp:sm:3"><unexpected-request`)
	p.say(`<message to='bob@meet.example.com'><body>x</body></message>`)
	has(t, p.ended(), `<not-authorized xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`)
}

// TestUnreadIsKept: what a lost session never acknowledged waits for the next one.
func TestUnreadIsKept(t *testing.T) {
	w := start(t, func(c *Config) { c.Hibernate = 1_000_000_000 })
	a, b := w.person("alice", "a"), w.person("bob", "b")
	b.enable()
	b.say(`<presence/>`)
	b.expect(`<presence`)
	b.end()
	eventually(t, func() bool { return w.Server.c2s.Stats().Hibernating == 1 })
	a.say(`<message to='%s' type='chat' id='m'><body>are you there</body></message>`, bob)
	a.quiet(`id="m"`)
	eventually(t, func() bool { return w.Server.c2s.Stats().Sessions == 1 })
	b = w.person("bob", "again")
	b.say(`<presence/>`)
	b.expect(`<message [^>]*id="m".*<body>are you there</body>.*<delay xmlns="urn:xmpp:delay"`)
	a.quiet(`id="m"`)
}

// TestDeepXML: nesting is refused as soon as it is seen, whoever sends it.
func TestDeepXML(t *testing.T) {
	w := start(t)
	comp := w.component()
	comp.say("%s", `<message from='focus.meet.example.com' to='x@meet.example.com'>`+strings.Repeat("<a>", 100000))
	has(t, comp.ended(), `<policy-violation`)
	a := w.person("alice", "a")
	a.say("%s", `<message><body><b></body>`)
	has(t, a.ended(), `<not-well-formed`)
}

func TestStreamsPerAddress(t *testing.T) {
	w := start(t, func(c *Config) { c.Sessions.SessionsPerAddress = 2 })
	a := w.tcp("one", domain)
	w.tcp("two", domain)
	p := connPeer(t, "three", dial(t, w.c2s))
	has(t, p.ended(), `<policy-violation`, `Too many connections`)
	a.say(`</stream:stream>`)
	a.ended()
	eventually(t, func() bool {
		p := connPeer(t, "four", dial(t, w.c2s))
		defer p.end()
		p.say(header, domain)
		return strings.Contains(p.expect(`<stream:features>|<policy-violation`)[0], "features")
	})
}
