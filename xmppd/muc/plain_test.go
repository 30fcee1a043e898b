package muc_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/xmppd/muc"
	"parley/xmppd/muc/muctest"
)

// The people of the plays in plain rooms.
const (
	crone  = "crone@meet.example.com/desktop"
	hag    = "hag@meet.example.com/laptop"
	wench  = "wench@meet.example.com/phone"
	config = "http://jabber.org/protocol/muc#roomconfig"
)

// script is a play in a plain room: steps of one person who sends, and what others
// hear of it.
type script struct {
	t       *testing.T
	w       *muctest.World
	clients map[string]*muctest.Client
}

// plain makes a world in which accounts may open rooms; crone has opened one, and
// the form she has submitted holds the given fields ("name=value").
func plain(t *testing.T, fields ...string) *script {
	t.Helper()
	w := muctest.New(t, func(c *muc.Config) { c.AccountRooms = true }, nil)
	s := &script{t: t, w: w, clients: map[string]*muctest.Client{}}
	for name, addr := range map[string]string{"crone": crone, "hag": hag, "wench": wench} {
		s.clients[name] = w.Account(addr)
	}
	s.send("crone", `<presence to="ROOM/firstwitch"><x xmlns=muc/></presence>`)
	s.send("crone", submit(fields...))
	got := s.clients["crone"].Take()
	require.Contains(t, strings.Join(got, ""), `id="form"`)
	require.Contains(t, strings.Join(got, ""), `type="result"`)
	s.quiet()
	return s
}

// submit is a configuration; without fields an instant room is asked for.
func submit(fields ...string) string {
	var b strings.Builder
	if len(fields) > 0 {
		b.WriteString(`<field var="FORM_TYPE"><value>` + config + `</value></field>`)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		fmt.Fprintf(&b, `<field var="muc#roomconfig_%s">`, name)
		for _, v := range strings.Split(value, ",") {
			if value != "" {
				fmt.Fprintf(&b, `<value>%s</value>`, v)
			}
		}
		b.WriteString(`</field>`)
	}
	return `<iq type="set" to="ROOM" id="form"><query xmlns=muc#owner><x xmlns=data type="submit">` + b.String() + `</x></query></iq>`
}

// quiet forgets what was heard until now.
func (s *script) quiet() {
	for _, c := range s.clients {
		c.Take()
	}
}

func (s *script) send(who, xml string) { s.t.Helper(); s.clients[who].Send(xml) }

// enter lets people in, by the nicks of the specification's examples.
func (s *script) enter(who ...string) {
	s.t.Helper()
	for _, name := range who {
		s.clients[name].Join(nicks[name])
	}
	s.quiet()
}

var nicks = map[string]string{"crone": "firstwitch", "hag": "secondwitch", "wench": "thirdwitch"}

// set is an admin request.
func set(items string) string {
	return `<iq type="set" to="ROOM" id="set"><query xmlns=muc#admin>` + items + `</query></iq>`
}

// get asks for a list.
func get(item string) string {
	return `<iq type="get" to="ROOM" id="get"><query xmlns=muc#admin><item ` + item + `/></query></iq>`
}

// do sends, and checks that the answer, and what each of the others hears, has these
// parts in it. "-" before a part means that it must not be there, and the lone part
// "silence" that nothing is heard.
func (s *script) do(who, xml string, parts ...string) *script {
	s.t.Helper()
	s.send(who, xml)
	s.hears(who, parts...)
	return s
}

func (s *script) hears(who string, parts ...string) *script {
	s.t.Helper()
	got := strings.Join(s.clients[who].Take(), "\n")
	for _, p := range parts {
		switch {
		case p == "silence":
			assert.Empty(s.t, got, who)
		case strings.HasPrefix(p, "-"):
			assert.NotContains(s.t, got, p[1:], who)
		default:
			assert.Contains(s.t, got, p, who)
		}
	}
	return s
}

