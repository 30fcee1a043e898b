package xmppclient

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"github.com/xdg-go/scram"
	"go.uber.org/goleak"

	"parley/internal/wire/ns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "pencil"

// patience is how long anything may take on the slowest of machines.
const patience = 45 * time.Second

// fakeServer accepts connections by its dial function and speaks the server's side of
// the log-in; after that the test holds the connection.
type fakeServer struct {
	t     *testing.T
	dials chan net.Conn
	// what the server offers and wants
	mechanisms []string
	tls        *tls.Config
	secure     bool // the pipe counts as in-process
	refuse     bool
	sm         bool // offers stream management
}

type secureConn struct{ net.Conn }

func (secureConn) Secure() bool { return true }

func newFake(t *testing.T) *fakeServer {
	f := &fakeServer{t: t, dials: make(chan net.Conn, 16), mechanisms: []string{"SCRAM-SHA-256", "SCRAM-SHA-1"}, secure: true}
	t.Cleanup(func() { // connections nobody accepted
		for {
			select {
			case c := <-f.dials:
				c.Close()
			default:
				return
			}
		}
	})
	return f
}

func (f *fakeServer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	got := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept()
		got <- c
	}()
	ours, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	f.dials <- <-got
	if f.secure {
		return secureConn{ours}, nil
	}
	return ours, nil
}

// peer is the server's end of one connection.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   *stanzaReader
}

func (f *fakeServer) accept() *peer {
	f.t.Helper()
	select {
	case c := <-f.dials:
		f.t.Cleanup(func() { c.Close() })
		return &peer{t: f.t, conn: c}
	case <-time.After(patience):
		f.t.Fatal("nobody connects")
		return nil
	}
}

func (p *peer) write(format string, args ...any) {
	p.t.Helper()
	_ = p.conn.SetDeadline(time.Now().Add(patience))
	_, err := fmt.Fprintf(p.conn, format, args...)
	require.NoError(p.t, err)
}

func (p *peer) open(space, features string) {
	p.t.Helper()
	_ = p.conn.SetDeadline(time.Now().Add(patience))
	p.in = newStanzaReader(p.conn, 1<<20, 64)
	_, err := p.in.open()
	require.NoError(p.t, err)
	p.write("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' id='s1' from='auth.example.org' version='1.0'>%s", space, features)
}

func (p *peer) next() *Stanza {
	p.t.Helper()
	_ = p.conn.SetDeadline(time.Now().Add(patience))
	st, err := p.in.next()
	require.NoError(p.t, err)
	return st
}

// nextPayload skips stanzas until one with that payload comes.
func (p *peer) nextPayload(local string) *Stanza {
	p.t.Helper()
	for {
		if st := p.next(); st.Payload.Local == local {
			return st
		}
	}
}

// login plays the whole log-in of a user.
func (f *fakeServer) login() *peer {
	f.t.Helper()
	p := f.accept()
	if f.tls != nil {
		p.open(ns.Client, "<stream:features><starttls xmlns='"+ns.StartTLS+"'><required/></starttls></stream:features>")
		require.Equal(f.t, "starttls", p.next().Name)
		p.write("<proceed xmlns='%s'/>", ns.StartTLS)
		c := tls.Server(p.conn, f.tls)
		require.NoError(f.t, c.Handshake())
		p.conn = c
	}
	p.open(ns.Client, f.saslFeatures())
	if !p.scramOrPlain(f.refuse) {
		return p
	}
	features := "<bind xmlns='" + ns.Bind + "'/><session xmlns='" + ns.Session + "'><optional/></session>"
	if f.sm {
		features += "<sm xmlns='" + ns.SM3 + "'><optional/></sm>"
	}
	p.open(ns.Client, "<stream:features>"+features+"</stream:features>")
	bind := p.next()
	require.Equal(f.t, "bind", bind.Payload.Local)
	p.write("<iq type='result' id='%s'><bind xmlns='%s'><jid>focus@auth.example.org/r1</jid></bind></iq>", bind.ID, ns.Bind)
	return p
}

