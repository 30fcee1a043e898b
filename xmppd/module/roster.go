package module

import (
	"github.com/sirupsen/logrus"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// maxContacts and maxGroups bound a contact list.
const (
	maxContacts = 1000
	maxGroups   = 50
)

type rosterQuery struct {
	Items []struct {
		JID          string   `xml:"jid,attr"`
		Name         string   `xml:"name,attr"`
		Subscription string   `xml:"subscription,attr"`
		Groups       []string `xml:"group"`
	} `xml:"item"`
}

// Roster answers jabber:iq:roster (RFC 6121 §2). store is nil where there are no
// accounts: the list is empty then and cannot be changed.
func (s *Service) Roster(users func() *router.Users, store router.Roster, log *logrus.Entry) {
	broken := func(err error) *stanza.Error {
		log.WithError(err).Error("roster cannot be used")
		return stanza.Err(stanza.Wait, stanza.InternalServerError, "")
	}
	s.OnAccount(stanza.Get, ns.Roster, "query", "", func(r *Request) ([]byte, *stanza.Error) {
		if !r.Own() {
			return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "")
		}
		var b stanza.Builder
		b.Start(ns.Roster, "query")
		if store != nil {
			list, err := store.Contacts(r.Session.Addr().Bare())
			if err != nil {
				return nil, broken(err)
			}
			for _, c := range list {
				if c.Listed {
					c.AppendItem(&b)
				}
			}
		}
		return b.End().Bytes(), nil
	})
	s.OnAccount(stanza.Set, ns.Roster, "query", "", func(r *Request) ([]byte, *stanza.Error) {
		switch {
		case !r.Own():
			return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "")
		case store == nil:
			return nil, stanza.Err(stanza.Cancel, stanza.NotAllowed, "There is no contact list without an account")
		}
		var q rosterQuery
		if err := r.Decode(r.Payload, &q); err != nil || len(q.Items) != 1 {
			return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "One item at a time")
		}
		item := q.Items[0]
		addr, err := stanza.ParseAddr(item.JID)
		owner := r.Session.Addr().Bare()
		if err != nil || addr == owner || len(item.Groups) > maxGroups || len(item.Name) > 1023 {
			return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "")
		}
		addr = addr.Bare()
		c, ok, err := store.Contact(owner, addr)
		if err != nil {
			return nil, broken(err)
		}
		if item.Subscription == string(router.SubRemove) {
			if !ok {
				return nil, stanza.Err(stanza.Modify, stanza.ItemNotFound, "")
			}
			if err := store.RemoveContact(owner, addr); err != nil {
				return nil, broken(err)
			}
			users().Cancel(owner, c)
			users().Push(owner, router.Contact{Addr: addr, Subscription: router.SubRemove})
			return nil, nil
		}
		if !ok {
			if list, err := store.Contacts(owner); err != nil {
				return nil, broken(err)
			} else if len(list) >= maxContacts {
				return nil, stanza.Err(stanza.Wait, stanza.ResourceConstraint, "The contact list is full")
			}
			c = router.Contact{Addr: addr, Subscription: router.SubNone}
		}
		c.Name, c.Groups, c.Listed = item.Name, item.Groups, true
		if err := store.SetContact(owner, c); err != nil {
			return nil, broken(err)
		}
		users().Push(owner, c)
		return nil, nil
	})
}
