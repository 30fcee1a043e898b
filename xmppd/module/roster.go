package module

import (
	"unicode/utf8"

	"github.com/sirupsen/logrus"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// maxGroups and maxLabel bound an entry of a contact list; maxLabel is in characters.
const (
	maxGroups = 50
	maxLabel  = 1023
)

type rosterItem struct {
	JID          string   `xml:"jid,attr"`
	Name         string   `xml:"name,attr"`
	Subscription string   `xml:"subscription,attr"`
	Groups       []string `xml:"group"`
}

// rosters answers jabber:iq:roster (RFC 6121 §2).
type rosters struct {
	users func() *router.Users
	store router.Roster
	log   *logrus.Entry
}

// Roster answers jabber:iq:roster. store is nil where there are no accounts: the
// list is empty then and cannot be changed.
func (s *Service) Roster(users func() *router.Users, store router.Roster, log *logrus.Entry) {
	r := &rosters{users: users, store: store, log: log}
	s.OnAccount(stanza.Get, ns.Roster, "query", "", r.get)
	s.OnAccount(stanza.Set, ns.Roster, "query", "", r.set)
}

func (x *rosters) broken(err error) *stanza.Error {
	x.log.WithError(err).Error("roster cannot be used")
	return stanza.Err(stanza.Wait, stanza.InternalServerError, "")
}

// none says that the asker has no contact list.
func (x *rosters) none(r *Request) bool { return x.store == nil || r.Session.Info().Anonymous }

func (x *rosters) get(r *Request) ([]byte, *stanza.Error) {
	if !r.Own() {
		return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "")
	}
	var b stanza.Builder
	b.Start(ns.Roster, "query")
	if x.none(r) {
		return b.End().Bytes(), nil
	}
	// First interested, then read: a change in between is pushed, not lost.
	r.Session.Interested()
	owner := r.Session.Addr().Bare()
	since, versioned := r.ChildAttrOK(r.Payload, "ver")
	changes, version, known, err := x.store.Changes(owner, since)
	if err != nil {
		return nil, x.broken(err)
	}
	if versioned && known && len(changes) == 0 {
		return nil, nil
	}
	list, err := x.store.Contacts(owner)
	if err != nil {
		return nil, x.broken(err)
	}
	if !versioned {
		version = ""
	}
	whole := wholeRoster(list, version)
	if !versioned || !known || len(whole) <= pushCost(changes) {
		return whole, nil
	}
	// An empty result, then what has changed.
	x.users().Router().Reply(r.Stanza, nil)
	for _, c := range changes {
		if c.Listed {
			c.Push(r.Session)
		}
	}
	return nil, Answered
}

func wholeRoster(list []router.Contact, version string) []byte {
	var b stanza.Builder
	b.Start(ns.Roster, "query", "ver", version)
	for _, c := range list {
		if c.Listed {
			c.AppendItem(&b)
		}
	}
	return b.End().Bytes()
}

// pushOverhead is about what a roster push takes beside its item, in bytes.
const pushOverhead = 200

// pushCost is about how many bytes pushes of the changes take: a list that has fewer is
// sent whole (RFC 6121 §2.6.3).
func pushCost(changes []router.Contact) int {
	var b stanza.Builder
	b.Start(ns.Roster, "query")
	n := 0
	for _, c := range changes {
		if c.Listed {
			c.AppendItem(&b)
			n += pushOverhead
		}
	}
	return n + len(b.End().Bytes())
}

func (x *rosters) set(r *Request) ([]byte, *stanza.Error) {
	switch {
	case !r.Own():
		return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "")
	case x.none(r):
		return nil, stanza.Err(stanza.Cancel, stanza.NotAllowed, "There is no contact list without an account")
	}
	item, addr, e := readItem(r)
	if e != nil {
		return nil, e
	}
	owner := r.Session.Addr().Bare()
	if item.Subscription == string(router.SubRemove) {
		had, err := x.users().Remove(owner, addr)
		switch {
		case err != nil:
			return nil, x.broken(err)
		case !had:
			return nil, stanza.Err(stanza.Cancel, stanza.ItemNotFound, "")
		}
		return nil, nil
	}
	if _, ok, err := x.store.Contact(owner, addr); err != nil {
		return nil, x.broken(err)
	} else if !ok {
		if list, err := x.store.Contacts(owner); err != nil {
			return nil, x.broken(err)
		} else if len(list) >= router.MaxContacts {
			return nil, stanza.Err(stanza.Wait, stanza.ResourceConstraint, "The contact list is full")
		}
	}
	before, after, err := x.users().Change(owner, addr, func(c *router.Contact) {
		c.Name, c.Groups, c.Listed = item.Name, item.Groups, true
	})
	if err != nil {
		return nil, stanza.Err(stanza.Wait, stanza.InternalServerError, "")
	}
	if before.Version == after.Version {
		x.users().PushAgain(owner, after)
	}
	return nil, nil
}

// readItem reads the one entry of a roster set and judges it by RFC 6121 §2.3.3.
func readItem(r *Request) (item rosterItem, addr stanza.Addr, e *stanza.Error) {
	bad := func(text string) (rosterItem, stanza.Addr, *stanza.Error) {
		return item, addr, stanza.Err(stanza.Modify, stanza.BadRequest, text)
	}
	var q struct {
		Items []rosterItem `xml:"item"`
	}
	if err := r.Decode(r.Payload, &q); err != nil || len(q.Items) != 1 {
		return bad("One item at a time")
	}
	item = q.Items[0]
	addr, err := stanza.ParseAddr(item.JID)
	switch {
	case err != nil && item.JID != "":
		return item, addr, stanza.Err(stanza.Modify, stanza.JIDMalformed, "")
	case err != nil || addr.Bare() == r.Session.Addr().Bare():
		return bad("The item needs another's address")
	case len(item.Groups) > maxGroups:
		return item, addr, stanza.Err(stanza.Modify, stanza.NotAcceptable, "Too many groups")
	case utf8.RuneCountInString(item.Name) > maxLabel:
		return item, addr, stanza.Err(stanza.Modify, stanza.NotAcceptable, "The name is too long")
	}
	seen := make(map[string]bool, len(item.Groups))
	for _, g := range item.Groups {
		switch {
		case seen[g]:
			return bad("A group is given twice")
		case g == "" || utf8.RuneCountInString(g) > maxLabel:
			return item, addr, stanza.Err(stanza.Modify, stanza.NotAcceptable, "A group's name is empty or too long")
		}
		seen[g] = true
	}
	return item, addr.Bare(), nil
}
