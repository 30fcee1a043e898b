package bridge

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"parley/internal/calltest"
	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/xmppclient"
)

// peer is the XMPP server's end of the bridge's connection.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   *xml.Decoder
}

type secureConn struct{ net.Conn }

func (secureConn) Secure() bool { return true }

// element is anything the bridge sends.
type element struct {
	XMLName xml.Name
	To      string `xml:"to,attr"`
	From    string `xml:"from,attr"`
	Type    string `xml:"type,attr"`
	ID      string `xml:"id,attr"`
	Inner   string `xml:",innerxml"`
}

func newPeers(t *testing.T) (dial func(context.Context, string, string) (net.Conn, error), accept func() *peer) {
	conns := make(chan net.Conn, 4)
	dial = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case conns <- theirs:
			return secureConn{ours}, nil
		default:
			return nil, net.ErrClosed
		}
	}
	accept = func() *peer {
		t.Helper()
		c := await(t, "a connection", conns)
		t.Cleanup(func() { _ = c.Close() })
		return &peer{t: t, conn: c}
	}
	return dial, accept
}

func (p *peer) write(format string, args ...any) {
	p.t.Helper()
	_ = p.conn.SetDeadline(time.Now().Add(calltest.Patience))
	if _, err := fmt.Fprintf(p.conn, format, args...); err != nil {
		p.t.Fatal(err)
	}
}

// open reads the stream header and answers it.
func (p *peer) open(space, features string) {
	p.t.Helper()
	p.in = xml.NewDecoder(p.conn)
	p.start()
	p.write(`<stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' id='s1' from='auth.example.org' version='1.0'>%s`, space, features)
}

// start reads up to the next start tag.
func (p *peer) start() xml.StartElement {
	p.t.Helper()
	_ = p.conn.SetDeadline(time.Now().Add(calltest.Patience))
	for {
		tok, err := p.in.Token()
		if err != nil {
			p.t.Fatal(err)
		}
		if s, ok := tok.(xml.StartElement); ok {
			return s
		}
	}
}

// next reads the next element for which match holds.
func (p *peer) next(what string, match func(element) bool) element {
	p.t.Helper()
	for {
		s := p.start()
		var e element
		if err := p.in.DecodeElement(&e, &s); err != nil {
			p.t.Fatalf("%s: %v", what, err)
		}
		if match(e) {
			return e
		}
	}
}

func named(local string) func(element) bool {
	return func(e element) bool { return e.XMLName.Local == local }
}

