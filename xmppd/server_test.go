package xmppd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/xdg-go/scram"
	"go.uber.org/goleak"

	"parley/internal/logx"
	"parley/jwtauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 30 * time.Second
	tokenKey = "0123456789abcdef0123456789abcdef"
)

// world is a running server and the ways to it.
type world struct {
	*Server
	t          *testing.T
	c2s, comps net.Listener
	web        *httptest.Server
	cert       tls.Certificate
	stop       func()
	why        error // what Run is to return
}

func testConfig(t *testing.T) Config {
	cfg := DefaultConfig()
	cfg.Domain = "meet.example.com"
	cfg.C2SListen, cfg.HTTPListen, cfg.ComponentListen = "127.0.0.1:0", "", ""
	cfg.Database = filepath.Join(t.TempDir(), "parley.db")
	cfg.Token.Secret = tokenKey
	cfg.Token.AppID = "parley"
	cfg.Components = map[string]string{"focus.meet.example.com": "s3cret"}
	cfg.ServiceAccounts = []ServiceAccount{{Name: "focus", Password: "focuspw"}, {Name: "jvb", Password: "jvbpw"}}
	return cfg
}

func start(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	cfg := testConfig(t)
	for _, f := range change {
		f(&cfg)
	}
	w := &world{t: t, cert: selfSigned(t)}
	var err error
	w.Server, err = New(cfg, logx.Discard(), Options{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &w.cert, nil }, Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.c2s, w.comps = listen(t), listen(t)
	go func(l net.Listener) { _ = w.ServeC2S(l) }(w.c2s)
	go func() { _ = w.ServeComponents(w.comps) }()
	w.web = httptest.NewServer(w.HTTPHandler())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	<-w.Ready()
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; !errors.Is(err, w.why) {
			t.Errorf("Run: %v", err)
		}
		w.web.Close()
	}
	t.Cleanup(w.stop)
	return w
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "meet.example.com"},
		DNSNames:  []string{"meet.example.com", "auth.meet.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// peer is a scripted client: it sends bytes and waits until a pattern was received.
type peer struct {
	t    *testing.T
	name string
	send func(string)
	in   chan string // what arrives, in pieces
	got  string      // not matched yet
	end  func()
}

func (p *peer) say(format string, args ...any) *peer {
	p.t.Helper()
	p.send(fmt.Sprintf(format, args...))
	return p
}

// expect waits for a regular expression and returns its groups; what came before
// and with it is forgotten.
func (p *peer) expect(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(patience)
	for {
		if m := re.FindStringSubmatchIndex(p.got); m != nil {
			var out []string
			for i := 0; i < len(m); i += 2 {
				if m[i] < 0 {
					out = append(out, "")
					continue
				}
				out = append(out, p.got[m[i]:m[i+1]])
			}
			p.got = p.got[m[1]:]
			return out
		}
		select {
		case s, ok := <-p.in:
			if !ok {
				p.t.Fatalf("%s: the stream ended while waiting for %s; had %q", p.name, pattern, p.got)
			}
			p.got += s
		case <-timeout:
			p.t.Fatalf("%s: nothing like %s; had %q", p.name, pattern, p.got)
		}
	}
}

// ended waits for the end of the stream and returns what came before.
func (p *peer) ended() string {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case s, ok := <-p.in:
			if !ok {
				return p.got
			}
			p.got += s
		case <-timeout:
			p.t.Fatalf("%s: the stream does not end; had %q", p.name, p.got)
		}
	}
}

