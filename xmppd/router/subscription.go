package router

import (
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// Subscription is a state of RFC 6121 §A.1, seen from the roster's owner.
type Subscription string

// The states.
const (
	SubNone   Subscription = "none"
	SubTo     Subscription = "to"
	SubFrom   Subscription = "from"
	SubBoth   Subscription = "both"
	SubRemove Subscription = "remove" // in roster pushes only
)

// From says that the contact hears our presence, To that we hear his.
func (s Subscription) From() bool { return s == SubFrom || s == SubBoth }

// To says that we hear the contact's presence.
func (s Subscription) To() bool { return s == SubTo || s == SubBoth }

func (s Subscription) with(to, from bool) Subscription {
	switch {
	case to && from:
		return SubBoth
	case to:
		return SubTo
	case from:
		return SubFrom
	}
	return SubNone
}

// Contact is an entry of a roster.
type Contact struct {
	Addr         stanza.Addr
	Name         string
	Groups       []string
	Subscription Subscription
	Ask          bool // we asked to subscribe and wait
	Pending      bool // he asked; such an entry with SubNone and no Listed is not shown
	Listed       bool // put into the list by its owner
}

// Roster keeps the contact lists of accounts.
type Roster interface {
	// Contacts are all entries of an account, those not Listed included.
	Contacts(owner stanza.Addr) ([]Contact, error)
	// Contact is one entry; ok is false without one.
	Contact(owner, contact stanza.Addr) (c Contact, ok bool, err error)
	// SetContact writes an entry.
	SetContact(owner stanza.Addr, c Contact) error
	// RemoveContact deletes one.
	RemoveContact(owner, contact stanza.Addr) error
}

// AppendItem writes the entry as an item of a roster query; the builder's parent is in jabber:iq:roster.
func (c Contact) AppendItem(b *stanza.Builder) {
	ask := ""
	if c.Ask {
		ask = "subscribe"
	}
	b.Start(ns.Roster, "item", "jid", c.Addr.String(), "name", c.Name, "subscription", string(c.Subscription), "ask", ask)
	for _, g := range c.Groups {
		b.Leaf("", "group", g)
	}
	b.End()
}

// Push tells the account's sessions about a changed entry (§2.1.6).
func (u *Users) Push(owner stanza.Addr, c Contact) {
	if !c.Listed && c.Subscription != SubRemove {
		return
	}
	var b stanza.Builder
	b.Start(ns.Roster, "query")
	c.AppendItem(&b)
	for _, s := range u.Sessions(owner.Local()) {
		push := stanza.New(stanza.IQ, stanza.Set, owner.Bare(), s.addr, NewID()).WithContent(b.Bytes())
		s.Deliver(s.addr, push.Encode())
	}
}

func (u *Users) subscriptionSent(s *Session, st *stanza.Stanza) {
	owner := s.addr.Bare()
	if st.To.IsZero() {
		u.r.Bounce(st.WithTo(owner), stanza.Err(stanza.Modify, stanza.BadRequest, "A subscription needs a to"))
		return
	}
	st = st.WithAddrs(owner, st.To.Bare())
	if u.opts.Roster == nil {
		u.r.Route(st, s)
		return
	}
	c, had, err := u.opts.Roster.Contact(owner, st.To)
	if err != nil {
		u.r.log.WithError(err).Error("roster cannot be read")
		u.r.Bounce(st.WithFrom(s.addr), stanza.Err(stanza.Wait, stanza.InternalServerError, ""))
		return
	}
	c.Addr = st.To
	before := c.Subscription
	switch st.Type {
	case stanza.Subscribe:
		c.Listed = true
		c.Ask = !c.Subscription.To()
	case stanza.Subscribed:
		if !c.Pending {
			return // §3.4: nobody asked
		}
		c.Pending, c.Listed = false, true
		c.Subscription = c.Subscription.with(c.Subscription.To(), true)
	case stanza.Unsubscribe:
		c.Ask = false
		c.Subscription = c.Subscription.with(false, c.Subscription.From())
	case stanza.Unsubbed:
		c.Pending = false
		c.Subscription = c.Subscription.with(c.Subscription.To(), false)
	}
	if c.Subscription == "" {
		c.Subscription = SubNone
	}
	if had || c.Listed {
		u.store(owner, c)
	}
	u.r.Route(st, s)
	if c.Subscription.From() != before.From() {
		if c.Subscription.From() {
			u.announce(owner, st.To)
		}
		u.opts.Hooks.tellSubscribed(u, owner, st.To, c.Subscription.From())
	}
}

func (u *Users) subscriptionReceived(st *stanza.Stanza) {
	owner := st.To
	if u.opts.Roster == nil || u.opts.Exists == nil || !u.opts.Exists(owner.Local()) {
		if st.Type == stanza.Subscribe {
			// §3.1.3: nobody could ever approve.
			u.r.Route(stanza.New(stanza.Presence, stanza.Unsubbed, owner, st.From, st.ID), nil)
		}
		return
	}
	c, had, err := u.opts.Roster.Contact(owner, st.From)
	if err != nil {
		u.r.log.WithError(err).Error("roster cannot be read")
		return
	}
	c.Addr = st.From
	if c.Subscription == "" {
		c.Subscription = SubNone
	}
	switch st.Type {
	case stanza.Subscribe:
		if c.Subscription.From() {
			u.r.Route(stanza.New(stanza.Presence, stanza.Subscribed, owner, st.From, st.ID), nil)
			return
		}
		c.Pending = true
	case stanza.Subscribed:
		if !c.Ask {
			return
		}
		c.Ask = false
		c.Subscription = c.Subscription.with(true, c.Subscription.From())
	case stanza.Unsubscribe:
		c.Pending = false
		c.Subscription = c.Subscription.with(c.Subscription.To(), false)
	case stanza.Unsubbed:
		c.Ask = false
		c.Subscription = c.Subscription.with(false, c.Subscription.From())
	}
	if had || c.Pending {
		u.store(owner, c)
	}
	e := st.Encode()
	for _, s := range u.Sessions(owner.Local()) {
		if s.Available() {
			s.Deliver(owner, e)
		}
	}
}

func (u *Users) store(owner stanza.Addr, c Contact) {
	var err error
	if c.Listed || c.Pending || c.Subscription != SubNone {
		err = u.opts.Roster.SetContact(owner, c)
	} else {
		err = u.opts.Roster.RemoveContact(owner, c.Addr)
	}
	if err != nil {
		u.r.log.WithError(err).Error("roster cannot be written")
		return
	}
	u.Push(owner, c)
}

// announce sends an account's presences to one contact.
func (u *Users) announce(owner, contact stanza.Addr) {
	for _, s := range u.Sessions(owner.Local()) {
		if last := s.presence.last(); last != nil {
			u.r.Route(last.WithTo(contact), nil)
		}
	}
}

func (u *Users) contacts(owner stanza.Addr) []Contact {
	if u.opts.Roster == nil {
		return nil
	}
	cs, err := u.opts.Roster.Contacts(owner.Bare())
	if err != nil {
		u.r.log.WithError(err).Error("roster cannot be read")
		return nil
	}
	return cs
}

func (u *Users) toSubscribers(s *Session, st *stanza.Stanza) {
	for _, c := range u.contacts(s.addr) {
		if c.Subscription.From() && !u.opts.Hooks.isBlocked(s.addr.Bare(), c.Addr) {
			u.r.Route(st.WithTo(c.Addr), nil)
		}
	}
}

// probeContacts asks for the presence of those the session is subscribed to, and
// shows it the requests that came while nobody was online (§4.2.2, §3.1.3).
func (u *Users) probeContacts(s *Session) {
	for _, c := range u.contacts(s.addr) {
		if c.Subscription.To() {
			u.r.Route(stanza.New(stanza.Presence, stanza.Probe, s.addr, c.Addr, ""), nil)
		}
		if c.Pending {
			s.Deliver(s.addr, stanza.New(stanza.Presence, stanza.Subscribe, c.Addr, s.addr.Bare(), "").Encode())
		}
	}
}

// probed answers a probe if the asker may know (§4.3.2).
func (u *Users) probed(st *stanza.Stanza) {
	owner := st.To.Bare()
	allowed := st.From.Bare() == owner
	if !allowed && u.opts.Roster != nil {
		c, ok, err := u.opts.Roster.Contact(owner, st.From.Bare())
		allowed = err == nil && ok && c.Subscription.From()
	}
	if !allowed {
		return
	}
	for _, s := range u.Sessions(owner.Local()) {
		if last := s.presence.last(); last != nil {
			u.r.Route(last.WithTo(st.From), nil)
		}
	}
}

// Cancel ends the subscriptions both ways when a contact is removed (§2.5.2).
func (u *Users) Cancel(owner stanza.Addr, c Contact) {
	if c.Subscription.To() || c.Ask {
		u.r.Route(stanza.New(stanza.Presence, stanza.Unsubscribe, owner.Bare(), c.Addr, ""), nil)
	}
	if c.Subscription.From() || c.Pending {
		u.r.Route(stanza.New(stanza.Presence, stanza.Unsubbed, owner.Bare(), c.Addr, ""), nil)
	}
}
