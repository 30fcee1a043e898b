package router

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeSink keeps what a session was sent.
type fakeSink struct {
	mu   sync.Mutex
	got  []string
	dead bool
}

func (f *fakeSink) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return false
	}
	f.got = append(f.got, string(e.Append(nil, to, "")))
	return true
}

func (f *fakeSink) Kick(string, string) {}

func (f *fakeSink) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := strings.Join(f.got, "\n")
	f.got = nil
	return s
}

// fakeHost keeps what it was given.
type fakeHost struct{ got []*stanza.Stanza }

func (f *fakeHost) HandleStanza(st *stanza.Stanza, _ *Session) { f.got = append(f.got, st) }

// memory is a Roster.
type memory map[[2]stanza.Addr]Contact

func (m memory) Contacts(owner stanza.Addr) (out []Contact, err error) {
	for k, c := range m {
		if k[0] == owner {
			out = append(out, c)
		}
	}
	return out, nil
}
func (m memory) Contact(owner, c stanza.Addr) (Contact, bool, error) {
	x, ok := m[[2]stanza.Addr{owner, c}]
	return x, ok, nil
}
func (m memory) SetContact(owner stanza.Addr, c Contact) (string, error) {
	m[[2]stanza.Addr{owner, c.Addr}] = c
	return "v", nil
}
func (m memory) RemoveContact(owner, c stanza.Addr) (string, error) {
	delete(m, [2]stanza.Addr{owner, c})
	return "v", nil
}
func (m memory) Changes(stanza.Addr, string) ([]Contact, string, bool, error) {
	return nil, "v", false, nil
}

type house struct {
	*Router
	t     *testing.T
	users *Users
	svc   *fakeHost
	list  memory
}

func newHouse(t *testing.T) *house {
	h := &house{Router: New(logx.Discard()), t: t, svc: &fakeHost{}, list: memory{}}
	h.users = NewUsers(h.Router, "example.com", UsersOptions{Service: h.svc, Roster: h.list, Exists: func(string) bool { return true }})
	if err := h.Add("example.com", h.users); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) session(addr string) (*Session, *fakeSink) {
	sink := &fakeSink{}
	s := NewSession(stanza.MustAddr(addr), sink, &Info{})
	if h.users.Bind(s) != nil {
		h.t.Fatalf("%s is taken", addr)
	}
	return s, sink
}

