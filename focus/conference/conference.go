package conference

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"parley/focus/chatroom"
	"parley/focus/colibrisession"
	"parley/internal/logx"
	"parley/internal/loop"
	"parley/internal/source"
	"parley/internal/xmppclient"
)

const (
	// mailbox bounds what waits for the loop; see the package comment for the day it
	// is full. A room of 500 sends about 5,000 presences when it fills.
	mailbox = 16384
	// joinTimeout is how long the room may take to let us in.
	joinTimeout = 15 * time.Second
	// maxWaiting bounds the requests that wait for us to enter the room; more are
	// told to come again.
	maxWaiting = 500
)

// Conference is one meeting. Exported methods may be called from any goroutine; all
// fields from log on belong to the loop.
type Conference struct {
	cfg  *Config
	deps Deps
	req  Request
	addr string
	root *logrus.Entry // for all goroutines; the loop has log
	box  *loop.Loop
	over chan struct{} // closed by finish
	once sync.Once     // of finish

	log       *logrus.Entry
	started   time.Time
	room      *chatroom.Room
	meetingID string
	breakout  bool
	phase     phase
	waiting   []func(ready bool)
	expected  int       // answered "ready", and not in the room yet
	answered  time.Time // the last such answer

	parts      map[string]*participant // by nickname
	bridges    map[string]*colibrisession.Session
	ending     map[string]time.Time // bridges that have not said yet that a session is over
	sources    *source.Conference
	moderation moderation
	startMuted mediaFlags // the room's wish, from its metadata
	owner      string     // real bare address of the elected owner, if we elect

	noBridge  bool // the last choice of a bridge failed
	bridged   bool // there was a bridge once
	published string

	lastSession int                          // number of the newest dialogue with a bridge
	unsure      [][2]*colibrisession.Session // links asked for when our connection broke
	left        []*colibrisession.Session    // of a meeting that was left behind

	faults     int       // bridge sessions that failed in a row
	pauseUntil time.Time // no bridge is asked before, because of them

	staying  bool // in the room, for the next focus
	restored bool // from what an earlier focus kept, and not made sure of yet

	initial, single, retry, entering, leaving, keeping timer
}

// phase of a conference:
//
//	joining ──in the room──► running ──► over
//	   ▲ └──────── refused ──────────────►│
//	   └── reconnected ──┘
type phase int

const (
	joining phase = iota
	running
	ended
)

// String returns the word shown to the operator.
func (p phase) String() string { return [...]string{"joining", "running", "over"}[p] }

// New makes a conference for the room; Run starts it.
func New(addr string, cfg *Config, req Request, deps Deps, log *logrus.Entry) *Conference {
	c := &Conference{
		cfg: cfg, deps: deps, req: req, addr: addr,
		root:    log.WithField(logx.Room, addr),
		over:    make(chan struct{}),
		started: time.Now(),
		parts:   make(map[string]*participant),
		bridges: make(map[string]*colibrisession.Session),
		ending:  make(map[string]time.Time),
		sources: source.NewConference(source.Limits{Sources: cfg.MaxSSRCsPerUser, Groups: cfg.MaxSSRCGroupsPerUser}),
	}
	c.log = c.root
	c.box = loop.New(mailbox, c.panicked)
	for _, t := range c.timers() {
		t.c = c
	}
	c.room = chatroom.New(addr, deps.Nick, roomLink{c}, deps.Trusted, log)
	return c
}

// Run enters the room and runs the conference until it is over or ctx is done. Then
// it leaves the room politely; if that happens in the middle of a meeting the bridge
// is left as it is, so that the media goes on until a focus returns. A conference
// that was made must be run.
func (c *Conference) Run(ctx context.Context) {
	c.deps.Counters.Created.Inc()
	c.root.Info("Created new conference.")
	c.post(func() {
		if c.deps.Kept != nil {
			c.takeUp(c.deps.Kept)
		}
		c.join()
	})
	select {
	case <-c.over:
	case <-ctx.Done():
		if c.box.Post(c.abandon) {
			<-c.over
		}
	}
	c.finish()
	c.box.Stop()
	c.end("") // unless the loop did so; nothing else runs any more
	c.deps.Ended(c)
}

func (c *Conference) timers() []*timer {
	return []*timer{&c.initial, &c.single, &c.retry, &c.entering, &c.leaving, &c.keeping}
}

// finish makes Run return.
func (c *Conference) finish() { c.once.Do(func() { close(c.over) }) }

// Over says whether the conference has ended; then the room may be asked for anew.
func (c *Conference) Over() bool { return c.finished() }

