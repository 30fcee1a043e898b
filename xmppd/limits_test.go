package xmppd

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"
)

// ways are the three carriers, with somebody logged in over each: what he says, and
// all he hears until the end of his stream.
func (w *world) ways() map[string]func(element string) string {
	space := func(s string) string {
		name, rest, _ := strings.Cut(s, " ")
		return name + ` xmlns="jabber:client" ` + rest
	}
	return map[string]func(string) string{
		"tcp": func(s string) string {
			return w.person("alice", "a").say("%s", s).ended()
		},
		"websocket": func(s string) string {
			p, _ := w.webSession("ann", "?token="+token(w.t, nil))
			return p.say("%s", space(s)).ended()
		},
		"bosh": func(s string) string {
			p := w.bosh("?token=" + token(w.t, nil))
			p.login("meet.example.com")
			return p.ask("", space(s))
		},
	}
}

// TestStanzaLimits: whoever sends too much in one stanza hears why, over every carrier.
func TestStanzaLimits(t *testing.T) {
	w := start(t)
	var attrs strings.Builder
	for i := range 65 {
		fmt.Fprintf(&attrs, " a%d='x'", i)
	}
	for _, tt := range []struct{ name, say, text string }{
		{"size", `<message to='x@meet.example.com'><body>` + strings.Repeat("x", 256<<10) + `</body></message>`, "stanza too large"},
		{"one large attribute", `<message to='x@meet.example.com' id='` + strings.Repeat("x", 256<<10) + `'/>`, "stanza too large"},
		{"depth", `<message to='x@meet.example.com'>` + strings.Repeat("<a>", 64) + strings.Repeat("</a>", 64) + `</message>`, "nested too deeply"},
		{"attributes", `<message to='x@meet.example.com'><x` + attrs.String() + `/></message>`, "too many attributes"},
	} {
		for way, say := range w.ways() {
			t.Run(tt.name+" over "+way, func(t *testing.T) {
				has(t, say(tt.say), `<policy-violation xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`, tt.text)
			})
		}
	}
}

// TestSendingRate: a session that sends too much is read more slowly, and loses nothing.
func TestSendingRate(t *testing.T) {
	const count = 60
	for name, tt := range map[string]struct {
		change func(*Config)
		text   string
	}{
		// Ten seconds' worth may come at once, the rest takes its time.
		"stanzas": {func(c *Config) { c.Sessions.StanzasPerSecond = 5 }, ""},
		"bytes":   {func(c *Config) { c.Sessions.BytesPerSecond = 10_000 }, strings.Repeat("x", 2000)},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, tt.change)
			p := w.person("alice", "a")
			begin := time.Now()
			for i := range count {
				p.say(`<iq type='get' id='p%d'><ping xmlns='urn:xmpp:ping'>%s</ping></iq>`, i, tt.text)
			}
			for i := range count {
				p.expect(fmt.Sprintf(`<iq [^>]*id="p%d"`, i))
			}
			if took := time.Since(begin); took < time.Second {
				t.Errorf("%d stanzas were taken in %v", count, took)
			}
		})
	}
}

// TestSessionLimits: how many sessions an address and an account may have, and how
// long a log-in may take, over every carrier.
func TestSessionLimits(t *testing.T) {
	w := start(t, func(c *Config) { c.Sessions.SessionsPerAddress, c.Sessions.SessionsPerAccount = 3, 2 })
	w.person("alice", "a")
	w.person("alice", "b")
	third := w.tcp("alice", domain)
	third.expect(`</stream:features>`)
	logInAgain(third, "alice")
	third.say(`<iq type='set' id='third'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>c</resource></bind></iq>`)
	has(t, third.expect(`<iq [^>]*id="third".*?</iq>`)[0], `<error type="wait"><resource-constraint`)

	const many = `Too many connections from this address`
	has(t, connPeer(t, "tcp", dial(t, w.c2s)).ended(), `<policy-violation`, many)
	has(t, w.websocketPeer("websocket", "").ended(), `<policy-violation`, many)
	b := w.bosh("")
	got := b.create(domain)
	if !strings.Contains(got, `type="terminate"`) {
		got = b.ask("", "")
	}
	has(t, got, `condition="remote-stream-error"`, `<policy-violation`, many)

	w = start(t, func(c *Config) { c.Sessions.LoginTime = 50 * time.Millisecond })
	const late = `<connection-timeout`
	has(t, w.websocketPeer("websocket", "").ended(), late)
	b = w.bosh("")
	if got = b.create(domain); !strings.Contains(got, late) {
		got = b.ask("", "") // held until the time is over
	}
	has(t, got, late)
}

// TestRoomLimits: rooms, occupants, nicks and subjects.
func TestRoomLimits(t *testing.T) {
	w := start(t, func(c *Config) {
		c.Rooms.RestrictCreation, c.Rooms.StrictNicks, c.Meeting.FocusFirst = false, false, false
		c.Rooms.MaxRooms, c.Rooms.MaxOccupants, c.Rooms.MaxNick, c.Rooms.MaxSubject = 1, 2, 20, 30
	})
	const room = "r@conference.meet.example.com"
	people := []*peer{w.person("alice", "a"), w.person("bob", "b"), w.person("carol", "c")}
	enter := func(i int, room, nick string) string {
		people[i].say(`<presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'/></presence>`, room, nick)
		return people[i].expect(`(?s)<subject/>|<subject></subject>|<presence [^>]*type="error".*?</presence>`)[0]
	}
	has(t, enter(0, room, "alice"), "<subject")
	people[0].say(`<iq type='set' id='own' to='%s'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>`, room)
	people[0].expect(`type="result" id="own"`)
	has(t, enter(1, "other@conference.meet.example.com", "bob"), `<error type="wait"`, `<resource-constraint`)
	has(t, enter(1, room, strings.Repeat("b", 21)), `<error type="modify"`, `<not-acceptable`)
	has(t, enter(1, room, "bob"), "<subject")
	has(t, enter(2, room, "carol"), `<error type="cancel"`, `<service-unavailable`)
	people[0].say(`<message to='%s' type='groupchat' id='s'><subject>%s</subject></message>`, room, strings.Repeat("x", 31))
	has(t, people[0].expect(`(?s)<message [^>]*type="error".*?</message>`)[0], `<not-acceptable`)
}

// TestHeldRequests: a BOSH client that asks for more than two answers at a time is
// sent away.
func TestHeldRequests(t *testing.T) {
	w := start(t)
	p := w.bosh("?token=" + token(t, nil))
	p.login(domain)
	answers := make(chan string, 3)
	for i := range int64(2) {
		// The next one, and one beyond the window, whichever of them comes first.
		body := p.body(p.rid+1+10*i, "", "")
		go func() { answers <- p.post(body) }()
	}
	two := <-answers + <-answers
	has(t, two, `type="terminate"`, `condition="item-not-found"`)
	eventually(t, func() bool { return w.Server.bosh.Len() == 0 && w.Server.c2s.Stats().Sessions == 0 })
}

// logInAgain logs a person in who has an account already.
func logInAgain(p *peer, name string) {
	p.t.Helper()
	scramLogin(p, "SCRAM-SHA-256", scram.SHA256, name, "pw of "+name)
	p.say(header, domain)
	p.expect(`</stream:features>`)
}