func (h *house) from(s *Session, xml string) {
	st, err := stanza.Parse([]byte(xml), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.users.FromSession(s, st)
}

func TestDelivery(t *testing.T) {
	h := newHouse(t)
	ann, annSink := h.session("ann@example.com/a")
	phone, phoneSink := h.session("bob@example.com/phone")
	desk, deskSink := h.session("bob@example.com/desk")
	h.from(phone, `<presence><priority>5</priority></presence>`)
	h.from(desk, `<presence><priority>1</priority></presence>`)
	phoneSink.take()
	deskSink.take()
	for _, tt := range []struct{ name, send, phone, desk, ann string }{
		{"full", `<message to="bob@example.com/desk" id="1"/>`, "", `<message to="bob@example.com/desk" id="1" from="ann@example.com/a"/>`, ""},
		{"highest priority", `<message to="bob@example.com" type="chat" id="1"/>`, `<message to="bob@example.com" type="chat" id="1" from="ann@example.com/a"/>`, "", ""},
		{"headline", `<message to="bob@example.com" type="headline"/>`, `<message to="bob@example.com" type="headline" from="ann@example.com/a"/>`,
			`<message to="bob@example.com" type="headline" from="ann@example.com/a"/>`, ""},
		{"groupchat", `<message to="bob@example.com" type="groupchat" id="1"/>`, "", "", `type="error"`},
		{"chat to another resource", `<message to="bob@example.com/car" type="chat" id="1"/>`, `<message to="bob@example.com/car" type="chat" id="1" from="ann@example.com/a"/>`, "", ""},
		{"normal to another resource", `<message to="bob@example.com/car" id="1"/>`, "", "", `<service-unavailable`},
		{"groupchat to another resource", `<message to="bob@example.com/car" type="groupchat" id="1"/>`, "", "", `<service-unavailable`},
		{"headline to another resource", `<message to="bob@example.com/car" type="headline" id="1"/>`, "", "", ""},
		{"strange presence", `<presence to="bob@example.com" type="strange" id="1"/>`, "", "", `<bad-request`},
		{"iq to nobody", `<iq to="bob@example.com/car" type="get" id="1"><x xmlns="y"/></iq>`, "", "", `<service-unavailable`},
		{"result to nobody", `<iq to="bob@example.com/car" type="result" id="1"/>`, "", "", ""},
		{"offline", `<message to="carl@example.com" type="chat" id="1"/>`, "", "", `<service-unavailable`},
		{"error to offline", `<message to="carl@example.com" type="error" id="1"/>`, "", "", ""},
		{"presence to nobody", `<presence to="bob@example.com/car"/>`, "", "", ""},
		{"remote", `<message to="x@other.example" id="1"/>`, "", "", `<remote-server-not-found`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.from(ann, tt.send)
			if got := phoneSink.take(); got != tt.phone {
				t.Errorf("phone: %s", got)
			}
			if got := deskSink.take(); got != tt.desk {
				t.Errorf("desk: %s", got)
			}
			if got := annSink.take(); tt.ann == "" && got != "" || !strings.Contains(got, tt.ann) {
				t.Errorf("ann: %s", got)
			}
		})
	}
	h.from(ann, `<iq to="bob@example.com" type="get" id="1"><x xmlns="y"/></iq>`)
	h.from(ann, `<iq type="get" id="2"><x xmlns="y"/></iq>`)
	if n := len(h.svc.got); n != 2 || h.svc.got[1].To.String() != "ann@example.com" {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestEndOfSession(t *testing.T) {
	h := newHouse(t)
	room := &fakeHost{}
	if err := h.Add("rooms.example.com", room); err != nil {
		t.Fatal(err)
	}
	ann, sink := h.session("ann@example.com/a")
	h.from(ann, `<presence to="demo@rooms.example.com/ann"/>`)
	h.from(ann, `<presence to="other@rooms.example.com/ann"/>`)
	h.from(ann, `<presence to="other@rooms.example.com/ann" type="unavailable"/>`)
	if h.users.Bind(NewSession(ann.Addr(), sink, &Info{})) != ann {
		t.Error("an address was given twice")
	}
	ended := 0
	ann.OnEnd(func() { ended++ })
	stop := ann.OnEnd(func() { t.Error("called after stop") })
	stop()
	room.got = nil
	h.users.Unbind(ann, "gone")
	h.users.Unbind(ann, "again")
	if len(room.got) != 1 || room.got[0].String() != `<presence to="demo@rooms.example.com/ann" type="unavailable" from="ann@example.com/a"><status>gone</status></presence>` {
		t.Errorf("the rooms heard %v", room.got)
	}
	<-ann.Done()
	ann.OnEnd(func() { ended++ })
	if ended != 2 {
		t.Errorf("OnEnd called %d times", ended)
	}
	if h.Session(ann.Addr()) != nil || h.users.Count() != 0 {
		t.Error("the session is still there")
	}
}

func TestDirectedPresenceIsBounded(t *testing.T) {
	h := newHouse(t)
	ann, sink := h.session("ann@example.com/a")
	room := &fakeHost{}
	_ = h.Add("rooms.example.com", room)
	for i := range maxDirected + 1 {
		h.from(ann, `<presence to="r`+string(rune('a'+i%26))+strings.Repeat("x", i/26)+`@rooms.example.com/n"/>`)
	}
	if got := sink.take(); !strings.Contains(got, "<resource-constraint") || len(room.got) != maxDirected {
		t.Errorf("%d let through, heard %s", len(room.got), got)
	}
}

func TestSubscription(t *testing.T) {
	h := newHouse(t)
	ann, annSink := h.session("ann@example.com/a")
	bob, bobSink := h.session("bob@example.com/b")
	ann.Interested()
	bob.Interested()
	h.from(ann, `<presence/>`)
	h.from(bob, `<presence/>`)
	annSink.take()
	bobSink.take()
	h.from(ann, `<presence type="subscribe" to="bob@example.com" id="s"/>`)
	if got := annSink.take(); !strings.Contains(got, `<item jid="bob@example.com" subscription="none" ask="subscribe">`) {
		t.Errorf("ann: %s", got)
	}
	if got := bobSink.take(); got != `<presence to="bob@example.com" type="subscribe" id="s" from="ann@example.com"/>` {
		t.Errorf("bob: %s", got)
	}
	h.from(bob, `<presence type="subscribed" to="ann@example.com"/>`)
	got := annSink.take()
	for _, want := range []string{`type="subscribed" from="bob@example.com"`, `subscription="to"`, `<presence to="ann@example.com" from="bob@example.com/b"/>`} {
		if !strings.Contains(got, want) {
			t.Errorf("ann lacks %s: %s", want, got)
		}
	}
	if got := bobSink.take(); !strings.Contains(got, `<item jid="ann@example.com" subscription="from">`) {
		t.Errorf("bob: %s", got)
	}
	h.from(bob, `<presence><show>away</show></presence>`)
	if got := annSink.take(); got != `<presence to="ann@example.com" from="bob@example.com/b"><show>away</show></presence>` {
		t.Errorf("ann: %s", got)
	}
	h.users.Unbind(bob, "")
	if got := annSink.take(); got != `<presence to="ann@example.com" type="unavailable" from="bob@example.com/b"/>` {
		t.Errorf("ann: %s", got)
	}
	// Who comes later is told by a probe.
	bob, bobSink = h.session("bob@example.com/b")
	h.from(bob, `<presence/>`)
	annSink.take()
	ann2, ann2Sink := h.session("ann@example.com/2")
	h.from(ann2, `<presence/>`)
	if got := ann2Sink.take(); !strings.Contains(got, `<presence to="ann@example.com/2" from="bob@example.com/b"/>`) || !strings.Contains(got, `from="ann@example.com/a"`) {
		t.Errorf("ann2: %s", got)
	}
	h.from(ann, `<presence type="unsubscribe" to="bob@example.com"/>`)
	if c := h.list[[2]stanza.Addr{stanza.MustAddr("bob@example.com"), stanza.MustAddr("ann@example.com")}]; c.Subscription != SubNone {
		t.Errorf("bob keeps %+v", c)
	}
	bobSink.take()
	h.from(ann, `<presence type="subscribed" to="bob@example.com"/>`)
	if got := bobSink.take(); got != "" {
		t.Errorf("an approval nobody asked for reached %s", got)
	}
}

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		focus := &fakeHost{}
		_ = h.Add("focus.example.com", focus)
		room := &fakeHost{}
		_ = h.Add("rooms.example.com", room)
		answers := make(chan *stanza.Stanza, 10)
		ask := func() *stanza.Stanza {
			req := stanza.New(stanza.IQ, stanza.Set, stanza.MustAddr("demo@rooms.example.com"), stanza.MustAddr("focus.example.com"), "")
			h.Call(req, 5*time.Second, func(st *stanza.Stanza) { answers <- st })
			return focus.got[len(focus.got)-1]
		}
		req := ask()
		if req.ID == "" {
			t.Fatal("no id")
		}
		h.Reply(req, nil)
		h.Reply(req, nil) // the second is the host's own business
		if st := <-answers; st.Type != stanza.ResultType || len(answers) != 0 || len(room.got) != 1 {
			t.Fatalf("answer %v, host got %v", st, room.got)
		}
		ask()
		begin := time.Now()
		if st := <-answers; st.Type != stanza.ErrorType || !strings.Contains(st.String(), "<remote-server-timeout") || time.Since(begin) != 5*time.Second {
			t.Errorf("answer %v after %v", st, time.Since(begin))
		}
		// The wrong one cannot answer.
		req = ask()
		h.Send(stanza.New(stanza.IQ, stanza.ResultType, stanza.MustAddr("evil@example.com/x"), req.From, req.ID))
		if len(answers) != 0 {
			t.Error("a stranger answered")
		}
		<-answers
	})
}

