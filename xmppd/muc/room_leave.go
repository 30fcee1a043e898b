package muc

import (
	"slices"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// handleLeave takes an unavailable presence: of an occupant, or of somebody who
// still waits to enter.
func (r *Room) handleLeave(st *stanza.Stanza) {
	if j := r.held[st.From]; j != nil {
		r.unhold(j)
		return
	}
	at, inside := r.seats[st.From]
	if !inside {
		return
	}
	last := stanza.New(stanza.Presence, stanza.Unavailable, at.o.addr, stanza.Addr{}, st.ID)
	last.Lang = st.Lang
	if c, ok := st.Child(ns.Client, "status"); ok {
		last = last.WithContent(slices.Clone(st.Raw(c)))
	}
	r.leave(at, last, nil)
}

// vanished removes a session that is not there any more, unless it is waited for. reason
// is empty when it ended as sessions do.
func (r *Room) vanished(real stanza.Addr, reason string) {
	if reason != "" || !r.keepsPlace(real) {
		r.dismiss(real, reason)
	}
}

// dismiss removes a session that is not there any more.
func (r *Room) dismiss(real stanza.Addr, reason string) {
	if j := r.held[real]; j != nil && j.gone() {
		r.unhold(j)
	}
	at, inside := r.seats[real]
	if !inside {
		return
	}
	at.s.gone = true
	last := stanza.New(stanza.Presence, stanza.Unavailable, at.o.addr, stanza.Addr{}, "")
	if reason == "" {
		r.leave(at, last, nil)
		return
	}
	var b stanza.Builder
	b.Leaf("", "status", "Kicked: "+reason)
	r.leave(at, last.WithContent(b.Bytes()), &Change{status: []string{"333"}})
}

// leave takes one session out and tells everybody. While other sessions of the
// occupant stay, only the leaving one hears that it is out.
func (r *Room) leave(at taken, last *stanza.Stanza, c *Change) {
	o, s := at.o, at.s
	last = last.With(r.occupantIDElement(o))
	if len(o.seats) > 1 {
		role := o.role
		o.role = NoRole
		r.deliver(s, last.With(r.userX(o, s, c, viewSelf, false)).Encode())
		o.role = role
		r.unseat(o, s)
		r.tell(o, o.seats[0], o.seats[0].presence, nil, false)
		return
	}
	o.role = NoRole
	r.tell(o, s, last, c, false)
	r.unseat(o, s)
	r.remove(o)
	r.closeIfEmpty("")
}

func (r *Room) occupantIDElement(o *Occupant) []byte {
	var b stanza.Builder
	return b.Empty(ns.OccupantID, "occupant-id", "id", o.id).Bytes()
}

// unseat forgets a session. The last seat stays with the Occupant value, for hooks
// that ask who it was.
func (r *Room) unseat(o *Occupant, s *seat) {
	s.stop()
	delete(r.seats, s.real)
	if len(o.seats) > 1 {
		o.dropSeat(s)
	}
}

// remove forgets an occupant who was told already.
func (r *Room) remove(o *Occupant) {
	delete(r.occupants, o.nick)
	r.forgetNick(o)
	if i := slices.Index(r.order, o); i >= 0 {
		r.order = slices.Delete(slices.Clone(r.order), i, i+1)
	}
	r.present.Store(int32(len(r.order)))
	r.host.stats.occupants.Add(-1)
	r.log.WithField(logx.Occupant, o.Real().String()).WithField(logx.Name, o.nick).Debug("occupant left")
	for _, f := range r.hooks().left {
		f(r, o)
	}
}

// forgetNick takes an occupant's nick out of those that others cannot have.
func (r *Room) forgetNick(o *Occupant) {
	if key := nickKey(o.nick); r.nickKeys[key] == o {
		delete(r.nickKeys, key)
		// One account may carry two nicks that look the same.
		for _, other := range r.order {
			if other != o && nickKey(other.nick) == key {
				r.nickKeys[key] = other
				break
			}
		}
	}
}

// closeIfEmpty ends the room when nobody is inside, unless it is persistent.
func (r *Room) closeIfEmpty(reason string) {
	if !r.exists || len(r.order) > 0 {
		return
	}
	if r.config.persistent && reason == "" {
		if r.stored {
			r.becomePlain()
		}
		return
	}
	r.host.stats.rooms.Add(-1)
	r.log.WithField(logx.Reason, reason).Info("room closed")
	for _, f := range r.hooks().destroyed {
		f(r)
	}
	r.erase()
	r.dropArchive()
	r.reset()
}

// eject puts all sessions of an occupant out: kick, ban, loss of membership.
func (r *Room) eject(o *Occupant, c *Change) {
	last := stanza.New(stanza.Presence, stanza.Unavailable, o.addr, stanza.Addr{}, "").WithContent(r.occupantIDElement(o))
	o.role = NoRole
	r.tell(o, o.seats[0], last, c, false)
	for _, s := range slices.Clone(o.seats) {
		r.unseat(o, s)
	}
	r.remove(o)
}

// Kick puts an occupant out (XEP-0045, 8.2).
func (r *Room) Kick(o *Occupant, actor *Occupant, reason string) {
	r.eject(o, &Change{Occupant: o, Actor: actor, Reason: reason, status: []string{"307"}})
	r.closeIfEmpty("")
}

// Destroy ends the room (XEP-0045, 10.9). alternate is the room to go to instead,
// zero for none. Everybody hears it about himself.
func (r *Room) Destroy(reason string, alternate stanza.Addr, password string) {
	r.destroyWith(destroyElement(reason, alternate, password), reason)
}

func destroyElement(reason string, alternate stanza.Addr, password string) []byte {
	// The element stands inside x of muc#user and carries no xmlns of its own, so
	// it is written as if in the stanza's namespace.
	var b stanza.Builder
	if reason == "" && password == "" {
		return b.Empty("", "destroy", "jid", alternate.String()).Bytes()
	}
	b.Start("", "destroy", "jid", alternate.String())
	if reason != "" {
		b.Leaf("", "reason", reason)
	}
	if password != "" {
		b.Leaf("", "password", password)
	}
	return b.Bytes()
}

func (r *Room) destroyWith(destroy []byte, reason string) {
	if !r.exists {
		return
	}
	for _, o := range slices.Clone(r.order) {
		o.role = NoRole
		for _, s := range slices.Clone(o.seats) {
			last := stanza.New(stanza.Presence, stanza.Unavailable, o.addr, stanza.Addr{}, "").WithContent(r.occupantIDElement(o))
			r.deliver(s, last.With(r.userX(o, s, &Change{destroy: destroy}, viewSelf, false)).Encode())
			r.unseat(o, s)
		}
		r.remove(o)
	}
	if reason == "" {
		reason = "destroyed"
	}
	r.closeIfEmpty(reason)
}

// errorReason names the condition of a bounced stanza for the status of a kick.
func errorReason(st *stanza.Stanza) string {
	cond := stanzaCondition(st)
	if cond == "" {
		return "error"
	}
	return dashes(cond)
}