func pump(r io.Reader, in chan<- string) {
	defer close(in)
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			in <- string(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

func connPeer(t *testing.T, name string, conn net.Conn) *peer {
	p := &peer{t: t, name: name, in: make(chan string, 1024)}
	p.send = func(s string) {
		_ = conn.SetWriteDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, s); err != nil {
			t.Logf("%s: write: %v", name, err)
		}
	}
	p.end = func() { _ = conn.Close() }
	go func() {
		pump(conn, p.in)
		_ = conn.Close()
	}()
	t.Cleanup(func() {
		p.end()
		for range p.in {
		}
	})
	return p
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

const header = `<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`

// tcp opens a TCP stream; loopback counts as secure unless the configuration says otherwise.
func (w *world) tcp(name, host string) *peer {
	p := connPeer(w.t, name, dial(w.t, w.c2s))
	p.say(header, host)
	p.expect(`<stream:stream [^>]*>`)
	return p
}

// account logs in by SCRAM and binds.
func (w *world) account(user, host, password, resource string) *peer {
	w.t.Helper()
	p := w.tcp(user, host)
	p.expect(`</stream:features>`)
	scramLogin(p, "SCRAM-SHA-256", scram.SHA256, user, password)
	p.say(header, host)
	p.expect(`</stream:features>`)
	p.bind(resource)
	return p
}

func (p *peer) bind(resource string) string {
	p.t.Helper()
	p.say(`<iq type='set' id='bind1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>`, resource)
	return p.expect(`<iq [^>]*id="bind1"[^>]*><bind [^>]*><jid>([^<]+)</jid></bind></iq>`)[1]
}

// websocketPeer dials /xmpp-websocket; each frame arrives as one piece.
func (w *world) websocketPeer(name, query string) *peer {
	w.t.Helper()
	return w.forwardedPeer(name, query, nil)
}

// forwardedPeer is the same with what a proxy adds to the request.
func (w *world) forwardedPeer(name, query string, head http.Header) *peer {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(w.web.URL, "http")+"/xmpp-websocket"+query,
		&websocket.DialOptions{Subprotocols: []string{"xmpp"}, HTTPHeader: head})
	if err != nil {
		w.t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	p := &peer{t: w.t, name: name, in: make(chan string, 1024)}
	p.send = func(s string) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.Write(ctx, websocket.MessageText, []byte(s)); err != nil {
			w.t.Logf("%s: write: %v", name, err)
		}
	}
	p.end = func() { _ = c.CloseNow() }
	go func() {
		defer close(p.in)
		for {
			_, b, err := c.Read(context.Background())
			if err != nil {
				return
			}
			p.in <- string(b)
		}
	}()
	w.t.Cleanup(func() {
		p.end()
		for range p.in {
		}
	})
	return p
}

const wsOpen = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="%s" version="1.0"/>`

// web logs in over WebSocket with a token and binds.
func (w *world) webSession(name, query string) (*peer, string) {
	w.t.Helper()
	p := w.websocketPeer(name, query)
	p.say(wsOpen, w.cfg.Domain)
	p.expect(`^<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" from="meet.example.com" id="[^"]+" version="1.0" xml:lang="en"/>`)
	p.expect(`^<stream:features xmlns:stream="http://etherx.jabber.org/streams" xmlns="jabber:client"><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>`)
	p.say(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`)
	p.expect(`^<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
	p.say(wsOpen, w.cfg.Domain)
	p.expect(`^<open [^>]*/>`)
	p.expect(`<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><required/></bind>.*<sm xmlns="urn:xmpp:sm:3">.*</stream:features>`)
	p.say(`<iq xmlns="jabber:client" type="set" id="_bind_auth_2"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`)
	jid := p.expect(`<iq xmlns="jabber:client" type="result" id="_bind_auth_2"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>([^<]+)</jid></bind></iq>`)[1]
	return p, jid
}

func token(t *testing.T, change func(*jwtauth.Config, *jwtauth.Grant)) string {
	t.Helper()
	cfg := jwtauth.DefaultConfig()
	cfg.AppID, cfg.Secret = "parley", tokenKey
	g := jwtauth.Grant{Room: "*", Subject: "meet.example.com", ID: "u1", Name: "Ann", TTL: time.Hour}
	if change != nil {
		change(&cfg, &g)
	}
	s, err := jwtauth.Mint(cfg, g, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// component connects the component focus.meet.example.com.
func (w *world) component() *peer {
	w.t.Helper()
	p := connPeer(w.t, "component", dial(w.t, w.comps))
	p.say(`<stream:stream xmlns="jabber:component:accept" xmlns:stream="http://etherx.jabber.org/streams" to="focus.meet.example.com">`)
	id := p.expect(`<stream:stream xmlns="jabber:component:accept"[^>]* id="([^"]+)" from="focus.meet.example.com">`)[1]
	p.say(`<handshake>%s</handshake>`, digest(id, "s3cret"))
	p.expect(`^<handshake/>`)
	return p
}