func TestTenants(t *testing.T) {
	h := newHouse(t)
	room := &fakeHost{}
	_ = h.Add("conference.example.com", room)
	h.AddTenants("conference", "example.com", room)
	for domain, want := range map[string]bool{"conference.example.com": true, "conference.acme.example.com": true,
		"conference.a.b.example.com": false, "conference..example.com": false, "xconference.acme.example.com": false, "conference.acme.example.org": false} {
		if got := h.Host(domain) != nil; got != want {
			t.Errorf("%s: %v", domain, got)
		}
	}
	if err := h.Add("example.com", room); err == nil {
		t.Error("a domain has two hosts")
	}
	h.Remove("conference.example.com", h.users)
	if h.Host("conference.example.com") == nil {
		t.Error("removed by somebody else")
	}
}

func TestDeliver(t *testing.T) {
	h := newHouse(t)
	_, sink := h.session("ann@example.com/a")
	room := &fakeHost{}
	_ = h.Add("rooms.example.com", room)
	var b stanza.Builder
	e := stanza.New(stanza.Presence, "", stanza.MustAddr("demo@rooms.example.com/bob"), stanza.Addr{}, "").WithContent(b.Empty(ns.MUCUser, "x").Bytes()).Encode()
	if !h.Deliver(stanza.MustAddr("ann@example.com/a"), e) || h.Deliver(stanza.MustAddr("ann@example.com/b"), e) || h.Deliver(stanza.MustAddr("x@nowhere"), e) {
		t.Error("who is there?")
	}
	if got := sink.take(); got != `<presence to="ann@example.com/a" from="demo@rooms.example.com/bob"><x xmlns="http://jabber.org/protocol/muc#user"/></presence>` {
		t.Error(got)
	}
	if !h.Deliver(stanza.MustAddr("x@rooms.example.com"), e) || room.got[0].To.String() != "x@rooms.example.com" {
		t.Error("a host was not reached")
	}
}

