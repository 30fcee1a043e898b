package pubsub

import (
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Item is something an account publishes by another way than pubsub.
type Item struct {
	ID      string
	Payload []byte // one element with its namespace
}

// Own is what a node is like that the server makes for an account.
type Own struct {
	Open bool // everybody may read; else only the account
	Many bool // keeps many items; else one
}

// Items are those of an account's node, oldest first; ok is false without a node.
// It may be called on any goroutine.
func (s *Service) Items(account stanza.Addr, name string) (out []Item, ok bool) {
	n, err := s.db.node(account.Bare(), name)
	if err != nil {
		s.broken(err)
	}
	if err != nil || n == nil {
		return nil, false
	}
	ids, err := s.db.ids(n, s.now())
	if err != nil {
		s.broken(err)
		return nil, false
	}
	list, err := s.db.items(n, ids, s.now())
	if err != nil {
		s.broken(err)
		return nil, false
	}
	for _, i := range list {
		out = append(out, Item{i.id, i.payload})
	}
	return out, true
}

// Do runs f on the loop of an account; it is false, and f never runs, if that is busy.
func (s *Service) Do(account stanza.Addr, f func()) bool { return s.loop(account.Bare()).Post(f) }

// Publish publishes for an account, and tells as if it had done so itself. It is
// called on the account's loop, see Do.
func (s *Service) Publish(u *router.Users, account stanza.Addr, name string, own Own, items ...Item) {
	r := &request{s: s, service: account.Bare(), users: u, who: account.Bare()}
	n, err := s.db.node(r.service, name)
	if err == nil && n == nil {
		n = s.newNode(r.service, name, r.who, true)
		if !own.Open {
			n.config.Access = accessWhitelist
		} else {
			n.config.Access = accessOpen
		}
		if own.Many {
			n.config.MaxItems = s.cfg.MaxItems
			n.config.SendLast = lastNever
		}
		if r.room(name) != nil {
			return
		}
		err = s.db.create(n, r.who)
	}
	var list []item
	for _, i := range items {
		if len(i.Payload) <= s.cfg.MaxPayload && i.ID != "" && len(i.ID) <= maxName {
			list = append(list, item{id: i.ID, publisher: account.Bare().String(), payload: i.Payload, published: s.now()})
		}
	}
	if err == nil && n.config.Persist && len(list) > 0 {
		err = s.db.publish(n, list)
	}
	if err != nil {
		s.broken(err)
		return
	}
	if len(list) > 0 {
		r.tellPublished(n, list)
	}
}

// Retract removes items of an account's node, on its loop.
func (s *Service) Retract(u *router.Users, account stanza.Addr, name string, ids ...string) {
	n, err := s.db.node(account.Bare(), name)
	if err == nil && n != nil && len(ids) > 0 {
		err = s.db.retract(n, ids)
	}
	if err != nil {
		s.broken(err)
		return
	}
	if n == nil || len(ids) == 0 {
		return
	}
	var b stanza.Builder
	b.Start(ns.PubSubEvent, "event").Start("", "items", "node", n.name)
	for _, id := range ids {
		b.Empty("", "retract", "id", id)
	}
	(&request{s: s, service: n.service, users: u, who: n.service}).tellItems(n, b.Bytes())
}
