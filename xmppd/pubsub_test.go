package xmppd

import (
	"strings"
	"testing"
)

const (
	nsPubSub = "http://jabber.org/protocol/pubsub"
	nsTune   = "http://jabber.org/protocol/tune"
	host     = "pubsub.meet.example.com"
	alice    = "alice@meet.example.com"
	bob      = "bob@meet.example.com"
	carol    = "carol@meet.example.com"
)

func pub(inner string) string { return `<pubsub xmlns='` + nsPubSub + `'>` + inner + `</pubsub>` }
func owned(inner string) string {
	return `<pubsub xmlns='` + nsPubSub + `#owner'>` + inner + `</pubsub>`
}

func form(typ string, fields ...string) string {
	x := `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>` + nsPubSub + `#` + typ + `</value></field>`
	for i := 0; i < len(fields); i += 2 {
		x += `<field var='pubsub#` + fields[i] + `'><value>` + fields[i+1] + `</value></field>`
	}
	return x + `</x>`
}

func item(id, text string) string {
	return `<item id='` + id + `'><note xmlns='urn:example:note'>` + text + `</note></item>`
}

// step is a request and what its answer must hold.
type step struct {
	name, typ, to, payload string
	want                   []string
}

func play(t *testing.T, p *peer, steps []step) {
	t.Helper()
	for _, x := range steps {
		answer := p.ask(x.typ, x.to, x.payload)
		failed := t.Failed()
		has(t, answer, x.want...)
		if t.Failed() && !failed {
			t.Errorf("… at step %q", x.name)
		}
	}
}

const result = `type="result"`

