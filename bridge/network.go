package bridge

import (
	"context"
	"runtime"
	"sync"

	"parley/bridge/conference"
	"parley/bridge/endpoint"
	"parley/bridge/rtp"
	"parley/bridge/transport"
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
	shards    []*rtp.Shard
	events    chan rtp.Event

	mu    sync.Mutex // guards what follows; a leg is in sinks until it is closed
	sinks map[endpoint.Leg]sink
	homes map[conference.Feedback]*home
	load  []int // endpoints by shard
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

func newNetwork(t *transport.Transport, cfg rtp.Config) *network {
	n := &network{
		transport: t, events: make(chan rtp.Event, eventQueue),
		sinks: make(map[endpoint.Leg]sink), homes: make(map[conference.Feedback]*home), load: make([]int, t.Lanes()),
	}
	for i := range t.Lanes() {
		n.shards = append(n.shards, rtp.NewShard(cfg, t.Lane(i)))
	}
	return n
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
			e := endpoint.NewEvent(ev)
			n.mu.Lock()
			sink := n.sinks[e.Leg]
			n.mu.Unlock()
			if sink.hear != nil {
				sink.hear(e)
			}
		}
	}
}
