package meeting

import (
	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// installWhitelist gives those on the list the right password (mod_muc_password_whitelist).
func (m *Rules) installWhitelist(h *muc.Hooks) {
	if len(m.cfg.Whitelist) == 0 {
		return
	}
	h.OnJoin(-7, "password whitelist", func(j *muc.Join) muc.Outcome {
		if m.passes(j.From) {
			j.Password = j.Room.Password()
		}
		return muc.Continue
	})
}

// passes says that an address is on the list of those who need no leave to enter.
func (m *Rules) passes(a stanza.Addr) bool {
	for _, w := range m.cfg.Whitelist {
		if w == a.Domain() || w == a.Bare().String() {
			return true
		}
	}
	return false
}

// said counts the messages of a room, see installMessages.
type said struct {
	count    int
	announce bool // that no more are taken was said
}

var (
	errNoGroupChat = stanza.Err(stanza.Cancel, stanza.NotAllowed, "Sending group messages not allowed")
	errAllSaid     = stanza.Err(stanza.Cancel, stanza.NotAllowed, "The message limit for the room has been reached. Messaging is now disabled.")
)

// installMessages refuses messages of people: to all, where the metadata keep that
// for some (mod_filter_messages), and every one when a room has had its share
// (mod_muc_limit_messages).
func (m *Rules) installMessages(h *muc.Hooks) {
	h.OnMessage(func(r *muc.Room, o *muc.Occupant, st *stanza.Stanza) muc.Outcome {
		if !st.Has(ns.Client, "body") {
			return muc.Continue
		}
		if restricted(r, "groupChatRestricted") && !m.allowed(r, o, "send-groupchat") {
			return muc.Refuse(errNoGroupChat)
		}
		if !m.mayStillWrite(r) {
			return muc.Refuse(errAllSaid)
		}
		return muc.Continue
	})
	h.OnDirect(func(r *muc.Room, _, _ *muc.Occupant, st *stanza.Stanza) *stanza.Error {
		if st.Kind == stanza.Message && st.Has(ns.Client, "body") && !m.mayStillWrite(r) {
			return errAllSaid
		}
		return nil
	})
}

func (m *Rules) mayStillWrite(r *muc.Room) bool {
	if m.cfg.MessageLimit == 0 {
		return true
	}
	s := stateOf[said](r)
	if s.count < m.cfg.MessageLimit {
		s.count++
		return true
	}
	if !s.announce {
		s.announce = true
		var b stanza.Builder
		b.Leaf("", "body", errAllSaid.Text)
		r.Broadcast(stanza.New(stanza.Message, stanza.Groupchat, r.Addr(), stanza.Addr{}, "").WithContent(b.Bytes()))
	}
	return false
}
