package meeting

import (
	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// featureFixedName is the feature of a token whose holder may not choose his name.
const featureFixedName = "name-readonly"

// installTokenNames shows people under the name of their token where they may not choose
// one (mod_muc_displayname).
func (m *Rules) installTokenNames(h *muc.Hooks) {
	h.OnPresence(func(s *muc.Speaker, st *stanza.Stanza) *stanza.Stanza {
		c := claims(s.Session)
		if c == nil || !m.cfg.TokenNames && !c.Features[featureFixedName] || m.rt.IsAdmin(s.From) {
			return st
		}
		st = st.Without(func(x stanza.Child) bool { return x.Is(ns.Nick, "nick") })
		if c.User.Name == "" {
			return st
		}
		var b stanza.Builder
		return st.With(b.Leaf(ns.Nick, "nick", c.User.Name).Bytes())
	})
	h.OnKept(keptName)
}

// keptName tells latecomers what somebody was called who wrote before they came, and may
// be gone: a nick is the id of his media (mod_muc_displayname).
func keptName(_ *muc.Room, o *muc.Occupant) []byte {
	name, source := displayName(o), "guest"
	if c := claims(o.Session()); c != nil && c.User.Name != "" {
		name, source = c.User.Name, "token"
	}
	if name == "" {
		return nil
	}
	var b stanza.Builder
	return b.Leaf(ns.DisplayNames, "display-name", name, "source", source).Bytes()
}