func digest(id, secret string) string {
	sum := sha1.Sum([]byte(id + secret))
	return hex.EncodeToString(sum[:])
}

func TestWebSocketTokenComponent(t *testing.T) {
	w := start(t)
	comp := w.component()
	ann, jid := w.webSession("ann", "?room=demo&prefix=&token="+token(t, nil))
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}@meet\.example\.com/.+$`).MatchString(jid) {
		t.Errorf("jid %q", jid)
	}
	ann.say(`<enable xmlns="urn:xmpp:sm:3" resume="true"/>`)
	ann.expect(`^<enabled xmlns="urn:xmpp:sm:3" id="[A-Za-z0-9_-]+" resume="true" max="60"/>`)
	ann.say(`<iq xmlns="jabber:client" type="get" to="meet.example.com" id="a:sendIQ"><services xmlns="urn:xmpp:extdisco:2"/></iq>`)
	ann.expect(`^<iq xmlns="jabber:client" to="` + regexp.QuoteMeta(jid) + `" type="result" id="a:sendIQ" from="meet.example.com"><services xmlns="urn:xmpp:extdisco:2"></services></iq>`)
	ann.say(`<iq xmlns="jabber:client" type="get" from="%s" to="meet.example.com" id="b"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`, jid)
	info := ann.expect(`<iq xmlns="jabber:client" [^>]*id="b"[^>]*>.*</iq>`)[0]
	for _, want := range []string{`<identity category="server" type="im" name="Parley"/>`, `var="urn:xmpp:ping"`, `var="urn:xmpp:extdisco:2"`, `var="jabber:iq:version"`} {
		if !strings.Contains(info, want) {
			t.Errorf("disco#info lacks %s: %s", want, info)
		}
	}
	ann.say(`<iq xmlns="jabber:client" type="get" to="meet.example.com" id="d"><ping xmlns="urn:xmpp:ping"/></iq>`)
	ann.expect(`<iq xmlns="jabber:client" [^>]*type="result" id="d" from="meet.example.com"/>`)
	ann.say(`<r xmlns="urn:xmpp:sm:3"/>`)
	ann.expect(`^<a xmlns="urn:xmpp:sm:3" h="3"/>`)

	ann.say(`<iq xmlns="jabber:client" type="set" to="focus.meet.example.com" id="c"><conference xmlns="http://jitsi.org/protocol/focus" room="demo@conference.meet.example.com"/></iq>`)
	comp.expect(`^<iq to="focus.meet.example.com" type="set" id="c" from="` + regexp.QuoteMeta(jid) + `"><conference xmlns="http://jitsi.org/protocol/focus" room="demo@conference.meet.example.com"/></iq>`)
	comp.say(`<iq from="focus.meet.example.com" to="%s" type="result" id="c"><conference xmlns="http://jitsi.org/protocol/focus" ready="true"/></iq>`, jid)
	ann.expect(`<iq xmlns="jabber:client" [^>]*id="c"[^>]*><conference xmlns="http://jitsi.org/protocol/focus" ready="true"/></iq>`)

	s := w.router.Session(w.users["meet.example.com"].All()[0].Addr())
	if c, ok := s.Token().(*jwtauth.Claims); !ok || c.User.Name != "Ann" || s.Info().Room != "demo" || !s.Info().Anonymous {
		t.Errorf("session knows %+v", s.Info())
	}
	ann.say(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`)
	ann.expect(`^<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />$`)
	ann.ended()
	<-s.Done()
}

