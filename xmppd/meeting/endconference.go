package meeting

import (
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// Words clients and people hear when a meeting ends.
const terminated = "The meeting has been terminated"

// installEnd lets moderators end the meeting for all (mod_end_conference).
func (m *Rules) installEnd(d *desk) {
	d.on(topic{space: ns.Client, name: "end_conference", moderators: true, handle: func(q *request) *stanza.Error {
		q.room.Destroy(terminated, stanza.Addr{}, "")
		return nil
	}})
}
