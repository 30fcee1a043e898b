package xmppd

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const rosterNS = `xmlns='jabber:iq:roster'`

func rosterItem(attrs, inner string) string {
	return `<query ` + rosterNS + `><item ` + attrs + `>` + inner + `</item></query>`
}

func TestRosterRules(t *testing.T) {
	w := start(t)
	a := w.person("alice", "a")
	w.person("bob", "b")
	group := func(g string) string { return `<group>` + g + `</group>` }
	play(t, a, []step{
		{"empty", "get", "", `<query ` + rosterNS + `/>`, []string{`<query xmlns="jabber:iq:roster"></query>`}},
		{"add", "set", "", rosterItem(`jid='carl@meet.example.com' name='Carl'`, group("A")+group("B")), []string{result}},
		{"two items", "set", "", `<query ` + rosterNS + `><item jid='a@b'/><item jid='c@d'/></query>`, []string{`<bad-request`}},
		{"no item", "set", "", `<query ` + rosterNS + `/>`, []string{`<bad-request`}},
		{"somebody else's", "set", bob, rosterItem(`jid='a@b'`, ""), []string{`<forbidden`}},
		{"read somebody else's", "get", bob, `<query ` + rosterNS + `/>`, []string{`<forbidden`}},
		{"nobody's", "get", "nobody@meet.example.com", `<query ` + rosterNS + `/>`, []string{`<forbidden`}},
		{"group twice", "set", "", rosterItem(`jid='a@b'`, group("x")+group("x")), []string{`<bad-request`}},
		{"empty group", "set", "", rosterItem(`jid='a@b'`, group("")), []string{`<not-acceptable`}},
		{"long group", "set", "", rosterItem(`jid='a@b'`, group(strings.Repeat("x", 1024))), []string{`<not-acceptable`}},
		{"long name", "set", "", rosterItem(`jid='a@b' name='`+strings.Repeat("x", 1024)+`'`, ""), []string{`<not-acceptable`}},
		{"myself", "set", "", rosterItem(`jid='`+alice+`'`, ""), []string{`<bad-request`}},
		{"no address", "set", "", rosterItem(`name='x'`, ""), []string{`<bad-request`}},
		{"bad address", "set", "", rosterItem(`jid='@'`, ""), []string{`<jid-malformed`}},
		{"subscription is not ours to set", "set", "", rosterItem(`jid='dan@meet.example.com' subscription='both'`, ""), []string{result}},
		{"list", "get", "", `<query ` + rosterNS + `/>`, []string{`<item jid="carl@meet.example.com" name="Carl" subscription="none"><group>A</group><group>B</group></item>`,
			`<item jid="dan@meet.example.com" subscription="none">`}},
		{"remove", "set", "", rosterItem(`jid='dan@meet.example.com' subscription='remove'`, ""), []string{result}},
		{"remove again", "set", "", rosterItem(`jid='dan@meet.example.com' subscription='remove'`, ""), []string{`<item-not-found`}},
		{"unknown account", "get", "nobody@meet.example.com", `<ping xmlns='urn:xmpp:ping'/>`, []string{`<service-unavailable`}},
		{"other's account", "get", bob, `<ping xmlns='urn:xmpp:ping'/>`, []string{`<service-unavailable`}},
		{"items of nobody", "get", "nobody@meet.example.com", `<query xmlns='http://jabber.org/protocol/disco#items'/>`, []string{result, `!<item `}},
		{"items of a stranger", "get", bob, `<query xmlns='http://jabber.org/protocol/disco#items'/>`, []string{result, `!<item `}},
		{"info of nobody", "get", "nobody@meet.example.com", `<query xmlns='http://jabber.org/protocol/disco#info'/>`, []string{`<service-unavailable`}},
		{"info of a stranger", "get", bob, `<query xmlns='http://jabber.org/protocol/disco#info'/>`, []string{`<service-unavailable`}},
		{"info of a stranger's node", "get", bob, `<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>`, []string{`<service-unavailable`}},
		{"activity of a stranger", "get", bob, `<query xmlns='jabber:iq:last'/>`, []string{`<forbidden`}},
		{"activity of nobody", "get", "nobody@meet.example.com", `<query xmlns='jabber:iq:last'/>`, []string{`<forbidden`}},
		{"my activity", "get", alice, `<query xmlns='jabber:iq:last'/>`, []string{`seconds="0"`}},
	})
}

