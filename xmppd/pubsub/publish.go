package pubsub

import (
	"bytes"
	"slices"
	"strconv"

	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// publish takes items (XEP-0060, 7.1); in one's own account it makes the node (XEP-0163, 3).
func (r *request) publish() ([]byte, *stanza.Error) {
	in := r.in.Publish
	if in.Node == "" {
		return nil, errNodeRequired
	}
	var options dataform.Values
	if r.in.Options != nil {
		var err error
		if options, err = r.in.Options.Form.Read(ns.PublishOption); err != nil {
			return nil, errBadRequest
		}
	}
	n, err := r.s.db.node(r.service, in.Node)
	fresh := false
	switch {
	case err != nil:
		return nil, r.s.broken(err)
	case n == nil && !r.own():
		return nil, errNoNode
	case n == nil:
		fresh = true
		n = r.s.newNode(r.service, in.Node, r.who, true)
		if e := r.s.apply(&n.config, options); e != nil {
			return nil, e
		}
		if e := orElse(r.mayJoin(n), r.room(in.Node)); e != nil {
			return nil, e
		}
	case n.config.Collects:
		return nil, unsupported("publish")
	default:
		if e := r.mayPublish(n); e != nil {
			return nil, e
		}
		if ok, e := r.s.meets(n.config, options); e != nil || !ok {
			return nil, orElse(e, errPrecondition)
		}
	}
	items, e := r.readItems(n, in.Items)
	if e != nil {
		return nil, e
	}
	if fresh {
		if err := r.s.db.create(n, r.owner()); err != nil {
			return nil, r.s.broken(err)
		}
	}
	if n.config.Persist && len(items) > 0 {
		if err := r.s.db.publish(n, items); err != nil {
			return nil, r.s.broken(err)
		}
	}
	r.after = append(r.after, func() { r.tellPublished(n, items) })
	r.tellServer(n, items, false)
	var b stanza.Builder
	b.Start(ns.PubSub, "pubsub").Start("", "publish", "node", n.name)
	for _, i := range items {
		b.Empty("", "item", "id", i.id)
	}
	return b.Bytes(), nil
}

// tellServer tells those who asked by OnPublished.
func (r *request) tellServer(n *node, items []item, gone bool) {
	if !r.own() {
		return
	}
	for _, i := range items {
		if gone {
			i.payload = nil
		}
		for _, f := range r.s.published {
			f(r.service, n.name, i.id, i.payload)
		}
	}
}

func orElse(e, other *stanza.Error) *stanza.Error {
	if e != nil {
		return e
	}
	return other
}

// mayPublish checks affiliation and publish model (XEP-0060, 7.1.3.1).
func (r *request) mayPublish(n *node) *stanza.Error {
	a, e := r.rank(n)
	if e != nil {
		return e
	}
	switch {
	case a == owner, a == publisher, a == publishOnly:
		return nil
	case a == outcast:
		return errForbidden
	case n.config.Publish == publishOpen:
		return nil
	case n.config.Publish == publishSubscribers:
		list, err := r.s.db.subscriptions(n.service, n.name, r.who.String())
		if err != nil {
			return r.s.broken(err)
		}
		for _, x := range list {
			if x.state == subscribed {
				return nil
			}
		}
	}
	return errForbidden
}

// readItems checks what is to be published (XEP-0060, 7.1.3).
func (r *request) readItems(n *node, in []itemXML) ([]item, *stanza.Error) {
	c := &n.config
	switch {
	case len(in) == 0 && (c.Persist || c.Payloads):
		return nil, errItemRequired
	case len(in) > 0 && !c.Persist && !c.Payloads:
		return nil, errItemForbidden
	case c.Persist && len(in) > c.MaxItems || len(in) > r.s.cfg.MaxItems:
		return nil, errTooManyItems
	}
	var out []item
	for _, x := range in {
		payload, ok := payloadOf(x.Inner)
		if !ok {
			return nil, errPayload
		}
		if len(payload) > c.MaxPayload {
			return nil, errPayloadBig
		}
		i := item{id: x.ID, publisher: r.st.From.String(), payload: payload, published: r.s.now()}
		if i.id == "" {
			i.id = router.NewID()
		}
		if len(i.id) > maxName {
			return nil, errBadRequest
		}
		out = append(out, i)
	}
	return out, nil
}

// payloadOf is the one element inside an item, with its namespace written out.
func payloadOf(inner []byte) ([]byte, bool) {
	st := (&stanza.Stanza{}).WithContent(inner)
	switch len(st.Children()) {
	case 0:
		return []byte{}, len(bytes.TrimSpace(inner)) == 0
	case 1:
	default:
		return nil, false
	}
	c := st.Children()[0]
	raw := st.Raw(c)
	if c.Space == ns.Client && st.ChildAttr(c, "xmlns") == "" {
		// It stands in the namespace of the request, which a notice does not have.
		head := 1 + len(c.Name)
		raw = slices.Concat(raw[:head], stanza.AppendAttr(nil, "xmlns", ns.PubSub), raw[head:])
	}
	return slices.Clone(raw), true
}

// owner is who owns a node the sender makes: the account itself in PEP.
func (r *request) owner() stanza.Addr {
	if r.pep() {
		return r.service
	}
	return r.who
}

func (s *Service) newNode(service stanza.Addr, name string, creator stanza.Addr, pep bool) *node {
	n := &node{service: service, name: name, creator: creator.Bare().String(), created: s.now(), config: s.defaults(pep)}
	if pep && (name == ns.Bookmarks || name == ns.Bookmarks2) {
		// XEP-0402, 5.1 asks clients for this; who forgets it must not show his rooms to all contacts.
		n.config.Access, n.config.SendLast, n.config.MaxItems = accessWhitelist, lastNever, s.cfg.MaxItems
	}
	return n
}

// room checks that one more node may be made.
func (r *request) room(name string) *stanza.Error {
	if len(name) > maxName {
		return errBadRequest
	}
	query, args := `SELECT count(*) FROM pubsub_nodes WHERE service = ?`, []any{r.service.String()}
	if !r.pep() {
		query, args = query+` AND creator = ?`, append(args, r.who.String())
	}
	k, err := r.s.db.count(query, args...)
	switch {
	case err != nil:
		return r.s.broken(err)
	case k >= r.s.cfg.MaxNodes:
		return errTooManyNodes
	}
	return nil
}

// create makes a node (XEP-0060, 8.1); without a name the service finds one.
func (r *request) create() ([]byte, *stanza.Error) {
	name := r.in.Create.Node
	switch {
	case r.pep() && !r.own(), !r.pep() && !r.mayCreate():
		return nil, errForbidden
	}
	instant := name == ""
	if instant {
		name = router.NewID()
	}
	if old, err := r.s.db.node(r.service, name); err != nil {
		return nil, r.s.broken(err)
	} else if old != nil {
		return nil, errNodeExists
	}
	if e := r.room(name); e != nil {
		return nil, e
	}
	n := r.s.newNode(r.service, name, r.who, r.pep())
	if r.in.Configure != nil {
		v, err := r.in.Configure.Form.Read(ns.NodeConfig)
		if err != nil {
			return nil, errBadRequest
		}
		if e := r.s.apply(&n.config, v); e != nil {
			return nil, e
		}
	}
	if e := r.mayJoin(n); e != nil {
		return nil, e
	}
	if err := r.s.db.create(n, r.owner()); err != nil {
		return nil, r.s.broken(err)
	}
	r.moved(n, "")
	if !instant {
		return nil, nil
	}
	var b stanza.Builder
	b.Start(ns.PubSub, "pubsub").Empty("", "create", "node", name)
	return b.Bytes(), nil
}

func (r *request) mayCreate() bool {
	if r.s.rt.IsAdmin(r.who) {
		return true
	}
	return r.s.cfg.Create == Accounts && r.session != nil && !r.session.Info().Anonymous
}

// retract removes items (XEP-0060, 7.2).
func (r *request) retract() ([]byte, *stanza.Error) {
	in := r.in.Retract
	n, e := r.find(in.Node)
	if e != nil {
		return nil, e
	}
	if n.config.Collects {
		return nil, unsupported("delete-items")
	}
	a, e := r.rank(n)
	if e != nil {
		return nil, e
	}
	if len(in.Items) == 0 || slices.ContainsFunc(in.Items, func(i itemXML) bool { return i.ID == "" }) {
		return nil, errItemRequired
	}
	if len(in.Items) > r.s.cfg.MaxItems {
		return nil, errTooManyItems
	}
	if !n.config.Persist {
		return nil, errNoItems
	}
	var ids []string
	for _, i := range in.Items {
		ids = append(ids, i.ID)
	}
	found, err := r.s.db.items(n, ids, r.s.now())
	if err != nil {
		return nil, r.s.broken(err)
	}
	for _, i := range found {
		by, err := stanza.ParseAddr(i.publisher)
		mine := err == nil && by.Bare() == r.who
		if a != owner && (!mine || a == outcast) {
			return nil, errForbidden
		}
	}
	if len(found) == 0 && a != owner && a != publisher {
		return nil, errForbidden
	}
	if len(found) == 0 {
		return nil, errNoItem
	}
	if err := r.s.db.retract(n, ids); err != nil {
		return nil, r.s.broken(err)
	}
	r.tellServer(n, found, true)
	if notify, _ := dataform.Bool(in.Notify); notify || n.config.NotifyRetract {
		var b stanza.Builder
		b.Start(ns.PubSubEvent, "event").Start("", "items", "node", n.name)
		for _, i := range found {
			b.Empty("", "retract", "id", i.id)
		}
		r.after = append(r.after, func() { r.tellItems(n, b.Bytes()) })
	}
	return nil, nil
}

// items reads (XEP-0060, 6.5).
func (r *request) items() ([]byte, *stanza.Error) {
	in := r.in.Items
	n, e := r.find(in.Node)
	if e != nil {
		return nil, e
	}
	if n.config.Collects {
		return nil, unsupported("retrieve-items")
	}
	if e := r.mayFetch(n, in.SubID); e != nil {
		return nil, e
	}
	if !n.config.Persist {
		return nil, errNoItems
	}
	page, err := r.in.Set.Read()
	if err != nil {
		return nil, errBadRequest
	}
	all, err := r.s.db.ids(n, r.s.now())
	if err != nil {
		return nil, r.s.broken(err)
	}
	ids, e := wanted(all, in.Max, in.Items)
	if e != nil {
		return nil, e
	}
	var set *dataform.Set
	if r.in.Set != nil && len(in.Items) == 0 {
		from, to, ok := page.Cut(ids)
		if !ok {
			return nil, errNoItem
		}
		set = &dataform.Set{Index: -1, Count: len(ids)}
		if from < to {
			set.First, set.Last, set.Index = ids[from], ids[to-1], from
		}
		ids = ids[from:to]
	}
	found, err := r.s.db.items(n, ids, r.s.now())
	if err != nil {
		return nil, r.s.broken(err)
	}
	if len(in.Items) > 0 && len(found) == 0 {
		return nil, errNoItem
	}
	var b stanza.Builder
	b.Start(ns.PubSub, "pubsub").Start("", "items", "node", n.name)
	for _, i := range found {
		writeItem(&b, i, n.config.Publisher, true)
	}
	b.End()
	if set != nil {
		set.Append(&b)
	}
	return b.Bytes(), nil
}

// wanted are the ids a request names, of those there are.
func wanted(all []string, most string, named []itemXML) ([]string, *stanza.Error) {
	if len(named) > 0 {
		var ids []string
		for _, i := range named {
			if i.ID == "" {
				return nil, errItemRequired
			}
			if len(ids) < len(all) {
				ids = append(ids, i.ID)
			}
		}
		return ids, nil
	}
	if most == "" {
		return all, nil
	}
	k, err := strconv.Atoi(most)
	if err != nil || k < 0 {
		return nil, errBadRequest
	}
	return all[max(0, len(all)-k):], nil
}

// mayFetch checks the right to read items, for which some models want a subscription.
func (r *request) mayFetch(n *node, subid string) *stanza.Error {
	a, e := r.rank(n)
	if e != nil {
		return e
	}
	if e := r.mayRead(n, a); e != nil {
		return e
	}
	if subid == "" && (n.config.Access != accessAuthorize || a == owner || a == publisher || a == member) {
		return nil
	}
	list, err := r.s.db.subscriptions(n.service, n.name, r.who.String())
	if err != nil {
		return r.s.broken(err)
	}
	known := false
	for _, x := range list {
		known = known || x.state == subscribed
		if subid != "" && x.subid == subid {
			return nil
		}
	}
	switch {
	case subid != "":
		return errSubID
	case !known:
		return errMustSubscribe
	}
	return nil
}

func writeItem(b *stanza.Builder, i item, withPublisher, payload bool) {
	by := ""
	if withPublisher {
		by = i.publisher
	}
	if !payload || len(i.payload) == 0 {
		b.Empty("", "item", "id", i.id, "publisher", by)
		return
	}
	b.Start("", "item", "id", i.id, "publisher", by).Raw(i.payload).End()
}
