package meeting

import (
	"maps"
	"slices"

	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// grants are the features people have from a moderator who made them one, and in whose
// name they act, by bare address.
type grants struct {
	features map[stanza.Addr]map[string]bool
	holders  map[stanza.Addr]holder
}

// holder is whom a token names.
type holder struct {
	ID    string `json:"id,omitempty"`
	Group string `json:"group,omitempty"`
}

func grantedTo(r *muc.Room, bare stanza.Addr) map[string]bool {
	return stateOf[grants](r).features[bare]
}

// holderOf is in whose name somebody acts: his own, by his token, or that of who made
// him a moderator; zero if nobody is known.
func holderOf(r *muc.Room, o *muc.Occupant) holder {
	if c := claims(o.Session()); c != nil {
		return holder{ID: c.User.ID, Group: c.Group}
	}
	return stateOf[grants](r).holders[o.Bare()]
}

// installPermissions tells somebody who has become moderator what he may do, unless
// his token says it by its features (mod_jitsi_permissions). Who was made moderator by
// the holder of a token with features gets the same. Only the presence with which
// he enters or his rank changes carries it, and only his own copy.
func (m *Rules) installPermissions(h *muc.Hooks) {
	if len(m.cfg.DefaultPermissions) == 0 {
		return
	}
	usual := permissions(m.cfg.DefaultPermissions)
	h.OnAffiliation(func(r *muc.Room, c *muc.Change) {
		g := stateOf[grants](r)
		switch {
		case c.To < muc.Admin:
			delete(g.features, c.Bare)
			delete(g.holders, c.Bare)
		case c.Occupant != nil && c.Actor != nil && c.From < muc.Admin:
			if t := claims(c.Actor.Session()); t != nil && t.Features != nil {
				if g.features == nil {
					g.features, g.holders = make(map[stanza.Addr]map[string]bool), make(map[stanza.Addr]holder)
				}
				g.features[c.Bare], g.holders[c.Bare] = t.Features, holderOf(r, c.Actor)
			}
		}
	})
	h.OnSelfPresence(func(r *muc.Room, o *muc.Occupant, c *muc.Change) []byte {
		switch {
		case c == nil, o.Role() != muc.Moderator, o.Nick() == m.cfg.FocusNick, o.Session() == nil, isHealthRoom(r):
			return nil
		}
		if t := claims(o.Session()); t != nil && t.Features != nil {
			return nil
		}
		if g := grantedTo(r, o.Bare()); g != nil {
			var names []string
			for _, name := range slices.Sorted(maps.Keys(g)) {
				if g[name] {
					names = append(names, name)
				}
			}
			return permissions(names)
		}
		return usual
	})
}

func permissions(names []string) []byte {
	var b stanza.Builder
	b.Start(ns.JitMeet, "permissions")
	for _, p := range names {
		b.Empty("", "p", "name", p, "val", "true")
	}
	return b.Bytes()
}
