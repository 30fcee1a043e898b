package c2s

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"parley/internal/wire/ns"
	"parley/xmppd/sasl"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func message() sent {
	return sent{e: stanza.New(stanza.Message, "", stanza.Addr{}, stanza.Addr{}, "1").Encode()}
}

func TestCountersWrap(t *testing.T) {
	m := management{on: true, space: ns.SM3, out: 1<<32 - 3, ok: 1<<32 - 3}
	for range 5 {
		m.sent(message(), 100, 1<<20)
	}
	if m.out != 2 || len(m.unacked) != 5 {
		t.Fatalf("out %d, %d unacknowledged", m.out, len(m.unacked))
	}
	if e := m.acked(1<<32 - 1); e != nil || len(m.unacked) != 3 {
		t.Errorf("%v, %d left", e, len(m.unacked))
	}
	if e := m.acked(1<<32 - 2); e == nil {
		t.Error("a count that goes back was taken")
	}
	if e := m.acked(1); e != nil || len(m.unacked) != 1 {
		t.Errorf("%v, %d left", e, len(m.unacked))
	}
	if e := m.acked(3); e == nil || !strings.Contains(string(e.App), `h="3" send-count="2"`) {
		t.Errorf("too high: %v", e)
	}
	if e := m.acked(2); e != nil || m.unacked != nil || m.bytes != 0 {
		t.Errorf("%v, %d left, %d bytes", e, len(m.unacked), m.bytes)
	}
}

func TestForgottenStanzas(t *testing.T) {
	m := management{on: true, space: ns.SM3}
	for range 10 {
		m.sent(message(), 4, 1<<20)
	}
	if !m.gap() || len(m.unacked) != 4 || !m.behindGap(5) || m.behindGap(6) {
		t.Errorf("gap %v, %d kept", m.gap(), len(m.unacked))
	}
	if e := m.acked(3); e != nil || !m.gap() || len(m.unacked) != 4 {
		t.Errorf("%v: still behind, gap %v", e, m.gap())
	}
	if e := m.acked(7); e != nil || m.gap() || len(m.unacked) != 3 {
		t.Errorf("%v: caught up, gap %v, %d kept", e, m.gap(), len(m.unacked))
	}
	m = management{on: true}
	size := message().size()
	for range 10 {
		m.sent(message(), 100, 3*size)
	}
	if len(m.unacked) != 3 || m.bytes != 3*size {
		t.Errorf("%d kept, %d bytes", len(m.unacked), m.bytes)
	}
	m = management{}
	m.sent(message(), 4, 1<<20)
	if m.out != 0 || m.unacked != nil {
		t.Error("stanzas are kept without stream management")
	}
}

func TestMechanisms(t *testing.T) {
	var some struct{ sasl.Accounts }
	token := &Host{Accounts: some, Anonymous: true}
	accounts := &Host{Accounts: some, WebPasswords: true}
	both := &Host{Accounts: some, WebPasswords: true, Anonymous: true}
	guests := &Host{Anonymous: true, AnonymousTCP: true}
	for _, tt := range []struct {
		name        string
		host        *Host
		web, secure bool
		bound       bool
		want        string
	}{
		{"token on the web", token, true, true, false, "ANONYMOUS"},
		{"token over TLS", token, false, true, false, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"},
		{"bound to TLS", token, false, true, true, "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"},
		{"token in the clear", token, false, false, false, "SCRAM-SHA-256 SCRAM-SHA-1"},
		{"passwords on the web", accounts, true, true, false, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"},
		{"both on the web", both, true, true, false, "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN ANONYMOUS"},
		{"guests on the web", guests, true, true, false, "ANONYMOUS"},
		{"guests over TCP", guests, false, false, false, "ANONYMOUS"},
	} {
		if got := strings.Join(tt.host.mechanisms(tt.web, tt.secure, tt.bound), " "); got != tt.want {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

func TestReasonIsReadable(t *testing.T) {
	if got := string(appendPlain(nil, `'kid' <claim> & "more"`)); got != `'kid' &lt;claim&gt; &amp; "more"` {
		t.Error(got)
	}
}

// A client that tried to bind itself on this stream has seen that it may; it is not
// taken for one from which the offer was hidden.
func TestBindingIsAskedForOnce(t *testing.T) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{carrier: boundCarrier{cert: &tls.Certificate{Certificate: [][]byte{der}}}, host: &Host{Accounts: struct{ sasl.Accounts }{}}}
	for _, step := range []struct {
		mechanism string
		bound     bool
	}{{"SCRAM-SHA-256", true}, {"SCRAM-SHA-256-PLUS", true}, {"SCRAM-SHA-256", false}, {"SCRAM-SHA-1-PLUS", true}, {"SCRAM-SHA-1", false}} {
		if got := len(c.bindingsFor(step.mechanism)) > 0; got != step.bound {
			t.Errorf("%s is bound: %v", step.mechanism, got)
		}
	}
}

// boundCarrier is a stream inside TLS.
type boundCarrier struct {
	stream.Carrier
	cert *tls.Certificate
}

func (b boundCarrier) TLS() *stream.Encryption { return &stream.Encryption{Certificate: b.cert} }
func (boundCarrier) Secure() bool              { return true }
func (boundCarrier) Encrypted() bool           { return true }
func (boundCarrier) CanStartTLS() bool         { return false }
func (boundCarrier) StartTLS()                 {}
