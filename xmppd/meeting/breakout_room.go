package meeting

import (
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// installMainRoom follows who is in a main room, for its breakout rooms.
func (m *Rules) installMainRoom(h *muc.Hooks) {
	h.OnJoin(0, "breakout", func(j *muc.Join) muc.Outcome {
		if !j.Admin && !m.familyOf(j.Room).mayUse(j.Room.Node(), j.Nick, j.From) {
			return muc.Refuse(errNickElsewhere)
		}
		return muc.Continue
	})
	h.OnEntering(func(r *muc.Room, o *muc.Occupant) { m.familyOf(r).visit(o) })
	h.OnDestroyed(func(r *muc.Room) { m.endBreakouts(m.familyOf(r), terminated) })
	m.followFamily(h)
}

// installBreakoutRoom makes a room a part of its main room.
func (m *Rules) installBreakoutRoom(h *muc.Hooks) {
	h.OnJoin(0, "breakout", m.enterBreakout)
	h.OnCreated(func(r *muc.Room) {
		if f := m.familyOf(r); f != nil {
			r.SetSubject(f.name(r.Addr()))
		}
	})
	h.OnSettled(func(r *muc.Room, _ *muc.Occupant) {
		if m.familyOf(r) == nil {
			r.Destroy("Breakout room is invalid.", stanza.Addr{}, "")
		}
	})
	fields := func(r *muc.Room, f *muc.Form) {
		if fam := m.familyOf(r); fam != nil {
			f.AddBool("muc#roominfo_isbreakout", "Is this a breakout room?", true)
			f.Add("muc#roominfo_breakout_main_room", "text-single", "The main room associated with this breakout room", fam.main.Addr().String())
		}
	}
	h.OnInfo(fields)
	h.OnForm(fields)
	m.followFamily(h)
}

// enterBreakout lets people of the main room in, with the rank they have there.
func (m *Rules) enterBreakout(j *muc.Join) muc.Outcome {
	br, f := j.Room, m.familyOf(j.Room)
	switch {
	case j.Admin:
		return muc.Continue
	case f == nil:
		return muc.Refuse(errNoBreakout)
	case !f.visited(j.From):
		return muc.Refuse(errNotFromMain)
	case !f.mayUse(br.Node(), j.Nick, j.From):
		return muc.Refuse(errNickElsewhere)
	}
	return m.withRankOf(f.main, j, func(aff muc.Affiliation) { j.Grant(aff) })
}

// withRankOf holds a join until its rank in another room is known.
func (m *Rules) withRankOf(main *muc.Room, j *muc.Join, grant func(muc.Affiliation)) muc.Outcome {
	r := j.Room
	asked := main.Post(func() {
		aff := main.Affiliation(j.From)
		answer := func() {
			switch {
			case !r.Holds(j):
			case !r.Exists():
				// It was closed meanwhile, and nobody shall open it by waiting.
				r.Refuse(j, errNoBreakout)
			default:
				grant(aff)
				r.Resume(j)
			}
		}
		if !r.Post(answer) {
			r.After(0, answer) // is taken even when the room is busy
		}
	})
	if !asked {
		return muc.Refuse(errRoomBusy)
	}
	return muc.Hold
}

// mirrored marks that an affiliation is being taken over from another room.
type mirrored struct{ on bool }

// followFamily keeps what the rooms of a meeting know of each other.
func (m *Rules) followFamily(h *muc.Hooks) {
	note := func(r *muc.Room, o *muc.Occupant) {
		if f := m.familyOf(r); f != nil && !m.isAdmin(o) && f.put(r, o) {
			m.familyChanged(f)
		}
	}
	h.OnJoined(note)
	h.OnLeft(func(r *muc.Room, o *muc.Occupant) {
		f := m.familyOf(r)
		if f == nil || m.isAdmin(o) {
			return
		}
		if f.left(r, o) {
			m.familyChanged(f)
			m.personLeft(f)
		}
	})
	h.OnPresence(func(s *muc.Speaker, st *stanza.Stanza) *stanza.Stanza {
		if f := m.familyOf(s.Room); f != nil && !s.Joining && f.divided() {
			if o := s.Room.OccupantOf(s.From); o != nil && !m.isAdmin(o) && f.renamed(s.Room, o, nameIn(st)) {
				m.familyChanged(f)
			}
		}
		return st
	})
	h.OnAffiliation(func(r *muc.Room, c *muc.Change) {
		f := m.familyOf(r)
		if f == nil || !f.divided() {
			return
		}
		if c.Occupant != nil && c.To != muc.Outcast {
			note(r, c.Occupant)
		}
		if !stateOf[mirrored](r).on {
			m.mirrorToFamily(f, r, c.Bare, c.To)
		}
	})
}

// mirrorToFamily gives somebody the same rank in all rooms of a meeting.
func (m *Rules) mirrorToFamily(f *family, from *muc.Room, bare stanza.Addr, aff muc.Affiliation) {
	take := func(r *muc.Room) {
		s := stateOf[mirrored](r)
		s.on = true
		defer func() { s.on = false }()
		r.SetAffiliation(bare, aff, nil, "")
	}
	if from != f.main {
		f.main.Post(func() {
			if f.main.Exists() {
				take(f.main)
			}
		})
	}
	for _, addr := range f.addrs() {
		if addr != from.Addr() {
			_ = m.breakoutHost.Do(addr, take)
		}
	}
}
