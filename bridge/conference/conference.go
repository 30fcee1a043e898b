package conference

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"parley/bridge/allocate"
	"parley/bridge/channel"
	"parley/bridge/endpoint"
	"parley/bridge/estimate"
	"parley/bridge/relay"
	"parley/bridge/rtp"
	"parley/bridge/speaker"
	"parley/bridge/transport"
	"parley/internal/logx"
	"parley/internal/loop"
)

// Config is what a conference must know of the bridge's configuration.
type Config struct {
	Allocate         allocate.Config
	InitialMaxHeight int
	DefaultMaxHeight int
	LastN            int
	// LastNOf is the limit for a conference with that many video sources, nil if there are
	// none.
	LastNOf   func(sources int) int
	SSRCLimit int
	Trust     bool // the bandwidth estimate
	Bandwidth estimate.Config
	SCTP      bool
	// WebSocket says that channels may be WebSockets, RelayID is our name among bridges, empty
	// if this one has no links to others.
	WebSocket bool
	RelayID   string
	Audio     AudioConfig

	FirstTransfer   time.Duration
	InactiveAfter   time.Duration
	Expire          time.Duration
	NeverActive     time.Duration
	EmptyConference time.Duration
}

// AudioConfig says whose audio is forwarded.
type AudioConfig struct {
	// Loudest is how many of the loudest speakers are forwarded; 0 forwards everybody.
	Loudest int
	// AlwaysDominant forwards the dominant speaker beside them.
	AlwaysDominant bool
	// EnergyExpire and EnergyAlpha are those of rtp.LoudestConfig.
	EnergyExpire time.Duration
	EnergyAlpha  int
}

// Network makes the legs of endpoints.
type Network interface {
	// Open makes an endpoint's session and media leg. Events are handed to sink, which
	// does not block. The session's handler may be called before Open returns.
	Open(session transport.SessionOptions, feedback Feedback, sink func(endpoint.Event)) (endpoint.Session, endpoint.Leg, error)
	// Close closes both; sink hears nothing more. It does not block.
	Close(endpoint.Session, endpoint.Leg)
}

// mailboxSize bounds what waits for a conference. Beyond it events of the packet path
// and ticks are dropped, requests refused; sessions and channels wait, mailboxRetry
// at a time.
const (
	mailboxSize  = 1024
	mailboxRetry = 5 * time.Millisecond
)

// Pauses between what a conference does by itself.
const (
	watchInterval      = 500 * time.Millisecond
	allocateInterval   = 5 * time.Second
	reportInterval     = 10 * time.Second
	flushInterval      = 50 * time.Millisecond // between two decisions about video
	noChannelAfter     = 30 * time.Second
	statsFilterAbove   = 20 // endpoints; EndpointStats go to everybody up to here
	bandwidthThreshold = 0.15
)

// Conference is one meeting on this bridge. All fields but the first group belong to
// its loop.
type Conference struct {
	id        string // short, in paths and debugging output
	meetingID string
	name      string
	created   time.Time
	set       *Set
	cfg       Config
	log       *logrus.Entry
	feedback  Feedback
	loop      *loop.Loop
	gone      chan struct{} // closed when it has expired
	summary   atomic.Pointer[Summary]

	endpoints map[string]*endpoint.Endpoint
	channels  map[*endpoint.Endpoint]*channel.Channel
	legs      map[endpoint.Leg]*endpoint.Endpoint
	tracks    map[endpoint.Track]*endpoint.Source

	relays        map[string]*relay.Relay
	relayChannels map[*relay.Relay]*channel.Channel
	remotes       map[string]*endpoint.Endpoint // participants of other bridges
	relayOf       map[*endpoint.Endpoint]*relay.Relay

	identifier *speaker.Identifier
	recent     speaker.Recent
	loudest    *rtp.Loudest // nil if everybody is forwarded

	dirty       map[*endpoint.Endpoint]bool // receivers whose video must be decided anew
	constraints bool                        // the wishes towards senders may have changed
	flushing    bool                        // a decision is scheduled
	lastFlush   time.Time
	lastAll     time.Time // when everybody was decided last
	lastReport  time.Time // of ConnectionStats
	lastExpiry  time.Time
	emptySince  time.Time
	fresh       bool // no request was carried out yet
	expired     bool
}

func newConference(set *Set, id string, req Request, now time.Time) *Conference {
	c := &Conference{
		id: id, meetingID: req.MeetingID, name: req.Name, created: now, set: set, cfg: set.cfg,
		log:       set.log.WithFields(fields(id, req)),
		feedback:  Feedback{Audio: randomSSRC(), Video: randomSSRC()},
		gone:      make(chan struct{}),
		endpoints: make(map[string]*endpoint.Endpoint),
		channels:  make(map[*endpoint.Endpoint]*channel.Channel),
		legs:      make(map[endpoint.Leg]*endpoint.Endpoint),
		tracks:    make(map[endpoint.Track]*endpoint.Source),

		relays:        make(map[string]*relay.Relay),
		relayChannels: make(map[*relay.Relay]*channel.Channel),
		remotes:       make(map[string]*endpoint.Endpoint),
		relayOf:       make(map[*endpoint.Endpoint]*relay.Relay),

		identifier: speaker.New(),
		dirty:      make(map[*endpoint.Endpoint]bool),
		lastAll:    now, lastReport: now, lastExpiry: now, emptySince: now, fresh: true,
	}
	c.summary.Store(&Summary{})
	c.loop = loop.New(mailboxSize, c.recovered)
	return c
}