func TestRosterVersions(t *testing.T) {
	w := start(t)
	a := w.tcp("a", "meet.example.com")
	_ = w.person("alice", "other")
	a.expect(`</stream:features>`)
	scramLogin(a, "SCRAM-SHA-1", scramSHA1, "alice", "pw of alice")
	a.say(header, "meet.example.com")
	a.expect(`<csi xmlns="urn:xmpp:csi:0"/><ver xmlns="urn:xmpp:features:rosterver"/><sub xmlns="urn:xmpp:features:pre-approval"/>`)
	a.expect(`</stream:features>`)
	a.bind("a")
	first := a.ask("get", "", `<query `+rosterNS+` ver=''/>`)
	has(t, first, `ver="`)
	ver := func(name, groups string) string {
		a.say(`<iq type='set' id='set'>%s</iq>`, rosterItem(`jid='`+name+`@meet.example.com' name='`+name+`'`, groups))
		m := a.expect(`<iq [^>]*type="set"[^>]*><query xmlns="jabber:iq:roster" ver="([^"]+)"><item jid="` + name + `@`)
		a.expect(`id="set"`)
		return m[1]
	}
	// A list that costs more than its changes: only these are pushed.
	for i := range 8 {
		ver(fmt.Sprintf("friend%d", i), "<group>"+strings.Repeat("x", 100)+"</group>")
	}
	v1 := ver("one", "")
	v2 := ver("two", "")
	v3 := ver("one", "<group>g</group>")
	if v1 == v2 || v2 == v3 || v1 == v3 {
		t.Errorf("versions %s %s %s", v1, v2, v3)
	}
	if again := ver("one", "<group>g</group>"); again != v3 {
		t.Logf("setting the same again: %s after %s", again, v3)
	}
	a.say(`<iq type='get' id='since'><query %s ver='%s'/></iq>`, rosterNS, v1)
	a.expect(`<iq [^>]*type="result" id="since" from="alice@meet.example.com"/>`)
	a.expect(`ver="` + v2 + `"><item jid="two@`)
	a.expect(`ver="` + v3 + `"><item jid="one@meet.example.com" name="one" subscription="none"><group>g</group>`)
	has(t, a.ask("set", "", rosterItem(`jid='two@meet.example.com' subscription='remove'`, "")), result)
	a.say(`<iq type='get' id='since2'><query %s ver='%s'/></iq>`, rosterNS, v3)
	a.expect(`id="since2"[^>]*/>`)
	v4 := a.expect(`ver="([^"]+)"><item jid="two@meet.example.com" subscription="remove">`)[1]
	a.say(`<iq type='get' id='now'><query %s ver='%s'/></iq><iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>`, rosterNS, v4)
	if got := a.expect(`(?s)id="now"(.*)id="end"`)[1]; strings.Contains(got, "roster") {
		t.Errorf("pushed without a change: %s", got)
	}
	has(t, a.ask("get", "", `<query `+rosterNS+` ver='never'/>`), `<item jid="one@`)
	// A list that costs less than its changes comes whole (RFC 6121 §2.6.3).
	for i := range 8 {
		a.say(`<iq type='set' id='away%d'>%s</iq>`, i, rosterItem(fmt.Sprintf(`jid='friend%d@meet.example.com' subscription='remove'`, i), ""))
		a.expect(fmt.Sprintf(`id="away%d"`, i))
	}
	has(t, a.ask("get", "", `<query `+rosterNS+` ver='`+v4+`'/>`), `<query xmlns="jabber:iq:roster" ver="`, `<item jid="one@`, `!friend`)
}

// quiet checks that nothing like a pattern comes before the server answers a ping.
func (p *peer) quiet(pattern string) {
	p.t.Helper()
	asked++
	id := fmt.Sprintf("quiet%d", asked)
	p.say(`<iq type='get' id='%s'><ping xmlns='urn:xmpp:ping'/></iq>`, id)
	got := p.expect(`(?s)(.*?)<iq [^>]*id="` + id + `"`)[1]
	if regexp.MustCompile(pattern).MatchString(got) {
		p.t.Errorf("%s heard %s", p.name, got)
	}
}

