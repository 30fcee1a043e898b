package conference_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/focus/conference"
	"parley/focus/selector"
	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	room  = "demo@conference.example"
	focus = "focus@auth.example/focus"
	brew  = "brewery@internal.example/"
)

// world is everything around one conference: a server with one room, bridges and
// clients, all in memory. Every stanza passes as XML.
type world struct {
	t     *testing.T
	cfg   conference.Config
	pool  *selector.Pool
	conf  *conference.Conference
	count conference.Counters

	mu        sync.Mutex // guards what follows
	inside    bool       // the focus is in the room
	meeting   string
	presences []string // of the focus, as XML
	clients   map[string]*client
	bridges   map[string]*fakeBridge
	lost      bool // our connection is broken
	nextID    int
	ended     bool
	keep      []byte   // what the conference wants to be kept
	kept      []byte   // what it is given to go on with
	forgetful bool     // nothing is kept
	shut      bool     // the room does not answer who wants to enter
	granted   []string // who was to be made owner, in order
}

// play runs f in a bubble of time with a world whose conference is joined.
func play(t *testing.T, f func(w *world), change ...func(*conference.Config)) {
	t.Helper()
	playOn(t, selector.DefaultConfig(), f, change...)
}

// playOn is play with rules for the choice of bridges.
func playOn(t *testing.T, rules selector.Config, f func(w *world), change ...func(*conference.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		w.pool = selector.NewPool(rules)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		w.begin(ctx, done)
		synctest.Wait()
		f(w)
		stop()
		<-done
	})
}

func newWorld(t *testing.T, change ...func(*conference.Config)) *world {
	w := &world{
		t: t, cfg: conference.DefaultConfig(), pool: selector.NewPool(selector.DefaultConfig()),
		meeting: "meeting-1", clients: make(map[string]*client), bridges: make(map[string]*fakeBridge),
	}
	for _, f := range change {
		f(&w.cfg)
	}
	return w
}

func (w *world) begin(ctx context.Context, done chan struct{}) {
	w.conf = conference.New(room, &w.cfg, conference.Request{StartAudioMuted: -1, StartVideoMuted: -1, RTCStats: true}, conference.Deps{
		Link: w, Bridges: w.pool, Nick: "focus", Version: "1", Counters: &w.count,
		Trusted:  func(domain string) bool { return domain == "recorder.example" },
		Features: w.features,
		Keep:     w.keeper(),
		Kept:     w.kept,
		Ended: func(*conference.Conference) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.ended = true
		},
	}, logx.Discard())
	go func() {
		defer close(done)
		w.conf.Run(ctx)
	}()
}

func (w *world) keeper() func([]byte) {
	if w.forgetful {
		return nil
	}
	return func(state []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.keep = state
	}
}

// settle lets everything that can happen now happen.
func (w *world) settle() { synctest.Wait() }

// pass lets time pass. What the test has read of the clients before is ordered
// before what they write then.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	for _, c := range w.clients {
		c.mu.Lock()
		//lint:ignore SA2001 a fence, not a critical section
		c.mu.Unlock()
	}
	w.mu.Unlock()
	<-time.After(d)
	synctest.Wait()
}

// renew brings us back to a server that has made the room anew.
func (w *world) renew(meeting string) {
	w.mu.Lock()
	w.meeting = meeting
	w.mu.Unlock()
	w.conf.Reconnected()
	w.settle()
}

// Self implements conference.Link.
func (w *world) Self() string { return focus }

// Send implements conference.Link: presences go to the room.
func (w *world) Send(o xmppclient.Outgoing) {
	p, ok := o.(xmppclient.Presence)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost {
		return
	}
	text := encode(w.t, p.Payload...)
	w.presences = append(w.presences, text)
	switch {
	case p.Type == xmppclient.TypeUnavailable:
		w.inside = false
		return
	case w.shut, !strings.Contains(text, `xmlns="`+ns.MUC+`"`):
		return
	}
	w.inside = true
	for _, c := range w.clients {
		w.showLocked(c)
	}
	w.deliver(`<presence from="%s/focus"><x xmlns="%s"><item affiliation="owner" role="moderator" jid="%s"/><status code="110"/></x></presence>`, room, ns.MUCUser, focus)
}

// deliver hands a presence to the conference.
func (w *world) deliver(format string, args ...any) {
	w.conf.HandlePresence(parse(w.t, fmt.Sprintf(format, args...)))
}

