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
}
