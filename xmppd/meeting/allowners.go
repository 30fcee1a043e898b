package meeting

import (
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

var errAllOwn = stanza.Err(stanza.Auth, stanza.Forbidden, "Everybody moderates in this room")

// installAllOwners makes everybody who enters a moderator, and lets nobody take that
// from another (mod_muc_allowners). It is the last rule of a join, so that nobody owns
// a room he did not get into; his first presence shows it already.
func (m *Rules) installAllOwners(h *muc.Hooks) {
	if !m.cfg.AllOwners {
		return
	}
	h.OnCreated(func(r *muc.Room) { stateOf[metadata](r).set("allownersEnabled", true) })
	h.OnJoin(lastRule, "all owners", func(j *muc.Join) muc.Outcome {
		if !isHealthRoom(j.Room) {
			j.Grant(muc.Owner)
		}
		return muc.Continue
	})
	h.OnAdmin(func(_ *muc.Room, it *muc.AdminItem) *stanza.Error {
		if it.SetsAffiliation && it.Affiliation < muc.Admin {
			return errAllOwn
		}
		return nil
	})
}

// lastRule is the priority of rules that only see who will enter.
const lastRule = -50
