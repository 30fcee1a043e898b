package archive

import (
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Keeps says whether a message belongs into an archive (XEP-0313, 5.1): what people
// say to each other, and what changes or confirms it; not what asks not to be kept.
func Keeps(st *stanza.Stanza) bool {
	if st.Kind != stanza.Message || st.Has(ns.Hints, "no-store") || st.Has(ns.Hints, "no-permanent-store") {
		return false
	}
	for _, c := range st.Children() {
		switch {
		case c.Is(ns.Client, "body"), c.Is(ns.Hints, "store"),
			c.Space == ns.LegacyOMEMO, c.Space == ns.OMEMO2, c.Space == ns.JingleMessage,
			c.Space == ns.Reactions, c.Space == ns.Retract,
			c.Is(ns.Receipts, "received"), c.Space == ns.Markers && c.Name != "markable":
			return true
		}
	}
	return false
}

func talk(st *stanza.Stanza) bool {
	switch st.Type {
	case "", stanza.Normal, stanza.Chat:
		return Keeps(st)
	}
	return false
}

// Watch has the messages of accounts kept.
func (a *Archive) Watch(h *router.Hooks, host func(domain string) *router.Users) {
	h.OnSending(func(s *router.Session, st *stanza.Stanza) *stanza.Stanza {
		if s.Info().Anonymous || !talk(st) || st.To.IsZero() || st.To.Bare() == s.Addr().Bare() {
			return st // to oneself: it is kept when it arrives
		}
		owner := s.Addr().Bare()
		if a.wants(owner, st.To, func() bool { return isContact(host(owner.Domain()), owner, st.To) }) {
			a.Append(owner, st.To, st)
		}
		return st
	})
	h.OnReceiving(func(u *router.Users, st *stanza.Stanza) *stanza.Stanza {
		if st.Kind != stanza.Message {
			return st
		}
		owner := st.To.Bare()
		st = st.Without(func(c stanza.Child) bool {
			// XEP-0359, 5: nobody else names messages of this archive.
			return c.Is(ns.StanzaID, "stanza-id") && strings.EqualFold(st.ChildAttr(c, "by"), owner.String())
		})
		if !talk(st) || st.From == st.To.Host() && st.Has(ns.Data, "x") || !u.HasAccount(owner.Local()) {
			return st
		}
		if !a.wants(owner, st.From, func() bool { return isContact(u, owner, st.From) }) {
			return st
		}
		return a.Append(owner, st.From, st)
	})
}

func isContact(u *router.Users, owner, peer stanza.Addr) bool {
	if u == nil {
		return false
	}
	if owner == peer.Bare() {
		return true
	}
	c, ok := u.Contact(owner, peer)
	return ok && c.Listed
}
