package conference

import (
	"fmt"
	"iter"
	"time"

	"github.com/sirupsen/logrus"

	"parley/bridge/endpoint"
	"parley/bridge/relay"
	"parley/bridge/transport"
	"parley/internal/logx"
)

// senders are all whose media may be had here: our endpoints, and those of other bridges.
func (c *Conference) senders() iter.Seq[*endpoint.Endpoint] {
	return func(yield func(*endpoint.Endpoint) bool) {
		for _, e := range c.endpoints {
			if !yield(e) {
				return
			}
		}
		for e := range c.relayOf {
			if !yield(e) {
				return
			}
		}
	}
}

// sender finds one of them.
func (c *Conference) sender(id string) *endpoint.Endpoint {
	if e := c.endpoints[id]; e != nil {
		return e
	}
	return c.remotes[id]
}

// openRelay makes the link to another bridge.
func (c *Conference) openRelay(r *RelayRequest, now time.Time) (*relay.Relay, error) {
	l := &relayLink{c: c}
	l.channel = c.set.channels.OpenRelay(c.id, r.ID, relayChannel{l})
	t := r.Transport
	session, leg, err := c.set.net.Open(transport.SessionOptions{
		Controlling: t.Controlling, UniquePort: t.UniquePort, Patient: true, PrivateCandidates: true,
		SCTP: t.SCTP != nil, OpensChannel: t.SCTP != nil && t.SCTP.Role == roleClient,
		Handler: relaySession{l},
	}, c.feedback, c.event)
	if err != nil {
		l.channel.Close()
		return nil, fmt.Errorf("open relay %s: %w", r.ID, err)
	}
	l.session.Store(&session)
	known := relay.New(relay.Options{
		ID: r.ID, MeshID: r.MeshID, SCTP: t.SCTP != nil, Session: session, Leg: leg, Channel: l.channel, Now: now,
	})
	l.r = known
	c.relays[known.ID], c.relayChannels[known] = known, l.channel
	c.rank(leg)
	for e := range c.senders() {
		for _, s := range e.Sources() {
			c.cross(known, s)
		}
	}
	c.set.counters.Relays.Inc()
	c.relayLog(known).Info("relay created")
	return known, nil
}

func (c *Conference) relayLog(r *relay.Relay) *logrus.Entry {
	return c.log.WithField(logx.Bridge, r.ID)
}

// removeRelay ends the link, and everything that came over it.
func (c *Conference) removeRelay(r *relay.Relay, why string) {
	if c.relays[r.ID] != r {
		return
	}
	for _, e := range r.Endpoints {
		c.removeRemote(r, e)
	}
	delete(c.relays, r.ID)
	c.closeRelay(r)
	delete(c.relayChannels, r)
	c.constraints = true // nobody behind it wants anything any more
	c.schedule(time.Now())
	c.relayLog(r).WithField(logx.Reason, why).Info("relay expired")
}

// closeRelay closes the legs.
func (c *Conference) closeRelay(r *relay.Relay) {
	c.set.net.Close(r.Session, r.Leg)
	c.relayChannels[r].Close()
}

// addRemote makes a participant behind a relay; nil if it is one of ours. One that was
// behind another relay has moved.
func (c *Conference) addRemote(r *relay.Relay, req *RemoteRequest, now time.Time) *endpoint.Endpoint {
	switch old := c.remotes[req.ID]; {
	case c.endpoints[req.ID] != nil || len(r.Endpoints) >= maxRemote:
		c.relayLog(r).WithField(logx.Endpoint, req.ID).Warn("endpoint behind a relay refused")
		return nil
	case old != nil:
		c.removeRemote(c.relayOf[old], old)
	}
	e := endpoint.NewRemote(req.ID, req.StatsID, r.Leg, now)
	r.Endpoints[e.ID], c.remotes[e.ID], c.relayOf[e] = e, e, r
	c.recent.Join(e.ID)
	c.touchAll()
	return e
}

