package conference

import (
	"time"

	"parley/focus/colibrisession"
	"parley/focus/jinglesession"
	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
	"parley/internal/wire/jitsimeet"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// refuse is short for an error answer.
func refuse(condition, text string) *xmppclient.StanzaError {
	return xmppclient.NewError(condition, text)
}

// handleRequest answers an IQ of an occupant: once, after what it asks for was done.
func (c *Conference) handleRequest(st *xmppclient.Stanza, to Asker) {
	err := c.dispatch(st)
	if err == nil {
		to.Reply(nil)
		return
	}
	c.deps.Counters.Refused.Inc()
	c.log.WithError(err).WithField(logx.Occupant, st.From).WithField(logx.IQ, st.Payload.Local).Debug("A request was refused.")
	to.Fail(err)
}

func (c *Conference) dispatch(st *xmppclient.Stanza) *xmppclient.StanzaError {
	switch {
	case st.Type != xmppclient.TypeSet:
		return refuse(xmppclient.BadRequest, "only IQs of type set make sense here")
	case st.Payload.Space == ns.Jingle:
		var j jingle.Jingle
		if err := st.DecodePayload(&j); err != nil {
			return refuse(xmppclient.BadRequest, "malformed jingle element")
		}
		return c.handleJingle(st.From, &j)
	case st.Payload.Local == "mute":
		var m jitsimeet.Mute
		if err := st.DecodePayload(&m); err != nil {
			return refuse(xmppclient.BadRequest, "malformed mute element")
		}
		err := c.handleMute(st.From, &m)
		if err != nil {
			err.Echo = &m
		}
		return err
	}
	return refuse(xmppclient.ServiceUnavailable, "")
}

// call is an admitted Jingle request.
type call struct {
	p *participant
	s *jinglesession.Session
	j *jingle.Jingle
}

// jingleHandlers holds what is done for each action clients may send.
var jingleHandlers = map[jingle.Action]func(*Conference, call) *xmppclient.StanzaError{
	jingle.SessionAccept:    (*Conference).handleAccept,
	jingle.SessionInfo:      (*Conference).handleInfo,
	jingle.SessionTerminate: (*Conference).handleTerminate,
	jingle.TransportInfo:    (*Conference).handleTransport,
	jingle.SourceAdd:        (*Conference).handleSourceAdd,
	jingle.SourceRemove:     (*Conference).handleSourceRemove,
	jingle.TransportAccept:  (*Conference).handleUnasked,
	jingle.TransportReject:  (*Conference).handleUnasked,
}

func (c *Conference) handleJingle(from string, j *jingle.Jingle) *xmppclient.StanzaError {
	action, err := jinglesession.Known(j.Action)
	if err != nil {
		return err
	}
	p := c.parts[xmppclient.Resource(from)]
	var s *jinglesession.Session
	if p != nil {
		s = p.find(j.SID)
	}
	if s == nil {
		if c.someoneElses(j.SID) {
			return refuse(xmppclient.ItemNotFound, "no such session")
		}
		return refuse(xmppclient.BadRequest, "unknown sid")
	}
	if err := s.Admit(from, action); err != nil {
		if action == jingle.SessionTerminate && err.Condition == xmppclient.Gone && c.revive(p, s, j) {
			return nil
		}
		return err
	}
	return jingleHandlers[action](c, call{p, s, j})
}

// someoneElses says whether the sid is that of another participant's session.
func (c *Conference) someoneElses(sid string) bool {
	for _, p := range c.parts {
		if p.find(sid) != nil {
			return true
		}
	}
	return false
}

// revive invites a participant anew whose session we ended because we could not take
// its session-accept: clients then ask for a restart of that session, and would
// otherwise stay without media (own choice: Jitsi answers gone).
func (c *Conference) revive(p *participant, s *jinglesession.Session, j *jingle.Jingle) bool {
	if p.session != nil || p.allocating || len(p.past) == 0 || p.past[len(p.past)-1] != s ||
		j.BridgeSession == nil || !j.BridgeSession.Restart || !p.restarts.allow(time.Now()) {
		return false
	}
	p.withdrawn = false
	c.consider()
	return true
}

// handleUnasked answers replies to a transport-replace, which we never send.
func (c *Conference) handleUnasked(call) *xmppclient.StanzaError {
	return refuse(xmppclient.UnexpectedRequest, "no transport was offered")
}

// handleAccept takes a session-accept: the client's transport and its sources.
func (c *Conference) handleAccept(k call) *xmppclient.StanzaError {
	set, err := c.readSources(k)
	if err == nil {
		set, err = c.addSources(k.p, set)
	}
	if err != nil {
		// The client will not go on with this session; it asks for a new one.
		k.p.retire()
		c.expire(k.p)
		k.p.withdrawn = true
		c.publish()
		return err
	}
	k.s.Accept()
	c.deps.Counters.Accepted.Inc()
	c.log.WithField(logx.Endpoint, k.p.id()).WithField(logx.SID, k.s.SID()).Info("Received session-accept.")
	u := colibrisession.Update{Transport: k.j.FirstTransport(), Sources: c.bridgeSources(k.p)}
	if v := k.j.Content("video"); v != nil && v.InitialLastN != nil {
		u.LastN = &v.InitialLastN.Value
	}
	c.update(k.p, u)
	c.announce(k.p, set)
	c.flush(k.p)
	return nil
}

// handleTransport passes the client's candidates on to the bridge.
func (c *Conference) handleTransport(k call) *xmppclient.StanzaError {
	t := k.j.FirstTransport()
	if t == nil {
		return refuse(xmppclient.BadRequest, "missing transport")
	}
	c.update(k.p, colibrisession.Update{Transport: t})
	return nil
}

// update tells the participant's bridge about a change.
func (c *Conference) update(p *participant, u colibrisession.Update) {
	if s := p.bridge; s != nil {
		c.tell(s, s.Update(p.id(), u))
	}
	if u.Sources != nil {
		c.shown(p)
	}
}

// handleInfo takes a session-info: a request to restart ICE, or the failure report of
// an old client. Others are acknowledged, as XEP-0166 §7.2.4 wants it.
func (c *Conference) handleInfo(k call) *xmppclient.StanzaError {
	b := k.j.BridgeSession
	switch {
	case b != nil && b.ICERestart:
		return c.restartICE(k.p, b.ID)
	case k.j.ICEState != nil && k.j.ICEState.State == "failed" && b != nil && c.onBridge(k.p, b.ID):
		if !k.p.restarts.allow(time.Now()) {
			return refuse(xmppclient.ResourceConstraint, "rate-limited")
		}
		c.deps.Counters.Restarts.Inc()
		c.move([]*participant{k.p})
	}
	return nil
}

// onBridge says whether the id is that of the bridge session the participant is on.
func (c *Conference) onBridge(p *participant, id string) bool {
	return p.bridge != nil && p.bridge.ID() == id
}

// handleTerminate ends the participant's session; perhaps it wants a new one.
func (c *Conference) handleTerminate(k call) *xmppclient.StanzaError {
	b := k.j.BridgeSession
	if b == nil || !c.onBridge(k.p, b.ID) {
		return refuse(xmppclient.ItemNotFound, "the bridge session is not a currently active session")
	}
	c.log.WithField(logx.Endpoint, k.p.id()).WithField(logx.SID, k.s.SID()).
		WithField("restart", b.Restart).Info("Received session-terminate.")
	if !b.Restart {
		c.withdraw(k.p)
		return nil
	}
	k.p.retire()
	c.removeSources(k.p)
	c.expire(k.p)
	if !k.p.restarts.allow(time.Now()) {
		c.log.WithField(logx.Endpoint, k.p.id()).Warn("Rate limiting restart request.")
		k.p.withdrawn = true
		c.consider()
		return refuse(xmppclient.ResourceConstraint, "rate-limited")
	}
	c.deps.Counters.Restarts.Inc()
	// The offer follows when the bridge has answered, and so after our result.
	c.consider()
	return nil
}

// restartICE asks the bridge for a new transport of the running session.
func (c *Conference) restartICE(p *participant, bridgeSession string) *xmppclient.StanzaError {
	switch {
	case !c.cfg.ICERestart:
		return refuse(xmppclient.FeatureNotImplemented, "ICE restart is off")
	case !p.iceRestarts.allow(time.Now()):
		return refuse(xmppclient.ResourceConstraint, "rate-limited")
	case !c.onBridge(p, bridgeSession):
		return refuse(xmppclient.ItemNotFound, "the bridge session is not a currently active session")
	}
	c.deps.Counters.ICERestarts.Inc()
	s, attempt := p.bridge, p.attempt
	ask := s.RestartICE(p.id())
	if ask == nil {
		return refuse(xmppclient.ItemNotFound, "the bridge does not know the endpoint")
	}
	c.request(xmppclient.IQ{Type: xmppclient.TypeGet, To: s.Bridge(), Payload: ask}, func(st *xmppclient.Stanza, err error) {
		if c.parts[p.id()] != p || p.attempt != attempt || p.session == nil {
			return
		}
		c.handleICERestarted(p, s, st, err)
	})
	return nil
}

func (c *Conference) handleICERestarted(p *participant, s *colibrisession.Session, st *xmppclient.Stanza, err error) {
	if err != nil {
		if fault, ours := colibrisession.NewFault(err); ours && fault.Condition == xmppclient.FeatureNotImplemented {
			c.move([]*participant{p}) // the bridge cannot, a new session can
			return
		}
		c.handleTold(s, err)
		return
	}
	var m colibri.Modified
	if st.DecodePayload(&m) != nil {
		return
	}
	switch t, what := s.Restarted(p.id(), &m); what {
	case colibrisession.RestartRelay:
		c.request(xmppclient.IQ{Type: xmppclient.TypeSet, To: p.session.Peer(), Payload: p.session.TransportInfo(t)},
			ignore)
	case colibrisession.RestartRefused:
		c.move([]*participant{p})
	case colibrisession.RestartKept:
	}
}
