package meeting

import (
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

var errFocusIsSacred = stanza.Err(stanza.Cancel, stanza.NotAllowed, "")

// installProtection lets nobody kick the focus or change its rank (xmpp.md §4.6(3)).
func (m *Rules) installProtection(h *muc.Hooks) {
	h.OnAdmin(func(_ *muc.Room, it *muc.AdminItem) *stanza.Error {
		if it.Nick == m.cfg.FocusNick || it.Target.Local() == m.cfg.FocusNick {
			return errFocusIsSacred
		}
		return nil
	})
}