// XEP-0045, 10.1: creating a room.
func TestCreate(t *testing.T) {
	lockedWorld := func(t *testing.T) *script {
		w := muctest.New(t, func(c *muc.Config) { c.AccountRooms = true }, nil)
		s := &script{t: t, w: w, clients: map[string]*muctest.Client{"crone": w.Account(crone), "hag": w.Account(hag), "web": w.Web(muctest.Ann)}}
		s.send("crone", `<presence to="ROOM/firstwitch"><x xmlns=muc/></presence>`)
		s.clients["crone"].Hears(
			`<presence from="ROOM/firstwitch" to="`+crone+`"><x xmlns=muc#user><status code="201"/>
			  <item affiliation="owner" role="moderator" jid="`+crone+`"/><status code="110"/></x></presence>`,
			`<message from="ROOM" to="`+crone+`" type="groupchat"><subject/></message>`)
		return s
	}
	plays := map[string]func(s *script){
		"locked": func(s *script) {
			s.do("hag", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, "item-not-found")
			s.do("hag", `<iq type="get" to="ROOM" id="i"><query xmlns=info/></iq>`, "item-not-found")
			s.do("hag", `<message to="ROOM" type="groupchat" id="m"><body>x</body></message>`, "item-not-found")
			s.do("hag", `<iq type="get" to="conference.meet.example.com" id="l"><query xmlns="http://jabber.org/protocol/disco#items"/></iq>`, "-demo@")
		},
		"instant": func(s *script) {
			s.do("crone", submit(), `type="result"`)
			s.do("hag", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, `code="110"`, "-code=\"201\"", "-code=\"100\"")
			s.do("hag", `<iq type="get" to="conference.meet.example.com" id="l"><query xmlns="http://jabber.org/protocol/disco#items"/></iq>`, "demo@")
		},
		"reserved": func(s *script) {
			s.do("crone", `<iq type="get" to="ROOM" id="f"><query xmlns=muc#owner/></iq>`, "muc#roomconfig_roomowners", crone[:len("crone@meet")])
			s.do("crone", submit("roomname=Cave", "maxusers=20"), `type="result"`)
			s.do("hag", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, `code="110"`)
		},
		"bad form keeps the lock": func(s *script) {
			s.do("crone", submit("whois=nobody"), "not-acceptable")
			s.do("hag", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, "item-not-found")
		},
		"cancelled": func(s *script) {
			s.do("crone", `<iq type="set" to="ROOM" id="c"><query xmlns=muc#owner><x xmlns=data type="cancel"/></query></iq>`,
				`type="result"`, `type="unavailable"`, "<destroy")
			assert.Empty(s.t, s.w.Host.Rooms())
		},
		"left": func(s *script) {
			s.do("crone", `<presence to="ROOM/firstwitch" type="unavailable"/>`, `code="110"`)
			assert.Empty(s.t, s.w.Host.Rooms())
			s.do("hag", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, `code="201"`)
		},
		"people without an account open none": func(s *script) {
			s.do("web", `<presence to="other@conference.meet.example.com/aa11bb22"><x xmlns=muc/></presence>`, "Room creation is restricted")
		},
		"the focus opens it": func(s *script) {
			f := s.w.Account(muctest.Focus)
			f.Join("focus")
			assert.Contains(s.t, strings.Join(f.Take(), ""), `code="110"`)
			s.do("web", `<presence to="ROOM/aa11bb22"><x xmlns=muc/></presence>`, `code="110"`)
		},
	}
	for name, f := range plays {
		t.Run(name, func(t *testing.T) { play(t, func(t *testing.T) { f(lockedWorld(t)) }) })
	}
}

// Rules that join in are for meetings: a plain room becomes one with the focus, and
// is plain again when it stays and all have left.
func TestPlainRoomAndHooks(t *testing.T) {
	play(t, func(t *testing.T) {
		var hooks muc.Hooks
		var log []string
		hooks.OnCreated(func(*muc.Room) { log = append(log, "created") })
		hooks.OnDestroyed(func(*muc.Room) { log = append(log, "destroyed") })
		hooks.OnJoined(func(_ *muc.Room, o *muc.Occupant) { log = append(log, "joined "+o.Nick()) })
		hooks.OnJoin(8, "lock", func(j *muc.Join) muc.Outcome {
			log = append(log, "asked "+j.Nick)
			return muc.Continue
		})
		w := muctest.New(t, func(c *muc.Config) { c.AccountRooms = true }, &hooks)
		a, b, f := w.Account(crone), w.Account(hag), w.Account(muctest.Focus)
		a.Join("firstwitch")
		a.Send(submit("persistentroom=1"))
		b.Join("secondwitch")
		a.Take()
		assert.Empty(t, log)
		f.Join("focus")
		f.Take()
		assert.Equal(t, []string{"created", "asked focus", "joined focus"}, log)
		for c, nick := range map[*muctest.Client]string{a: "firstwitch", b: "secondwitch", f: "focus"} {
			c.Send(`<presence to="ROOM/` + nick + `" type="unavailable"/>`)
			c.Take()
		}
		assert.Equal(t, "destroyed", log[len(log)-1])
		require.Len(t, w.Host.Rooms(), 1, "it is persistent")
		log = nil
		b.Join("secondwitch")
		b.Take()
		assert.Empty(t, log)
	})
}
