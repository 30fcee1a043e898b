package meeting

import (
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

var errHealthRoom = stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "This room is for the focus only")

// installHealth keeps everybody but the focus out of the rooms in which it tests
// itself.
func (m *Rules) installHealth(h *muc.Hooks) {
	check := func(j *muc.Join) muc.Outcome {
		if isHealthRoom(j.Room) && !m.isFocus(j) {
			return muc.Refuse(errHealthRoom)
		}
		return muc.Continue
	}
	h.OnCreate(100, "health check", check)
	h.OnJoin(100, "health check", check)
}