func (c *Conference) finished() bool {
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

// panicked ends a conference in which something impossible happened.
func (c *Conference) panicked(what any) {
	c.log.WithField(logx.Reason, fmt.Sprint(what)).WithField("stack", string(debug.Stack())).Error("A conference failed and ends.")
	c.finish()
}

// Addr is the room's bare address.
func (c *Conference) Addr() string { return c.addr }

// Ready calls answer with true as soon as we are in the room, or with false if that
// fails. A second request for the room comes here too and waits like the first.
func (c *Conference) Ready(answer func(ready bool)) {
	ok := c.box.Post(func() {
		switch {
		case c.phase == running:
			c.rearm()
			c.expect(1)
			answer(true)
		case c.phase == ended || len(c.waiting) >= maxWaiting:
			answer(false)
		default:
			c.waiting = append(c.waiting, answer)
		}
	})
	if !ok {
		answer(false)
	}
}

// HandlePresence takes a presence from the room.
func (c *Conference) HandlePresence(st *xmppclient.Stanza) {
	c.post(func() { c.act(c.room.HandlePresence(st)) })
}

// HandleRequest takes an IQ from an occupant; it is answered through to, once.
func (c *Conference) HandleRequest(st *xmppclient.Stanza, to Asker) {
	if !c.box.Post(func() { c.handleRequest(st, to) }) {
		to.Fail(xmppclient.NewError(xmppclient.ResourceConstraint, "the conference is busy"))
	}
}

// BridgeAdded tells that a bridge can be used that could not be before.
func (c *Conference) BridgeAdded() { c.post(c.handleBridgeAdded) }

// BridgeLost tells that a bridge is gone or must be left.
func (c *Conference) BridgeLost(addr string) { c.post(func() { c.handleBridgeLost(addr) }) }

// BridgeReturned tells that a bridge logged in anew: it may have forgotten everything.
func (c *Conference) BridgeReturned(addr string) { c.post(func() { c.handleBridgeReturned(addr) }) }

// Reconnected tells that our connection was lost and is back, so that we are no
// longer in the room.
func (c *Conference) Reconnected() { c.post(c.rejoin) }

// Stop ends the conference; reason goes to the log.
func (c *Conference) Stop(reason string) { c.post(func() { c.end(reason) }) }

// Status is what is shown to the operator; false if the conference is over or does
// not answer in time. It waits, and so is not for loops.
func (c *Conference) Status(ctx context.Context) (Status, bool) {
	got := make(chan Status, 1)
	if !c.box.Post(func() { got <- c.status() }) {
		return Status{}, false
	}
	select {
	case s := <-got:
		return s, true
	case <-ctx.Done():
	case <-c.box.Done():
	}
	return Status{}, false
}

// post runs f in the loop. If there is no room for it the conference can no longer
// know what is going on, and ends.
func (c *Conference) post(f func()) {
	if !c.box.Post(f) && !c.finished() {
		c.root.Error("The conference cannot keep up and ends.")
		c.finish()
	}
}

func (c *Conference) status() Status {
	s := Status{
		Room: c.addr, MeetingID: c.meetingID, State: c.phase.String(), Started: c.started,
		NoBridge: c.noBridge, Bridges: []string{}, Participants: []Participant{},
	}
	for addr := range c.bridges {
		s.Bridges = append(s.Bridges, addr)
	}
	slices.Sort(s.Bridges)
	for _, p := range c.sorted() {
		view := Participant{
			Endpoint: p.id(), Moderator: p.member.Moderator(), Media: p.media(),
			Session: p.word(), Sources: len(c.sources.Get(p.id()).Sources),
		}
		if p.bridge != nil {
			view.Bridge = p.bridge.Bridge()
		}
		s.Participants = append(s.Participants, view)
	}
	return s
}

// sorted lists the participants by nickname, so that what we do to all of them is
// done in a stable order.
func (c *Conference) sorted() []*participant {
	out := make([]*participant, 0, len(c.parts))
	for _, p := range c.parts {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *participant) int { return strings.Compare(a.id(), b.id()) })
	return out
}

func (c *Conference) send(o xmppclient.Outgoing) { c.deps.Link.Send(o) }

// request sends an IQ; done runs in the loop, unless the conference is over by then.
func (c *Conference) request(iq xmppclient.IQ, done func(*xmppclient.Stanza, error)) {
	c.touch()
	c.deps.Link.Request(iq, func(st *xmppclient.Stanza, err error) {
		c.post(func() { done(st, err) })
	})
}

// roomLink is the room's way to the server through its conference.
type roomLink struct{ c *Conference }

// Send implements chatroom.Link.
func (l roomLink) Send(o xmppclient.Outgoing) { l.c.send(o) }

// Request implements chatroom.Link.
func (l roomLink) Request(iq xmppclient.IQ, done func(*xmppclient.Stanza, error)) {
	l.c.request(iq, done)
}

// newUUID makes a random UUID (RFC 9562 §5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
