package xmppd

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

var scramSHA1 scram.HashGeneratorFcn = scram.SHA1

// TestDelivery plays RFC 6121 §8.5 with devices of several priorities.
func TestDelivery(t *testing.T) {
	w := start(t)
	a := w.person("alice", "a")
	high, low, never, silent := w.person("bob", "high"), w.person("bob", "low"), w.person("bob", "never"), w.person("bob", "silent")
	for p, prio := range map[*peer]string{high: "5", low: "1", never: "-1"} {
		p.say(`<presence><priority>%s</priority></presence>`, prio)
		p.expect(`<priority>` + prio + `</priority>`)
	}
	all := map[string]*peer{"high": high, "low": low, "never": never, "silent": silent}
	for _, tt := range []struct{ name, to, typ, heard, answer string }{
		{"chat", bob, "chat", "high", ""},
		{"normal", bob, "normal", "high", ""},
		{"headline", bob, "headline", "high low", ""},
		{"groupchat", bob, "groupchat", "", "service-unavailable"},
		{"error", bob, "error", "", ""},
		{"chat to a device", bob + "/never", "chat", "never", ""},
		{"headline to a device", bob + "/silent", "headline", "silent", ""},
		{"error to a device", bob + "/low", "error", "low", ""},
		{"groupchat to a device", bob + "/low", "groupchat", "low", ""},
		{"chat to a device that is gone", bob + "/gone", "chat", "high", ""},
		{"normal to a device that is gone", bob + "/gone", "normal", "", "service-unavailable"},
		{"groupchat to a device that is gone", bob + "/gone", "groupchat", "", "service-unavailable"},
		{"headline to a device that is gone", bob + "/gone", "headline", "", ""},
		{"error to a device that is gone", bob + "/gone", "error", "", ""},
		{"nobody", "nobody@meet.example.com", "chat", "", "service-unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := strings.ReplaceAll(tt.name, " ", "-")
			a.say(`<message to='%s' type='%s' id='%s'><body>x</body></message>`, tt.to, tt.typ, id)
			if tt.answer != "" {
				a.expect(`<message [^>]*type="error" id="` + id + `"[^>]*><error type="cancel"><` + tt.answer)
			}
			a.quiet(`id="` + id + `"`)
			for name, p := range all {
				if strings.Contains(tt.heard, name) {
					p.expect(`<message to="` + tt.to + `" [^>]*id="` + id + `"`)
				}
				p.quiet(`id="` + id + `"`)
			}
		})
	}
	has(t, a.ask("get", bob+"/gone", `<x xmlns='urn:x'/>`), `<service-unavailable`)
	a.say(`<iq type='strange' id='strange'/><iq type='get' id='childless'/><iq type='get' id='two'><a xmlns='b'/><c xmlns='d'/></iq>`)
	for _, id := range []string{"strange", "childless", "two"} {
		a.expect(`id="` + id + `"[^>]*><error type="modify"><bad-request`)
	}
	a.say(`<iq type='result' id='r1' to='%s/gone'/><iq type='error' id='r2' to='nobody@meet.example.com'/><iq type='result' id='r3'/>`, bob)
	a.quiet(`id="r[123]"`)
}