func TestTokenRefused(t *testing.T) {
	w := start(t)
	for _, tt := range []struct{ name, query, want string }{
		{"none", "?room=demo", `<not-allowed/><text>token required</text></failure>`},
		{"signature", "?room=demo&token=" + token(t, func(c *jwtauth.Config, _ *jwtauth.Grant) { c.Secret = strings.Repeat("x", 32) }),
			`<not-allowed/><text>Invalid signature</text></failure>`},
		{"issuer", "?room=demo&token=" + token(t, func(c *jwtauth.Config, _ *jwtauth.Grant) { c.AppID = "other" }),
			`<not-allowed/><text>invalid 'iss' claim</text></failure>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := w.websocketPeer(tt.name, tt.query)
			p.say(wsOpen, w.cfg.Domain)
			p.expect(`</stream:features>`)
			p.say(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`)
			p.expect(`^<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl">` + regexp.QuoteMeta(tt.want))
			p.say(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`)
			p.ended()
		})
	}
}

// scramLogin logs in by SCRAM.
func scramLogin(p *peer, mech string, h scram.HashGeneratorFcn, user, password string) {
	p.t.Helper()
	c, err := h.NewClient(user, password, "")
	if err != nil {
		p.t.Fatal(err)
	}
	conv := c.NewConversation()
	first, _ := conv.Step("")
	p.say(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%s'>%s</auth>`, mech, base64.StdEncoding.EncodeToString([]byte(first)))
	b, _ := base64.StdEncoding.DecodeString(p.expect(`<challenge xmlns="urn:ietf:params:xml:ns:xmpp-sasl">([^<]*)</challenge>`)[1])
	second, err := conv.Step(string(b))
	if err != nil {
		p.t.Fatal(err)
	}
	p.say(`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>`, base64.StdEncoding.EncodeToString([]byte(second)))
	m := p.expect(`<(success|failure) xmlns="urn:ietf:params:xml:ns:xmpp-sasl">([^<]*)(<not-authorized/>)?`)
	if m[1] == "failure" {
		if m[3] == "" {
			p.t.Errorf("failure without not-authorized")
		}
		p.got = "failure" + p.got
		return
	}
	b, _ = base64.StdEncoding.DecodeString(m[2])
	if _, err := conv.Step(string(b)); err != nil || !conv.Valid() {
		p.t.Errorf("server signature: %v", err)
	}
}

func TestPasswordsOverTCP(t *testing.T) {
	w := start(t)
	ctx := context.Background()
	if err := w.Accounts().Create(ctx, "Alice", "meet.example.com", "correct horse"); err != nil {
		t.Fatal(err)
	}
	p := w.tcp("alice", "meet.example.com")
	p.expect(`<mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms>.*</stream:features>`)
	scramLogin(p, "SCRAM-SHA-256", scram.SHA256, "alice", "wrong")
	p.expect("failure")
	scramLogin(p, "SCRAM-SHA-256", scram.SHA256, "nobody", "wrong")
	p.expect("failure")
	scramLogin(p, "SCRAM-SHA-1", scram.SHA1, "alice", "correct horse")
	p.say(header, "meet.example.com")
	p.expect(`</stream:features>`)
	if jid := p.bind("home"); jid != "alice@meet.example.com/home" {
		t.Errorf("jid %q", jid)
	}
	p.say(`<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>`)
	p.expect(`<iq [^>]*type="result" id="s"/>`)
	p.say(`<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>`)
	p.expect(`<iq [^>]*id="r"[^>]*><query xmlns="jabber:iq:roster"></query></iq>`)
	p.say(`<iq type='get' id='u' to='meet.example.com'><x xmlns='urn:nobody'/></iq>`)
	p.expect(`<iq [^>]*type="error" id="u"[^>]*><error type="cancel"><service-unavailable`)

	bob := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	bob.say(`<message to='alice@meet.example.com/home' type='chat' id='m1'><body>hi &amp; "bye"</body></message>`)
	p.expect(`<message to="alice@meet.example.com/home" type="chat" id="m1" from="focus@auth.meet.example.com/focus"><body>hi &amp; "bye"</body>(<stanza-id [^>]*/>)?</message>`)
	p.say(`<message to='nobody@meet.example.com' type='chat' id='m2'><body>x</body></message>`)
	p.expect(`<message [^>]*type="error" id="m2" from="nobody@meet.example.com"><error type="cancel"><service-unavailable`)
	p.say(`<message to='x@other.example.org' id='m3'><body>x</body></message>`)
	p.expect(`id="m3"[^>]*><error type="cancel"><remote-server-not-found`)
	p.say(`<message to='@@' id='m4'><body>x</body></message>`)
	p.expect(`id="m4"[^>]*><error type="modify"><jid-malformed`)
	p.say("<presence to='x@conference.meet.example.com/&#x202e;' id='m5'/>")
	p.expect(`<presence [^>]*id="m5" from="x@conference.meet.example.com"><error type="modify"><jid-malformed`)
	// A second log-in with the same resource replaces the first.
	again := w.account("alice", "meet.example.com", "correct horse", "home")
	if got := p.ended(); !strings.Contains(got, `<stream:error><conflict xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`) {
		t.Errorf("replaced session heard %q", got)
	}
	again.say(`</stream:stream>`)
	if got := again.ended(); !strings.HasSuffix(got, `</stream:stream>`) {
		t.Errorf("end: %q", got)
	}
	again = w.account("alice", "meet.example.com", "correct horse", "home")
	if err := w.Accounts().Delete(ctx, "alice", "meet.example.com"); err != nil {
		t.Error(err)
	}
	if got := again.ended(); !strings.Contains(got, "The account was removed") {
		t.Errorf("the owner of a removed account heard %q", got)
	}
	if err := w.Accounts().SetPassword(ctx, "focus", "auth.meet.example.com", "x"); err == nil || !strings.Contains(err.Error(), "service_accounts[0].password") {
		t.Errorf("managed account: %v", err)
	}
}

// abroad is a listener whose clients seem to be on another machine.
type abroad struct{ net.Listener }

func (l abroad) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return farConn{c}, err
}