// run keeps the conference's time on a goroutine of its own, until the conference has
// ended or ctx is done.
func (c *Conference) run(ctx context.Context) {
	speech := time.NewTicker(speaker.DecisionInterval)
	defer speech.Stop()
	watch := time.NewTicker(watchInterval)
	defer watch.Stop()
	stop := ctx.Done()
	for {
		select {
		case <-stop:
			stop = nil
			c.post(func() { c.expire("the bridge is stopping") })
		case <-speech.C:
			c.offer(func() { c.decideSpeaker(time.Now()) })
		case <-watch.C:
			c.offer(func() { c.watch(time.Now()) })
		case <-c.loop.Done():
			c.set.counters.ConferencesCompleted.Inc()
			c.set.counters.ConferenceSeconds.Add(uint64(time.Since(c.created) / time.Second))
			return
		}
	}
}

// offer posts f unless the mailbox is full or the conference has ended.
func (c *Conference) offer(f func()) bool { return c.loop.Post(f) }

// post posts what must not be lost: it waits while the mailbox is full. It must not be
// called on the loop.
func (c *Conference) post(f func()) {
	for !c.loop.Post(f) {
		select {
		case <-c.gone:
			return
		case <-time.After(mailboxRetry):
		}
	}
}

// recovered keeps one bad input from ending the bridge: only this conference ends.
func (c *Conference) recovered(p any) {
	c.log.WithField("panic", p).Error("conference handler panicked; the conference is closed\n" + string(debug.Stack()))
	c.expire("internal error")
}

// guard runs a part of the end of a conference, of which the others are independent: what
// panicked before may do it again.
func (c *Conference) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.log.WithField("panic", p).Error("the end of a conference panicked\n" + string(debug.Stack()))
		}
	}()
	f()
}

// expire ends the conference. What is still in the mailbox runs, and finds it expired:
// requests learn that there is no such conference any more.
func (c *Conference) expire(why string) {
	if c.expired {
		return
	}
	c.expired = true
	c.set.remove(c) // a new conference of the same meeting may begin at once
	for _, e := range c.endpoints {
		c.guard(func() { c.closeEndpoint(e) })
	}
	for _, r := range c.relays {
		c.guard(func() { c.closeRelay(r) })
	}
	clear(c.endpoints)
	clear(c.legs)
	clear(c.relays)
	clear(c.remotes)
	clear(c.relayOf)
	c.summary.Store(&Summary{})
	c.log.WithField(logx.Reason, why).Info("conference expired")
	close(c.gone)
	c.loop.StopSoon()
}

// event takes news of the packet path; it is called from other goroutines.
func (c *Conference) event(ev endpoint.Event) {
	if ev.Kind == rtp.EventBroken {
		go c.post(func() { c.handleBroken(ev.Leg) }) // rare, and must not be lost
		return
	}
	if !c.offer(func() { c.handleEvent(ev, time.Now()) }) {
		c.set.counters.EventsDropped.Inc()
	}
}

// handleBroken ends what the packet path has closed: its media would not flow any more.
func (c *Conference) handleBroken(leg endpoint.Leg) {
	const why = "internal error"
	if e := c.legs[leg]; e != nil {
		c.removeEndpoint(e, why)
	}
	for _, r := range c.relays {
		if r.Leg == leg {
			c.removeRelay(r, why)
		}
	}
	c.summarize()
}

func (c *Conference) handleEvent(ev endpoint.Event, now time.Time) {
	s := c.tracks[ev.Track]
	switch ev.Kind {
	case rtp.EventFirstPacket:
		if s != nil && !s.Started {
			s.Started = true
			c.sourceStarted(s, now)
		}
	case rtp.EventKeyframe:
		c.set.counters.Keyframes.Inc()
	case rtp.EventLayers:
		c.set.counters.LayerChanges.Inc()
		if s != nil {
			c.crossAll(s)
			c.touchReceivers(s)
		}
	}
	if e := c.legs[ev.Leg]; e != nil {
		c.handleReport(e, ev)
	}
}

// handleReport takes what a receiver tells of the way to it. Other bridges tell the same,
// but nothing is decided by it.
func (c *Conference) handleReport(e *endpoint.Endpoint, ev endpoint.Event) {
	switch ev.Kind {
	case rtp.EventFeedback:
		before, probing := e.Estimator.Bitrate(), e.Estimator.Probing()
		e.Feedback(ev.Packets, ev.At)
		if probing && !e.Estimator.Probing() {
			e.Leg.Probe(0, 0) // it may have ended before its time
		}
		c.bandwidthMoved(e, before)
		c.probe(e, ev.At)
	case rtp.EventREMB:
		before := e.Estimator.Bitrate()
		e.SpuriousREMB = e.SpuriousREMB || e.TransportCC
		e.Estimator.REMB(int64(min(ev.Bitrate, 1<<40)))
		c.bandwidthMoved(e, before)
	case rtp.EventReport:
		e.Estimator.Report(ev.Loss, ev.RTT, ev.At)
		e.Receive.Redundancy.Report(ev.Loss)
	}
}

func randomSSRC() uint32 {
	var b [4]byte
	for {
		_, _ = rand.Read(b[:]) // never fails since Go 1.24
		if v := binary.BigEndian.Uint32(b[:]); v != 0 {
			return v
		}
	}
}
