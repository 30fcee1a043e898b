package bridge

import (
	"context"
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
type network struct {
	transport *transport.Transport
	shard     *rtp.Shard
	events    chan rtp.Event

	mu    sync.Mutex // guards sinks; a leg is in it until it is closed
	sinks map[endpoint.Leg]func(endpoint.Event)
}

func newNetwork(t *transport.Transport, cfg rtp.Config) *network {
	return &network{
		transport: t, shard: rtp.NewShard(cfg, t), events: make(chan rtp.Event, eventQueue),
		sinks: make(map[endpoint.Leg]func(endpoint.Event)),
	}
}

// Open implements conference.Network.
func (n *network) Open(o transport.SessionOptions, fb conference.Feedback, sink func(endpoint.Event)) (endpoint.Session, endpoint.Leg, error) {
	session, err := n.transport.NewSession(o)
	if err != nil {
		return nil, nil, err
	}
	leg := endpoint.NewLeg(n.shard.NewEndpoint(session.Peer(), rtp.EndpointOptions{
		Events: n.events, AudioFeedbackSSRC: fb.Audio, VideoFeedbackSSRC: fb.Video,
		Relay: o.Patient,
	}))
	n.mu.Lock()
	n.sinks[leg] = sink
	n.mu.Unlock()
	return session, leg, nil
}

// Close implements conference.Network.
func (n *network) Close(session endpoint.Session, leg endpoint.Leg) {
	n.mu.Lock()
	delete(n.sinks, leg)
	n.mu.Unlock()
	leg.Close()
	session.Close()
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
			if sink != nil {
				sink(e)
			}
		}
	}
}