// ownersSteps: what somebody does who has nodes at the host.
func ownersSteps() []step {
	return []step{
		{"host", "get", host, `<query xmlns='http://jabber.org/protocol/disco#info'/>`, []string{`category="pubsub" type="service"`, nsPubSub + `#publish"`}},
		{"no node", "set", host, pub(`<publish node='n'>` + item("1", "x") + `</publish>`), []string{`<item-not-found`}},
		{"create", "set", host, pub(`<create node='n'/>`), []string{result}},
		{"again", "set", host, pub(`<create node='n'/>`), []string{`<conflict`}},
		{"instant", "set", host, pub(`<create/>`), []string{result, `<create node="`}},
		{"with configuration", "set", host, pub(`<create node='c'/><configure>` + form("node_config", "access_model", "whitelist", "title", "C") + `</configure>`), []string{result}},
		{"bad access model", "set", host, pub(`<create node='d'/><configure>` + form("node_config", "access_model", "magic") + `</configure>`), []string{`<not-acceptable`, `unsupported-access-model`}},
		{"publish", "set", host, pub(`<publish node='n'>` + item("1", "one") + `</publish>`), []string{`<publish node="n"><item id="1"/></publish>`}},
		{"no id", "set", host, pub(`<publish node='n'><item><note xmlns='urn:example:note'/></item></publish>`), []string{result, `<item id="`}},
		{"no item", "set", host, pub(`<publish node='n'/>`), []string{`<bad-request`, `item-required`}},
		{"two payloads", "set", host, pub(`<publish node='n'><item><a xmlns='u:a'/><b xmlns='u:b'/></item></publish>`), []string{`invalid-payload`}},
		{"no payload", "set", host, pub(`<publish node='n'><item id='bare'/></publish>`), []string{result}},
		{"no node id", "set", host, pub(`<publish>` + item("1", "x") + `</publish>`), []string{`nodeid-required`}},
		{"items", "get", host, pub(`<items node='n'/>`), []string{`<items node="n"><item id="1"><note xmlns="urn:example:note">one</note></item>`}},
		{"one item", "get", host, pub(`<items node='n'><item id='1'/></items>`), []string{`id="1"`, `!id="bare"`}},
		{"last item", "get", host, pub(`<items node='n' max_items='1'/>`), []string{`id="bare"`, `!id="1"`}},
		{"missing item", "get", host, pub(`<items node='n'><item id='zzz'/></items>`), []string{`item-not-found`}},
		{"page", "get", host, pub(`<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set>`), []string{`<first index="0">1</first><last>1</last><count>3</count>`}},
		{"last page", "get", host, pub(`<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/></set>`), []string{`<last>bare</last>`}},
		{"form", "get", host, owned(`<configure node='n'/>`), []string{`type="form"`, `var="pubsub#access_model"`, `var="pubsub#max_items"`}},
		{"default", "get", host, owned(`<default/>`), []string{`<default><x xmlns="jabber:x:data" type="form">`}},
		{"configure", "set", host, owned(`<configure node='n'>` + form("node_config", "max_items", "2") + `</configure>`), []string{result}},
		{"trimmed", "get", host, pub(`<items node='n'/>`), []string{`!id="1"`, `id="bare"`}},
		{"bad number", "set", host, owned(`<configure node='n'>` + form("node_config", "max_items", "-5") + `</configure>`), []string{`<not-acceptable`}},
		{"cancel", "set", host, owned(`<configure node='n'><x xmlns='jabber:x:data' type='cancel'/></configure>`), []string{result}},
		{"configure nothing", "get", host, owned(`<configure/>`), []string{`nodeid-required`}},
		{"nodes", "get", host, `<query xmlns='http://jabber.org/protocol/disco#items'/>`, []string{`node="n"`, `node="c" name="C"`}},
		{"items of a node", "get", host, `<query xmlns='http://jabber.org/protocol/disco#items' node='n'/>`, []string{`name="bare"`}},
		{"about a node", "get", host, `<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>`, []string{`category="pubsub" type="leaf"`, nsPubSub + `#meta-data`, alice}},
		{"about none", "get", host, `<query xmlns='http://jabber.org/protocol/disco#info' node='zzz'/>`, []string{`item-not-found`}},
		{"affiliations", "get", host, pub(`<affiliations/>`), []string{`node="n" affiliation="owner"`}},
		{"no such kind", "set", host, pub(`<create node='col'/><configure>` + form("node_config", "node_type", "tree") + `</configure>`), []string{`<not-acceptable`}},
		{"transient", "set", host, pub(`<create node='t'/><configure>` + form("node_config", "persist_items", "0", "deliver_payloads", "0") + `</configure>`), []string{result}},
		{"bare notice", "set", host, pub(`<publish node='t'/>`), []string{result}},
		{"item forbidden", "set", host, pub(`<publish node='t'>` + item("1", "x") + `</publish>`), []string{`<bad-request`, `item-forbidden`}},
		{"nothing kept", "get", host, pub(`<items node='t'/>`), []string{`feature-not-implemented`, `persistent-items`}},
		{"nothing to purge", "set", host, owned(`<purge node='t'/>`), []string{`persistent-items`}},
		{"ping", "get", host, `<ping xmlns='urn:xmpp:ping'/>`, []string{result}},
		{"other", "get", host, `<query xmlns='jabber:iq:roster'/>`, []string{`service-unavailable`}},
	}
}

// strangersSteps: what somebody may do with a node of another, and what not.
func strangersSteps() []step {
	return []step{
		{"not the owner", "get", host, owned(`<configure node='n'/>`), []string{`<forbidden`}},
		{"may not publish", "set", host, pub(`<publish node='n'>` + item("b", "x") + `</publish>`), []string{`<forbidden`}},
		{"may not delete", "set", host, owned(`<delete node='n'/>`), []string{`<forbidden`}},
		{"may not purge", "set", host, owned(`<purge node='n'/>`), []string{`<forbidden`}},
		{"may not retract", "set", host, pub(`<retract node='n'><item id='bare'/></retract>`), []string{`<forbidden`}},
		{"closed", "get", host, pub(`<items node='c'/>`), []string{`<not-allowed`, `closed-node`}},
		{"closed to subscribers", "set", host, pub(`<subscribe node='c' jid='` + bob + `'/>`), []string{`closed-node`}},
		{"for somebody else", "set", host, pub(`<subscribe node='n' jid='` + alice + `'/>`), []string{`<bad-request`, `invalid-jid`}},
		{"for nobody", "set", host, pub(`<subscribe node='n'/>`), []string{`jid-required`}},
		{"to nothing", "set", host, pub(`<subscribe node='zzz' jid='` + bob + `'/>`), []string{`item-not-found`}},
		{"not subscribed", "set", host, pub(`<unsubscribe node='n' jid='` + bob + `'/>`), []string{`<unexpected-request`, `not-subscribed`}},
		{"no options", "get", host, pub(`<options node='n' jid='` + bob + `'/>`), []string{`not-subscribed`}},
		{"subscribe", "set", host, pub(`<subscribe node='n' jid='` + bob + `'/>`), []string{`node="n" jid="` + bob + `" subid="`, `subscription="subscribed"`}},
		{"subscriptions", "get", host, pub(`<subscriptions/>`), []string{`node="n" jid="` + bob + `"`}},
		{"options", "get", host, pub(`<options node='n' jid='` + bob + `'/>`), []string{`pubsub#deliver`}},
		{"wrong subid", "set", host, pub(`<unsubscribe node='n' jid='` + bob + `' subid='x'/>`), []string{`<not-acceptable`, `invalid-subid`}},
		{"bad options", "set", host, pub(`<options node='n' jid='` + bob + `'>` + form("subscribe_options", "deliver", "maybe") + `</options>`), []string{`invalid-options`}},
	}
}

