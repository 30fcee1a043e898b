package meeting

import (
	"parley/xmppd/muc"
)

// installDuration tells those who come when the meeting began, for clients of
// before 2024; later ones read it in the room's information (mod_conference_duration).
func (m *Rules) installDuration(d *desk) {
	m.host.Hooks().OnJoined(func(r *muc.Room, o *muc.Occupant) {
		began := detailsOf(r).began
		if began.IsZero() || m.isAdmin(o) {
			return
		}
		r.SendTo(o, d.note(struct {
			Type    string `json:"type"`
			Created int64  `json:"created_timestamp"`
		}{typeDuration, began.Unix() * 1000}))
	})
}
