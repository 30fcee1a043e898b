package pubsub

import (
	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/stanza"
)

// askOwners asks for the approval of a subscription (XEP-0060, 8.6).
func (r *request) askOwners(n *node, x subscription) {
	f := &dataform.Form{Type: "form", FormType: ns.SubAuthorize}
	f.Add("pubsub#node", "text-single", "Node", n.name)
	f.Add("pubsub#subscriber_jid", "jid-single", "Subscriber", x.addr.String())
	f.Add("pubsub#subid", "text-single", "Subscription", x.subid)
	f.Add("pubsub#allow", "boolean", "Let this address subscribe?", "0")
	var b stanza.Builder
	f.Append(&b)
	r.toOwners(n, b.Bytes())
}

// approve takes an owner's answer; anything else that is said to the host is ignored.
func (r *request) approve() {
	x, ok := r.st.Child(ns.Data, "x")
	if !ok {
		return
	}
	var form dataform.XML
	if r.st.Decode(x, &form) != nil || form.Type != "submit" {
		return
	}
	v, err := form.Read(ns.SubAuthorize)
	if err != nil {
		return
	}
	name, _ := v.Text("pubsub#node")
	who, _ := v.Text("pubsub#subscriber_jid")
	subid, _ := v.Text("pubsub#subid")
	allow, _ := v.Text("pubsub#allow")
	yes, valid := dataform.Bool(allow)
	addr, err := stanza.ParseAddr(who)
	n, e := r.owned(name)
	if e != nil || err != nil || !valid {
		return
	}
	sub, err := r.s.db.subscription(n, addr)
	if err != nil || sub == nil || sub.state != pending || subid != "" && subid != sub.subid {
		return
	}
	sub.state = noSub
	if yes {
		sub.state = subscribed
	}
	if err := r.s.db.setSubscription(n, *sub); err != nil {
		r.s.broken(err)
		return
	}
	r.s.tellSubscriber(n, *sub)
}
