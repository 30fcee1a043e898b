package conference

import (
	"time"

	"parley/bridge/allocate"
	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/bridge/rtp"
	"parley/internal/logx"
	"parley/internal/wire/bridgemsg"
)

// watch looks for endpoints that went silent, came back, or never came, and does what
// is due from time to time.
func (c *Conference) watch(now time.Time) {
	if c.expired {
		return
	}
	talkers := 0
	for e := range c.senders() {
		talkers += len(e.Audio)
	}
	for _, e := range c.endpoints {
		stats := e.Leg.Stats()
		last := e.LastHeard(stats)
		if c.lifeless(e, last, now) {
			c.removeEndpoint(e, "nothing was heard of it")
			continue
		}
		c.countMedia(e, stats)
		c.connectivity(e, last, now)
		c.channelMissing(e, now)
		c.probe(e, now)
		e.ListenTo(talkers-len(e.Audio), now)
	}
	c.watchCosts()
	c.watchRelays(now)
	for e := range c.relayOf {
		for _, s := range e.Video {
			s.Measure()
		}
	}
	if len(c.endpoints) == 0 && !c.emptySince.IsZero() && now.Sub(c.emptySince) >= c.patience() {
		c.expire("it stayed empty")
		return
	}
	if now.Sub(c.lastAll) >= allocateInterval {
		c.lastAll = now
		c.touchAll()
	}
	if c.flushing && now.Sub(c.lastFlush) > 2*watchInterval {
		c.flush(now) // its own timer found the mailbox full
	}
	if now.Sub(c.lastReport) >= reportInterval {
		c.lastReport = now
		c.report()
	}
	c.summarize()
}

// countMedia takes in what an endpoint sent since the last time.
func (c *Conference) countMedia(e *endpoint.Endpoint, stats rtp.EndpointStats) {
	for _, s := range e.Video {
		if s.Measure() {
			c.set.counters.VideoMilliseconds.Add(uint64(watchInterval / time.Millisecond))
		}
	}
	c.set.counters.Unmatched.Add(stats.FeedbackUnmatched - e.Unmatched)
	e.Unmatched = stats.FeedbackUnmatched
}

// dearer is by what share pictures must cost more than when they were chosen, and more than
// the path carries, to be chosen anew at once.
const dearer = 1.15

// watchCosts has decided anew about those whose pictures have become more than their path
// carries: a shared screen that begins to move, a person that does.
func (c *Conference) watchCosts() {
	rates := make(map[string]*endpoint.Source)
	for e := range c.senders() {
		for _, s := range e.Video {
			rates[s.Name] = s
		}
	}
	for _, e := range c.endpoints {
		have := e.Bandwidth(c.cfg.Trust)
		if have < 0 || e.Receive.Result.Target == 0 {
			continue
		}
		cost := 0.0
		for _, a := range e.Receive.Result.Allocations {
			if s := rates[a.Source]; s != nil && a.Target != allocate.None {
				cost += s.Rate(media.Layer(a.Target))
			}
		}
		if cost > dearer*float64(have) && cost > dearer*float64(e.Receive.Result.Target) {
			c.touch(e)
		}
	}
}

// lifeless tells whether an endpoint is to be expired. One that is connected but has
// nothing to say lives as long as its ICE consent.
func (c *Conference) lifeless(e *endpoint.Endpoint, last, now time.Time) bool {
	if e.Connected.IsZero() {
		return now.Sub(e.Created) >= c.cfg.NeverActive
	}
	return now.Sub(last) >= c.cfg.Expire
}

// connectivity tells the others when an endpoint goes silent or comes back.
func (c *Conference) connectivity(e *endpoint.Endpoint, last, now time.Time) {
	if e.Visitor {
		return
	}
	active := true
	switch {
	case !e.Connected.IsZero() && !last.IsZero():
		active = now.Sub(last) < c.cfg.InactiveAfter
	default:
		active = now.Sub(e.Created) < c.cfg.FirstTransfer
	}
	if active == e.Active {
		return
	}
	e.Active = active
	if active {
		c.set.counters.Reconnected.Inc()
	} else {
		c.set.counters.Disconnected.Inc()
	}
	m := &bridgemsg.EndpointConnectivityStatusChangeEvent{Endpoint: e.ID, Active: active}
	c.broadcast(m, everybody)
	c.tellRelays(m, nil)
}

// channelMissing says once that a connected client has not opened its channel.
func (c *Conference) channelMissing(e *endpoint.Endpoint, now time.Time) {
	if e.ChannelHad || e.Complained || e.Connected.IsZero() || now.Sub(e.Connected) < noChannelAfter {
		return
	}
	e.Complained = true
	c.set.counters.NoChannel.Inc()
	c.log.WithField(logx.Endpoint, e.ID).Warn("endpoint has not opened its bridge channel")
}

// report tells every client how much it can take.
func (c *Conference) report() {
	for _, e := range c.endpoints {
		if bw := e.Bandwidth(c.cfg.Trust); bw >= 0 {
			c.send(e, &bridgemsg.ConnectionStats{EstimatedDownlinkBandwidth: bw})
		}
	}
}
