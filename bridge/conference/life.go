package conference

import (
	"errors"
	"fmt"
	"time"

	"parley/bridge/endpoint"
	"parley/bridge/transport"
	"parley/internal/logx"
)

// openEndpoint makes an endpoint with its legs.
func (c *Conference) openEndpoint(r *EndpointRequest, now time.Time) (*endpoint.Endpoint, error) {
	if old := c.remotes[r.ID]; old != nil {
		c.removeRemote(c.relayOf[old], old) // it came to us
	}
	l := &link{c: c}
	l.channel = c.set.channels.Open(c.id, r.ID, channelHandler{l})
	session, leg, err := c.set.net.Open(transport.SessionOptions{
		Controlling:       r.Transport.Controlling,
		SCTP:              r.Transport.SCTP != nil,
		PrivateCandidates: r.Capabilities.PrivateAddresses,
		Handler:           sessionHandler{l},
	}, c.feedback, c.event)
	if err != nil {
		l.channel.Close()
		return nil, fmt.Errorf("open endpoint %s: %w", r.ID, err)
	}
	l.session.Store(&session)
	e := endpoint.New(endpoint.Options{
		ID: r.ID, StatsID: r.StatsID, Visitor: r.Visitor, SCTP: r.Transport.SCTP != nil,
		Capabilities: r.Capabilities, Session: session, Leg: leg, Channel: l.channel,
		Settings: c.initialSettings(), Bandwidth: c.cfg.Bandwidth, SlotLimit: c.cfg.SSRCLimit, Now: now,
	})
	l.e = e
	c.endpoints[e.ID], c.channels[e], c.legs[leg] = e, l.channel, e
	c.recent.Join(e.ID)
	c.emptySince = time.Time{}
	c.rank(leg)
	c.connectAudio(e)
	c.touchAll()
	c.set.counters.Participants.Inc()
	if e.Visitor {
		c.set.counters.Visitors.Inc()
	}
	c.log.WithField(logx.Endpoint, e.ID).Info("endpoint created")
	return e, nil
}

// removeEndpoint ends an endpoint and everything the others got of it.
func (c *Conference) removeEndpoint(e *endpoint.Endpoint, why string) {
	if c.endpoints[e.ID] != e {
		return
	}
	delete(c.endpoints, e.ID)
	for _, s := range e.Sources() {
		c.forgetSource(s)
	}
	for _, r := range c.relays {
		r.ForgetOwner(e)
	}
	c.closeEndpoint(e)
	delete(c.channels, e)
	delete(c.legs, e.Leg)
	delete(c.dirty, e)
	c.identifier.Remove(e.ID)
	c.recent.Leave(e.ID)
	if len(c.endpoints) == 0 {
		c.emptySince = time.Now()
	}
	c.touchAll()
	log := c.log.WithField(logx.Endpoint, e.ID).WithField(logx.Reason, why)
	if e.Connected.IsZero() && time.Since(e.Created) >= noWayAfter {
		log.Warn("endpoint ended before its media found a way; are the media ports (bridge.media.port by UDP, bridge.media.tcp.port) open to it?")
		return
	}
	log.Info("endpoint expired")
}

// noWayAfter is how long the search for a way takes at the most where there is one. Who
// goes later without any is behind a firewall, or the bridge is: the operator should know.
const noWayAfter = 10 * time.Second

// closeEndpoint closes the legs.
func (c *Conference) closeEndpoint(e *endpoint.Endpoint) {
	c.set.net.Close(e.Session, e.Leg)
	c.channels[e].Close()
}

// handleReady: the DTLS handshake is done.
func (c *Conference) handleReady(e *endpoint.Endpoint, keys transport.Keys, now time.Time) {
	if c.endpoints[e.ID] != e {
		return
	}
	e.Connected, e.Heard = now, now
	e.Leg.SetKeys(keys.Send, keys.Receive, keys.AEAD)
	c.touchAll()
	c.log.WithField(logx.Endpoint, e.ID).WithField("profile", keys.Profile).Info("endpoint connected")
}

// handleFailed: ICE or DTLS gave up, or the client hung up. The focus learns it at its next update, or from
// the client.
func (c *Conference) handleFailed(e *endpoint.Endpoint, err error) {
	if c.endpoints[e.ID] != e {
		return
	}
	why := "transport failed"
	switch {
	case errors.Is(err, transport.ErrLeft):
		why = "hung up"
	case errors.Is(err, transport.ErrFingerprint):
		why = "wrong certificate"
	}
	if !errors.Is(err, transport.ErrLeft) {
		c.set.counters.TransportFailed.Inc()
		c.log.WithField(logx.Endpoint, e.ID).WithError(err).Warn("endpoint lost its transport")
	}
	c.removeEndpoint(e, why)
	c.summarize()
}