type farConn struct{ net.Conn }

func (farConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4000} }

func TestStartTLS(t *testing.T) {
	w := start(t, func(c *Config) { c.TrustLoopback = false })
	far := abroad{listen(t)}
	go func() { _ = w.ServeC2S(far) }()
	conn := dial(t, far)
	br := bufio.NewReader(conn)
	fmt.Fprintf(conn, header, "auth.meet.example.com")
	readUntil(t, br, `<stream:features><starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"><required/></starttls></stream:features>`)
	io.WriteString(conn, `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
	readUntil(t, br, `<proceed xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>`)
	tc := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	p := connPeer(t, "tls", tc)
	p.say(header, "auth.meet.example.com")
	p.expect(`<mechanism>PLAIN</mechanism></mechanisms><sasl-channel-binding xmlns="urn:xmpp:sasl-cb:0"><channel-binding type="tls-exporter"/><channel-binding type="tls-server-end-point"/></sasl-channel-binding>.*<inline>.*</stream:features>`)
	scramLogin(p, "SCRAM-SHA-256", scram.SHA256, "jvb", "jvbpw")
	p.say(header, "auth.meet.example.com")
	p.expect(`</stream:features>`)
	p.bind("x")
}

// On the server's own machine TLS is offered, and passwords in the clear are not.
func TestLoopbackNeedsNoTLS(t *testing.T) {
	w := start(t, func(c *Config) { c.TrustLoopback = false })
	p := w.tcp("near", "auth.meet.example.com")
	p.expect(`<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"></starttls><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms>`)
	scramLogin(p, "SCRAM-SHA-256", scram.SHA256, "jvb", "jvbpw")
}

func TestNothingBeforeTLS(t *testing.T) {
	w := start(t, func(c *Config) { c.TrustLoopback = false })
	w.c2s = abroad{listen(t)}
	go func(l net.Listener) { _ = w.ServeC2S(l) }(w.c2s)
	p := w.tcp("smuggler", "meet.example.com")
	p.say(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>`)
	p.expect(`<encryption-required/>`)
	p.say(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><iq type='get' id='x'/>`)
	if got := p.ended(); !strings.Contains(got, "policy-violation") {
		t.Errorf("heard %q", got)
	}
}

func readUntil(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	var got bytes.Buffer
	for !strings.Contains(got.String(), want) {
		b, err := r.ReadByte()
		if err != nil {
			t.Fatalf("%v while waiting for %s; had %s", err, want, got.String())
		}
		got.WriteByte(b)
	}
}
