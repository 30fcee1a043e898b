package xmppd

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func mam(fields ...string) string {
	x := `<query xmlns='urn:xmpp:mam:2' queryid='q'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>`
	for i := 0; i < len(fields); i += 2 {
		x += `<field var='` + fields[i] + `'><value>` + fields[i+1] + `</value></field>`
	}
	return x + `</x>`
}

func rsm(inner string) string {
	return `<set xmlns='http://jabber.org/protocol/rsm'>` + inner + `</set>`
}

// history asks an archive and returns the bodies, the ids, and the final answer.
func (p *peer) history(to, query string) (bodies, ids []string, fin string) {
	p.t.Helper()
	asked++
	id := fmt.Sprintf("ask%d", asked)
	if to != "" {
		to = " to='" + to + "'"
	}
	p.say("<iq type='set' id='%s'%s>%s</query></iq>", id, to, query)
	all := p.expect(`(?s).*?(<iq [^>]*id="` + id + `"[^>]*?>.*?</iq>)`)
	results, fin := strings.TrimSuffix(all[0], all[1]), all[1]
	for _, m := range regexp.MustCompile(`(?s)<result xmlns="urn:xmpp:mam:2" queryid="q" id="([^"]+)">.*?<body>([^<]*)</body>`).FindAllStringSubmatch(results, -1) {
		ids, bodies = append(ids, m[1]), append(bodies, m[2])
	}
	return bodies, ids, fin
}

