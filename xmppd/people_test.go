package xmppd

import (
	"strings"
	"testing"
)

func TestPrivateFragments(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	q := func(inner string) string { return `<query xmlns='jabber:iq:private'>` + inner + `</query>` }
	notes := `<notes xmlns='urn:example:notes'><n>1</n></notes>`
	play(t, a, []step{
		{"none yet", "get", "", q(`<notes xmlns='urn:example:notes'/>`), []string{result, `<notes xmlns="urn:example:notes"/>`}},
		{"set", "set", "", q(notes), []string{result}},
		{"get", "get", "", q(`<notes xmlns='urn:example:notes'/>`), []string{`<n>1</n>`}},
		{"other name", "get", "", q(`<more xmlns='urn:example:notes'/>`), []string{`!<n>1</n>`}},
		{"nothing", "get", "", q(``), []string{`<bad-request`}},
		{"two", "set", "", q(notes + notes), []string{`<bad-request`}},
		{"the server's", "set", "", q(`<x xmlns='jabber:iq:roster'/>`), []string{`<not-acceptable`}},
		{"too large", "set", "", q(`<notes xmlns='urn:example:notes'>` + strings.Repeat("x", 70<<10) + `</notes>`), []string{`<policy-violation`}},
	})
	play(t, b, []step{
		{"somebody's", "get", alice, q(`<notes xmlns='urn:example:notes'/>`), []string{`<forbidden`}},
		{"to somebody", "set", alice, q(notes), []string{`<forbidden`}},
		{"own", "get", "", q(`<notes xmlns='urn:example:notes'/>`), []string{`!<n>`}},
	})
}

