package muc

import (
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Change is what a presence tells besides who somebody is: why his rank or place
// changed, and by whom.
type Change struct {
	// Occupant is whom it is about; nil when only an account outside is meant.
	Occupant *Occupant
	// Bare is the account, From and To its affiliation before and after.
	Bare     stanza.Addr
	From, To Affiliation
	// Actor is who did it, nil for the server or an owner outside.
	Actor  *Occupant
	Reason string

	status  []string // codes for everybody
	self    []string // codes only for himself, before the item
	destroy []byte   // destroy element
	newNick string   // after a nick change
}

// handlePresence tells the kinds of presence apart (XEP-0045, 7).
func (r *Room) handlePresence(st *stanza.Stanza, from *router.Session) {
	at, inside := r.seats[st.From]
	switch st.Type {
	case "":
	case stanza.Unavailable:
		if from != nil || !r.keepsPlace(st.From) { // the session ended
			r.handleLeave(st)
		}
		return
	case stanza.ErrorType:
		if inside {
			r.vanished(st.From, errorReason(st))
		}
		return
	default:
		// Subscriptions and probes mean nothing here (RFC 6121 says they get no answer).
		return
	}
	x, enters := st.Child(ns.MUC, "x")
	if inside && at.s.absent {
		if enters && st.To.Resource() == at.o.nick && len(at.o.seats) == 1 {
			r.returned(at, st, x, from)
			return
		}
		r.dismiss(st.From, "")
		inside = false
	}
	switch {
	case !inside && enters:
		r.handleJoin(st, x, from)
	case !inside:
		r.host.rt.Bounce(st, errPresenceInRoom)
	case st.To.Resource() != "" && st.To.Resource() != at.o.nick:
		r.changeNick(at, st, from)
	default:
		r.update(at, st, from, enters)
	}
}

// update replaces an occupant's presence and tells everybody. With resync he has
// lost track and hears all of it again.
func (r *Room) update(at taken, st *stanza.Stanza, from *router.Session, resync bool) {
	at.s.presence = r.clean(st, &Speaker{Room: r, From: st.From, Session: from}, at.o)
	at.s.gone = false
	if resync {
		r.tellOccupants(at)
		r.tell(at.o, at.s, at.s.presence, nil, true)
		x, _ := st.Child(ns.MUC, "x")
		r.tellPast(at, st.Raw(x))
		return
	}
	r.tell(at.o, at.s, at.s.presence, nil, false)
}

// clean makes the presence others hear: without what only the room may say, and
// as the filters want it.
func (r *Room) clean(st *stanza.Stanza, sp *Speaker, o *Occupant) *stanza.Stanza {
	for _, f := range r.host.hooks.presence {
		st = f(sp, st)
	}
	st = st.Without(func(c stanza.Child) bool {
		return c.Is(ns.MUC, "x") || c.Is(ns.MUCUser, "x") || c.Is(ns.OccupantID, "occupant-id")
	})
	var b stanza.Builder
	b.Empty(ns.OccupantID, "occupant-id", "id", o.id)
	return st.WithAddrs(o.addr, stanza.Addr{}).With(b.Bytes())
}

// tell tells everybody about a session of an occupant: all others first, himself
// last. Each form of the presence is serialised once. first adds what belongs to
// a first or repeated self-presence, and only the session it is about gets that.
//
// Where occupants of a role are not to be shown (muc#roomconfig_presencebroadcast),
// others hear nothing of them but their end.
func (r *Room) tell(o *Occupant, about *seat, base *stanza.Stanza, c *Change, first bool) {
	switch shown := r.config.shows(o.role); {
	case o.role == NoRole || shown:
		if o.shown || shown {
			r.tellOthers(o, about, base, c)
		}
		o.shown = shown
	case o.shown:
		o.shown = false
		r.tellOthers(o, about, stanza.New(stanza.Presence, stanza.Unavailable, o.addr, stanza.Addr{}, "").WithContent(r.occupantIDElement(o)), nil)
	}
	r.tellSelf(o, about, base, c, first)
}

func (r *Room) tellOthers(o *Occupant, about *seat, base *stanza.Stanza, c *Change) {
	var open, veiled *stanza.Encoded // with and without real addresses
	for _, other := range r.order {
		if other == o || !r.hears(other, o) {
			continue
		}
		if r.seesAddresses(other) {
			if open == nil {
				open = r.told(o, about, base, c, viewOpen)
			}
			r.deliverAll(other, open)
			continue
		}
		if veiled == nil {
			veiled = r.told(o, about, base, c, viewVeiled)
		}
		r.deliverAll(other, veiled)
	}
}

// told is a presence as others hear it.
func (r *Room) told(o *Occupant, about *seat, base *stanza.Stanza, c *Change, v view) *stanza.Encoded {
	if c == nil && base == about.presence {
		return r.appearance(o, about, v)
	}
	return base.With(r.userX(o, about, c, v, false)).Encode()
}

// appearance is the last presence of a seat as others hear it. It is kept, since
// every newcomer is given that of everybody.
func (r *Room) appearance(o *Occupant, s *seat, v view) *stanza.Encoded {
	a := &s.seen[v]
	if a.e == nil || a.presence != s.presence || a.affiliation != o.affiliation || a.role != o.role {
		*a = appearance{s.presence, o.affiliation, o.role, s.presence.With(r.userX(o, s, nil, v, false)).Encode()}
	}
	return a.e
}

// tellSelf gives an occupant his own presence.
func (r *Room) tellSelf(o *Occupant, about *seat, base *stanza.Stanza, c *Change, first bool) {
	extra := [][]byte{r.userX(o, about, c, viewSelf, first)}
	if base.Type == "" {
		for _, f := range r.hooks().self {
			if e := f(r, o, c); len(e) > 0 {
				extra = append(extra, e)
			}
		}
	}
	self := base.With(extra...).Encode()
	if first {
		r.deliver(about, self)
		return
	}
	r.deliverAll(o, self)
}

func (r *Room) deliverAll(o *Occupant, e *stanza.Encoded) {
	for _, s := range o.seats {
		r.deliver(s, e)
	}
}

// hears says whether presence of one occupant is meant for another. In a brewery
// a service needs only the presence of the administrators' focus and its own.
func (r *Room) hears(listener, speaker *Occupant) bool {
	for _, f := range r.hooks().hears {
		if !f(r, listener, speaker) {
			return false
		}
	}
	if !r.host.cfg.Brewery {
		return true
	}
	return r.host.reserved(listener.nick) || r.host.reserved(speaker.nick)
}

// seesAddresses says whether an occupant gets to know real addresses.
func (r *Room) seesAddresses(o *Occupant) bool { return r.config.whoisAnyone || o.role == Moderator }

type view uint8

const (
	viewOpen   view = iota // real addresses, the actor's too
	viewVeiled             // none
	viewSelf               // his own; of the actor only the nick
)

// userX is the muc#user element of a presence. The codes 110, 100 and 201 are for
// the occupant himself only.
func (r *Room) userX(o *Occupant, about *seat, c *Change, v view, first bool) []byte {
	if c == nil {
		c = &Change{}
	}
	var b stanza.Builder
	b.Start(ns.MUCUser, "x")
	b.Raw(c.destroy)
	if v == viewSelf {
		for _, code := range c.self {
			b.Empty("", "status", "code", code)
		}
		if first && r.config.whoisAnyone {
			b.Empty("", "status", "code", "100")
		}
		if first && r.config.logged {
			b.Empty("", "status", "code", "170")
		}
	}
	for _, code := range c.status {
		b.Empty("", "status", "code", code)
	}
	real := about.real.String()
	if v == viewVeiled {
		real = ""
	}
	attrs := []string{"affiliation", o.affiliation.String(), "role", o.role.String(), "jid", real, "nick", c.newNick}
	if c.Actor == nil && c.Reason == "" {
		b.Empty("", "item", attrs...)
	} else {
		b.Start("", "item", attrs...)
		if c.Actor != nil {
			by := ""
			if v == viewOpen {
				by = c.Actor.Real().String()
			}
			b.Empty("", "actor", "nick", c.Actor.nick, "jid", by)
		}
		if c.Reason != "" {
			b.Leaf("", "reason", c.Reason)
		}
		b.End()
	}
	if v == viewSelf {
		b.Empty("", "status", "code", "110")
	}
	return b.Bytes()
}

// tellOccupants gives a newcomer one presence of everybody who is inside.
func (r *Room) tellOccupants(at taken) {
	for _, o := range r.order {
		if o == at.o || !o.shown || !r.hears(at.o, o) {
			continue
		}
		v := viewVeiled
		if r.seesAddresses(at.o) {
			v = viewOpen
		}
		for _, s := range o.seats {
			r.deliver(at.s, r.appearance(o, s, v))
		}
	}
}

// changeNick gives an occupant another name (XEP-0045, 7.6), in all his sessions: he
// is one person with one nick. People without an account keep theirs where nicks are
// strict: it names their media.
func (r *Room) changeNick(at taken, st *stanza.Stanza, from *router.Session) {
	nick := st.To.Resource()
	j := &Join{Room: r, Presence: st, From: st.From, Nick: nick, Session: from, Admin: r.host.rt.IsAdmin(st.From)}
	var refusal *stanza.Error
	switch {
	case r.host.cfg.StrictNicks && j.Anonymous():
		refusal = errNickChange
	case r.occupants[nick] != nil:
		refusal = errNickTaken
	case r.nickFree(nick, at.o.bare, at.o) != nil:
		refusal = r.nickFree(nick, at.o.bare, at.o)
	default:
		refusal = r.checkNick(j).err
	}
	if refusal != nil {
		r.host.rt.Bounce(st, refusal)
		return
	}
	addr, err := r.addr.WithResource(nick)
	if err != nil {
		r.host.rt.Bounce(st, errNick)
		return
	}
	gone := stanza.New(stanza.Presence, stanza.Unavailable, at.o.addr, stanza.Addr{}, st.ID)
	r.tell(at.o, at.s, gone, &Change{status: []string{"303"}, newNick: nick}, false)
	delete(r.occupants, at.o.nick)
	r.forgetNick(at.o)
	at.o.nick, at.o.addr = nick, addr
	r.occupants[nick] = at.o
	r.nickKeys[nickKey(nick)] = at.o
	r.update(at, st, from, false)
	for _, s := range at.o.seats {
		if s != at.s {
			s.presence = s.presence.WithAddrs(addr, stanza.Addr{})
			r.tell(at.o, s, s.presence, nil, false)
		}
	}
}
