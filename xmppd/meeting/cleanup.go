package meeting

import (
	"time"

	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// forgottenTime is how long recorders may be among themselves.
const forgottenTime = 20 * time.Second

// installCleanup ends a meeting in which only recorders and transcribers are left
// (mod_muc_cleanup_backend_services).
func (m *Rules) installCleanup(h *muc.Hooks) {
	h.OnLeft(func(r *muc.Room, _ *muc.Occupant) {
		if !m.forgotten(r) {
			return
		}
		born := r.Created()
		r.After(forgottenTime, func() {
			if r.Exists() && r.Created() == born && m.forgotten(r) {
				r.Destroy("Empty room with recording and/or transcribing.", stanza.Addr{}, "")
			}
		})
	})
}

// forgotten says that nobody is inside but recorders, and at least one of them.
func (m *Rules) forgotten(r *muc.Room) bool {
	n := 0
	for _, o := range r.Occupants() {
		switch {
		case m.isAdmin(o):
		case m.counted(o):
			return false
		default:
			n++
		}
	}
	return n > 0
}