// TestOffline: what came while nobody was there is given to who comes (XEP-0160).
func TestOffline(t *testing.T) {
	w := start(t, func(c *Config) { c.OfflineMessages = 3 })
	a := w.person("alice", "a")
	b := w.person("bob", "b")
	b.say(`<presence><priority>-1</priority></presence>`)
	b.expect(`<presence`)
	a.say(`<message to='%s' type='chat' id='m1'><body>one</body></message>`, bob)
	a.say(`<message to='%s' id='m2'><body>two</body></message>`, bob)
	a.say(`<message to='%s' type='chat' id='typing'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`, bob)
	a.say(`<message to='%s' type='chat' id='secret'><body>x</body><no-store xmlns='urn:xmpp:hints'/></message>`, bob)
	a.say(`<message to='%s/gone' type='chat' id='m3'><body>three</body></message>`, bob)
	a.say(`<message to='%s' type='headline' id='h'><body>x</body></message>`, bob)
	a.quiet(`<message`)
	a.say(`<message to='%s' type='chat' id='m4'><body>four</body></message>`, bob)
	a.expect(`type="error" id="m4"[^>]*><error type="cancel"><service-unavailable`)
	// From a guest nothing is kept, and he does not learn who has an account.
	guest, _ := w.webSession("guest", "?room=demo&token="+token(t, nil))
	for i, to := range []string{bob, "nobody@meet.example.com"} {
		guest.say(`<message xmlns="jabber:client" to="%s" type="chat" id="g%d"><body>x</body></message>`, to, i)
		guest.expect(`from="` + to + `"[^>]*><error type="cancel"><service-unavailable xmlns="[^"]+"/></error></message>`)
	}
	b.quiet(`<message`)
	b.say(`<presence/>`)
	for _, text := range []string{"one", "two", "three"} {
		b.expect(`<message to="` + bob + `[^>]*><body>` + text + `</body>.*?<delay xmlns="urn:xmpp:delay" from="meet.example.com" stamp="[^"]+Z">`)
	}
	b.say(`<presence/>`)
	b.quiet(`<message`)
}

// TestCarbons plays XEP-0280.
func TestCarbons(t *testing.T) {
	w := start(t)
	a, phone, desk, plain := w.person("alice", "a"), w.person("bob", "phone"), w.person("bob", "desk"), w.person("bob", "plain")
	for p, prio := range map[*peer]string{phone: "5", desk: "1", plain: "1"} {
		p.say(`<presence><priority>%s</priority></presence>`, prio)
		p.expect(`<priority>` + prio + `</priority>`)
	}
	has(t, phone.ask("set", "", `<enable xmlns='urn:xmpp:carbons:2'/>`), result)
	has(t, desk.ask("set", bob, `<enable xmlns='urn:xmpp:carbons:2'/>`), result)
	has(t, a.ask("set", bob, `<enable xmlns='urn:xmpp:carbons:2'/>`), `<forbidden`)

	copyOf := func(how, what string) string {
		return `<message to="bob@meet.example.com/desk" type="chat" from="bob@meet.example.com"><` + how + ` xmlns="urn:xmpp:carbons:2"><forwarded xmlns="urn:xmpp:forward:0"><message xmlns="jabber:client" ` + what
	}
	a.say(`<message to='%s' type='chat' id='r'><body>x</body></message>`, bob)
	phone.expect(`<message to="bob@meet.example.com" type="chat" id="r"`)
	desk.expect(copyOf("received", `to="bob@meet.example.com" type="chat" id="r" from="alice@meet.example.com/a"><body>x</body>`))
	desk.expect(`</message></forwarded></received></message>`)
	a.say(`<message to='%s/phone' type='chat' id='full'><body>x</body></message>`, bob)
	phone.expect(`id="full"`)
	desk.expect(copyOf("received", `to="bob@meet.example.com/phone" type="chat" id="full"`))
	phone.say(`<message to='%s' type='chat' id='s'><body>x</body></message>`, alice)
	desk.expect(copyOf("sent", `to="alice@meet.example.com" type="chat" id="s" from="bob@meet.example.com/phone"`))
	phone.quiet(`id="s"`)
	for _, no := range []string{
		`<message to='%s/phone' type='chat' id='no'><body>x</body><private xmlns='urn:xmpp:carbons:2'/><no-copy xmlns='urn:xmpp:hints'/></message>`,
		`<message to='%s/phone' type='groupchat' id='no'><body>x</body></message>`,
		`<message to='%s/phone' type='headline' id='no'><body>x</body></message>`,
		`<message to='%s/phone' type='chat' id='no'><body>x</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>`,
		`<message to='%s/phone' type='chat' id='no'><received xmlns='urn:xmpp:carbons:2'/></message>`,
		`<message to='%s/phone' id='no'><x xmlns='urn:x'/></message>`,
	} {
		a.say(no, bob)
		got := phone.expect(`<message [^>]*id="no".*?</message>`)[0]
		if strings.Contains(got, "private") {
			t.Errorf("the mark was relayed: %s", got)
		}
		desk.quiet(`id="no"`)
	}
	has(t, desk.ask("set", "", `<disable xmlns='urn:xmpp:carbons:2'/>`), result)
	a.say(`<message to='%s/phone' type='chat' id='off'><body>x</body></message>`, bob)
	phone.expect(`id="off"`)
	desk.quiet(`id="off"`)
	plain.quiet(`carbons`)
}