func (f *fakeServer) saslFeatures() string {
	var b strings.Builder
	b.WriteString("<stream:features><mechanisms xmlns='" + ns.SASL + "'>")
	for _, m := range f.mechanisms {
		b.WriteString("<mechanism>" + m + "</mechanism>")
	}
	b.WriteString("</mechanisms></stream:features>")
	return b.String()
}

func words(st *Stanza) string {
	s, err := saslText(st)
	if err != nil {
		return ""
	}
	return s
}

func (p *peer) scramOrPlain(refuse bool) bool {
	p.t.Helper()
	auth := p.next()
	require.Equal(p.t, "auth", auth.Name)
	if refuse {
		p.write("<failure xmlns='%s'><not-authorized/></failure>", ns.SASL)
		return false
	}
	var v struct {
		Mechanism string `xml:"mechanism,attr"`
	}
	require.NoError(p.t, auth.Decode(&v))
	if v.Mechanism == "PLAIN" {
		require.Equal(p.t, "\x00focus\x00"+password, words(auth))
		p.write("<success xmlns='%s'/>", ns.SASL)
		return true
	}
	hash := map[string]scram.HashGeneratorFcn{"SCRAM-SHA-256": scram.SHA256, "SCRAM-SHA-1": scram.SHA1}[v.Mechanism]
	cl, err := hash.NewClient("focus", password, "")
	require.NoError(p.t, err)
	creds, err := cl.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt", Iters: 4096})
	require.NoError(p.t, err)
	srv, err := hash.NewServer(func(string) (scram.StoredCredentials, error) { return creds, nil })
	require.NoError(p.t, err)
	conv := srv.NewConversation()
	challenge, err := conv.Step(words(auth))
	require.NoError(p.t, err)
	p.write("<challenge xmlns='%s'>%s</challenge>", ns.SASL, base64.StdEncoding.EncodeToString([]byte(challenge)))
	final, err := conv.Step(words(p.next()))
	require.NoError(p.t, err)
	require.True(p.t, conv.Valid())
	p.write("<success xmlns='%s'>%s</success>", ns.SASL, base64.StdEncoding.EncodeToString([]byte(final)))
	return true
}

// component plays the accepting side of XEP-0114; false if the secret is wrong.
func (f *fakeServer) component() (*peer, bool) {
	f.t.Helper()
	p := f.accept()
	p.open(ns.Component, "")
	var v struct {
		Text string `xml:",chardata"`
	}
	require.NoError(f.t, p.next().Decode(&v))
	sum := sha1.Sum([]byte("s1" + password))
	if v.Text != hex.EncodeToString(sum[:]) || f.refuse {
		p.write("<stream:error><not-authorized xmlns='%s'/></stream:error></stream:stream>", ns.Streams)
		p.conn.Close()
		return p, false
	}
	p.write("<handshake/>")
	return p, true
}

func userConfig() Config {
	return Config{Address: "127.0.0.1:5222", Domain: "auth.example.org", Username: "focus", Password: password, Resource: "focus"}
}

func componentConfig() Config {
	return Config{Address: "127.0.0.1:5347", Component: true, Domain: "focus.example.org", Password: password}
}

// logs gathers log output.
type logs struct {
	bytes.Buffer
}

func testLog(level logrus.Level) (*logrus.Entry, *logs) {
	out := &logs{}
	l := logrus.New()
	l.SetOutput(out)
	l.SetLevel(level)
	return logrus.NewEntry(l), out
}

// startClient runs a client until the test ends.
func startClient(t *testing.T, f *fakeServer, cfg Config, opts Options, log *logrus.Entry) (*Client, context.CancelFunc) {
	t.Helper()
	opts.Dial = f.dial
	c, err := New(cfg, log, opts)
	require.NoError(t, err)
	return c, runClient(t, c)
}

func runClient(t *testing.T, c *Client) context.CancelFunc {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx)
	}()
	stop := func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	}
	t.Cleanup(stop)
	return stop
}

func newTLSServer(c net.Conn, cfg *tls.Config) *tls.Conn { return tls.Server(c, cfg) }

func certificate(t *testing.T, name string) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, file
}
