package meeting

import (
	"maps"
	"regexp"
	"slices"

	"parley/internal/wire/ns"
	"parley/jwtauth"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// elementName is what may become an element's name.
var elementName = regexp.MustCompile(`^[A-Za-z_][\w.-]*$`)

// installIdentity writes into presence what only the server knows: the verified
// identity of a token's holder, and the region the proxy saw (mod_presence_identity,
// mod_muc_meeting_id). What clients say about their own identity is removed in any case.
func (m *Rules) installIdentity(h *muc.Hooks) {
	h.OnPresence(func(s *muc.Speaker, st *stanza.Stanza) *stanza.Stanza {
		st = st.Without(func(c stanza.Child) bool {
			return c.Is(ns.Client, "identity") || c.Is(ns.JitMeet, "permissions")
		})
		var extra [][]byte
		if c := claims(s.Session); c != nil && m.cfg.Identity {
			if id := identity(c); id != nil {
				extra = append(extra, id)
			}
		}
		if s.Session != nil && !st.Has(ns.Client, regionElement) {
			if region := s.Session.Info().Region; region != "" {
				var b stanza.Builder
				extra = append(extra, b.Leaf("", regionElement, region).Bytes())
			}
		}
		if len(extra) == 0 {
			return st
		}
		return st.With(extra...)
	})
}

const regionElement = "jitsi_participant_region"

// identity is the element made of a token; nil if the token says nothing.
func identity(c *jwtauth.Claims) []byte {
	if len(c.User.Fields) == 0 && c.Group == "" {
		return nil
	}
	var b stanza.Builder
	b.Start("", "identity")
	b.Start("", "user")
	for _, name := range slices.Sorted(maps.Keys(c.User.Fields)) {
		if elementName.MatchString(name) {
			b.Leaf("", name, c.User.Fields[name])
		}
	}
	b.End()
	if c.Group != "" {
		b.Leaf("", "group", c.Group)
	}
	return b.Bytes()
}
