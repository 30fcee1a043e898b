package router

import (
	"slices"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// MaxContacts bounds the contact list of an account.
const MaxContacts = 1000

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
	Ask          bool   // we asked to subscribe and wait
	Pending      bool   // he asked; such an entry with SubNone and no Listed is not shown
	Request      string // the presence he asked with, as XML
	Approved     bool   // he may subscribe without asking (RFC 6121 §3.4)
	Listed       bool   // put into the list by its owner
	Version      string // of the list when the entry last changed
}

func (c Contact) same(o Contact) bool {
	return c.Name == o.Name && slices.Equal(c.Groups, o.Groups) && c.Subscription == o.Subscription && c.Ask == o.Ask &&
		c.Pending == o.Pending && c.Request == o.Request && c.Approved == o.Approved && c.Listed == o.Listed
}

// looksLike says that the two look different to the owner.
func (c Contact) looksLike(o Contact) bool {
	c.Pending, c.Request = o.Pending, o.Request
	return c.same(o)
}

// Roster keeps the contact lists of accounts. Every change gives the list a new
// version; changes of one list come one after the other.
type Roster interface {
	// Contacts are all entries of an account, those not Listed included.
	Contacts(owner stanza.Addr) ([]Contact, error)
	// Contact is one entry; ok is false without one.
	Contact(owner, contact stanza.Addr) (c Contact, ok bool, err error)
	// SetContact writes an entry.
	SetContact(owner stanza.Addr, c Contact) (version string, err error)
	// RemoveContact deletes one.
	RemoveContact(owner, contact stanza.Addr) (version string, err error)
	// Changes are the entries changed after a version, oldest first, removed ones
	// with SubRemove, and the version now. ok is false if that is not known.
	Changes(owner stanza.Addr, since string) (list []Contact, version string, ok bool, err error)
}

// AppendItem writes the entry as an item of a roster query; the builder's parent is in jabber:iq:roster.
func (c Contact) AppendItem(b *stanza.Builder) {
	ask, approved := "", ""
	if c.Ask {
		ask = "subscribe"
	}
	if c.Approved {
		approved = "true"
	}
	b.Start(ns.Roster, "item", "jid", c.Addr.String(), "name", c.Name, "subscription", string(c.Subscription), "ask", ask, "approved", approved)
	for _, g := range c.Groups {
		b.Leaf("", "group", g)
	}
	b.End()
}

// Push is a roster push of one entry to one session (RFC 6121 §2.1.6).
func (c Contact) Push(to *Session) {
	var b stanza.Builder
	b.Start(ns.Roster, "query", "ver", c.Version)
	c.AppendItem(&b)
	to.Deliver(to.addr, stanza.New(stanza.IQ, stanza.Set, to.addr.Bare(), to.addr, NewID()).WithContent(b.Bytes()).Encode())
}

// push tells the sessions that asked for the list about a changed entry. It is called
// with lists held, so that pushes come in the order of versions; delivering does not block.
func (u *Users) push(owner stanza.Addr, c Contact) {
	for _, s := range u.Sessions(owner.Local()) {
		if s.interested.Load() {
			c.Push(s)
		}
	}
}

// Change lets f change one entry of a list, writes it if it is another then, and
// tells the account's sessions. An entry nobody has any business with vanishes.
func (u *Users) Change(owner, contact stanza.Addr, f func(c *Contact)) (before, after Contact, err error) {
	return u.change(owner, contact, f, nil)
}

// change is Change; first, if not nil, says something before the sessions hear of the entry.
func (u *Users) change(owner, contact stanza.Addr, f func(c *Contact), first func()) (before, after Contact, err error) {
	owner, contact = owner.Bare(), contact.Bare()
	u.lists.Lock()
	defer u.lists.Unlock()
	before, had, err := u.opts.Roster.Contact(owner, contact)
	if err != nil {
		u.r.log.WithError(err).Error("roster cannot be read")
		return before, after, err
	}
	before.Addr = contact
	if before.Subscription == "" {
		before.Subscription = SubNone
	}
	after = before
	f(&after)
	if first == nil {
		first = func() {}
	}
	switch {
	case after.same(before) && had, !had && after.empty():
		first()
		return before, after, nil
	case after.empty():
		_, err = u.opts.Roster.RemoveContact(owner, contact)
	default:
		after.Version, err = u.opts.Roster.SetContact(owner, after)
	}
	if err != nil {
		u.r.log.WithError(err).Error("roster cannot be written")
		return before, after, err
	}
	first()
	if after.Listed && !(had && after.looksLike(before)) {
		u.push(owner, after)
	}
	return before, after, nil
}

// settle waits for a change that is being written: whose subscription was cancelled a
// moment ago, by a word that came before his question, learns nothing more.
func (u *Users) settle() {
	u.lists.Lock()
	defer u.lists.Unlock()
}

func (c Contact) empty() bool {
	return !c.Listed && !c.Pending && !c.Approved && c.Subscription == SubNone
}

// PushAgain sends an entry to the account's sessions although nothing changed in it:
// who sets what is set already still gets his push (RFC 6121 §2.4.2).
func (u *Users) PushAgain(owner stanza.Addr, c Contact) {
	u.lists.Lock()
	defer u.lists.Unlock()
	u.push(owner, c)
}

// rosterOf is the roster of a session's account, nil if it has none.
func (u *Users) rosterOf(s *Session) Roster {
	if s.Info().Anonymous {
		return nil
	}
	return u.opts.Roster
}

func (u *Users) contactsOf(s *Session) []Contact {
	if u.rosterOf(s) == nil {
		return nil
	}
	return u.contacts(s.addr)
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

// Interested says that the session asked for the contact list, so that it hears of changes.
func (s *Session) Interested() { s.interested.Store(true) }