// TestSubscriptionStates plays RFC 6121 §3 and what Appendix A says must not happen.
func TestSubscriptionStates(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	for _, p := range []*peer{a, b} {
		p.ask("get", "", `<query `+rosterNS+`/>`)
		p.say(`<presence/>`)
		p.expect(`<presence `)
	}
	// Nobody asked: none of these has an effect, none is heard.
	for _, typ := range []string{"unsubscribe", "unsubscribed", "subscribed"} {
		a.say(`<presence type='%s' to='%s/gone'/>`, typ, bob)
		a.ask("get", "", `<ping xmlns='urn:xmpp:ping'/>`)
		b.quiet(`type="` + typ + `"`)
	}
	// The approval of before counts (RFC 6121 §3.4).
	b.say(`<presence type='subscribe' to='%s'/>`, alice)
	b.expect(`ask="subscribe"`)
	b.expect(`<presence [^>]*type="subscribed" from="` + alice + `"/>`)
	b.expect(`subscription="to"`)
	b.expect(`<presence [^>]*from="` + alice + `/a"/>`)
	a.expect(`<item jid="` + bob + `" subscription="from">`)
	// Cancelled: he hears that she is gone for him (RFC 6121 §3.2).
	a.say(`<presence type='unsubscribed' to='%s'/>`, bob)
	a.expect(`<item jid="` + bob + `" subscription="none">`)
	b.expect(`<presence [^>]*type="unsubscribed" from="` + alice + `"/>`)
	b.expect(`<item jid="` + alice + `" subscription="none">`)
	b.expect(`<presence [^>]*type="unavailable" from="` + alice + `/a"/>`)
	// A request to somebody absent waits, whole, and is shown once per log-in (RFC 6121
	// §3.1.3).
	a.say(`<presence type='unavailable'/></stream:stream>`)
	a.ended()
	b.say(`<presence type='subscribe' to='%s'><status>please</status><x xmlns='urn:x'/></presence>`, alice)
	b.expect(`ask="subscribe"`)
	b.say(`<presence type='subscribe' to='%s'/>`, alice)
	for range 2 {
		a = w.person("alice", "a")
		a.ask("get", "", `<query `+rosterNS+`/>`)
		a.say(`<presence/>`)
		a.expect(`<presence [^>]*type="subscribe" from="` + bob + `"><status>please</status><x xmlns='urn:x'/></presence>`)
		a.quiet(`type="subscribe"`)
	}
	a.say(`<presence type='subscribed' to='%s'/>`, bob)
	b.expect(`subscription="to"`)
	b.expect(`<presence [^>]*from="` + alice + `/a"/>`)
	// Removing ends it both ways (RFC 6121 §2.5.2).
	has(t, a.ask("set", "", rosterItem(`jid='`+bob+`' subscription='remove'`, "")), result)
	b.expect(`<presence [^>]*type="unsubscribed" from="` + alice + `"/>`)
	b.expect(`subscription="none"`)
	// Nobody is asked who does not exist, and says nothing (RFC 6121 §8.5.1).
	b.say(`<presence type='subscribe' to='nobody@meet.example.com'/><presence to='nobody@meet.example.com/x'/><presence type='unsubscribed' to='nobody@meet.example.com'/>`)
	b.quiet(`from="nobody@`)
	// A probe by who may not know.
	b.say(`<presence type='probe' to='%s'/>`, alice)
	b.quiet(`from="` + alice)
}

// TestPushesOnlyForInterested: who never asked for the list is not told (RFC 6121 §2.1.6).
func TestPushesOnlyForInterested(t *testing.T) {
	w := start(t)
	a, other := w.person("alice", "a"), w.person("alice", "other")
	other.say(`<presence/>`)
	other.expect(`<presence`)
	a.ask("get", "", `<query `+rosterNS+`/>`)
	a.say(`<iq type='set' id='s'>%s</iq>`, rosterItem(`jid='x@y'`, ""))
	a.expect(`type="set"[^>]*><query xmlns="jabber:iq:roster"`)
	other.quiet(`jabber:iq:roster`)
	other.ask("get", "", `<query `+rosterNS+`/>`)
	a.say(`<iq type='set' id='s'>%s</iq>`, rosterItem(`jid='x@y' name='n'`, ""))
	other.expect(`type="set"[^>]*><query xmlns="jabber:iq:roster" ver="[^"]+"><item jid="x@y" name="n"`)
}
