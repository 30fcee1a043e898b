package pubsub

import (
	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/stanza"
)

// common are the features of both kinds of service, without their prefix.
var common = []string{"access-authorize", "access-open", "access-presence", "access-roster", "access-whitelist", "config-node", "config-node-max",
	"create-and-configure", "create-nodes", "delete-items", "delete-nodes", "filtered-notifications", "instant-nodes", "item-ids", "last-published",
	"manage-subscriptions", "member-affiliation", "meta-data", "modify-affiliations", "multi-items", "outcast-affiliation", "persistent-items",
	"presence-notifications", "publish", "publish-only-affiliation", "publish-options", "publisher-affiliation", "purge-nodes", "retract-items",
	"retrieve-affiliations", "retrieve-default", "retrieve-default-sub", "retrieve-items", "retrieve-subscriptions", "rsm", "subscribe",
	"subscription-notifications", "subscription-options"}

func prefixed(names ...string) []string {
	var out []string
	for _, n := range append(names, common...) {
		out = append(out, ns.PubSub+"#"+n)
	}
	return out
}

// AccountFeatures are what an account can do as a service (XEP-0163, 6).
func AccountFeatures() []string { return append(prefixed("auto-create", "auto-subscribe"), ns.PubSub) }

// mayKnow says why a stranger learns nothing about an account (RFC 6121, 8.5.2.3).
func (r *request) mayKnow() *stanza.Error {
	if r.pep() && !r.own() && !r.users.Subscribed(r.service, r.who) {
		return errService
	}
	return nil
}

// discoInfo tells about the host, or about a node (5.1, 5.3, 5.4).
func (r *request) discoInfo(name string) ([]byte, *stanza.Error) {
	var b stanza.Builder
	if name == "" {
		b.Start(ns.DiscoInfo, "query")
		b.Empty("", "identity", "category", "pubsub", "type", "service", "name", "Parley nodes")
		for _, f := range append([]string{ns.DiscoInfo, ns.DiscoItems, ns.Ping, ns.PubSub, ns.RSM}, prefixed("collections")...) {
			b.Empty("", "feature", "var", f)
		}
		return b.Bytes(), nil
	}
	n, e := r.known(name)
	if e != nil {
		return nil, e
	}
	b.Start(ns.DiscoInfo, "query", "node", name)
	b.Empty("", "identity", "category", "pubsub", "type", n.config.nodeType(), "name", n.config.Title)
	b.Empty("", "feature", "var", ns.PubSub)
	b.Empty("", "feature", "var", ns.DiscoInfo)
	b.Empty("", "feature", "var", ns.DiscoItems)
	n.meta(r.s).Append(&b)
	return b.Bytes(), nil
}

// known is a node the sender may see.
func (r *request) known(name string) (*node, *stanza.Error) {
	n, e := r.find(name)
	if e != nil {
		return nil, e
	}
	a, e := r.rank(n)
	switch {
	case e != nil:
		return nil, e
	case a == outcast:
		return nil, errForbidden
	case r.pep() && r.mayKnow() != nil && n.config.Access != accessOpen && a == none:
		return nil, errService
	}
	return n, nil
}

func (n *node) meta(s *Service) *dataform.Form {
	f := &dataform.Form{Type: "result", FormType: ns.NodeMeta}
	f.Add("pubsub#type", "text-single", "Namespace of the payload", n.config.Type)
	f.Add("pubsub#creator", "jid-single", "Creator", n.creator)
	f.Add("pubsub#creation_date", "text-single", "Made at", n.created.UTC().Format(stampFormat))
	f.Add("pubsub#title", "text-single", "Title", n.config.Title)
	f.Add("pubsub#description", "text-single", "Description", n.config.Description)
	f.Add("pubsub#language", "list-single", "Language", n.config.Language)
	f.Add("pubsub#access_model", "list-single", "Who may subscribe and read", n.config.Access)
	f.Add("pubsub#publish_model", "list-single", "Who may publish", n.config.Publish)
	f.Add("pubsub#max_items", "text-single", "How many items are kept", settingNamed("pubsub#max_items").get(&n.config)...)
	if list, err := s.db.standings(n.service, n.name, ""); err == nil {
		var owners, publishers []string
		for _, x := range list {
			switch x.rank {
			case owner:
				owners = append(owners, x.addr)
			case publisher:
				publishers = append(publishers, x.addr)
			}
		}
		f.Add("pubsub#owner", "jid-multi", "Owners", owners...)
		f.Add("pubsub#publisher", "jid-multi", "Publishers", publishers...)
	}
	if k, err := s.db.count(`SELECT count(*) FROM pubsub_subscriptions WHERE service = ? AND node = ?`, n.service.String(), n.name); err == nil {
		f.Add("pubsub#num_subscribers", "text-single", "Subscriptions", itoa(k))
	}
	return f
}

// discoItems lists nodes, or the items of one (5.2, 5.5).
func (r *request) discoItems(name string) ([]byte, *stanza.Error) {
	var b stanza.Builder
	if name != "" {
		n, e := r.known(name)
		if e != nil {
			return nil, e
		}
		if n.config.Collects {
			return r.discoNodes(name)
		}
		b.Start(ns.DiscoItems, "query", "node", name)
		if a, e := r.rank(n); e != nil || r.mayRead(n, a) != nil {
			return b.Bytes(), nil
		}
		ids, err := r.s.db.ids(n, r.s.now())
		if err != nil {
			return nil, r.s.broken(err)
		}
		for _, id := range ids {
			b.Empty("", "item", "jid", r.service.String(), "name", id)
		}
		return b.Bytes(), nil
	}
	return r.discoNodes("")
}

// discoNodes lists the nodes in a collection, or with "" those in none.
func (r *request) discoNodes(collection string) ([]byte, *stanza.Error) {
	all, err := r.s.db.children(r.service, collection)
	if err != nil {
		return nil, r.s.broken(err)
	}
	stranger := r.mayKnow() != nil
	var b stanza.Builder
	b.Start(ns.DiscoItems, "query", "node", collection)
	shown := 0
	for _, n := range all {
		a, e := r.rank(n)
		if e != nil || a == outcast || n.config.Access == accessWhitelist && a == none || r.pep() && a == none && r.mayRead(n, a) != nil {
			continue
		}
		shown++
		b.Empty("", "item", "jid", r.service.String(), "node", n.name, "name", n.config.Title)
	}
	if stranger && shown == 0 {
		return nil, errService
	}
	return b.Bytes(), nil
}