// slow is a Roster that is told when a change may be written.
type slow struct {
	memory
	writing, write chan struct{}
}

func (s slow) SetContact(owner stanza.Addr, c Contact) (string, error) {
	close(s.writing)
	<-s.write
	return s.memory.SetContact(owner, c)
}

// TestCancelledAtOnce: who asks after a subscription was cancelled waits until that is
// written, and learns nothing.
func TestCancelledAtOnce(t *testing.T) {
	ann, bob := stanza.MustAddr("ann@example.com"), stanza.MustAddr("bob@example.com")
	list := slow{memory{{ann, bob}: {Addr: bob, Subscription: SubBoth, Listed: true}}, make(chan struct{}), make(chan struct{})}
	u := NewUsers(New(logx.Discard()), "example.com", UsersOptions{Roster: list, Exists: func(string) bool { return true }})
	done := make(chan error, 1)
	go func() {
		_, _, err := u.Change(ann, bob, func(c *Contact) { c.Subscription = SubNone })
		done <- err
	}()
	<-list.writing
	heard := make(chan bool, 2)
	go func() { heard <- u.MayHear(ann, bob) }()
	go func() { heard <- u.Subscribed(ann, bob) }()
	close(list.write)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if a, b := <-heard, <-heard; a || b {
		t.Error("heard after it was cancelled")
	}
}
