package conference

import (
	"errors"
	"slices"
	"time"

	"parley/focus/colibrisession"
	"parley/focus/selector"
	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/xmppclient"
)

// A conference on several bridges: all of them are linked to each other, and each is told
// who is on the others.

// sessions lists the bridges of the conference, the first one first.
func (c *Conference) sessions() []*colibrisession.Session {
	list := make([]*colibrisession.Session, 0, len(c.bridges))
	for _, s := range c.bridges {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *colibrisession.Session) int { return a.Seq() - b.Seq() })
	return list
}

// inUse is what the choice of a bridge depends on.
func (c *Conference) inUse() []selector.Use {
	var out []selector.Use
	for _, s := range c.sessions() {
		out = append(out, selector.Use{Addr: s.Bridge(), Participants: s.Len()})
	}
	return out
}

// placed makes a participant that was put on a bridge known to the others. A bridge that
// is new to the conference is linked to them first.
func (c *Conference) placed(s *colibrisession.Session, p *participant) {
	for _, o := range c.sessions() {
		switch {
		case o == s:
		case o.Linked(s.RelayID()):
			c.tellOf(o, s, o.Show(s.RelayID(), c.remote(p)))
		default:
			c.link(o, s)
		}
	}
}

// remote describes a participant to bridges it is not on.
func (c *Conference) remote(p *participant) colibrisession.Remote {
	return colibrisession.Remote{ID: p.id(), StatsID: p.member.StatsID, Sources: c.bridgeSources(p)}
}

func (c *Conference) remotes(s *colibrisession.Session) []colibrisession.Remote {
	var out []colibrisession.Remote
	for _, p := range c.sorted() {
		if p.bridge == s {
			out = append(out, c.remote(p))
		}
	}
	return out
}

// link connects a bridge that is new to the conference with one that is not. Both are
// asked at once; what each answers goes to the other.
func (c *Conference) link(old, fresh *colibrisession.Session) {
	sctp := c.cfg.SCTP && !c.deps.Bridges.NoSCTP(old.Bridge()) && !c.deps.Bridges.NoSCTP(fresh.Bridge())
	media := fullOffer(c.cfg).media()
	c.log.WithField(logx.Bridge, old.Bridge()).WithField("other", fresh.Bridge()).Info("Linking two bridges.")
	ask := func(s, other *colibrisession.Session, initiator bool) {
		m := s.Link(colibrisession.Link{
			RelayID: other.RelayID(), Initiator: initiator, SCTP: sctp, Media: media, Endpoints: c.remotes(other),
		})
		c.request(xmppclient.IQ{Type: xmppclient.TypeGet, To: s.Bridge(), Payload: m}, func(st *xmppclient.Stanza, err error) {
			c.handleLinked(s, other, sctp, st, err)
		})
	}
	ask(old, fresh, true)
	ask(fresh, old, false)
	check := &timer{c: c}
	check.start(linkCheck, func() {
		if c.bridges[old.Bridge()] == old && c.bridges[fresh.Bridge()] == fresh {
			c.tellOf(old, fresh, old.Probe(fresh.RelayID()))
			c.tellOf(fresh, old, fresh.Probe(old.RelayID()))
		}
	})
}

// linkCheck is when a new link is looked after: a bridge takes one away that did not come
// about, and says so only when asked.
const linkCheck = 40 * time.Second

// tellOf tells a bridge something about its link to another one.
func (c *Conference) tellOf(s, other *colibrisession.Session, ask *colibri.Modify) {
	if ask == nil {
		return
	}
	c.request(xmppclient.IQ{Type: xmppclient.TypeGet, To: s.Bridge(), Payload: ask}, func(_ *xmppclient.Stanza, err error) {
		if xmppclient.IsCondition(err, xmppclient.BadRequest) && s.Linked(other.RelayID()) {
			c.linkLost(s, other, err)
			return
		}
		c.handleTold(s, err)
	})
}

// linkLost gives up one of two bridges that do not reach each other, that which came
// later: whoever is on it did not hear the others.
func (c *Conference) linkLost(s, other *colibrisession.Session, err error) {
	if s.Seq() < other.Seq() {
		s, other = other, s
	}
	if c.bridges[s.Bridge()] != s || c.bridges[other.Bridge()] != other {
		return
	}
	c.log.WithError(err).WithField(logx.Bridge, s.Bridge()).WithField("other", other.Bridge()).
		Warn("Two bridges do not reach each other; the later one serves conferences alone for a while.")
	c.deps.Bridges.Unreachable(s.Bridge(), time.Now())
	c.faulted()
	c.dropBridge(s)
}

