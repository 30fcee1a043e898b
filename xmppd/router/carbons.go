package router

import (
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// Carbons turns copies of the account's messages on or off for a session (XEP-0280 §4).
func (u *Users) Carbons(s *Session, on bool) {
	if s.carbons.Swap(on) == on {
		return
	}
	if on {
		u.copying.Add(1)
	} else {
		u.copying.Add(-1)
	}
}

// copied says whether a message is worth a copy (XEP-0280 §6.1): conversations are,
// rooms and what the sender marked are not.
func copied(st *stanza.Stanza) bool {
	talk := false
	switch st.Type {
	case stanza.Chat, stanza.ErrorType:
		talk = true
	case "", stanza.Normal:
		talk = st.Has(ns.Client, "body") || st.Has(ns.Receipts, "")
	}
	if !talk || st.Has(ns.Carbons, "") || st.Has(ns.Hints, "no-copy") {
		return false // also what is a copy itself, true or forged
	}
	if x, ok := st.Child(ns.MUCUser, "x"); ok {
		return hasInvite(st, x) // private messages in rooms go to one occupant
	}
	return true
}

func hasInvite(st *stanza.Stanza, x stanza.Child) bool {
	var v struct {
		Invite *struct{} `xml:"invite"`
	}
	return st.Decode(x, &v) == nil && v.Invite != nil
}

// copy sends a forwarded copy to the account's other sessions that want it.
func (u *Users) copy(owner stanza.Addr, how string, st *stanza.Stanza, not map[*Session]bool) {
	var e *stanza.Encoded
	for _, s := range u.Sessions(owner.Local()) {
		if not[s] || !s.carbons.Load() {
			continue
		}
		if e == nil {
			var b stanza.Builder
			b.Start(ns.Carbons, how).Start(ns.Forward, "forwarded").Raw(st.Append(nil, ns.Client)).End().End()
			e = stanza.New(stanza.Message, st.Type, owner, stanza.Addr{}, "").WithContent(b.Bytes()).Encode()
		}
		s.Deliver(s.addr, e)
	}
}

// withoutPrivate takes the sender's mark out, which is meant for servers.
func withoutPrivate(st *stanza.Stanza) *stanza.Stanza {
	return st.Without(func(c stanza.Child) bool { return c.Is(ns.Carbons, "private") })
}
