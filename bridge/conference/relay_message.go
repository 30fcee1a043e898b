package conference

import (
	"parley/bridge/allocate"
	"parley/bridge/channel"
	"parley/bridge/endpoint"
	"parley/bridge/relay"
	"parley/internal/wire/bridgemsg"
)

// tellRelay sends a message to another bridge, if its channel is up: what holds is told
// again when it opens.
func (c *Conference) tellRelay(r *relay.Relay, m bridgemsg.Message) {
	if !r.ChannelUp {
		return
	}
	if b := c.encode(m); b != nil {
		r.Channel.Send(b)
	}
}

// tellRelays sends a message to all other bridges but those of the mesh it came from; from
// is nil if it is ours.
func (c *Conference) tellRelays(m bridgemsg.Message, from *relay.Relay) {
	var b []byte
	for _, r := range c.relays {
		if !r.ChannelUp || r == from || from != nil && r.MeshID == from.MeshID {
			continue
		}
		if b == nil {
			if b = c.encode(m); b == nil {
				return
			}
		}
		r.Channel.Send(b)
	}
}

// handleRelayChannel greets another bridge with what holds now: what we want of those
// behind it, and what the sources show that are no cameras.
func (c *Conference) handleRelayChannel(r *relay.Relay, kind channel.Kind) {
	r.ChannelUp, r.ChannelHad = true, true
	c.relayLog(r).WithField("carrier", kind.String()).Info("channel to the other bridge open")
	if kind == channel.WebSocket {
		c.tellRelay(r, &bridgemsg.ServerHello{})
	}
	for _, e := range r.Endpoints {
		for _, s := range e.Video {
			if s.Told && s.Wanted != 0 {
				c.askRelay(r, s)
			}
		}
	}
	for e := range c.senders() {
		if from := c.relayOf[e]; e.Visitor || from != nil && from.MeshID == r.MeshID {
			continue
		}
		for _, s := range e.Video {
			if s.Type != allocate.Camera {
				c.tellRelay(r, shows(s))
			}
		}
		if !e.Active {
			c.tellRelay(r, &bridgemsg.EndpointConnectivityStatusChangeEvent{Endpoint: e.ID, Active: false})
		}
	}
}

// askRelay tells another bridge how much of a source we want.
func (c *Conference) askRelay(r *relay.Relay, s *endpoint.Source) {
	c.tellRelay(r, &bridgemsg.AddReceiver{
		BridgeID: c.cfg.RelayID, SourceName: s.Name,
		VideoConstraints: bridgemsg.VideoConstraints{MaxHeight: s.Wanted, MaxFrameRate: allocate.Unlimited},
	})
}

// videoWords is videoTypes the other way round.
var videoWords = func() map[allocate.VideoType]bridgemsg.VideoType {
	words := make(map[allocate.VideoType]bridgemsg.VideoType, len(videoTypes))
	for w, t := range videoTypes {
		words[t] = w
	}
	return words
}()

// shows says to other bridges what a source shows.
func shows(s *endpoint.Source) bridgemsg.Message {
	return &bridgemsg.SourceVideoTypeMessage{SourceName: s.Name, VideoType: videoWords[s.Type], EndpointID: s.Owner.ID}
}

// handleRelayMessage carries out a message of another bridge. It speaks for the
// participants behind it, and for nobody else.
func (c *Conference) handleRelayMessage(r *relay.Relay, msg bridgemsg.Message) {
	switch m := msg.(type) {
	case *bridgemsg.ClientHello:
		c.tellRelay(r, &bridgemsg.ServerHello{})
	case *bridgemsg.AddReceiver:
		c.addReceiver(r, m)
	case *bridgemsg.RemoveReceiver:
		if e := c.sender(m.EndpointID); e != nil {
			for _, s := range e.Video {
				c.wish(r, s, 0)
			}
		}
	case *bridgemsg.EndpointMessage:
		c.messageFrom(r, m)
	case *bridgemsg.EndpointStats:
		if from := r.Endpoints[m.From]; from != nil {
			c.deliverStats(from, m)
			c.tellRelays(m, r)
		}
	case *bridgemsg.SourceVideoTypeMessage:
		if e := r.Endpoints[m.EndpointID]; e != nil {
			c.videoType(e, m.SourceName, m.VideoType)
		}
	case *bridgemsg.SyntheticSourceSendingChangeEvent:
		c.broadcast(m, everybody)
		c.tellRelays(m, r)
	case *bridgemsg.EndpointConnectivityStatusChangeEvent:
		if e := r.Endpoints[m.Endpoint]; e != nil {
			e.Active = m.Active
			c.broadcast(m, everybody)
			c.tellRelays(m, r)
		}
	}
}

// addReceiver takes another bridge's wish. One about a source we do not have (yet) is
// kept: the focus announces the source to both of us at about the same time.
func (c *Conference) addReceiver(r *relay.Relay, m *bridgemsg.AddReceiver) {
	if m.SourceName == "" || len(m.SourceName) > maxID {
		c.set.counters.BadMessages.Inc()
		return
	}
	for e := range c.senders() {
		for _, s := range e.Video {
			if s.Name == m.SourceName && c.relayOf[e] != r {
				c.wish(r, s, m.VideoConstraints.MaxHeight)
				return
			}
		}
	}
	r.Wish(m.SourceName, m.VideoConstraints.MaxHeight)
}

func (c *Conference) wish(r *relay.Relay, s *endpoint.Source, height int) {
	if !r.Wish(s.Name, height) {
		c.set.counters.BadMessages.Inc()
		return
	}
	c.cross(r, s)
	c.wantAnew()
}

// messageFrom passes application data of somebody behind a relay on. A message to one
// participant goes no further than to us.
func (c *Conference) messageFrom(r *relay.Relay, m *bridgemsg.EndpointMessage) {
	if r.Endpoints[m.From] == nil {
		return
	}
	if m.To == "" {
		c.broadcast(m, everybody)
		c.tellRelays(m, r)
		return
	}
	if to := c.endpoints[m.To]; to != nil {
		c.send(to, m)
	}
}
