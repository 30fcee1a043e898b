package pubsub

import (
	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// subscriber is the address in a request; it must be the sender's (XEP-0060, 6.1.3.1).
func (r *request) subscriber(text string) (stanza.Addr, *stanza.Error) {
	if text == "" {
		return stanza.Addr{}, errJIDRequired
	}
	addr, err := stanza.ParseAddr(text)
	if err != nil || addr.Bare() != r.who {
		return addr, errJID
	}
	return addr, nil
}

// subscribe is XEP-0060, 6.1.
func (r *request) subscribe() ([]byte, *stanza.Error) {
	addr, e := r.subscriber(r.in.Subscribe.JID)
	if e != nil {
		return nil, e
	}
	n, e := r.find(r.in.Subscribe.Node)
	if e != nil {
		return nil, e
	}
	a, e := r.rank(n)
	if e != nil {
		return nil, e
	}
	if e := r.mayRead(n, a); e != nil {
		return nil, e
	}
	x, err := r.s.db.subscription(n, addr)
	if err != nil {
		return nil, r.s.broken(err)
	}
	if x != nil && x.state == pending {
		return nil, errPending
	}
	fresh := x == nil
	if fresh {
		if k, err := r.s.db.count(`SELECT count(*) FROM pubsub_subscriptions WHERE service = ? AND node = ?`, n.service.String(), n.name); err != nil {
			return nil, r.s.broken(err)
		} else if k >= r.s.cfg.MaxSubscriptions {
			return nil, errTooManySubs
		}
		x = &subscription{node: n.name, addr: addr, subid: router.NewID(), state: subscribed, deliver: true}
		if n.config.Access == accessAuthorize && a != owner && a != publisher && a != member {
			x.state = pending
		}
	}
	if o := r.in.SubOptions; o != nil {
		if e := readOptions(n, x, o.Form); e != nil {
			return nil, e
		}
	}
	if err := r.s.db.setSubscription(n, *x); err != nil {
		return nil, r.s.broken(err)
	}
	r.after = append(r.after, func() { r.subscribedNow(n, *x, fresh) })
	var b stanza.Builder
	b.Start(ns.PubSub, "pubsub")
	writeSubscription(&b, *x, n.name)
	return b.Bytes(), nil
}

// subscribedNow tells owners, and the newcomer what came last.
func (r *request) subscribedNow(n *node, x subscription, fresh bool) {
	switch {
	case !fresh:
	case x.state == pending:
		r.askOwners(n, x)
	default:
		if n.config.NotifySub {
			var b stanza.Builder
			b.Start(ns.PubSub, "pubsub")
			writeSubscription(&b, x, n.name)
			r.toOwners(n, b.Bytes())
		}
		if n.config.SendLast != lastNever && x.deliver && !n.config.Collects {
			r.s.sendLast(n, x.addr)
		}
	}
}

func writeSubscription(b *stanza.Builder, x subscription, node string) {
	b.Empty("", "subscription", "node", node, "jid", x.addr.String(), "subid", x.subid, "subscription", x.state)
}

// unsubscribe is XEP-0060, 6.2.
func (r *request) unsubscribe() ([]byte, *stanza.Error) {
	n, x, e := r.subscriptionOf(r.in.Unsubscribe)
	if e != nil {
		return nil, e
	}
	x.state = noSub
	if err := r.s.db.setSubscription(n, *x); err != nil {
		return nil, r.s.broken(err)
	}
	var b stanza.Builder
	b.Start(ns.PubSub, "pubsub")
	writeSubscription(&b, *x, n.name)
	return b.Bytes(), nil
}

// subscriptionOf finds the subscription a request names. Owners may name others'.
func (r *request) subscriptionOf(in *nodeXML) (*node, *subscription, *stanza.Error) {
	if in.JID == "" {
		return nil, nil, errJIDRequired
	}
	n, e := r.find(in.Node)
	if e != nil {
		return nil, nil, e
	}
	addr, err := stanza.ParseAddr(in.JID)
	if err != nil {
		return nil, nil, errJID
	}
	if addr.Bare() != r.who {
		if a, e := r.rank(n); e != nil || a != owner {
			return nil, nil, orElse(e, errForbidden)
		}
	}
	x, err := r.s.db.subscription(n, addr)
	switch {
	case err != nil:
		return nil, nil, r.s.broken(err)
	case x == nil:
		return nil, nil, errNotSubscribed
	case in.SubID != "" && in.SubID != x.subid:
		return nil, nil, errSubID
	}
	return n, x, nil
}

// optionsForm is what a subscription can be set to (XEP-0060, 6.3), and more on a
// collection (XEP-0248, 3).
func optionsForm(typ string, n *node, x subscription) *dataform.Form {
	f := &dataform.Form{Type: typ, FormType: ns.SubOptions}
	deliver := "0"
	if x.deliver {
		deliver = "1"
	}
	f.Add("pubsub#deliver", "boolean", "Receive notices", deliver)
	if n == nil || !n.config.Collects {
		return f
	}
	kind, depth := "items", "1"
	if x.nodes {
		kind = "nodes"
	}
	if x.deep {
		depth = "all"
	}
	f.Fields = append(f.Fields,
		dataform.Field{Var: "pubsub#subscription_type", Type: "list-single", Label: "What notices are about", Values: []string{kind}, Options: []string{"items", "nodes"}},
		dataform.Field{Var: "pubsub#subscription_depth", Type: "list-single", Label: "How far down", Values: []string{depth}, Options: []string{"1", "all"}})
	return f
}

func readOptions(n *node, x *subscription, form *dataform.XML) *stanza.Error {
	v, err := form.Read(ns.SubOptions)
	if err != nil {
		return errOptions
	}
	if t, ok := v.Text("pubsub#deliver"); ok {
		on, valid := dataform.Bool(t)
		if !valid {
			return errOptions
		}
		x.deliver = on
	}
	for _, o := range []struct {
		name, no, yes string
		at            *bool
	}{{"pubsub#subscription_type", "items", "nodes", &x.nodes}, {"pubsub#subscription_depth", "1", "all", &x.deep}} {
		switch t, ok := v.Text(o.name); {
		case !ok:
		case !n.config.Collects || t != o.no && t != o.yes:
			return errOptions
		default:
			*o.at = t == o.yes
		}
	}
	return nil
}

// options is XEP-0060, 6.3.2.
func (r *request) options() ([]byte, *stanza.Error) {
	n, x, e := r.subscriptionOf(r.in.SubOptions)
	if e != nil {
		return nil, e
	}
	var b stanza.Builder
	b.Start(ns.PubSub, "pubsub").Start("", "options", "node", n.name, "jid", x.addr.String(), "subid", x.subid)
	optionsForm("form", n, *x).Append(&b)
	return b.Bytes(), nil
}

// setOptions is XEP-0060, 6.3.5.
func (r *request) setOptions() ([]byte, *stanza.Error) {
	n, x, e := r.subscriptionOf(r.in.SubOptions)
	if e != nil {
		return nil, e
	}
	if r.in.SubOptions.Form == nil {
		return nil, errOptions
	}
	if r.in.SubOptions.Form.Cancelled() {
		return nil, nil
	}
	if e := readOptions(n, x, r.in.SubOptions.Form); e != nil {
		return nil, e
	}
	if err := r.s.db.setSubscription(n, *x); err != nil {
		return nil, r.s.broken(err)
	}
	return nil, nil
}

// defaultOptions is XEP-0060, 6.4.
func (r *request) defaultOptions() ([]byte, *stanza.Error) {
	name := r.in.Default.Node
	var n *node
	if name != "" {
		var e *stanza.Error
		if n, e = r.find(name); e != nil {
			return nil, e
		}
	}
	var b stanza.Builder
	b.Start(ns.PubSub, "pubsub").Start("", "default", "node", name)
	optionsForm("form", n, subscription{deliver: true}).Append(&b)
	return b.Bytes(), nil
}

// subscriptions are the sender's own (XEP-0060, 5.6).
func (r *request) subscriptions() ([]byte, *stanza.Error) {
	node := r.in.Subscriptions.Node
	if node != "" {
		if _, e := r.find(node); e != nil {
			return nil, e
		}
	}
	list, err := r.s.db.subscriptions(r.service, node, r.who.String())
	if err != nil {
		return nil, r.s.broken(err)
	}
	var b stanza.Builder
	b.Start(ns.PubSub, "pubsub").Start("", "subscriptions", "node", node)
	for _, x := range list {
		writeSubscription(&b, x, x.node)
	}
	return b.Bytes(), nil
}

// affiliations are the sender's own (XEP-0060, 5.7).
func (r *request) affiliations() ([]byte, *stanza.Error) {
	node := r.in.Affiliations.Node
	if node != "" {
		if _, e := r.find(node); e != nil {
			return nil, e
		}
	}
	list, err := r.s.db.standings(r.service, node, r.who.String())
	if err != nil {
		return nil, r.s.broken(err)
	}
	var b stanza.Builder
	b.Start(ns.PubSub, "pubsub").Start("", "affiliations", "node", node)
	for _, x := range list {
		b.Empty("", "affiliation", "node", x.node, "affiliation", string(x.rank))
	}
	return b.Bytes(), nil
}
