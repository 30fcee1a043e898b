package meeting

import (
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

var errFocusIsSacred = stanza.Err(stanza.Cancel, stanza.NotAllowed, "")

// installProtection lets nobody kick the focus or change its rank (mod_muc_meeting_id).
func (m *Rules) installProtection(h *muc.Hooks) {
	h.OnAdmin(func(_ *muc.Room, it *muc.AdminItem) *stanza.Error {
		if it.Nick == m.cfg.FocusNick || it.Target.Local() == m.cfg.FocusNick {
			return errFocusIsSacred
		}
		return nil
	})
}
