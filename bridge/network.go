package bridge

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"parley/bridge/conference"
	"parley/bridge/endpoint"
	"parley/bridge/rtp"
	"parley/bridge/transport"
	"parley/internal/logx"
)

// eventQueue bounds the news of the packet path on its way to the conferences. Beyond it
// the packet path drops and counts them.
const eventQueue = 8192

// network makes the legs of endpoints out of the sockets and the packet path, and brings
// the news of the packet path to the conference each leg belongs to.
//
// All endpoints of a conference are on one shard, its home, so that no packet has to go
// from one to another. A new conference gets the shard with the fewest endpoints.
type network struct {
	transport *transport.Transport
	log       *logrus.Entry
	shards    []*rtp.Shard
	events    chan rtp.Event

	mu    sync.Mutex // guards what follows; a leg is in sinks until it is closed
	sinks map[endpoint.Leg]sink
	homes map[conference.Feedback]*home
	load  []int // endpoints by shard

	broken broken
}

// broken is what the shards say of panics. mu guards its fields: legs lists those whose
// conferences have to hear of it, which run, woken by wake, tells them.
type broken struct {
	wake chan struct{}

	mu     sync.Mutex
	legs   []*rtp.Endpoint
	seldom logx.Seldom
}

// sink is who hears the news of a leg.
type sink struct {
	hear       func(endpoint.Event)
	conference conference.Feedback
}

// home is where a conference is served. Its own SSRCs name it.
type home struct{ shard, endpoints int }

// shardsOf is how many shards there are to be.
func shardsOf(cfg rtp.Config) int {
	if cfg.Shards > 0 {
		return cfg.Shards
	}
	return max(1, runtime.GOMAXPROCS(0)/2)
}

func newNetwork(t *transport.Transport, cfg rtp.Config, log *logrus.Entry) *network {
	n := &network{
		transport: t, log: log, events: make(chan rtp.Event, eventQueue), broken: broken{wake: make(chan struct{}, 1)},
		sinks: make(map[endpoint.Leg]sink), homes: make(map[conference.Feedback]*home), load: make([]int, t.Lanes()),
	}
	for i := range t.Lanes() {
		s := rtp.NewShard(cfg, t.Lane(i))
		s.OnPanic(n.panicked)
		n.shards = append(n.shards, s)
	}
	return n
}

// panicked hears of a panic on a shard's goroutine.
func (n *network) panicked(e *rtp.Endpoint, closed bool, p any, stack []byte) {
	b := &n.broken
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seldom.Due() {
		n.log.WithFields(logrus.Fields{"panic": p, "closed": closed}).
			Error("the packet path panicked; further ones are counted, and not logged for a minute\n" + string(stack))
	}
	if closed && e != nil {
		b.legs = append(b.legs, e)
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

// tellBroken tells conferences of endpoints the packet path has closed.
func (n *network) tellBroken() {
	n.broken.mu.Lock()
	legs := n.broken.legs
	n.broken.legs = nil
	n.broken.mu.Unlock()
	for _, e := range legs {
		n.tell(rtp.Event{Kind: rtp.EventBroken, Endpoint: e, At: time.Now()})
	}
}

// tell brings news to the conference its leg belongs to.
func (n *network) tell(ev rtp.Event) {
	e := endpoint.NewEvent(ev)
	n.mu.Lock()
	sink := n.sinks[e.Leg]
	n.mu.Unlock()
	if sink.hear != nil {
		sink.hear(e)
	}
}

// Open implements conference.Network.
func (n *network) Open(o transport.SessionOptions, fb conference.Feedback, hear func(endpoint.Event)) (endpoint.Session, endpoint.Leg, error) {
	o.Lane = n.enter(fb)
	session, err := n.transport.NewSession(o)
	if err != nil {
		n.mu.Lock()
		n.leaveLocked(fb)
		n.mu.Unlock()
		return nil, nil, err
	}
	leg := endpoint.NewLeg(n.shards[o.Lane].NewEndpoint(session.Peer(), rtp.EndpointOptions{
		Events: n.events, AudioFeedbackSSRC: fb.Audio, VideoFeedbackSSRC: fb.Video,
		Relay: o.Patient,
	}))
	n.mu.Lock()
	n.sinks[leg] = sink{hear, fb}
	n.mu.Unlock()
	return session, leg, nil
}

// enter counts one more endpoint of a conference and says on which shard it is.
func (n *network) enter(fb conference.Feedback) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.homes[fb]
	if h == nil {
		h = &home{}
		for i, load := range n.load {
			if load < n.load[h.shard] {
				h.shard = i
			}
		}
		n.homes[fb] = h
	}
	h.endpoints++
	n.load[h.shard]++
	return h.shard
}

func (n *network) leaveLocked(fb conference.Feedback) {
	h := n.homes[fb]
	h.endpoints--
	n.load[h.shard]--
	if h.endpoints == 0 {
		delete(n.homes, fb)
	}
}

// Close implements conference.Network.
func (n *network) Close(session endpoint.Session, leg endpoint.Leg) {
	n.mu.Lock()
	if s, known := n.sinks[leg]; known {
		delete(n.sinks, leg)
		n.leaveLocked(s.conference)
	}
	n.mu.Unlock()
	leg.Close()
	session.Close()
}

// Stats adds the counters of all shards up. How busy it is tells the busiest.
func (n *network) Stats() rtp.Stats {
	var sum rtp.Stats
	for _, s := range n.shards {
		sum.Add(s.Stats())
	}
	return sum
}

// wake lets all shards see that their context is done.
func (n *network) wake() {
	for i := range n.shards {
		n.transport.Lane(i).Wake()
	}
}

// run brings the news until ctx is done.
func (n *network) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case ev := <-n.events:
			n.tell(ev)
		case <-n.broken.wake:
			n.tellBroken()
		}
	}
}
