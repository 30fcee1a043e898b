package pubsub

import (
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

const stampFormat = "2006-01-02T15:04:05Z"

// audience is everybody a notice of a node goes to: who subscribed, and in PEP the
// sessions of the account and of its contacts that asked for it (XEP-0163, 4.3).
func (s *Service) audience(n *node, u *router.Users) []stanza.Addr {
	seen := make(map[stanza.Addr]bool)
	var out []stanza.Addr
	add := func(a stanza.Addr) {
		if !seen[a] && !seen[a.Bare()] {
			seen[a] = true
			out = append(out, a)
		}
	}
	list, err := s.db.subscriptions(n.service, n.name, "")
	if err != nil {
		s.broken(err)
	}
	for _, x := range list {
		if x.state == subscribed && x.deliver && (!n.config.Presence || s.online(x.addr)) {
			add(x.addr)
		}
	}
	if u == nil {
		return out
	}
	for _, x := range u.Sessions(n.service.Local()) {
		if s.caps.wants(x.Addr(), n.name) {
			add(x.Addr())
		}
	}
	r := &request{s: s, service: n.service, users: u}
	for _, c := range u.Contacts(n.service) {
		cu, ok := s.rt.Host(c.Addr.Domain()).(*router.Users)
		if !ok || !c.Subscription.From() {
			continue
		}
		for _, x := range cu.Sessions(c.Addr.Local()) {
			if s.caps.wants(x.Addr(), n.name) && r.lets(n, c.Addr) {
				add(x.Addr())
			}
		}
	}
	return out
}

// lets says whether an account may hear of a node it did not subscribe to.
func (r *request) lets(n *node, who stanza.Addr) bool {
	q := *r
	q.who = who.Bare()
	a, e := q.rank(n)
	if e != nil {
		return false
	}
	if n.config.Access == accessAuthorize {
		return a == owner || a == publisher || a == member
	}
	return q.mayRead(n, a) == nil
}

func (s *Service) online(a stanza.Addr) bool {
	u, ok := s.rt.Host(a.Domain()).(*router.Users)
	if !ok {
		return true // a component
	}
	for _, x := range u.Sessions(a.Local()) {
		if x.Available() && (a.IsBare() || a == x.Addr()) {
			return true
		}
	}
	return false
}

// tell sends an event to the audience of a node.
func (r *request) tell(n *node, event []byte) {
	r.s.send(n, r.s.audience(n, r.users), event)
}

func (s *Service) send(n *node, to []stanza.Addr, event []byte) {
	if !n.config.Notify {
		return
	}
	for _, a := range to {
		s.message(n, a, n.config.Message, event)
	}
}

func (s *Service) message(n *node, to stanza.Addr, typ string, content []byte) {
	s.rt.Send(stanza.New(stanza.Message, typ, n.service, to, router.NewID()).WithContent(content))
}

// tellPublished sends new items (XEP-0060, 7.1.2).
func (r *request) tellPublished(n *node, items []item) {
	var b stanza.Builder
	b.Start(ns.PubSubEvent, "event")
	if len(items) == 0 || !n.config.Persist && !n.config.Payloads {
		b.Empty("", "items", "node", n.name)
	} else {
		b.Start("", "items", "node", n.name)
		for _, i := range items {
			writeItem(&b, i, n.config.Publisher, n.config.Payloads)
		}
	}
	r.tellItems(n, b.Bytes())
}

// sendLast sends the newest item to somebody who has just begun to listen (XEP-0060,
// 7.1.4).
func (s *Service) sendLast(n *node, to stanza.Addr) {
	i, ok, err := s.db.last(n, s.now())
	if err != nil {
		s.broken(err)
	}
	if !ok || !n.config.Notify {
		return
	}
	var b stanza.Builder
	b.Start(ns.PubSubEvent, "event").Start("", "items", "node", n.name)
	writeItem(&b, i, n.config.Publisher, n.config.Payloads)
	b.End().End()
	b.Empty(ns.Delay, "delay", "stamp", i.published.UTC().Format(stampFormat))
	s.message(n, to, n.config.Message, b.Bytes())
}

// toOwners sends something to the owners of a node.
func (r *request) toOwners(n *node, content []byte) {
	list, err := r.s.db.standings(n.service, n.name, "")
	if err != nil {
		r.s.broken(err)
		return
	}
	for _, x := range list {
		if addr, err := stanza.ParseAddr(x.addr); err == nil && x.rank == owner {
			r.s.message(n, addr, "", content)
		}
	}
}

// tellSubscriber says that owners changed a subscription (XEP-0060, 8.8.4).
func (s *Service) tellSubscriber(n *node, x subscription) {
	var b stanza.Builder
	b.Start(ns.PubSub, "pubsub")
	writeSubscription(&b, x, n.name)
	s.message(n, x.addr, "", b.Bytes())
	if x.state == subscribed && n.config.SendLast != lastNever && x.deliver {
		s.sendLast(n, x.addr)
	}
}
