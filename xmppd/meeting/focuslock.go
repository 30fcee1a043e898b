package meeting

import (
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// lockRule and openRule name the rules that hold joins.
const (
	lockRule = "focus lock"
	openRule = "open"
)

var errNoFocus = stanza.Err(stanza.Wait, stanza.RemoteServerTimeout, "The conference service does not answer")

// installFocusLock lets nobody in before the focus (mod_muc_meeting_id). Who comes
// earlier waits, in order, and is refused when the focus does not come in time: no
// join is left without an answer.
func (m *Rules) installFocusLock(h *muc.Hooks) {
	if !m.cfg.FocusFirst {
		return
	}
	h.OnJoin(8, lockRule, func(j *muc.Join) muc.Outcome {
		if m.isFocus(j) || m.hasFocus(j.Room) || isHealthRoom(j.Room) {
			return muc.Continue
		}
		if account(j.Session) && m.cfg.AccountsOpenRooms {
			m.callFocus(j)
		}
		m.refuseLater(j)
		return muc.Hold
	})
	h.OnSettled(func(r *muc.Room, o *muc.Occupant) {
		if o.Nick() != m.cfg.FocusNick {
			return
		}
		for _, rule := range []string{openRule, lockRule} {
			for _, j := range r.Held(rule) {
				r.Resume(j)
			}
		}
	})
}

// refuseLater answers a join that is still held when the time for the focus is up.
func (m *Rules) refuseLater(j *muc.Join) {
	r := j.Room
	r.After(m.cfg.FocusTimeout, func() {
		if r.Holds(j) {
			m.focusTimeouts.Add(1)
			r.Refuse(j, errNoFocus)
		}
	})
}