func TestCards(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	const none = `<vCard xmlns='vcard-temp'/>`
	has(t, a.ask("get", "meet.example.com", `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `<feature var="vcard-temp"/>`, `<feature var="urn:xmpp:blocking"/>`)
	has(t, b.ask("get", alice, none), `<service-unavailable`)
	has(t, b.ask("get", "nobody@meet.example.com", none), `<service-unavailable`)
	has(t, a.ask("get", "", none), `item-not-found`)
	has(t, a.ask("set", "", `<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>`), result)
	has(t, a.ask("get", "", none), `<FN>Alice</FN>`)
	has(t, b.ask("get", alice, none), `<FN>Alice</FN>`)
	has(t, b.ask("set", alice, `<vCard xmlns='vcard-temp'><FN>Bob</FN></vCard>`), `<forbidden`)
	has(t, a.ask("set", "", `<vCard xmlns='vcard-temp'><PHOTO><BINVAL>*</BINVAL></PHOTO></vCard>`), `<bad-request`)
	friends(a, b, alice, bob)
	a.ask("set", "", `<vCard xmlns='vcard-temp'><FN>Alice</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>AAAA</BINVAL></PHOTO></vCard>`)
	// The hash of three zero bytes; the server sends the presence again by itself.
	const hash = "29e2dcfbb16f63bb0254df7585a15bb6fb5e927d"
	b.expect(`<presence [^>]*from="` + alice + `/a"[^>]*><x xmlns="vcard-temp:x:update"><photo>` + hash + `</photo></x></presence>`)
	a.say("<presence><x xmlns='vcard-temp:x:update'><photo>forged</photo></x><status>s</status></presence>")
	has(t, b.expect(`(?s)<presence [^>]*from="` + alice + `/a".*?</presence>`)[0], hash, "!forged", "<status>s</status>")
}

func TestBlocking(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	friends(a, b, alice, bob)
	block := func(verb string, addrs ...string) string {
		x := `<` + verb + ` xmlns='urn:xmpp:blocking'>`
		for _, addr := range addrs {
			x += `<item jid='` + addr + `'/>`
		}
		return x + `</` + verb + `>`
	}
	has(t, a.ask("get", "", block("blocklist")), result, `<blocklist xmlns="urn:xmpp:blocking"></blocklist>`)
	has(t, a.ask("set", "", block("block")), `<bad-request`)
	has(t, a.ask("set", "", block("block", "@")), `<jid-malformed`)
	has(t, b.ask("get", alice, block("blocklist")), `<forbidden`)
	a.say("<iq type='set' id='blk'>%s</iq>", block("block", bob))
	a.expect(`<iq [^>]*type="set"[^>]*><block xmlns="urn:xmpp:blocking"><item jid="` + bob + `"/></block></iq>`)
	b.expect(`<presence [^>]*type="unavailable"[^>]*from="` + alice + `/a"`)
	has(t, a.ask("get", "", block("blocklist")), `<item jid="`+bob+`"/>`)

	// Nothing comes through, in either direction.
	b.say("<message to='%s' type='chat' id='m1'><body>hi</body></message><presence><status>new</status></presence>", alice)
	has(t, b.expect(`(?s)<message [^>]*id="m1".*?</message>`)[0], `type="error"`, `<service-unavailable`)
	has(t, b.ask("get", alice+"/a", `<ping xmlns='urn:xmpp:ping'/>`), `<service-unavailable`)
	has(t, b.ask("get", alice, `<vCard xmlns='vcard-temp'/>`), `<service-unavailable`)
	has(t, a.ask("get", bob+"/b", `<ping xmlns='urn:xmpp:ping'/>`), `<not-acceptable`, `<blocked xmlns="urn:xmpp:blocking:errors"/>`)
	a.say("<message to='%s' type='chat' id='m2'><body>hi</body></message>", bob)
	has(t, a.expect(`(?s)<message [^>]*id="m2".*?</message>`)[0], `type="error"`, `<not-acceptable`, `<blocked `)
	a.say("<presence><status>unseen</status></presence>")
	has(t, a.ask("get", "", block("blocklist")), `!new`)

	a.say("<iq type='set' id='unb'>%s</iq>", block("unblock", bob))
	a.expect(`<unblock xmlns="urn:xmpp:blocking"><item jid="` + bob + `"/></unblock>`)
	has(t, b.expect(`(?s)<presence [^>]*from="` + alice + `/a".*?</presence>`)[0], `unseen`)
	has(t, b.ask("get", alice, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), result)

	// A whole domain, and all at once.
	has(t, a.ask("set", "", block("block", "evil.example", bob+"/x")), result)
	has(t, a.ask("set", "", block("unblock")), result)
	has(t, a.ask("get", "", block("blocklist")), `<blocklist xmlns="urn:xmpp:blocking"></blocklist>`)

	// Blocks outlive the server.
	a.ask("set", "", block("block", bob))
	db := w.cfg.Database
	w.stop()
	w = start(t, func(c *Config) { c.Database = db })
	b = w.account("bob", "meet.example.com", "pw of bob", "b")
	has(t, b.ask("get", alice, `<vCard xmlns='vcard-temp'/>`), `<service-unavailable`)
}

func TestConversion(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	friends(a, b, alice, bob)
	has(t, a.ask("get", alice, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `urn:xmpp:pep-vcard-conversion:0`, `urn:xmpp:bookmarks:1#compat`)

	// A published avatar is the picture of the card, and shows in presence.
	const hash = "29e2dcfbb16f63bb0254df7585a15bb6fb5e927d" // of three zero bytes
	a.ask("set", "", pub(`<publish node='urn:xmpp:avatar:data'><item id='`+hash+`'><data xmlns='urn:xmpp:avatar:data'>AAAA</data></item></publish>`))
	a.ask("set", "", pub(`<publish node='urn:xmpp:avatar:metadata'><item id='`+hash+`'><metadata xmlns='urn:xmpp:avatar:metadata'><info id='`+hash+`' type='image/png' bytes='3'/></metadata></item></publish>`))
	b.expect(`<x xmlns="vcard-temp:x:update"><photo>` + hash + `</photo></x>`)
	has(t, b.ask("get", alice, `<vCard xmlns='vcard-temp'/>`), `<PHOTO><TYPE>image/png</TYPE><BINVAL>AAAA</BINVAL></PHOTO>`)
	// And the other way round.
	b.ask("set", "", `<vCard xmlns='vcard-temp'><FN>Bob</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>AAAA</BINVAL></PHOTO></vCard>`)
	a.expect(`<photo>` + hash + `</photo>`)
	has(t, a.ask("get", bob, pub(`<items node='urn:xmpp:avatar:metadata'/>`)), `<info id="`+hash+`" bytes="3" type="image/png"/>`)
	has(t, a.ask("get", bob, pub(`<items node='urn:xmpp:avatar:data'/>`)), `AAAA`)

	// Bookmarks in private storage are published, and published ones are in private storage.
	private := func(inner string) string {
		return `<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>` + inner + `</storage></query>`
	}
	play(t, a, []step{
		{"set", "set", "", private(`<conference jid='one@c.x' name='One' autojoin='true'><nick>al</nick></conference><url name='u' url='http://x/'/>`), []string{result}},
		{"published", "get", "", pub(`<items node='urn:xmpp:bookmarks:1'/>`), []string{`<item id="one@c.x"><conference xmlns="urn:xmpp:bookmarks:1" name="One" autojoin="true"><nick>al</nick></conference></item>`}},
		{"publish", "set", "", pub(`<publish node='urn:xmpp:bookmarks:1'><item id='two@c.x'><conference xmlns='urn:xmpp:bookmarks:1' name='Two'><extensions><e xmlns='u:e'/></extensions></conference></item></publish>`), []string{result}},
		{"both", "get", "", private(""), []string{`jid="one@c.x"`, `<nick>al</nick>`, `jid="two@c.x" name="Two"`, `url="http://x/"`}},
		{"one less", "set", "", private(`<conference jid='two@c.x' name='Two!'/>`), []string{result}},
		{"retracted", "get", "", pub(`<items node='urn:xmpp:bookmarks:1'/>`), []string{`!one@c.x`, `name="Two!"`, `<e xmlns="u:e"`}},
	})
	// The same where they are published together.
	together := func(inner string) string {
		return pub(`<publish node='storage:bookmarks'><item id='current'><storage xmlns='storage:bookmarks'>` + inner + `</storage></item></publish>`)
	}
	play(t, a, []step{
		{"told", "get", "", `<query xmlns='http://jabber.org/protocol/disco#info'/>`, []string{`urn:xmpp:bookmarks:1#compat-pep`}},
		{"one by one shows together", "get", "", pub(`<items node='storage:bookmarks'/>`), []string{`<item id="current"><storage xmlns="storage:bookmarks"><conference jid="two@c.x" name="Two!"`}},
		{"together", "set", "", together(`<conference jid='two@c.x' name='Two!'/><conference jid='four@c.x' name='Four'/>`), []string{result}},
		{"shows one by one", "get", "", pub(`<items node='urn:xmpp:bookmarks:1'/>`), []string{`<item id="four@c.x"><conference xmlns="urn:xmpp:bookmarks:1" name="Four"`, `<e xmlns="u:e"`}},
		{"retract one", "set", "", pub(`<retract node='urn:xmpp:bookmarks:1'><item id='four@c.x'/></retract>`), []string{result}},
		{"it is gone together", "get", "", pub(`<items node='storage:bookmarks'/>`), []string{`jid="two@c.x"`, `!four@c.x`}},
		{"no list of bookmarks", "set", "", pub(`<publish node='storage:bookmarks'>` + item("current", "x") + `</publish>`), []string{result}},
		{"takes none away", "get", "", pub(`<items node='urn:xmpp:bookmarks:1'/>`), []string{`id="two@c.x"`}},
	})
	has(t, b.ask("get", alice, pub(`<items node='urn:xmpp:bookmarks:1'/>`)), `closed-node`)
}