func TestPubSubHost(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	play(t, a, ownersSteps())
	play(t, b, strangersSteps())
	b.say("<presence/>")
	b.expect(`<presence [^>]*/>`)
	has(t, a.ask("get", host, owned(`<subscriptions node='n'/>`)), `jid="`+bob+`" subscription="subscribed"`)
	a.ask("set", host, pub(`<publish node='n'>`+item("2", "two")+`</publish>`))
	has(t, b.expect(`(?s)<message [^>]*from="` + host + `".*?</message>`)[0], `type="headline"`, `<items node="n"><item id="2"><note xmlns="urn:example:note">two</note></item></items>`)
	a.ask("set", host, pub(`<retract node='n' notify='true'><item id='2'/></retract>`))
	b.expect(`<event [^>]*><items node="n"><retract id="2"/></items></event>`)
	has(t, a.ask("set", host, pub(`<retract node='n'><item id='2'/></retract>`)), `item-not-found`)
	has(t, a.ask("set", host, pub(`<retract node='n'/>`)), `item-required`)
	has(t, a.ask("set", host, owned(`<affiliations node='n'><affiliation jid='`+bob+`' affiliation='publisher'/></affiliations>`)), result)
	b.expect(`<affiliation jid="` + bob + `" affiliation="publisher"/>`)
	has(t, a.ask("get", host, owned(`<affiliations node='n'/>`)), `jid="`+alice+`" affiliation="owner"`, `jid="`+bob+`" affiliation="publisher"`)
	has(t, a.ask("set", host, owned(`<affiliations node='n'><affiliation jid='`+alice+`' affiliation='none'/></affiliations>`)), `not-acceptable`)
	has(t, b.ask("set", host, pub(`<publish node='n'>`+item("3", "bob's")+`</publish>`)), result)
	b.expect(`<item id="3">`)
	has(t, a.ask("set", host, owned(`<purge node='n'/>`)), result)
	b.expect(`<purge node="n"/>`)
	has(t, a.ask("set", host, owned(`<subscriptions node='n'><subscription jid='`+bob+`' subscription='none'/></subscriptions>`)), result)
	b.expect(`<subscription node="n" jid="` + bob + `" subid="[^"]+" subscription="none"/>`)
	has(t, b.ask("set", host, pub(`<subscribe node='n' jid='`+bob+`/b'/>`)), `jid="`+bob+`/b"`)
	has(t, a.ask("set", host, owned(`<delete node='n'><redirect uri='xmpp:new'/></delete>`)), result)
	b.expect(`<delete node="n"><redirect uri="xmpp:new"/></delete>`)
	has(t, a.ask("get", host, pub(`<items node='n'/>`)), `item-not-found`)
}