// handleLinked takes a bridge's answer to link and tells the other one.
func (c *Conference) handleLinked(s, other *colibrisession.Session, sctp bool, st *xmppclient.Stanza, err error) {
	if c.bridges[s.Bridge()] != s || c.bridges[other.Bridge()] != other || !s.Linked(other.RelayID()) {
		return // one of them is gone
	}
	var m colibri.Modified
	if err == nil {
		err = st.DecodePayload(&m)
	}
	if err != nil {
		c.linkFailed(s, other, err)
		return
	}
	transport, err := s.RelayTransport(other.RelayID(), &m)
	if err != nil {
		c.linkFailed(s, other, err)
		return
	}
	c.tellOf(other, s, other.Connect(s.RelayID(), transport, sctp))
}

// linkFailed gives up a bridge that could not be linked: whoever is on it would not hear
// the others. If it cannot be linked at all, and was there first, the other one goes. When
// our own connection broke nothing is known, and the link is made anew when we are back.
func (c *Conference) linkFailed(s, other *colibrisession.Session, err error) {
	if errors.Is(err, xmppclient.ErrDisconnected) || errors.Is(err, xmppclient.ErrNotConnected) {
		c.unsure = append(c.unsure, [2]*colibrisession.Session{s, other})
		return
	}
	fault, ours := colibrisession.NewFault(err)
	if !ours {
		fault = colibrisession.Fault{Malformed: true}
	}
	v := colibrisession.JudgeLink(fault)
	if v.NoRelays {
		c.log.WithField(logx.Bridge, s.Bridge()).Warn("The bridge cannot be linked to others; it serves conferences alone.")
		c.deps.Bridges.RefusedRelays(s.Bridge())
		if s.Seq() < other.Seq() {
			s = other
		}
	}
	c.bridgeFault(s, nil, fault, v, err)
}

// relink makes the links anew that were being made when our connection broke.
func (c *Conference) relink() {
	list := c.unsure
	c.unsure = nil
	for _, pair := range list {
		a, b := pair[0], pair[1]
		if c.bridges[a.Bridge()] != a || c.bridges[b.Bridge()] != b {
			continue
		}
		undo, same := a.Unlink(b.RelayID()), b.Unlink(a.RelayID())
		if undo == nil || same == nil {
			continue // the other half of a pair that was dealt with
		}
		c.tell(a, undo)
		c.tell(b, same)
		if a.Seq() > b.Seq() {
			a, b = b, a
		}
		c.link(a, b)
	}
}

// shown tells the other bridges what a participant sends now.
func (c *Conference) shown(p *participant) {
	if p.bridge == nil {
		return
	}
	for _, o := range c.sessions() {
		if o != p.bridge {
			c.tellOf(o, p.bridge, o.Show(p.bridge.RelayID(), c.remote(p)))
		}
	}
}

// hidden tells the other bridges that a participant is not on that one any more, or that
// nobody is.
func (c *Conference) hidden(s *colibrisession.Session, id string) {
	for _, o := range c.sessions() {
		switch {
		case o == s:
		case c.bridges[s.Bridge()] != s:
			c.tell(o, o.Unlink(s.RelayID()))
		default:
			c.tellOf(o, s, o.Hide(s.RelayID(), id))
		}
	}
}

// newSession begins the dialogue with a bridge that is new to the conference.
func (c *Conference) newSession(b selector.Bridge) *colibrisession.Session {
	c.lastSession++
	s := colibrisession.New(colibrisession.Params{
		ID: newUUID(), Bridge: b.Addr, Region: b.Region, RelayID: b.RelayID, Seq: c.lastSession,
		MeetingID: c.meetingID, Room: c.addr, RTCStats: c.req.RTCStats,
	})
	c.bridges[b.Addr] = s
	c.bridged = true
	what := "Selected initial bridge."
	if len(c.bridges) > 1 {
		what = "Selected a further bridge."
	}
	c.log.WithField(logx.Bridge, b.Addr).Info(what)
	return s
}

// choose picks a bridge for the participant.
func (c *Conference) choose(p *participant) (selector.Bridge, error) {
	return c.deps.Bridges.Select(selector.Request{Region: p.member.Region, InUse: c.inUse()}, time.Now())
}
