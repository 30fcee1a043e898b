package focus_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/focus"
	"parley/internal/logx"
	"parley/internal/wire/ns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	roomAddr = "demo@conference.meet.localhost"
	brewery  = "jvbbrewery@internal.auth.meet.localhost"
	patience = 30 * time.Second
)

// server is an XMPP server of the smallest kind: two log-ins, rooms, a bridge in the
// brewery and web clients, all of which it plays itself.
type server struct {
	t *testing.T

	mu        sync.Mutex // guards what follows
	conns     map[string]net.Conn
	all       []net.Conn
	seen      []string          // stanzas of the focus, as "NAME TYPE TO PAYLOAD"
	inside    map[string]bool   // rooms the focus is in
	occupants map[string]string // full occupant address to what its presence carries
	bridges   map[string]bool   // occupants of the brewery that answer
	answers   chan string       // what the component, or the user, answered
	health    string            // inner XML of an error, for health checks
	slow      string            // a room that does not say yet that the focus is inside

	outMu sync.Mutex // guards outs: what is to be written to each connection
	outs  map[string]chan string
}

// stanza is a received stanza.
type stanza struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Inner   string     `xml:",innerxml"`
}

func (s *stanza) attr(name string) string {
	for _, a := range s.Attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

type secure struct{ net.Conn }

// Secure says that the connection needs no TLS.
func (secure) Secure() bool { return true }

func newServer(t *testing.T) *server {
	s := &server{
		t: t, conns: make(map[string]net.Conn), inside: make(map[string]bool), occupants: make(map[string]string),
		bridges: make(map[string]bool), answers: make(chan string, 1000), outs: make(map[string]chan string),
	}
	s.addBridge(brewery + "/jvb1")
	return s
}

func (s *server) addBridge(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bridges[addr] = true
	s.occupants[addr] = `<stats xmlns="http://jitsi.org/protocol/colibri"><stat name="drain" value="false"/></stats>`
}

// dial is focus.Options.Dial.
func (s *server) dial(_ context.Context, _, addr string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	s.mu.Lock()
	s.all = append(s.all, ours)
	s.mu.Unlock()
	go s.serve(ours, strings.HasSuffix(addr, ":5347"))
	return secure{theirs}, nil
}

// serve logs one connection in and answers its stanzas.
func (s *server) serve(c net.Conn, component bool) {
	defer c.Close()
	d := xml.NewDecoder(c)
	who := "user"
	if component {
		who = "component"
		if !header(d) {
			return
		}
		fmt.Fprintf(c, `<stream:stream xmlns="%s" xmlns:stream="%s" id="s1">`, ns.Component, ns.Stream)
		if next(d) == nil {
			return
		}
		io.WriteString(c, "<handshake/>")
	} else if !s.loginUser(c, d) {
		return
	}
	out := make(chan string, 1000) // written apart, so that a pipe never blocks both ways
	done := make(chan struct{})
	go func() {
		defer close(done)
		for text := range out {
			if _, err := io.WriteString(c, text); err != nil {
				for range out {
				}
				return
			}
		}
	}()
	s.setOut(who, out)
	s.mu.Lock()
	s.conns[who] = c
	s.mu.Unlock()
	for {
		st := next(d)
		if st == nil {
			break
		}
		s.handle(who, st)
	}
	s.setOut(who, nil)
	close(out)
	<-done
}

func (s *server) setOut(who string, out chan string) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	s.outs[who] = out
}

// write sends text to the focus's connection; nothing if there is none.
func (s *server) write(who, format string, args ...any) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	if out := s.outs[who]; out != nil {
		out <- fmt.Sprintf(format, args...)
	}
}

// attached says whether the connection is there to be written to.
func (s *server) attached(who string) bool {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	return s.outs[who] != nil
}

func header(d *xml.Decoder) bool {
	for {
		tok, err := d.Token()
		if err != nil {
			return false
		}
		if t, ok := tok.(xml.StartElement); ok {
			return t.Name.Local == "stream"
		}
	}
}

func next(d *xml.Decoder) *stanza {
	for {
		tok, err := d.Token()
		if err != nil {
			return nil
		}
		switch t := tok.(type) {
		case xml.StartElement:
			st := new(stanza)
			if d.DecodeElement(st, &t) != nil {
				return nil
			}
			return st
		case xml.EndElement:
			return nil
		}
	}
}

