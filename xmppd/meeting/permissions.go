package meeting

import (
	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// installPermissions tells somebody who has become moderator what he may do, unless
// his token says it by its features (xmpp.md §6.11.2). Only the presence with which
// he enters or his rank changes carries it, and only his own copy.
func (m *Rules) installPermissions(h *muc.Hooks) {
	if len(m.cfg.DefaultPermissions) == 0 {
		return
	}
	var b stanza.Builder
	b.Start(ns.JitMeet, "permissions")
	for _, p := range m.cfg.DefaultPermissions {
		b.Empty("", "p", "name", p, "val", "true")
	}
	element := b.Bytes()
	h.OnSelfPresence(func(r *muc.Room, o *muc.Occupant, c *muc.Change) []byte {
		switch {
		case c == nil, o.Role() != muc.Moderator, o.Nick() == m.cfg.FocusNick, o.Session() == nil, isHealthRoom(r):
			return nil
		}
		if t := claims(o.Session()); t != nil && t.Features != nil {
			return nil
		}
		return element
	})
}
