package pubsub

import (
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// maxLevels is how many collections may stand inside each other.
const maxLevels = 16

// Who may put nodes into a collection (XEP-0248, 13.3).
const (
	associateAll    = "all"
	associateOwners = "owners"
)

// mayJoin says why a node may not be put into the collection its configuration
// names (XEP-0248, 6.3 and 8.3); nil if it may.
func (r *request) mayJoin(n *node) *stanza.Error {
	name := n.config.Collection
	switch {
	case (name != "" || n.config.Collects) && r.pep():
		return unsupported("collections")
	case name == "":
		return nil
	}
	parent, e := r.find(name)
	if e != nil {
		return e
	}
	a, e := r.rank(parent)
	switch {
	case e != nil:
		return e
	case !parent.config.Collects:
		return errNotCollection
	case a != owner && (a == outcast || parent.config.Associate != associateAll):
		return errForbidden
	}
	above, err := r.s.above(parent)
	if err != nil {
		return r.s.broken(err)
	}
	if len(above)+1 >= maxLevels {
		return errTooDeep
	}
	for _, p := range append(above, parent) {
		if p.name == n.name {
			return errLoop
		}
	}
	children, err := r.s.db.children(n.service, name)
	switch {
	case err != nil:
		return r.s.broken(err)
	case len(children) >= r.s.cfg.MaxNodes:
		return errTooManyNodes
	}
	return nil
}

// above are the collections a node is in, the nearest first.
func (s *Service) above(n *node) (out []*node, err error) {
	for n.config.Collection != "" && len(out) < maxLevels {
		p, err := s.db.node(n.service, n.config.Collection)
		if err != nil || p == nil {
			return out, err
		}
		out, n = append(out, p), p
	}
	return out, nil
}

// tellItems tells of items: who listens to the node, and who listens to a collection
// it is in and may read it (XEP-0248, 11).
func (r *request) tellItems(n *node, event []byte) {
	to := r.s.audience(n, r.users)
	r.s.send(n, to, event)
	heard := make(map[stanza.Addr]bool, len(to))
	for _, a := range to {
		heard[a] = true
	}
	r.upwards(n, false, func(x subscription, collection *node) {
		if heard[x.addr] || heard[x.addr.Bare()] || !n.config.Notify || n.config.Presence && !r.s.online(x.addr) || !r.lets(n, x.addr) {
			return
		}
		heard[x.addr] = true
		var b stanza.Builder
		b.Raw(event).Start(ns.SHIM, "headers").Leaf("", "header", collection.name, "name", "Collection").End()
		r.s.message(n, x.addr, n.config.Message, b.Bytes())
	})
}

// tellNodes says that a node was put into a collection, or taken out of one.
func (r *request) tellNodes(n *node, collection, what string) {
	inside := &node{service: n.service, name: n.name, config: n.config}
	inside.config.Collection = collection
	var b stanza.Builder
	b.Start(ns.PubSubEvent, "event").Start("", "collection", "node", collection).Empty("", what, "node", n.name)
	event := b.Bytes()
	heard := make(map[stanza.Addr]bool)
	r.upwards(inside, true, func(x subscription, p *node) {
		if !heard[x.addr] && p.config.Notify && r.lets(n, x.addr) {
			heard[x.addr] = true
			r.s.message(p, x.addr, p.config.Message, event)
		}
	})
}

// upwards calls f for the subscriptions of the collections above a node that want to
// hear of nodes, or of items.
func (r *request) upwards(n *node, nodes bool, f func(x subscription, collection *node)) {
	above, err := r.s.above(n)
	if err != nil {
		r.s.broken(err)
	}
	for i, p := range above {
		list, err := r.s.db.subscriptions(p.service, p.name, "")
		if err != nil {
			r.s.broken(err)
			return
		}
		for _, x := range list {
			if x.state == subscribed && x.deliver && x.nodes == nodes && (i == 0 || x.deep) {
				f(x, p)
			}
		}
	}
}

// moved is done after a node changed its collection.
func (r *request) moved(n *node, from string) {
	if from == n.config.Collection {
		return
	}
	r.after = append(r.after, func() {
		if from != "" {
			r.tellNodes(n, from, "disassociate")
		}
		if n.config.Collection != "" {
			r.tellNodes(n, n.config.Collection, "associate")
		}
	})
}