func (s *server) loginUser(c net.Conn, d *xml.Decoder) bool {
	open := fmt.Sprintf(`<stream:stream xmlns="%s" xmlns:stream="%s" id="s1" version="1.0" from="auth.meet.localhost">`, ns.Client, ns.Stream)
	if !header(d) {
		return false
	}
	fmt.Fprintf(c, `%s<stream:features><mechanisms xmlns="%s"><mechanism>PLAIN</mechanism></mechanisms></stream:features>`, open, ns.SASL)
	if next(d) == nil {
		return false
	}
	fmt.Fprintf(c, `<success xmlns="%s"/>`, ns.SASL)
	// A new stream begins: its header is a start tag inside the old one, to this decoder.
	*d = *xml.NewDecoder(c)
	if !header(d) {
		return false
	}
	fmt.Fprintf(c, `%s<stream:features><bind xmlns="%s"/></stream:features>`, open, ns.Bind)
	bind := next(d)
	if bind == nil {
		return false
	}
	fmt.Fprintf(c, `<iq type="result" id="%s"><bind xmlns="%s"><jid>focus@auth.meet.localhost/focus</jid></bind></iq>`, bind.attr("id"), ns.Bind)
	return true
}

// handle answers one stanza of the focus.
func (s *server) handle(who string, st *stanza) {
	to, kind, id := st.attr("to"), st.attr("type"), st.attr("id")
	s.mu.Lock()
	s.seen = append(s.seen, strings.Join([]string{st.XMLName.Local, kind, to, st.Inner}, " "))
	s.mu.Unlock()
	switch {
	case st.XMLName.Local == "presence":
		s.presence(st)
	case st.XMLName.Local != "iq":
	case kind == "result" || kind == "error":
		s.answers <- kind + " " + st.Inner
	default:
		result, inner := s.answer(to, st)
		s.write(who, `<iq type="%s" id="%s" from="%s" to="focus@auth.meet.localhost/focus">%s</iq>`, result, id, to, inner)
	}
}

func (s *server) presence(st *stanza) {
	to := st.attr("to")
	room, _, _ := strings.Cut(to, "/")
	if to == "" {
		return
	}
	if st.attr("type") == "unavailable" {
		s.mu.Lock()
		s.inside[room] = false
		s.mu.Unlock()
		s.write("user", `<presence type="unavailable" from="%s" to="focus@auth.meet.localhost/focus"><x xmlns="%s"><item affiliation="owner" role="none"/><status code="110"/></x></presence>`, to, ns.MUCUser)
		return
	}
	if !strings.Contains(st.Inner, `xmlns="`+ns.MUC+`"`) {
		return
	}
	s.mu.Lock()
	s.inside[room] = true
	var others []string
	for addr, carries := range s.occupants {
		if strings.HasPrefix(addr, room+"/") {
			others = append(others, occupantPresence(addr, carries))
		}
	}
	slow := room == s.slow
	s.mu.Unlock()
	for _, p := range others {
		s.write("user", "%s", p)
	}
	if !slow {
		s.letIn(to)
	}
}

// letIn tells the focus that it is inside.
func (s *server) letIn(to string) {
	s.write("user", `<presence from="%s" to="focus@auth.meet.localhost/focus"><x xmlns="%s"><item affiliation="owner" role="moderator" jid="focus@auth.meet.localhost/focus"/><status code="110"/></x></presence>`, to, ns.MUCUser)
}

func occupantPresence(addr, carries string) string {
	_, nick, _ := strings.Cut(addr, "/")
	return fmt.Sprintf(`<presence from="%s" to="focus@auth.meet.localhost/focus">%s<x xmlns="%s"><item affiliation="none" role="participant" jid="%s@meet.localhost/r"/></x></presence>`, addr, carries, ns.MUCUser, nick)
}

// answer is how the addressee of a request answers: type and content.
func (s *server) answer(to string, st *stanza) (kind, inner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case strings.Contains(st.Inner, ns.MUCOwner) && st.attr("type") == "get":
		return "result", fmt.Sprintf(`<query xmlns="%s"><x xmlns="%s" type="form"><field var="muc#roominfo_meetingId"><value>m-%s</value></field></x></query>`, ns.MUCOwner, ns.Data, to)
	case to == "meet.localhost" && strings.Contains(st.Inner, ns.DiscoInfo):
		return "result", fmt.Sprintf(`<query xmlns="%s"><identity category="component" type="av_moderation" name="avmoderation.meet.localhost"/></query>`, ns.DiscoInfo)
	case strings.Contains(st.Inner, ns.DiscoInfo):
		return "result", fmt.Sprintf(`<query xmlns="%s"><feature var="%s"/><feature var="%s"/><feature var="%s"/></query>`, ns.DiscoInfo, ns.FeatureAudio, ns.FeatureVideo, ns.FeatureJSONSources)
	case strings.HasPrefix(to, brewery+"/") && !s.bridges[to]:
		return "error", `<error type="cancel"><item-not-found xmlns="` + ns.Stanzas + `"/></error>`
	case strings.Contains(st.Inner, ns.HealthCheck) && s.health != "":
		return "error", s.health
	case strings.Contains(st.Inner, "conference-modify"):
		return "result", modified(st.Inner)
	}
	return "result", ""
}