// login plays the server's side of a log-in as a user, up to the brewery, where others may
// be before.
func (p *peer) login(others ...string) (occupant string) {
	p.t.Helper()
	p.open("jabber:client", `<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>`)
	p.next("auth", named("auth"))
	p.write(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`)
	p.open("jabber:client", `<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>`)
	bind := p.next("bind", named("iq"))
	p.write(`<iq type='result' id='%s'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>jvb@auth.example.org/x</jid></bind></iq>`, bind.ID)
	join := p.next("join", func(e element) bool { return e.XMLName.Local == "presence" && e.To != "" })
	for _, o := range others {
		p.write("%s", o)
	}
	p.write(`<presence from='%s' to='jvb@auth.example.org/x'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner' role='moderator'/><status code='110'/></x></presence>`, join.To)
	return join.To
}

func (p *peer) ask(from, typ, payload string) element {
	p.t.Helper()
	p.write(`<iq type='%s' id='q' from='%s' to='jvb@auth.example.org/x'>%s</iq>`, typ, from, payload)
	return p.next("the answer", func(e element) bool { return e.XMLName.Local == "iq" && e.ID == "q" })
}

// attach runs a bridge that knows the given servers.
func attach(t *testing.T, edit func(*Config)) (s *Service, accept func() *peer, stop func()) {
	t.Helper()
	dial, accept := newPeers(t)
	cfg := testConfig()
	cfg.StatsInterval = time.Second
	cfg.XMPP[0].Rooms = []string{"jvbbrewery@internal.example.org"}
	cfg.XMPP[0].Nick = "jvb-a"
	edit(&cfg)
	s, err := New(cfg, logx.Discard(), Options{Dial: dial, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := await(t, "the end", done); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return s, accept, stop
}

const focus = "jvbbrewery@internal.example.org/focus"

// TestAnotherFocusIsGivenTime: a bridge that comes where Jicofo is keeps quiet for a moment.
func TestAnotherFocusIsGivenTime(t *testing.T) {
	for name, least := range map[string]time.Duration{"Parley focus": 0, "jicofo": settleTime} {
		t.Run(name, func(t *testing.T) {
			_, accept, _ := attach(t, func(*Config) {})
			p := accept()
			p.login(`<presence from='` + focus + `' to='jvb@auth.example.org/x'><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://jitsi.org/jicofo' ver='x'/></presence>`)
			entered := time.Now()
			ask := p.next("the question who that is", func(e element) bool { return e.To == focus })
			p.write(`<iq type='result' id='%s' from='%s'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' type='bot' name='%s'/></query></iq>`, ask.ID, focus, name)
			p.next("statistics", func(e element) bool { return strings.Contains(e.Inner, "<stats") })
			if took := time.Since(entered); took < least {
				t.Errorf("statistics after %v", took)
			}
		})
	}
}

func TestBrewery(t *testing.T) {
	s, accept, stop := attach(t, func(*Config) {})
	p := accept()
	if at := p.login(); at != "jvbbrewery@internal.example.org/jvb-a" {
		t.Errorf("joined as %s", at)
	}
	stats := p.next("statistics", func(e element) bool { return strings.Contains(e.Inner, "<stats") })
	if stats.To != "jvbbrewery@internal.example.org/jvb-a" || strings.Contains(stats.Inner, "protocol/muc\"") {
		t.Errorf("statistics to %s: %s", stats.To, stats.Inner)
	}
	var got colibri.Stats
	if err := xml.Unmarshal([]byte(stats.Inner), &got); err != nil {
		t.Fatal(err)
	}
	status := colibri.NewStatus()
	status.Apply(&got)
	if status.Drain || !status.Healthy || status.Version != "1.2.3" || status.Graceful || status.ShuttingDown {
		t.Errorf("the focus understands %+v", status)
	}
	for _, name := range []string{"stress_level", "average_participant_stress", "current_timestamp", "conferences", "total_packets_sent"} {
		if _, ok := got.Get(name); !ok {
			t.Errorf("%s is missing", name)
		}
	}
	if !s.Connected() {
		t.Error("the service does not know that it is connected")
	}

	health := `<healthcheck xmlns='http://jitsi.org/protocol/healthcheck'/>`
	if a := p.ask(focus, "get", health); a.Type != "result" || a.Inner != "" {
		t.Errorf("health check: %s %s", a.Type, a.Inner)
	}
	for _, typ := range []string{"get", "set"} {
		create := `<conference-modify xmlns='jitsi:colibri2' meeting-id='` + typ + `' create='true'><traceparent xmlns='jitsi:opentelemetry' trace_id='0'/><endpoint id='a' create='true'><transport ice-controlling='true'><sctp/></transport><capability name='source-names'/></endpoint></conference-modify>`
		if a := p.ask("jvbbrewery@internal.example.org", typ, create); a.Type != "error" || !strings.Contains(a.Inner, "forbidden") {
			t.Errorf("a stranger was answered %s %s", a.Type, a.Inner)
		}
		if a := p.ask(focus, typ, create); a.Type != "result" || !strings.Contains(a.Inner, "conference-modified") || a.To != focus {
			t.Errorf("create by %s: %s %s", typ, a.Type, a.Inner)
		}
		if a := p.ask(focus, typ, create); !strings.Contains(a.Inner, `reason="conference_already_exists"`) || !strings.Contains(a.Inner, "<conference-modify") {
			t.Errorf("create again by %s: %s", typ, a.Inner)
		}
	}
	if a := p.ask(focus, "get", `<query xmlns='jabber:iq:version'/>`); !strings.Contains(a.Inner, "<version>1.2.3</version>") {
		t.Errorf("version: %s", a.Inner)
	}
	if a := p.ask(focus, "get", `<query xmlns='http://jabber.org/protocol/disco#info'/>`); !strings.Contains(a.Inner, "urn:xmpp:jingle:transports:ice-udp:1") {
		t.Errorf("features: %s", a.Inner)
	}
	for _, old := range []string{`<conference xmlns='http://jitsi.org/protocol/colibri' id='1'/>`, `<graceful-shutdown xmlns='http://jitsi.org/protocol/colibri'/>`} {
		if a := p.ask(focus, "get", old); !strings.Contains(a.Inner, "service-unavailable") {
			t.Errorf("%s: %s", old, a.Inner)
		}
	}

	s.Drain(true)
	p.next("drained statistics", func(e element) bool { return strings.Contains(e.Inner, `name="drain" value="true"`) })

	go stop()
	p.next("the leave", func(e element) bool { return e.XMLName.Local == "presence" && e.Type == "unavailable" })
}

func TestComponent(t *testing.T) {
	_, accept, _ := attach(t, func(c *Config) {
		c.XMPP[0] = XMPPConfig{
			Config: xmppclient.Config{Address: "127.0.0.1:5347", Component: true, Domain: "jitsi-videobridge.example.org", Password: "secret"},
			Allow:  []string{"focus.example.org"},
		}
	})
	p := accept()
	p.open("jabber:component:accept", "")
	p.next("handshake", named("handshake"))
	p.write(`<handshake/>`)
	ask := func(from string) element {
		p.write(`<iq type='get' id='q' from='%s' to='jitsi-videobridge.example.org'><healthcheck xmlns='http://jitsi.org/protocol/healthcheck'/></iq>`, from)
		return p.next("the answer", func(e element) bool { return e.XMLName.Local == "iq" && e.ID == "q" })
	}
	if a := ask("focus.example.org"); a.Type != "result" || a.From != "jitsi-videobridge.example.org" {
		t.Errorf("the focus was answered %+v", a)
	}
	if a := ask("someone@example.org/x"); !strings.Contains(a.Inner, "forbidden") {
		t.Errorf("a stranger was answered %+v", a)
	}
}

// TestShutdownIsAnnounced: the focus sees every step of the way out, and new conferences are
// refused from the first on, while those there are go on.
func TestShutdownIsAnnounced(t *testing.T) {
	dial, accept := newPeers(t)
	cfg := testConfig()
	cfg.StatsInterval = time.Second
	cfg.XMPP[0].Rooms, cfg.XMPP[0].Nick = []string{"jvbbrewery@internal.example.org"}, "jvb-a"
	cfg.Shutdown.Delay = time.Hour
	s, err := New(cfg, logx.Discard(), Options{Dial: dial, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context()) }()
	p := accept()
	p.login()
	status := func(what string, want func(*colibri.Status) bool) {
		t.Helper()
		p.next(what, func(e element) bool {
			var got colibri.Stats
			if !strings.Contains(e.Inner, "<stats") || xml.Unmarshal([]byte(e.Inner), &got) != nil {
				return false
			}
			st := colibri.NewStatus()
			st.Apply(&got)
			return want(&st)
		})
	}
	create := func(meeting string) string {
		return `<conference-modify xmlns='jitsi:colibri2' meeting-id='` + meeting + `' create='true'><endpoint id='a' create='true'><transport/><capability name='source-names'/></endpoint></conference-modify>`
	}
	status("running", func(st *colibri.Status) bool { return !st.Graceful && !st.ShuttingDown })
	if a := p.ask(focus, "get", create("one")); a.Type != "result" {
		t.Fatalf("create: %s", a.Inner)
	}
	s.Shutdown(true)
	status("graceful shutdown", func(st *colibri.Status) bool { return st.Graceful && !st.ShuttingDown })
	if a := p.ask(focus, "get", create("two")); !strings.Contains(a.Inner, "service-unavailable") || !strings.Contains(a.Inner, `reason="graceful_shutdown"`) {
		t.Errorf("a new conference was answered %s", a.Inner)
	}
	if a := p.ask(focus, "get", strings.Replace(strings.Replace(create("one"), ` create='true'>`, `>`, 1), `id='a'`, `id='b'`, 1)); a.Type != "result" {
		t.Errorf("a conference that is there does not grow: %s", a.Inner)
	}
	s.Shutdown(false)
	status("shutting down", func(st *colibri.Status) bool { return st.ShuttingDown })
	// The focus moves them, and the bridge goes at once.
	if a := p.ask(focus, "get", `<conference-modify xmlns='jitsi:colibri2' meeting-id='one' expire='true'/>`); a.Type != "result" {
		t.Errorf("expire: %s", a.Inner)
	}
	p.next("the leave", func(e element) bool { return e.XMLName.Local == "presence" && e.Type == "unavailable" })
	if err := await(t, "the end", done); !errors.Is(err, ErrShutdown) {
		t.Errorf("ended with %v", err)
	}
}
