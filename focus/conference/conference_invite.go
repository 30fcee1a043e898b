package conference

import (
	"errors"
	"time"

	"parley/focus/colibrisession"
	"parley/focus/jinglesession"
	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// How an invitation that the bridge refused is tried again (own choice: Jitsi waits
// for something else to happen).
const (
	retryDelay = 10 * time.Second
	maxRetries = 3
)

// consider looks at who is in the room and does what that asks for: invites
// everybody once there are enough, and ends the session of one that stays alone.
func (c *Conference) consider() {
	if c.phase != running {
		return
	}
	able, invited := 0, 0
	for _, p := range c.parts {
		if p.media() {
			able++
		}
		if p.invited() {
			invited++
		}
	}
	if able >= c.cfg.MinParticipants {
		c.single.stop()
		for _, p := range c.sorted() {
			if p.media() && !p.invited() && !p.withdrawn && !p.retry.running() {
				c.invite(p)
			}
		}
		c.publish()
		return
	}
	if invited == 0 {
		c.single.stop()
		return
	}
	if !c.single.running() {
		c.log.Info("Scheduled single person timeout.")
		c.single.start(c.cfg.SingleParticipantTimeout, c.endSingle)
	}
}

// endSingle ends the sessions of those who stayed without company; they remain
// members of the room.
func (c *Conference) endSingle() {
	c.log.Info("Timing out single participant.")
	for _, p := range c.sorted() {
		if p.invited() {
			c.terminate(p, jingle.ReasonExpired, "Idle session timeout")
			c.dropSources(p)
			c.expire(p)
		}
	}
	c.publish()
}

// invite asks the bridge for a place for the participant; the offer follows when it
// answers.
func (c *Conference) invite(p *participant) {
	if !c.retryDue() {
		return
	}
	bridge, err := c.choose(p)
	if err != nil {
		c.withoutBridge(p, err)
		return
	}
	c.noBridge = false
	s := c.bridges[bridge.Addr]
	if s == nil {
		if !c.endedOn(bridge.Addr) {
			return
		}
		s = c.newSession(bridge)
	}
	p.offer = newOffer(c.cfg, p.has)
	p.offer.data = p.offer.data && !bridge.NoSCTP
	p.allocating, p.bridge = true, s
	p.attempt++
	attempt := p.attempt
	ask := s.Allocate(colibrisession.Endpoint{
		ID: p.id(), StatsID: p.member.StatsID, Media: p.offer.media(), SCTP: p.offer.data,
		ForceMute: c.forceMuteAtStart(p), Capabilities: c.capabilities(p),
	})
	c.request(xmppclient.IQ{Type: xmppclient.TypeGet, To: s.Bridge(), Payload: ask}, func(st *xmppclient.Stanza, err error) {
		c.handleAllocated(p, attempt, s, st, err)
	})
	c.placed(s, p)
}

// withoutBridge leaves the participant waiting until a bridge appears, and says so
// in the room.
func (c *Conference) withoutBridge(p *participant, err error) {
	c.deps.Counters.NoBridge.Inc()
	if !c.noBridge {
		c.log.WithError(err).WithField(logx.Endpoint, p.id()).Warn("Can not invite participant, no bridge available.")
	}
	c.noBridge = true
	c.publish()
}

func (c *Conference) capabilities(p *participant) []string {
	var out []string
	if c.rewrites(p) {
		out = append(out, colibri.CapSSRCRewriting)
		if p.has(ns.FeatureMIDDemux) {
			out = append(out, colibri.CapMIDDemux)
		}
	}
	if !p.member.Person() {
		out = append(out, colibri.CapPrivateAddr)
	}
	return out
}

// rewrites says whether the bridge tells this participant about others' sources.
func (c *Conference) rewrites(p *participant) bool {
	return c.cfg.SSRCRewriting && p.has(ns.FeatureSSRCRewriting)
}

// handleAllocated takes the bridge's answer to invite.
func (c *Conference) handleAllocated(p *participant, attempt int, s *colibrisession.Session, st *xmppclient.Stanza, err error) {
	if c.parts[p.id()] != p || p.attempt != attempt || !p.allocating || c.bridges[s.Bridge()] != s {
		return // left, or invited otherwise, meanwhile; the endpoint was expired then
	}
	if err != nil {
		fault, ours := colibrisession.NewFault(err)
		switch {
		case ours:
			c.bridgeFault(s, p, fault, colibrisession.JudgeAllocation(fault, p.offer.data), err)
		case errors.Is(err, xmppclient.ErrDisconnected), errors.Is(err, xmppclient.ErrNotConnected):
			c.expire(p) // invited again when we are back
		default:
			c.giveUp(p, err)
		}
		return
	}
	var m colibri.Modified
	if err := st.DecodePayload(&m); err != nil {
		fault := colibrisession.Fault{Malformed: true}
		c.bridgeFault(s, p, fault, colibrisession.JudgeAllocation(fault, p.offer.data), err)
		return
	}
	transport, sctp, err := s.Allocated(p.id(), &m)
	if err != nil {
		c.giveUp(p, err)
		return
	}
	if p.offer.data && !sctp {
		c.deps.Bridges.RefusedSCTP(s.Bridge())
		p.offer.data = false
	}
	c.faults, p.retries = 0, 0
	c.offerSession(p, s, transport)
}

// giveUp leaves the participant without media, to be tried again a few times.
func (c *Conference) giveUp(p *participant, err error) {
	c.log.WithError(err).WithField(logx.Endpoint, p.id()).Warn("The bridge takes no place for the participant.")
	c.expire(p)
	if p.retries++; p.retries <= maxRetries {
		p.retry.start(retryDelay, c.consider)
		return
	}
	p.withdrawn = true
	c.publish()
}

// offerSession sends the session-initiate.
func (c *Conference) offerSession(p *participant, s *colibrisession.Session, transport *jingle.Transport) {
	p.retire()
	p.allocating = false
	sess := jinglesession.New(jinglesession.Params{
		SID: jinglesession.NewSID(), Peer: p.member.Addr, Initiator: c.deps.Link.Self(),
		BridgeSession: s.ID(), Form: c.sourceForm(p), Rewriting: c.rewrites(p), StripLayers: c.cfg.StripSimulcast,
		Audio: p.offer.audio != nil, Video: p.offer.video != nil,
	})
	p.session = sess
	c.offerSources(p, s)
	j := sess.Initiate(jinglesession.Offer{
		Contents: p.offer.contents(transport), StartMuted: c.startsMuted(p), Region: s.Region(),
	})
	p.fresh = false
	c.deps.Counters.Invited.Inc()
	c.log.WithField(logx.Endpoint, p.id()).WithField(logx.SID, sess.SID()).Info("Sending session-initiate.")
	c.request(xmppclient.IQ{Type: xmppclient.TypeSet, To: sess.Peer(), Payload: j}, func(_ *xmppclient.Stanza, err error) {
		var refusal *xmppclient.StanzaError
		// No answer is no refusal: late ones are common.
		if errors.As(err, &refusal) && p.session == sess {
			c.log.WithError(err).WithField(logx.Endpoint, p.id()).Info("The participant refuses the session.")
			c.terminate(p, jingle.ReasonGeneralError, "jingle session failed")
			c.withdraw(p)
		}
	})
	c.publish()
}

// startsMuted is what the offer says about starting muted, nil if nothing.
func (c *Conference) startsMuted(p *participant) *jingle.StartMuted {
	n := c.room.Len()
	forced := c.forceMuteAtStart(p)
	m := jingle.StartMuted{
		Audio: p.fresh && c.startMuted.audio || over0(c.req.StartAudioMuted, n) || c.full(mediaFlags{audio: true}) || forced.Audio,
		Video: p.fresh && c.startMuted.video || over0(c.req.StartVideoMuted, n) || c.full(mediaFlags{video: true}) || forced.Video,
	}
	if !m.Audio && !m.Video {
		return nil
	}
	return &m
}

// over0 says whether n is above the limit; a negative limit is none.
func over0(limit, n int) bool { return limit >= 0 && n > limit }

// terminate says goodbye to the participant's session, if it has one.
func (c *Conference) terminate(p *participant, condition, text string) {
	if s := p.session; s != nil {
		c.request(xmppclient.IQ{Type: xmppclient.TypeSet, To: s.Peer(), Payload: s.Terminate(condition, text)},
			ignore)
		p.retire()
	}
}

// withdraw takes the participant's media away until it comes back by itself.
func (c *Conference) withdraw(p *participant) {
	p.withdrawn = true
	p.retire()
	c.removeSources(p)
	c.expire(p)
	c.consider()
	c.publish()
}
