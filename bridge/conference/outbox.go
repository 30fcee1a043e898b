package conference

import (
	"slices"

	"parley/bridge/endpoint"
	"parley/internal/wire/bridgemsg"
)

// encode writes a message; ours always can be.
func (c *Conference) encode(m bridgemsg.Message) []byte {
	b, err := bridgemsg.Encode(m)
	if err != nil {
		c.log.WithError(err).Error("bridge message cannot be encoded")
		return nil
	}
	return b
}

// send sends a message to one endpoint, if its channel is up: whoever opens it later is
// greeted with what holds then.
func (c *Conference) send(e *endpoint.Endpoint, m bridgemsg.Message) {
	if !e.ChannelUp {
		return
	}
	if b := c.encode(m); b != nil {
		e.Channel.Send(b)
	}
}

// broadcast sends a message to everybody who passes the filter. It is encoded once.
func (c *Conference) broadcast(m bridgemsg.Message, to func(*endpoint.Endpoint) bool) {
	b := c.encode(m)
	if b == nil {
		return
	}
	for _, e := range c.endpoints {
		if e.ChannelUp && to(e) {
			e.Channel.Send(b)
		}
	}
}

func everybody(*endpoint.Endpoint) bool { return true }

// relayMessage passes application data on. Those of visitors are dropped.
func (c *Conference) relayMessage(from *endpoint.Endpoint, m *bridgemsg.EndpointMessage) {
	if from.Visitor {
		return
	}
	m.From = from.ID
	if m.To == "" {
		c.broadcast(m, func(e *endpoint.Endpoint) bool { return e != from })
		c.tellRelays(m, nil)
		return
	}
	if to := c.endpoints[m.To]; to != nil {
		c.send(to, m)
	} else if r := c.relayOf[c.remotes[m.To]]; r != nil {
		c.tellRelay(r, m)
	}
}

// relayStats passes a client's statistics on: to everybody in a small conference, in a
// large one to those who see or hear the client.
func (c *Conference) relayStats(from *endpoint.Endpoint, m *bridgemsg.EndpointStats) {
	if from.Visitor {
		return
	}
	m.From = from.ID
	c.deliverStats(from, m)
	c.tellRelays(m, nil)
}

func (c *Conference) deliverStats(from *endpoint.Endpoint, m *bridgemsg.EndpointStats) {
	everywhere := len(c.endpoints)+len(c.remotes) <= statsFilterAbove || c.recent.Spoke(from.ID)
	c.broadcast(m, func(e *endpoint.Endpoint) bool {
		return e != from && (everywhere || interested(e, from))
	})
}

// interested tells whether a receiver wants to see any source of an endpoint.
func interested(e, of *endpoint.Endpoint) bool {
	for _, a := range e.Receive.Result.Allocations {
		if a.Owner == of.ID && (a.OnStage || a.Constraint.Wants() || slices.Contains(e.Receive.Settings.Selected, a.Source)) {
			return true
		}
	}
	return false
}
