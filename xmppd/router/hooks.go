package router

import "parley/xmppd/stanza"

// Hooks are the places where services of accounts join in: blocking, archives,
// personal eventing. They are filled before the first stanza and not changed
// afterwards. Every function runs on the goroutine of whoever sent the stanza.
// The zero Hooks, and a nil one, do nothing.
type Hooks struct {
	sending    []func(*Session, *stanza.Stanza) *stanza.Stanza
	receiving  []func(*Users, *stanza.Stanza) *stanza.Stanza
	blocked    []func(owner, other stanza.Addr) bool
	outgoing   []func(*Session, *stanza.Stanza) *stanza.Stanza
	presence   []func(*Users, *Session, *stanza.Stanza)
	subscribed []func(u *Users, owner, contact stanza.Addr, from bool)
}

// OnSending is asked about each stanza a session sends, before anybody else sees
// it. It returns the stanza, changed or not, or nil if it has dealt with it.
func (h *Hooks) OnSending(f func(*Session, *stanza.Stanza) *stanza.Stanza) {
	h.sending = append(h.sending, f)
}

// OnReceiving is asked about each stanza addressed to an account or one of its
// sessions, but what rooms send to all their occupants. It returns the stanza,
// changed or not, or nil if it has dealt with it.
func (h *Hooks) OnReceiving(f func(*Users, *stanza.Stanza) *stanza.Stanza) {
	h.receiving = append(h.receiving, f)
}

// OnBlocked is asked whether an account wants neither to hear from an address nor
// to be seen by it. It must be cheap.
func (h *Hooks) OnBlocked(f func(owner, other stanza.Addr) bool) { h.blocked = append(h.blocked, f) }

// OnOutgoingPresence may change the available presence of a session, broadcast or
// directed, before it is kept and sent.
func (h *Hooks) OnOutgoingPresence(f func(*Session, *stanza.Stanza) *stanza.Stanza) {
	h.outgoing = append(h.outgoing, f)
}

// OnPresence is told of each presence a session has broadcast, after it went out;
// the type is "" or unavailable.
func (h *Hooks) OnPresence(f func(*Users, *Session, *stanza.Stanza)) {
	h.presence = append(h.presence, f)
}

// OnSubscribed is told when a contact begins (from) or ceases to hear the presence of owner.
func (h *Hooks) OnSubscribed(f func(u *Users, owner, contact stanza.Addr, from bool)) {
	h.subscribed = append(h.subscribed, f)
}

func (h *Hooks) askSending(s *Session, st *stanza.Stanza) *stanza.Stanza {
	if h == nil {
		return st
	}
	for _, f := range h.sending {
		if st = f(s, st); st == nil {
			return nil
		}
	}
	return st
}

func (h *Hooks) askReceiving(u *Users, st *stanza.Stanza) *stanza.Stanza {
	if h == nil {
		return st
	}
	for _, f := range h.receiving {
		if st = f(u, st); st == nil {
			return nil
		}
	}
	return st
}

func (h *Hooks) askOutgoing(s *Session, st *stanza.Stanza) *stanza.Stanza {
	if h == nil {
		return st
	}
	for _, f := range h.outgoing {
		st = f(s, st)
	}
	return st
}

func (h *Hooks) isBlocked(owner, other stanza.Addr) bool {
	if h == nil {
		return false
	}
	for _, f := range h.blocked {
		if f(owner, other) {
			return true
		}
	}
	return false
}

func (h *Hooks) tellPresence(u *Users, s *Session, st *stanza.Stanza) {
	if h == nil {
		return
	}
	for _, f := range h.presence {
		f(u, s, st)
	}
}

func (h *Hooks) tellSubscribed(u *Users, owner, contact stanza.Addr, from bool) {
	if h == nil {
		return
	}
	for _, f := range h.subscribed {
		f(u, owner, contact, from)
	}
}

// LastPresence is the available presence the session broadcast last, nil while it is unavailable.
func (s *Session) LastPresence() *stanza.Stanza { return s.presence.last() }

// Contacts are the entries of an account's contact list, none where there are no lists.
func (u *Users) Contacts(owner stanza.Addr) []Contact { return u.contacts(owner) }

// Subscribed says whether contact hears the presence of owner.
func (u *Users) Subscribed(owner, contact stanza.Addr) bool {
	c, ok := u.Contact(owner, contact)
	return ok && c.Subscription.From()
}

// Contact is one entry of a contact list.
func (u *Users) Contact(owner, contact stanza.Addr) (Contact, bool) {
	if u.opts.Roster == nil {
		return Contact{}, false
	}
	u.settle()
	c, ok, err := u.opts.Roster.Contact(owner.Bare(), contact.Bare())
	if err != nil {
		u.r.log.WithError(err).Error("roster cannot be read")
		return Contact{}, false
	}
	return c, ok
}

// HasAccount says whether there is an account of that name.
func (u *Users) HasAccount(local string) bool {
	return u.opts.Exists != nil && u.opts.Exists(local)
}
