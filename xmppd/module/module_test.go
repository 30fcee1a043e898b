package module

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink keeps what a session was sent.
type sink struct{ got []string }

func (s *sink) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	s.got = append(s.got, string(e.Append(nil, to, "")))
	return true
}
func (s *sink) Kick(string, string) {}

func (s *sink) take() string {
	x := strings.Join(s.got, "\n")
	s.got = nil
	return x
}

type desk struct {
	users *router.Users
	s     *router.Session
	sink  *sink
	r     *router.Router
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{r: router.New(logx.Discard()), sink: &sink{}}
	svc := NewService(d.r)
	d.users = router.NewUsers(d.r, "example.com", router.UsersOptions{Service: svc})
	svc.Ping()
	svc.Version("Parley", "1")
	now := time.Date(2026, 11, 21, 12, 0, 5, 0, time.FixedZone("", -7*3600))
	svc.Time(func() time.Time { return now })
	svc.LastActivity(now.Add(-90*time.Second), func() time.Time { return now })
	svc.Gone()
	svc.Roster(func() *router.Users { return d.users }, nil, logx.Discard())
	svc.ExternalServices(func(_ *Request, typ string) []ExternalService {
		if typ == "stun" {
			return nil
		}
		return []ExternalService{{Type: "turns", Host: "turn.example.com", Port: "5349", Transport: "tcp", Username: "1", Password: "p",
			Expires: time.Unix(1900000000, 0), Restricted: true}}
	})
	svc.Disco(Disco{Node: "https://example.com/", Identities: []Identity{{"server", "im", "Parley"}, {"component", "polls", "polls.example.com"}},
		Items: func() []Item { return []Item{{"conference.example.com", ""}} }})
	if err := d.r.Add("example.com", d.users); err != nil {
		t.Fatal(err)
	}
	d.s = router.NewSession(stanza.MustAddr("ann@example.com/a"), d.sink, &router.Info{Anonymous: true})
	d.users.Bind(d.s)
	return d
}

func TestAnswers(t *testing.T) {
	d := newDesk(t)
	const host = ` to="ann@example.com/a" type="result" id="1" from="example.com"`
	for _, tt := range []struct{ name, ask, want string }{
		{"ping", `<iq to="example.com" type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, `<iq` + host + `/>`},
		{"ping myself", `<iq type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, `type="result" id="1" from="ann@example.com"/>`},
		{"version", `<iq to="example.com" type="get" id="1"><query xmlns="jabber:iq:version"/></iq>`,
			`<iq` + host + `><query xmlns="jabber:iq:version"><name>Parley</name><version>1</version></query></iq>`},
		{"time", `<iq to="example.com" type="get" id="1"><time xmlns="urn:xmpp:time"/></iq>`,
			`<time xmlns="urn:xmpp:time"><tzo>-07:00</tzo><utc>2026-11-21T19:00:05Z</utc></time>`},
		{"uptime", `<iq to="example.com" type="get" id="1"><query xmlns="jabber:iq:last"/></iq>`, `<query xmlns="jabber:iq:last" seconds="90"/>`},
		{"services", `<iq to="example.com" type="get" id="1"><services xmlns="urn:xmpp:extdisco:1"/></iq>`,
			`<services xmlns="urn:xmpp:extdisco:1"><service type="turns" host="turn.example.com" port="5349" transport="tcp" username="1" password="p" expires="2030-03-17T17:46:40Z" restricted="1"/></services>`},
		{"services of a type", `<iq to="example.com" type="get" id="1"><services xmlns="urn:xmpp:extdisco:2" type="stun"/></iq>`,
			`<services xmlns="urn:xmpp:extdisco:2" type="stun"></services>`},
		{"info", `<iq to="example.com" type="get" id="1"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`,
			`<identity category="server" type="im" name="Parley"/><identity category="component" type="polls" name="polls.example.com"/><feature var="http`},
		{"unknown node", `<iq to="example.com" type="get" id="1"><query xmlns="http://jabber.org/protocol/disco#info" node="x"/></iq>`, `<item-not-found`},
		{"items", `<iq to="example.com" type="get" id="1"><query xmlns="http://jabber.org/protocol/disco#items"/></iq>`, `<item jid="conference.example.com"/>`},
		{"account", `<iq type="get" id="1"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`, `<identity category="account" type="anonymous"/>`},
		{"somebody's account", `<iq to="bob@example.com" type="get" id="1"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`, `<service-unavailable`},
		{"roster", `<iq type="get" id="1"><query xmlns="jabber:iq:roster"/></iq>`, `<query xmlns="jabber:iq:roster"></query>`},
		{"somebody's roster", `<iq to="bob@example.com" type="get" id="1"><query xmlns="jabber:iq:roster"/></iq>`, `<error type="auth"><forbidden`},
		{"roster without account", `<iq type="set" id="1"><query xmlns="jabber:iq:roster"><item jid="b@c"/></query></iq>`, `<not-allowed`},
		{"private", `<iq type="get" id="1"><query xmlns="jabber:iq:private"><storage xmlns="storage:bookmarks"/></query></iq>`,
			`<query xmlns="jabber:iq:private"><storage xmlns="storage:bookmarks"/></query>`},
		{"vcard", `<iq type="get" id="1"><vCard xmlns="vcard-temp"/></iq>`, `<item-not-found`},
		{"unknown", `<iq to="example.com" type="get" id="1"><x xmlns="y"/></iq>`, `<service-unavailable`},
		{"unknown of the account", `<iq type="set" id="1"><x xmlns="y"/></iq>`, `<service-unavailable`},
		{"resource of the host", `<iq to="example.com/x" type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, `<service-unavailable`},
		{"message", `<message to="example.com" id="1"><body>x</body></message>`, `<service-unavailable`},
		{"presence", `<presence to="example.com"/>`, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st, err := stanza.Parse([]byte(tt.ask), nil)
			if err != nil {
				t.Fatal(err)
			}
			d.users.FromSession(d.s, st)
			if got := d.sink.take(); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// The example of XEP-0115 §5.2.
func TestCapsHash(t *testing.T) {
	got := capsHash(Disco{Identities: []Identity{{"client", "pc", "Exodus 0.9.1"}}},
		[]string{ns.Caps, ns.DiscoInfo, ns.DiscoItems, ns.MUC})
	if got != "QgayPKawpkPSDYmwT/WM94uAlu0=" {
		t.Errorf("got %s", got)
	}
}

func TestCapsMatchDisco(t *testing.T) {
	d := newDesk(t)
	svc := NewService(d.r)
	svc.Ping()
	o := Disco{Node: "https://example.com/", Identities: []Identity{{"server", "im", "Parley"}}}
	svc.Disco(o)
	caps := string(svc.Caps(o))
	_ = d.r.Add("other.example.com", svc)
	ver := caps[strings.Index(caps, `ver="`)+5 : strings.LastIndex(caps, `"`)]
	ask := stanza.New(stanza.IQ, stanza.Get, d.s.Addr(), stanza.MustAddr("other.example.com"), "1")
	var b stanza.Builder
	d.r.Route(ask.WithContent(b.Empty(ns.DiscoInfo, "query", "node", "https://example.com/#"+ver).Bytes()), d.s)
	if got := d.sink.take(); !strings.Contains(got, `node="https://example.com/#`+ver+`"`) || !strings.Contains(got, `type="result"`) {
		t.Errorf("got %s", got)
	}
}