func TestPubSubAuthorize(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	a.say("<presence/>")
	a.expect(`<presence [^>]*/>`)
	a.ask("set", host, pub(`<create node='n'/><configure>`+form("node_config", "access_model", "authorize", "send_last_published_item", "on_sub")+`</configure>`))
	a.ask("set", host, pub(`<publish node='n'>`+item("1", "one")+`</publish>`))
	has(t, b.ask("get", host, pub(`<items node='n'/>`)), `<not-authorized`, `not-subscribed`)
	has(t, b.ask("set", host, pub(`<subscribe node='n' jid='`+bob+`/b'/>`)), `subscription="pending"`)
	subid := a.expect(`(?s)<message [^>]*>.*?subscribe_authorization.*?pubsub#subid"><value>([^<]+)<.*?</message>`)[1]
	has(t, b.ask("set", host, pub(`<subscribe node='n' jid='`+bob+`/b'/>`)), `pending-subscription`)
	a.say("<message to='%s'>%s</message>", host, form("subscribe_authorization", "node", "n", "subscriber_jid", bob+"/b", "subid", subid, "allow", "true"))
	b.expect(`<subscription node="n" [^>]*subscription="subscribed"/>`)
	b.expect(`<item id="1">`)
	has(t, b.ask("get", host, pub(`<items node='n'/>`)), `<item id="1">`)
}

// caps announces interest in a node, and answers what the server asks about it.
func (p *peer) caps(ver string, features ...string) {
	p.t.Helper()
	p.say(`<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver='%s'/></presence>`, ver)
	m := p.expect(`<iq [^>]*type="get" id="([^"]+)"[^>]*><query xmlns="http://jabber.org/protocol/disco#info" node="urn:x#` + ver + `"/></iq>`)
	x := `<iq to='meet.example.com' type='result' id='` + m[1] + `'><query xmlns='http://jabber.org/protocol/disco#info' node='urn:x#` + ver + `'>`
	for _, f := range features {
		x += `<feature var='` + f + `'/>`
	}
	p.say("%s", x+`</query></iq>`)
}