// Request implements conference.Link.
func (w *world) Request(iq xmppclient.IQ, done func(*xmppclient.Stanza, error)) {
	w.mu.Lock()
	w.nextID++
	lost := w.lost
	to := iq.To
	b, c := w.bridges[to], w.clients[xmppclient.Resource(to)]
	w.mu.Unlock()
	iq.ID = fmt.Sprint("id", w.nextID)
	payload := encode(w.t, iq.Payload)
	st := parse(w.t, fmt.Sprintf(`<iq type="%s" id="%s" to="%s" from="%s">%s</iq>`, iq.Type, iq.ID, to, focus, payload))
	if lost {
		done(nil, xmppclient.ErrDisconnected)
		return
	}
	reply := func(inner string, failed bool) {
		kind := xmppclient.TypeResult
		if failed {
			kind = xmppclient.TypeError
		}
		answer := parse(w.t, fmt.Sprintf(`<iq type="%s" id="%s" from="%s">%s</iq>`, kind, iq.ID, to, inner))
		done(answer, answer.Err())
	}
	switch {
	case to == room:
		w.grant(payload)
		reply(w.roomAnswer(st), false)
	case b != nil:
		b.handle(st, reply, func() { time.AfterFunc(15*time.Second, func() { done(nil, xmppclient.ErrTimeout) }) })
	case c != nil && xmppclient.Bare(to) == room:
		c.handle(st, reply)
	default:
		reply(stanzaError("item-not-found", ""), true)
	}
}

// grant makes a client owner, if that is asked for.
func (w *world) grant(payload string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.clients {
		bare, _, _ := strings.Cut(c.real, "/")
		if strings.Contains(payload, `affiliation="owner"`) && strings.Contains(payload, `jid="`+bare+`"`) {
			c.affil = "owner"
			w.granted = append(w.granted, c.nick)
			w.showLocked(c)
		}
	}
}

func (w *world) roomAnswer(st *xmppclient.Stanza) string {
	if st.Payload.Space == ns.MUCOwner && st.Type == xmppclient.TypeGet {
		return fmt.Sprintf(`<query xmlns="%s"><x xmlns="%s" type="form"><field var="muc#roominfo_meetingId"><value>%s</value></field></x></query>`,
			ns.MUCOwner, ns.Data, w.meeting)
	}
	return ""
}

func (w *world) features(occupant, _ string, done func([]string)) {
	w.mu.Lock()
	c := w.clients[xmppclient.Resource(occupant)]
	w.mu.Unlock()
	if c != nil && c.features != nil {
		done(c.features)
		return
	}
	done([]string{"http://jabber.org/protocol/muc"})
}

// bridge adds a bridge to the brewery.
func (w *world) bridge(name string, stats ...string) *fakeBridge {
	b := &fakeBridge{w: w, addr: brew + name, endpoints: make(map[string]bool), relays: make(map[string]*fakeRelay), sctp: true}
	w.mu.Lock()
	w.bridges[b.addr] = b
	w.mu.Unlock()
	s := new(colibri.Stats)
	s.AddBool(colibri.StatDrain, false)
	for i := 0; i < len(stats); i += 2 {
		s.Add(stats[i], stats[i+1])
	}
	if w.pool.Report(b.addr, s, time.Now()) == selector.Added && w.conf != nil {
		w.conf.BridgeAdded()
	}
	return b
}

// kill makes the bridge leave the brewery.
func (w *world) kill(b *fakeBridge) {
	w.mu.Lock()
	delete(w.bridges, b.addr)
	w.mu.Unlock()
	w.pool.Remove(b.addr)
	w.conf.BridgeLost(b.addr)
	w.settle()
}

// status is the conference as the operator sees it.
func (w *world) status() conference.Status {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s, ok := w.conf.Status(ctx)
	if !ok {
		w.t.Fatal("the conference is over")
	}
	return s
}

// word is the state of a participant's session.
func (w *world) word(nick string) string {
	w.t.Helper()
	for _, p := range w.status().Participants {
		if p.Endpoint == nick {
			return p.Session
		}
	}
	return "absent"
}

func (w *world) words(want ...string) {
	w.t.Helper()
	for _, s := range want {
		nick, word, _ := strings.Cut(s, ":")
		if got := w.word(nick); got != word {
			w.t.Errorf("session of %s is %s, want %s", nick, got, word)
		}
	}
}

// shown is the newest presence of the focus.
func (w *world) shown() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.presences[len(w.presences)-1]
}

func encode(t *testing.T, payload ...any) string {
	t.Helper()
	var b strings.Builder
	for _, p := range payload {
		if p == nil {
			continue
		}
		out, err := xml.Marshal(p)
		if err != nil {
			t.Fatalf("encode %T: %v", p, err)
		}
		b.Write(out)
	}
	return b.String()
}

func parse(t *testing.T, text string) *xmppclient.Stanza {
	t.Helper()
	st, err := xmppclient.Parse([]byte(text))
	if err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	return st
}

func stanzaError(condition, detail string) string {
	return fmt.Sprintf(`<error type="cancel"><%s xmlns="%s"/>%s</error>`, condition, ns.Stanzas, detail)
}
