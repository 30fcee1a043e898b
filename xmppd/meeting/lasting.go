package meeting

import (
	"fmt"
	"time"

	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// lastWarnings are how long before its end a meeting hears of it.
var lastWarnings = []time.Duration{10 * time.Minute, 5 * time.Minute, time.Minute}

// installDurationLimit ends meetings that last too long, and warns before.
func (m *Rules) installDurationLimit(h *muc.Hooks) {
	limit := m.cfg.MaxDuration
	if limit == 0 {
		return
	}
	h.OnCreated(func(r *muc.Room) {
		if isHealthRoom(r) {
			return
		}
		born := r.Created()
		at := func(d time.Duration, f func()) {
			r.After(d, func() {
				if r.Exists() && r.Created() == born {
					f()
				}
			})
		}
		for _, left := range lastWarnings {
			if left < limit {
				at(limit-left, func() {
					var b stanza.Builder
					b.Leaf("", "body", fmt.Sprintf("The conference will be terminated in %d min", left/time.Minute))
					r.Broadcast(stanza.New(stanza.Message, stanza.Groupchat, r.Addr(), stanza.Addr{}, "").WithContent(b.Bytes()))
				})
			}
		}
		at(limit, func() { r.Destroy("The meeting has been terminated", stanza.Addr{}, "") })
	})
}