// TestIdleClient plays XEP-0352: what can wait does.
func TestIdleClient(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	friends(a, b, alice, bob)
	a.quiet(`x`)
	b.quiet(`x`)
	b.say(`<inactive xmlns='urn:xmpp:csi:0'/>`)
	b.ask("get", "", `<ping xmlns='urn:xmpp:ping'/>`)
	b.say(`<inactive xmlns='urn:xmpp:csi:0'/>`)
	a.say(`<presence><status>one</status></presence><presence><status>two</status></presence>`)
	a.say(`<message to='%s' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`, bob)
	a.ask("get", "", `<ping xmlns='urn:xmpp:ping'/>`)
	// A message that matters comes after what was held.
	a.say(`<message to='%s' type='chat' id='m'><body>x</body></message>`, bob)
	got := b.expect(`(?s)^.*<message [^>]*id="m".*?</message>`)[0]
	has(t, got, "!one", "<status>two</status>", "!composing")
	b.say(`<active xmlns='urn:xmpp:csi:0'/>`)
	a.say(`<presence><status>three</status></presence>`)
	b.expect(`<status>three</status>`)
}

// TestDirectedPresence: who was told that somebody is there hears that he is gone (RFC
// 6121 §4.6).
func TestDirectedPresence(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	a.say(`<presence to='%s/b'><status>for you</status></presence>`, bob)
	b.expect(`<presence to="bob@meet.example.com/b" from="alice@meet.example.com/a"><status>for you</status></presence>`)
	a.say(`<presence/><presence type='unavailable'/>`)
	b.expect(`<presence to="bob@meet.example.com/b" type="unavailable" from="alice@meet.example.com/a"/>`)
	a.say(`<presence to='%s/b'/>`, bob)
	b.expect(`from="alice@meet.example.com/a"/>`)
	a.end()
	b.expect(`<presence to="bob@meet.example.com/b" type="unavailable" from="alice@meet.example.com/a">`)
}

// TestCapsOptimisation: contacts are not told the same capabilities twice (XEP-0115 §8.4).
func TestCapsOptimisation(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	has(t, a.ask("get", "meet.example.com", `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `caps#optimize`, `urn:xmpp:carbons:2`, `msgoffline`)
	friends(a, b, alice, bob)
	caps := func(ver string) string {
		return `<c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="n" ver="` + ver + `"/>`
	}
	a.say(`<presence>%s<status>s1</status></presence>`, caps("1"))
	b.expect(caps("1") + `<status>s1</status>`)
	a.say(`<presence>%s<status>s2</status></presence>`, caps("1"))
	b.expect(`from="alice@meet.example.com/a"><status>s2</status>`)
	a.say(`<presence>%s<status>s3</status></presence>`, caps("2"))
	b.expect(caps("2") + `<status>s3</status>`)
	second := w.person("bob", "second")
	second.say(`<presence/>`)
	second.expect(caps("2"))
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func unb64(s string) string {
	b, _ := base64.StdEncoding.DecodeString(s)
	return string(b)
}