func TestPersonalEventing(t *testing.T) {
	w := start(t)
	a, b, c := w.person("alice", "a"), w.person("bob", "b"), w.person("carol", "c")
	friends(a, b, alice, bob)
	has(t, a.ask("get", alice, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `category="pubsub" type="pep"`, nsPubSub+`#publish-options`, nsPubSub+`#auto-create`)
	has(t, b.ask("get", alice, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `type="pep"`)
	has(t, c.ask("get", alice, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `service-unavailable`)
	b.caps("v1", nsTune+"+notify")
	has(t, b.ask("get", bob, pub(`<items node='x'/>`)), `item-not-found`) // bob's answer has been read by now
	tune := func(id string) string {
		return pub(`<publish node='` + nsTune + `'><item id='` + id + `'><tune xmlns='` + nsTune + `'/></item></publish>`)
	}
	has(t, a.ask("set", "", tune("t1")), `<publish node="`+nsTune+`"><item id="t1"/></publish>`)
	has(t, b.expect(`(?s)<message [^>]*from="` + alice + `"[^>]*>.*?</message>`)[0], `type="headline"`, `<item id="t1"><tune xmlns="`+nsTune+`"/></item>`)
	has(t, a.ask("set", "", tune("t2")), result)
	b.expect(`<item id="t2">`)
	has(t, a.ask("get", alice, pub(`<items node='`+nsTune+`'/>`)), `id="t2"`, `!id="t1"`)
	has(t, b.ask("get", alice, pub(`<items node='`+nsTune+`'/>`)), `id="t2"`)
	has(t, c.ask("get", alice, pub(`<items node='`+nsTune+`'/>`)), `<not-authorized`, `presence-subscription-required`)
	has(t, c.ask("set", alice, pub(`<subscribe node='`+nsTune+`' jid='`+carol+`'/>`)), `presence-subscription-required`)
	has(t, b.ask("set", alice, tune("forged")), `<forbidden`)
	has(t, b.ask("get", alice, `<query xmlns='http://jabber.org/protocol/disco#items'/>`), `node="`+nsTune+`"`)
	has(t, c.ask("get", alice, `<query xmlns='http://jabber.org/protocol/disco#items'/>`), result, "!"+nsTune) // XEP-0030, 8: nothing, whether there is an account or not

	// A session that comes later hears what was last, from others and from itself.
	b2 := w.account("bob", "meet.example.com", "pw of bob", "b2")
	b2.caps("v2", nsTune+"+notify")
	has(t, b2.expect(`(?s)<message [^>]*from="` + alice + `"[^>]*>.*?</message>`)[0], `<item id="t2">`, `<delay xmlns="urn:xmpp:delay" stamp="`)
	a2 := w.account("alice", "meet.example.com", "pw of alice", "a2")
	a2.caps("v3", nsTune+"+notify")
	a2.expect(`<item id="t2">`)

	// Options must be met, or make the node what they say.
	bm := func(access string) string {
		return pub(`<publish node='urn:xmpp:bookmarks:1'>` + item("room@c", "x") + `</publish><publish-options>` +
			form("publish-options", "access_model", access, "persist_items", "true", "max_items", "max") + `</publish-options>`)
	}
	play(t, a, []step{
		{"made as wished", "set", "", bm("whitelist"), []string{result}},
		{"fits", "set", "", bm("whitelist"), []string{result}},
		{"does not fit", "set", "", bm("open"), []string{`<conflict`, `precondition-not-met`}},
		{"configured", "get", "", owned(`<configure node='urn:xmpp:bookmarks:1'/>`), []string{`<value>whitelist</value>`}},
		{"retracted", "set", "", pub(`<retract node='urn:xmpp:bookmarks:1' notify='1'><item id='room@c'/></retract>`), []string{result}},
		{"empty", "get", "", pub(`<items node='urn:xmpp:bookmarks:1'/>`), []string{result, `!<item `}},
		{"deleted", "set", "", owned(`<delete node='` + nsTune + `'/>`), []string{result}},
	})
	b.expect(`<delete node="` + nsTune + `"/>`)
	has(t, b.ask("get", alice, pub(`<items node='urn:xmpp:bookmarks:1'/>`)), `closed-node`)
	has(t, a.ask("set", "", pub(`<publish node='storage:bookmarks'>`+item("current", "x")+`</publish>`)), result)
	has(t, b.ask("get", alice, pub(`<items node='storage:bookmarks'/>`)), `closed-node`) // nobody had asked for that

	// What was published outlives the server.
	db := w.cfg.Database
	w.stop()
	w = start(t, func(c *Config) { c.Database = db })
	a = w.account("alice", "meet.example.com", "pw of alice", "a")
	has(t, a.ask("get", "", `<query xmlns='http://jabber.org/protocol/disco#items'/>`), `urn:xmpp:bookmarks:1`, "!"+nsTune)
}

func TestOpenAvatar(t *testing.T) {
	w := start(t)
	a, c := w.person("alice", "a"), w.person("carol", "c")
	has(t, a.ask("set", "", pub(`<publish node='urn:xmpp:avatar:metadata'>`+item("h", "x")+`</publish><publish-options>`+
		form("publish-options", "access_model", "open")+`</publish-options>`)), result)
	has(t, c.ask("get", alice, pub(`<items node='urn:xmpp:avatar:metadata'/>`)), `id="h"`)
	has(t, c.ask("get", "nobody@meet.example.com", pub(`<items node='urn:xmpp:avatar:metadata'/>`)), `service-unavailable`)
	if got := c.ask("set", alice, pub(`<create node='x'/>`)); !strings.Contains(got, "<forbidden") {
		t.Error(got)
	}
}

// Nodes in nodes (XEP-0248).
func TestCollections(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	create := func(name string, fields ...string) string {
		return pub(`<create node='` + name + `'/><configure>` + form("node_config", fields...) + `</configure>`)
	}
	configure := func(name string, fields ...string) string {
		return owned(`<configure node='` + name + `'>` + form("node_config", fields...) + `</configure>`)
	}
	items := func(node string) string {
		return `<query xmlns='http://jabber.org/protocol/disco#items' node='` + node + `'/>`
	}
	play(t, a, []step{
		{"offered", "get", host, `<query xmlns='http://jabber.org/protocol/disco#info'/>`, []string{nsPubSub + `#collections"`}},
		{"the form names the kinds", "get", host, owned(`<default/>`), []string{`type="text-multi" label="The collection this node is in" var="pubsub#collection"`, `<value>collection</value></option>`}},
		{"create", "set", host, create("top", "node_type", "collection"), []string{result}},
		{"inside", "set", host, create("mid", "node_type", "collection", "collection", "top"), []string{result}},
		{"leaf inside", "set", host, create("leaf", "collection", "mid"), []string{result}},
		{"kind", "get", host, `<query xmlns='http://jabber.org/protocol/disco#info' node='top'/>`, []string{`category="pubsub" type="collection"`}},
		{"kind of a leaf", "get", host, `<query xmlns='http://jabber.org/protocol/disco#info' node='leaf'/>`, []string{`category="pubsub" type="leaf"`}},
		{"first level", "get", host, `<query xmlns='http://jabber.org/protocol/disco#items'/>`, []string{`node="top"`, `!node="mid"`, `!node="leaf"`}},
		{"second level", "get", host, items("top"), []string{`node="mid"`, `!node="leaf"`}},
		{"third level", "get", host, items("mid"), []string{`node="leaf"`}},
		{"in no collection there is", "set", host, create("lost", "collection", "zzz"), []string{`item-not-found`}},
		{"in a leaf", "set", host, create("lost", "collection", "leaf"), []string{`<not-allowed`}},
		{"inside itself", "set", host, configure("top", "collection", "mid"), []string{`<not-acceptable`}},
		{"a leaf stays one", "set", host, configure("leaf", "node_type", "collection"), []string{`<not-acceptable`}},
		{"no items go into it", "set", host, pub(`<publish node='top'>` + item("1", "x") + `</publish>`), []string{`feature-not-implemented`, `feature="publish"`}},
		{"none come out", "get", host, pub(`<items node='top'/>`), []string{`feature="retrieve-items"`}},
		{"none to purge", "set", host, owned(`<purge node='top'/>`), []string{`feature="purge-nodes"`}},
		{"not in an account", "set", alice, create("mine", "node_type", "collection"), []string{`feature-not-implemented`, `collections`}},
	})
	play(t, b, []step{
		{"another's collection", "set", host, create("foreign", "collection", "top"), []string{`<forbidden`}},
		{"a leaf has no depth", "set", host, pub(`<subscribe node='leaf' jid='` + bob + `'/><options>` + form("subscribe_options", "subscription_depth", "all") + `</options>`), []string{`invalid-options`}},
		{"all below", "set", host, pub(`<subscribe node='top' jid='` + bob + `'/><options>` + form("subscribe_options", "subscription_depth", "all") + `</options>`), []string{`subscription="subscribed"`}},
		{"as asked", "get", host, pub(`<options node='top' jid='` + bob + `'/>`), []string{`label="How far down" var="pubsub#subscription_depth"><value>all</value>`}},
		{"new nodes", "set", host, pub(`<subscribe node='mid' jid='` + bob + `'/><options>` + form("subscribe_options", "subscription_type", "nodes") + `</options>`), []string{`subscription="subscribed"`}},
	})
	b.say("<presence/>")
	b.expect(`<presence [^>]*/>`)
	a.ask("set", host, pub(`<publish node='leaf'>`+item("1", "one")+`</publish>`))
	has(t, b.expect(`(?s)<message [^>]*from="` + host + `".*?</message>`)[0], `<items node="leaf"><item id="1">`, `<header name="Collection">top</header>`)

	// Who may not read a node does not hear of it through a collection.
	a.ask("set", host, create("secret", "collection", "mid", "access_model", "whitelist"))
	a.ask("set", host, pub(`<publish node='secret'>`+item("1", "hush")+`</publish>`))
	a.ask("set", host, create("next", "collection", "mid"))
	has(t, b.expect(`(?s)<message [^>]*from="` + host + `".*?</message>`)[0], `<collection node="mid"><associate node="next"/></collection>`)
	a.ask("set", host, configure("next", "collection", ""))
	has(t, b.expect(`(?s)<message [^>]*from="` + host + `".*?</message>`)[0], `<disassociate node="next"/>`)

	has(t, a.ask("set", host, owned(`<delete node='mid'/>`)), result)
	has(t, a.ask("get", host, `<query xmlns='http://jabber.org/protocol/disco#items'/>`), `node="leaf"`, `node="next"`, `node="secret"`, `!node="mid"`)
}