// modified is a bridge's answer to a request for one endpoint.
func modified(request string) string {
	_, after, found := strings.Cut(request, `<endpoint id="`)
	if !found {
		return `<conference-modified xmlns="jitsi:colibri2"/>`
	}
	id, _, _ := strings.Cut(after, `"`)
	return fmt.Sprintf(`<conference-modified xmlns="jitsi:colibri2"><endpoint id="%s"><transport><transport xmlns="%s" ufrag="u" pwd="p"><rtcp-mux/></transport></transport></endpoint></conference-modified>`, id, ns.ICEUDP)
}

// enter makes somebody enter the room.
func (s *server) enter(addr string) {
	s.mu.Lock()
	s.occupants[addr] = ""
	s.mu.Unlock()
	s.write("user", "%s", occupantPresence(addr, ""))
}

// ask sends a conference request and returns the answer.
func (s *server) ask(who, from, payload string) string {
	s.t.Helper()
	to := map[string]string{"component": "focus.meet.localhost", "user": "focus@auth.meet.localhost/focus"}[who]
	s.write(who, `<iq type="set" id="c1" from="%s" to="%s">%s</iq>`, from, to, payload)
	return s.answered()
}

func (s *server) answered() string {
	s.t.Helper()
	select {
	case a := <-s.answers:
		return a
	case <-time.After(patience):
		s.t.Fatal("no answer")
		return ""
	}
}

// saw waits until the focus has sent a stanza that begins and goes on like this.
func (s *server) saw(begin string, contains ...string) string {
	s.t.Helper()
	var found string
	s.eventually("sent "+begin+" "+strings.Join(contains, " "), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, line := range s.seen {
			if strings.HasPrefix(line, begin) && !slices.ContainsFunc(contains, func(c string) bool { return !strings.Contains(line, c) }) {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

// forget forgets what was seen.
func (s *server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = nil
}

func (s *server) count(contains string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, line := range s.seen {
		if strings.Contains(line, contains) {
			n++
		}
	}
	return n
}

func (s *server) eventually(what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			s.mu.Lock()
			defer s.mu.Unlock()
			var tail []string
			for _, line := range s.seen[max(0, len(s.seen)-10):] {
				tail = append(tail, logx.Shorten(line, 200))
			}
			s.t.Fatalf("never: %s\nsent last:\n%s", what, strings.Join(tail, "\n"))
		}
	}
}

// cut breaks the focus's connection and waits for the next one.
func (s *server) cut(who string) {
	s.t.Helper()
	s.mu.Lock()
	c := s.conns[who]
	s.mu.Unlock()
	_ = c.Close()
	s.eventually("next connection", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.conns[who] != c
	})
}

func config() focus.Config {
	c := focus.DefaultConfig()
	c.Client.Password, c.Component.Secret = "p", "s"
	c.Bridge.HealthInterval = 0
	return c
}

// start runs a focus against the server until the test is over.
func (s *server) start(change ...func(*focus.Config, *focus.Options)) *focus.Service {
	s.t.Helper()
	cfg, opts := config(), focus.Options{Dial: s.dial, Version: "1.2"}
	for _, f := range change {
		f(&cfg, &opts)
	}
	svc, err := focus.New(cfg, logx.Discard(), opts)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	s.t.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				s.t.Errorf("run: %v", err)
			}
		case <-time.After(patience):
			s.t.Error("the focus does not stop")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.all {
			_ = c.Close()
		}
	})
	s.eventually("connected", func() bool {
		return svc.Connected() && s.attached("user") && (!cfg.Component.Enabled || s.attached("component"))
	})
	s.eventually("bridge known", func() bool { return len(svc.Bridges()) > 0 || cfg.Bridge.Brewery == "none" })
	return svc
}
