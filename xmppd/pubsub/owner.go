package pubsub

import (
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// defaultConfig is XEP-0060, 8.3.
func (r *request) defaultConfig() ([]byte, *stanza.Error) {
	c := r.s.defaults(r.pep())
	var b stanza.Builder
	b.Start(ns.PubSubOwner, "pubsub").Start("", "default")
	c.form("form").Append(&b)
	return b.Bytes(), nil
}

// config shows the form of a node (XEP-0060, 8.2.1).
func (r *request) config() ([]byte, *stanza.Error) {
	n, e := r.owned(r.in.Configure.Node)
	if e != nil {
		return nil, e
	}
	var b stanza.Builder
	b.Start(ns.PubSubOwner, "pubsub").Start("", "configure", "node", n.name)
	n.config.form("form").Append(&b)
	return b.Bytes(), nil
}

// configure takes the form (XEP-0060, 8.2.4).
func (r *request) configure() ([]byte, *stanza.Error) {
	n, e := r.owned(r.in.Configure.Node)
	if e != nil {
		return nil, e
	}
	form := r.in.Configure.Form
	if form == nil {
		return nil, errBadRequest
	}
	if form.Cancelled() {
		return nil, nil
	}
	v, err := form.Read(ns.NodeConfig)
	if err != nil {
		return nil, errBadRequest
	}
	was := n.config
	if e := r.s.apply(&n.config, v); e != nil {
		return nil, e
	}
	switch {
	case was.Collects != n.config.Collects:
		return nil, errNodeType
	case was.Collection != n.config.Collection:
		if e := r.mayJoin(n); e != nil {
			return nil, e
		}
	}
	if err := r.s.db.configure(n); err != nil {
		return nil, r.s.broken(err)
	}
	r.moved(n, was.Collection)
	if n.config.NotifyConfig {
		var b stanza.Builder
		b.Start(ns.PubSubEvent, "event").Start("", "configuration", "node", n.name)
		if n.config.Payloads {
			n.config.form("result").Append(&b)
		}
		r.after = append(r.after, func() { r.tell(n, b.Bytes()) })
	}
	return nil, nil
}

// delete removes a node (XEP-0060, 8.4).
func (r *request) delete() ([]byte, *stanza.Error) {
	n, e := r.owned(r.in.Delete.Node)
	if e != nil {
		return nil, e
	}
	if n.config.NotifyDelete {
		var b stanza.Builder
		b.Start(ns.PubSubEvent, "event")
		if to := r.in.Delete.Redirect; to != nil && to.URI != "" && len(to.URI) <= maxName {
			b.Start("", "delete", "node", n.name).Empty("", "redirect", "uri", to.URI).End()
		} else {
			b.Empty("", "delete", "node", n.name)
		}
		// Who hears of it is known only as long as the node is there.
		to := r.s.audience(n, r.users)
		r.after = append(r.after, func() { r.s.send(n, to, b.Bytes()) })
	}
	if err := r.s.db.delete(n); err != nil {
		return nil, r.s.broken(err)
	}
	if from := n.config.Collection; from != "" {
		n.config.Collection = ""
		r.moved(n, from)
	}
	return nil, nil
}

// purge removes all items (XEP-0060, 8.5).
func (r *request) purge() ([]byte, *stanza.Error) {
	n, e := r.owned(r.in.Purge.Node)
	if e != nil {
		return nil, e
	}
	switch {
	case n.config.Collects:
		return nil, unsupported("purge-nodes")
	case !n.config.Persist:
		return nil, errNoItems
	}
	if err := r.s.db.purge(n); err != nil {
		return nil, r.s.broken(err)
	}
	var b stanza.Builder
	b.Start(ns.PubSubEvent, "event").Empty("", "purge", "node", n.name)
	r.after = append(r.after, func() { r.tellItems(n, b.Bytes()) })
	return nil, nil
}

// ownerAffiliations is XEP-0060, 8.9.1.
func (r *request) ownerAffiliations() ([]byte, *stanza.Error) {
	n, e := r.owned(r.in.Affiliations.Node)
	if e != nil {
		return nil, e
	}
	list, err := r.s.db.standings(n.service, n.name, "")
	if err != nil {
		return nil, r.s.broken(err)
	}
	var b stanza.Builder
	b.Start(ns.PubSubOwner, "pubsub").Start("", "affiliations", "node", n.name)
	for _, x := range list {
		b.Empty("", "affiliation", "jid", x.addr, "affiliation", string(x.rank))
	}
	return b.Bytes(), nil
}

// setAffiliations is XEP-0060, 8.9.2: all changes or none.
func (r *request) setAffiliations() ([]byte, *stanza.Error) {
	in := r.in.Affiliations
	n, e := r.owned(in.Node)
	if e != nil {
		return nil, e
	}
	old, err := r.s.db.standings(n.service, n.name, "")
	if err != nil {
		return nil, r.s.broken(err)
	}
	ranks := make(map[string]affiliation)
	for _, x := range old {
		ranks[x.addr] = x.rank
	}
	var changes []standing
	for _, x := range in.List {
		addr, err := stanza.ParseAddr(x.JID)
		a := affiliation(x.Rank)
		if err != nil || !a.valid() {
			return nil, errBadRequest
		}
		c := standing{n.name, addr.Bare().String(), a}
		if now, ok := ranks[c.addr]; ok && now == a {
			continue
		}
		ranks[c.addr] = a
		changes = append(changes, c)
	}
	owners := 0
	for _, a := range ranks {
		if a == owner {
			owners++
		}
	}
	switch {
	case len(in.List) == 0:
		return nil, errBadRequest
	case owners == 0, r.pep() && ranks[r.service.String()] != owner:
		return nil, errLastOwner
	case len(ranks) > r.s.cfg.MaxAffiliations:
		return nil, errTooManyPeople
	}
	if err := r.s.db.setStandings(n, changes); err != nil {
		return nil, r.s.broken(err)
	}
	r.after = append(r.after, func() {
		for _, x := range changes {
			if x.addr == r.who.String() {
				continue
			}
			var b stanza.Builder
			b.Start(ns.PubSub, "pubsub").Start("", "affiliations", "node", n.name).Empty("", "affiliation", "jid", x.addr, "affiliation", string(x.rank))
			r.s.message(n, stanza.MustAddr(x.addr), "", b.Bytes())
		}
	})
	return nil, nil
}

// ownerSubscriptions is XEP-0060, 8.8.1.
func (r *request) ownerSubscriptions() ([]byte, *stanza.Error) {
	n, e := r.owned(r.in.Subscriptions.Node)
	if e != nil {
		return nil, e
	}
	list, err := r.s.db.subscriptions(n.service, n.name, "")
	if err != nil {
		return nil, r.s.broken(err)
	}
	var b stanza.Builder
	b.Start(ns.PubSubOwner, "pubsub").Start("", "subscriptions", "node", n.name)
	for _, x := range list {
		b.Empty("", "subscription", "jid", x.addr.String(), "subscription", x.state, "subid", x.subid)
	}
	return b.Bytes(), nil
}

// setSubscriptions is XEP-0060, 8.8.2.
func (r *request) setSubscriptions() ([]byte, *stanza.Error) {
	in := r.in.Subscriptions
	n, e := r.owned(in.Node)
	if e != nil {
		return nil, e
	}
	var changes []subscription
	for _, x := range in.List {
		addr, err := stanza.ParseAddr(x.JID)
		if err != nil || x.State != subscribed && x.State != pending && x.State != noSub {
			return nil, errBadRequest
		}
		old, err := r.s.db.subscription(n, addr)
		if err != nil {
			return nil, r.s.broken(err)
		}
		switch {
		case old == nil && x.State == noSub:
			continue
		case old == nil:
			old = &subscription{node: n.name, addr: addr, subid: router.NewID(), deliver: true}
		case x.SubID != "" && x.SubID != old.subid:
			return nil, errSubID
		case old.state == x.State:
			continue
		}
		old.state = x.State
		changes = append(changes, *old)
	}
	if len(in.List) == 0 {
		return nil, errBadRequest
	}
	if k, err := r.s.db.count(`SELECT count(*) FROM pubsub_subscriptions WHERE service = ? AND node = ?`, n.service.String(), n.name); err != nil {
		return nil, r.s.broken(err)
	} else if k+len(changes) > r.s.cfg.MaxSubscriptions {
		return nil, errTooManySubs
	}
	for _, x := range changes {
		if err := r.s.db.setSubscription(n, x); err != nil {
			return nil, r.s.broken(err)
		}
	}
	r.after = append(r.after, func() {
		for _, x := range changes {
			r.s.tellSubscriber(n, x)
		}
	})
	return nil, nil
}