func TestAccountArchive(t *testing.T) {
	w := start(t)
	a, b, c := w.person("alice", "a"), w.person("bob", "b"), w.person("carol", "c")
	for _, p := range []*peer{a, b, c} {
		p.say("<presence/>")
		p.expect(`<presence [^>]*/>`)
	}
	has(t, a.ask("get", alice, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `var="urn:xmpp:mam:2"`, `var="urn:xmpp:mam:2#extended"`, `var="urn:xmpp:sid:0"`)
	has(t, a.ask("get", "", `<metadata xmlns='urn:xmpp:mam:2'/>`), `<metadata xmlns="urn:xmpp:mam:2"></metadata>`)
	has(t, a.ask("get", "", `<query xmlns='urn:xmpp:mam:2'/>`), `var="with"`, `var="start"`, `var="ids"`)
	for i := range 5 {
		a.say("<message to='%s' type='chat' id='a%d'><body>a%d</body></message>", bob, i, i)
		m := b.expect(fmt.Sprintf(`(?s)<message [^>]*id="a%d".*?</message>`, i))[0]
		has(t, m, `<stanza-id xmlns="urn:xmpp:sid:0" by="`+bob+`" id="`)
	}
	c.say("<message to='%s' type='chat' id='c'><body>from carol</body><stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='forged'/></message>", bob, bob)
	has(t, b.expect(`(?s)<message [^>]*id="c".*?</message>`)[0], "!forged")
	for _, x := range []string{"<body>x</body><no-store xmlns='urn:xmpp:hints'/>", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"} {
		c.say("<message to='%s' type='chat'>%s</message>", bob, x)
	}
	c.say("<message to='%s' type='headline'><body>news</body></message>", bob)

	bodies, ids, fin := b.history("", mam())
	if got := strings.Join(bodies, " "); got != "a0 a1 a2 a3 a4 from carol" {
		t.Fatalf("archive of bob: %s", got)
	}
	has(t, fin, `<fin xmlns="urn:xmpp:mam:2" complete="true">`, `<first index="0">`+ids[0], `<count>6</count>`)
	for _, tt := range []struct{ name, query, want, fin string }{
		{"with", mam("with", alice), "a0 a1 a2 a3 a4", ""},
		{"with a resource", mam("with", carol+"/c"), "from carol", ""},
		{"first page", mam() + rsm(`<max>2</max>`), "a0 a1", `!complete`},
		{"after", mam() + rsm(`<max>2</max><after>`+ids[1]+`</after>`), "a2 a3", `<first index="2">`},
		{"last page", mam() + rsm(`<max>2</max><before/>`), "a4 from carol", `<first index="4">`},
		{"before", mam() + rsm(`<max>2</max><before>`+ids[2]+`</before>`), "a0 a1", `complete="true"`},
		{"count", mam() + rsm(`<max>0</max>`), "", `<count>6</count>`},
		{"unknown", mam() + rsm(`<after>nothing</after>`), "", `<item-not-found`},
		{"index", mam() + rsm(`<max>1</max><index>3</index>`), "a3", `<first index="3">`},
		{"after-id", mam("after-id", ids[3]), "a4 from carol", ""},
		{"before-id", mam("before-id", ids[1]), "a0", ""},
		{"ids", mam("ids", ids[2]), "a2", ""},
		{"unknown ids", mam("ids", "nothing"), "", `<item-not-found`},
		{"past", mam("end", "2000-01-01T00:00:00Z"), "", `complete="true"`},
		{"since", mam("start", "2000-01-01T00:00:00Z"), "a0 a1 a2 a3 a4 from carol", ""},
		{"bad time", mam("start", "yesterday"), "", `<bad-request`},
		{"bad address", mam("with", "@"), "", `<jid-malformed`},
		{"unknown field", mam("colour", "red"), "", `<feature-not-implemented`},
		{"bad page", mam() + rsm(`<max>many</max>`), "", `<bad-request`},
		{"flipped", mam() + rsm(`<max>2</max>`) + `<flip-page/>`, "a1 a0", ""},
	} {
		got, _, fin := b.history("", tt.query)
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
		has(t, fin, tt.fin)
	}
	bodies, _, _ = a.history(alice, mam())
	if got := strings.Join(bodies, " "); got != "a0 a1 a2 a3 a4" {
		t.Errorf("archive of alice: %s", got)
	}
	_, _, fin = c.history(bob, mam())
	has(t, fin, `<forbidden`)
	has(t, b.ask("get", "", `<metadata xmlns='urn:xmpp:mam:2'/>`), `<start id="`+ids[0]+`"`, `<end id="`+ids[5]+`"`)
	archivePreferences(t, w, a, b, c)
}

// archivePreferences: what one chooses is obeyed, and outlives the server.
func archivePreferences(t *testing.T, w *world, a, b, c *peer) {
	t.Helper()
	has(t, b.ask("get", "", `<prefs xmlns='urn:xmpp:mam:2'/>`), `<prefs xmlns="urn:xmpp:mam:2" default="always">`)
	has(t, b.ask("set", "", `<prefs xmlns='urn:xmpp:mam:2' default='sometimes'/>`), `<bad-request`)
	has(t, b.ask("set", "", `<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>`+carol+`</jid></always><never/></prefs>`), `default="roster"><always><jid>`+carol)
	a.say("<message to='%s' type='chat' id='late'><body>from a stranger</body></message>", bob)
	has(t, b.expect(`(?s)<message [^>]*id="late".*?</message>`)[0], "!stanza-id")
	c.say("<message to='%s' type='chat' id='late2'><body>kept</body></message>", bob)
	b.expect(`(?s)<message [^>]*id="late2".*?</message>`)
	db := w.cfg.Database
	w.stop()
	w = start(t, func(c *Config) { c.Database = db })
	b = w.account("bob", "meet.example.com", "pw of bob", "b")
	bodies, _, _ := b.history("", mam()+rsm(`<max>1</max><before/>`))
	if strings.Join(bodies, " ") != "kept" {
		t.Errorf("after a restart: %q", bodies)
	}
	has(t, b.ask("get", "", `<prefs xmlns='urn:xmpp:mam:2'/>`), `default="roster"`)
}

func TestRoomArchive(t *testing.T) {
	w := start(t)
	a, b := w.person("alice", "a"), w.person("bob", "b")
	const room = "den@conference.meet.example.com"
	enter := func(p *peer, nick string) {
		p.say("<presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'/></presence>", room, nick)
		p.expect(`<status code="110"/>`)
	}
	enter(a, "alice")
	has(t, a.ask("set", room, `<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>`), result)
	has(t, a.ask("get", room, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `var="urn:xmpp:mam:2"`)
	a.say("<message to='%s' type='groupchat' id='g1'><body>one</body></message>", room)
	id := a.expect(`<message [^>]*id="g1".*?<stanza-id xmlns="urn:xmpp:sid:0" by="` + room + `" id="([^"]+)"/></message>`)[1]
	bodies, ids, fin := a.history(room, mam())
	if strings.Join(bodies, " ") != "one" || strings.Join(ids, " ") != id {
		t.Errorf("archive of the room: %v %v %s", bodies, ids, fin)
	}
	_, _, fin = b.history(room, mam())
	has(t, fin, "<forbidden")
	enter(b, "bob")
	if bodies, _, _ = b.history(room, mam("with", room+"/alice")); strings.Join(bodies, " ") != "one" {
		t.Errorf("archive of the room for bob: %v", bodies)
	}
	// A room that comes later under the same name does not inherit.
	has(t, a.ask("set", room, `<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>`), result)
	b.expect(`<destroy`)
	enter(b, "bob")
	b.ask("set", room, `<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>`)
	if bodies, _, _ = b.history(room, mam()); len(bodies) != 0 {
		t.Errorf("a new room has an old archive: %v", bodies)
	}
}

// TestModeration: a moderator withdraws a message (XEP-0425), for those who are there and
// those who come or read later.
func TestModeration(t *testing.T) {
	for name, archived := range map[string]bool{"with an archive": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := start(t, func(c *Config) { c.Services.Archive.Rooms = archived })
			a, b, c := w.person("alice", "a"), w.person("bob", "b"), w.person("carol", "c")
			const room = "den@conference.meet.example.com"
			enter := func(p *peer, nick string) string {
				p.say("<presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'/></presence>", room, nick)
				return p.expect(`(?s).*?<subject(/>|></subject>)</message>`)[0]
			}
			enter(a, "alice")
			has(t, a.ask("set", room, `<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>`), result)
			has(t, a.ask("get", room, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `var="urn:xmpp:message-moderate:1"`)
			enter(b, "bob")
			var ids []string
			for _, text := range []string{"good", "bad"} {
				b.say("<message to='%s' type='groupchat' id='%s'><body>%s</body><retracted xmlns='urn:xmpp:message-retract:1'/></message>", room, text, text)
				ids = append(ids, a.expect(`<message [^>]*id="` + text + `".*?<stanza-id xmlns="urn:xmpp:sid:0" by="` + room + `" id="([^"]+)"/></message>`)[1])
			}
			moderate := func(id, inner string) string {
				return `<moderate xmlns='urn:xmpp:message-moderate:1' id='` + id + `'>` + inner + `</moderate>`
			}
			const retract = `<retract xmlns='urn:xmpp:message-retract:1'/><reason>no &amp; never</reason>`
			play(t, a, []step{
				{"nothing to do", "set", room, moderate(ids[1], ""), []string{`<bad-request`}},
				{"no id", "set", room, moderate("", retract), []string{`<bad-request`}},
				{"unknown", "set", room, moderate("x", retract), []string{`<item-not-found`}},
				{"not a set", "get", room, moderate(ids[1], retract), []string{`<service-unavailable`}},
				{"long reason", "set", room, moderate(ids[1], retract[:strings.Index(retract, "<reason>")]+`<reason>`+strings.Repeat("x", 5000)+`</reason>`), []string{`<not-acceptable`}},
			})
			has(t, b.ask("set", room, moderate(ids[0], retract)), `<forbidden`)
			has(t, c.ask("set", room, moderate(ids[0], retract)), `<not-acceptable`)
			a.say("<iq type='set' id='mod' to='%s'>%s</iq>", room, moderate(ids[1], retract))
			a.expect(`type="result" id="mod"`)
			const said = `<retract xmlns="urn:xmpp:message-retract:1" id="%s"><moderated xmlns="urn:xmpp:message-moderate:1" by="` + room + `/alice"><occupant-id xmlns="urn:xmpp:occupant-id:0" id="[^"]+"/></moderated><reason>no &amp; never</reason></retract>`
			b.expect(`<message [^>]*from="` + room + `"[^>]*>` + fmt.Sprintf(said, ids[1]))
			a.expect(fmt.Sprintf(said, ids[1]))
			has(t, a.ask("set", room, moderate(ids[1], retract)), `<item-not-found`)
			has(t, enter(c, "carol"), `<body>good</body>`, `!<body>bad</body>`, `<retract `)
			if !archived {
				return
			}
			c.say("<iq type='set' id='all' to='%s'>%s</query></iq>", room, mam())
			got := c.expect(`(?s).*?<iq [^>]*id="all"`)[0]
			has(t, got, `<body>good</body>`, `!<body>bad</body>`, `id="`+ids[1]+`"`,
				`<retracted xmlns="urn:xmpp:message-retract:1" stamp="`, `<moderated xmlns="urn:xmpp:message-moderate:1" by="`+room+`/alice">`)
		})
	}
}
