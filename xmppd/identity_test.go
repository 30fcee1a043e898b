package xmppd

import (
	"regexp"
	"strings"
	"testing"
)

// TestFromIsOwnOverTheWeb: nobody speaks as somebody else, or as a service.
func TestFromIsOwnOverTheWeb(t *testing.T) {
	w := start(t)
	victim := w.person("alice", "a")
	for name, from := range map[string]string{
		"another user": alice + "/a", "another user, bare": alice, "the server": domain, "a service": "focus.meet.example.com",
		"a room": "demo@conference.meet.example.com/ann", "an administrator": "focus@auth.meet.example.com/focus", "no address": "@@",
	} {
		t.Run(name, func(t *testing.T) {
			forged := `<message xmlns="jabber:client" from="` + from + `" to="` + alice + `/a" type="chat" id="forged"><body>x</body></message>`
			p, _ := w.webSession("mallory", "?token="+token(t, nil))
			has(t, p.say("%s", forged).ended(), `<invalid-from xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`)
			b := w.bosh("?token=" + token(t, nil))
			b.login(domain)
			has(t, b.ask("", forged), `type="terminate"`, `<invalid-from xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`)
		})
	}
	victim.quiet("forged")
}

// TestComponentsSpeakForThemselves: a component cannot speak for any other domain.
func TestComponentsSpeakForThemselves(t *testing.T) {
	w := start(t)
	victim := w.person("alice", "a")
	for name, from := range map[string]string{
		"the server": domain, "a user": bob + "/b", "the rooms": "demo@conference.meet.example.com/ann", "below it": "x@evil.focus.meet.example.com",
		"beside it": "xfocus.meet.example.com", "above it": "example.com",
	} {
		t.Run(name, func(t *testing.T) {
			p := w.component()
			p.say(`<message from='%s' to='%s/a' id='forged'><body>x</body></message>`, from, alice)
			has(t, p.ended(), `<invalid-from `)
			eventually(t, func() bool { return !w.components.Component("focus.meet.example.com").Connected() })
		})
	}
	victim.quiet("forged")
}

// TestForgedAnswers: an answer counts only from whom was asked.
func TestForgedAnswers(t *testing.T) {
	w := start(t)
	a, b, m := w.person("alice", "a"), w.person("bob", "b"), w.person("mallory", "m")
	a.say(`<iq type='get' id='secret' to='%s/b'><query xmlns='jabber:iq:version'/></iq>`, bob)
	b.expect(`<iq [^>]*id="secret"`)
	// Mallory's answer arrives under her own name, whatever she claims.
	m.say(`<iq type='result' id='secret' to='%s/a'><query xmlns='jabber:iq:version'><name>forged</name></query></iq>`, alice)
	has(t, a.expect(`(?s)<iq [^>]*id="secret".*?</iq>`)[0], `from="mallory@meet.example.com/m"`)
	b.say(`<iq type='result' id='secret' to='%s/a'><query xmlns='jabber:iq:version'><name>true</name></query></iq>`, alice)
	has(t, a.expect(`(?s)<iq [^>]*id="secret".*?</iq>`)[0], `from="bob@meet.example.com/b"`, "true")

	// An answer nobody asked for changes nothing at the server, and is not answered.
	for _, to := range []string{domain, "mallory@meet.example.com", alice, "conference.meet.example.com", "demo@conference.meet.example.com"} {
		m.say(`<iq type='result' id='r' to='%s'><query xmlns='jabber:iq:roster'><item jid='x@y'/></query></iq>`, to)
		m.say(`<iq type='error' id='r' to='%s'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`, to)
	}
	m.quiet(`id="r"`)
	has(t, m.ask("get", "", `<query xmlns='jabber:iq:roster'/>`), result, "!x@y")
}

// TestOccupantsAnswerForThemselves: requests that a room passes on are answered by
// whom they were for; strangers reach nobody inside.
func TestOccupantsAnswerForThemselves(t *testing.T) {
	w := start(t, func(c *Config) {
		c.Rooms.RestrictCreation, c.Rooms.StrictNicks, c.Meeting.FocusFirst = false, false, false
	})
	const room = "r@conference.meet.example.com"
	a, b, m, out := w.person("alice", "a"), w.person("bob", "b"), w.person("mallory", "m"), w.person("carol", "c")
	for _, p := range []*peer{a, b, m} {
		p.say(`<presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'/></presence>`, room, p.name)
		if p == a {
			p.expect(`(?s)code="110".*<subject`)
			p.say(`<iq type='set' id='own' to='%s'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>`, room)
			p.expect(`type="result" id="own"`)
			continue
		}
		p.expect(`(?s)code="110".*<subject`)
	}
	a.say(`<iq type='get' id='v' to='%s/bob'><query xmlns='jabber:iq:version'/></iq>`, room)
	m2 := b.expect(`<iq [^>]*id="([^"]+)"[^>]*>`)
	m.say(`<iq type='result' id='v' to='%s/alice'><query xmlns='jabber:iq:version'><name>forged</name></query></iq>`, room)
	m.say(`<iq type='result' id='%s' to='%s/alice'><query xmlns='jabber:iq:version'><name>forged</name></query></iq>`, m2[1], room)
	out.say(`<iq type='result' id='%s' to='%s/alice'><query xmlns='jabber:iq:version'><name>forged</name></query></iq>`, m2[1], room)
	out.say(`<message type='chat' id='pm' to='%s/alice'><body>forged</body></message>`, room)
	out.expect(`<message [^>]*type="error" id="pm"(?s:.*?)<not-acceptable`)
	out.say(`<iq type='get' id='o' to='%s/alice'><query xmlns='jabber:iq:version'/></iq>`, room)
	out.expect(`<iq [^>]*type="error" id="o"(?s:.*?)</iq>`)
	m.quiet("nothing")
	b.say(`<iq type='result' id='%s' to='%s/alice'><query xmlns='jabber:iq:version'><name>true</name></query></iq>`, m2[1], room)
	heard := a.expect(`(?s)^(.*?)<name>true</name>`)[0]
	for _, iq := range regexp.MustCompile(`(?s)<iq [^>]*>.*?</iq>`).FindAllString(heard, -1) {
		if strings.Contains(iq, "forged") && strings.Contains(iq, `from="`+room+`/bob"`) {
			t.Errorf("a stranger answered for bob: %s", iq)
		}
	}
	has(t, heard, `from="`+room+`/bob"`)
	if strings.Contains(heard, "carol") {
		t.Errorf("an outsider reached the room: %s", heard)
	}
}
