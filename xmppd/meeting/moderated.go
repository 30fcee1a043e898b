package meeting

import (
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// installModerated ends a meeting that has been without a moderator for too long: one
// that nobody opened, or that all moderators have left (the community's owner_restricted
// and token_owner_party).
func (m *Rules) installModerated(h *muc.Hooks) {
	limit := m.cfg.ModeratorTimeout
	if limit == 0 {
		return
	}
	watch := func(r *muc.Room) {
		w := stateOf[moderated](r)
		w.turn++
		turn, born := w.turn, r.Created()
		r.After(limit, func() {
			// A moderator who came and went meanwhile began a time of its own, as does each
			// meeting in a room that outlives it.
			now := stateOf[moderated](r)
			if r.Exists() && r.Created() == born && now == w && now.turn == turn && m.owners(r) == 0 {
				r.Destroy("The meeting has been terminated", stanza.Addr{}, "")
			}
		})
	}
	h.OnCreated(func(r *muc.Room) {
		if !isHealthRoom(r) {
			watch(r)
		}
	})
	h.OnLeft(func(r *muc.Room, o *muc.Occupant) {
		if r.Exists() && o.Affiliation() == muc.Owner && !m.isAdmin(o) && m.owners(r) == 0 {
			watch(r)
		}
	})
	h.OnAffiliation(func(r *muc.Room, c *muc.Change) {
		if c.Occupant != nil && c.From == muc.Owner && !m.isAdmin(c.Occupant) && m.owners(r) == 0 {
			watch(r)
		}
	})
}

// moderated counts the times a room was left without a moderator.
type moderated struct{ turn int }