// removeRemote drops a participant that is not behind the relay any more.
func (c *Conference) removeRemote(r *relay.Relay, e *endpoint.Endpoint) {
	if r.Endpoints[e.ID] != e {
		return
	}
	for _, s := range e.Sources() {
		s.Track.Close()
		c.forgetSource(s)
	}
	for _, o := range c.relays {
		o.ForgetOwner(e)
	}
	delete(r.Endpoints, e.ID)
	delete(c.remotes, e.ID)
	delete(c.relayOf, e)
	c.identifier.Remove(e.ID)
	c.recent.Leave(e.ID)
	c.touchAll()
}

// handleRelayReady: the DTLS handshake with the other bridge is done.
func (c *Conference) handleRelayReady(r *relay.Relay, keys transport.Keys, now time.Time) {
	r.Connected = now
	r.Leg.SetKeys(keys.Send, keys.Receive, keys.AEAD)
	c.touchAll()
	c.relayLog(r).WithField("profile", keys.Profile).Info("relay connected")
}

// handleRelayFailed: the link is lost for good. The focus learns it at its next request
// about the relay, which we shall not know, and begins anew.
func (c *Conference) handleRelayFailed(r *relay.Relay, err error) {
	c.set.counters.RelaysFailed.Inc()
	c.relayLog(r).WithError(err).Warn("relay lost its transport")
	c.removeRelay(r, "transport failed")
	c.summarize()
}

// cross makes another bridge get what it wants of a source. What came over a bridge of its
// own mesh it has already.
func (c *Conference) cross(r *relay.Relay, s *endpoint.Source) {
	r.Cross(s, c.mayCross(r, s))
}

// mayCross says whether another bridge may get a source from us.
func (c *Conference) mayCross(r *relay.Relay, s *endpoint.Source) bool {
	from := c.relayOf[s.Owner]
	return !s.Owner.Visitor && (from == nil || from != r && from.MeshID != r.MeshID)
}

// crossAll brings what all other bridges get of a source up to date.
func (c *Conference) crossAll(s *endpoint.Source) {
	for _, r := range c.relays {
		c.cross(r, s)
	}
}

// countRelay takes what went over a link since the last time into the statistics.
func (c *Conference) countRelay(r *relay.Relay) {
	k, now, before := &c.set.counters, r.Leg.Stats(), r.Counted
	k.RelayPacketsReceived.Add(now.PacketsReceived - before.PacketsReceived)
	k.RelayBytesReceived.Add(now.BytesReceived - before.BytesReceived)
	k.RelayPacketsSent.Add(now.PacketsSent - before.PacketsSent)
	k.RelayBytesSent.Add(now.BytesSent - before.BytesSent)
	r.Counted = now
}

// noLinkAfter is how long a link may take. Then it is taken away, by which the focus
// learns that the two bridges do not reach each other.
const noLinkAfter = 30 * time.Second

// watchRelays gives up links that do not come about, and says once that one has no channel.
func (c *Conference) watchRelays(now time.Time) {
	for _, r := range c.relays {
		c.countRelay(r)
		switch {
		case r.Connected.IsZero() && now.Sub(r.Created) >= noLinkAfter:
			c.set.counters.RelaysFailed.Inc()
			c.relayLog(r).Warn("no way to the other bridge: UDP must pass between the two")
			c.removeRelay(r, "no way to the other bridge")
		case r.Complained:
		case !r.Connected.IsZero() && !r.ChannelHad && now.Sub(r.Connected) >= noChannelAfter:
			r.Complained = true
			c.set.counters.RelaysNoChannel.Inc()
			c.relayLog(r).Warn("the other bridge has not opened its channel")
		}
	}
}

// patience is how long the conference may be without endpoints of ours. A focus that is
// well takes the links of a bridge nobody is on away at once.
func (c *Conference) patience() time.Duration {
	if len(c.relays) > 0 {
		return c.cfg.NeverActive
	}
	return c.cfg.EmptyConference
}
