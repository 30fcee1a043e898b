package muc_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/xmppd/muc"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/stanza"
)

func TestLeave(t *testing.T) {
	play(t, func(t *testing.T) {
		w, f, a, b := meeting(t, nil, nil)
		b.Send(`<presence to="ROOM/cc33dd44" type="unavailable"><status>switch_room</status><email>x</email></presence>`)
		for _, c := range []*muctest.Client{f, a} {
			c.Hears(`<presence type="unavailable" from="ROOM/cc33dd44" to="` + c.Addr.String() + `"><status>switch_room</status><x xmlns=muc#user><item affiliation="none" role="none" jid="BOB"/></x></presence>`)
		}
		b.Hears(`<presence type="unavailable" from="ROOM/cc33dd44" to="BOB"><status>switch_room</status><x xmlns=muc#user><item affiliation="none" role="none" jid="BOB"/><status code="110"/></x></presence>`)
		a.Vanish()
		f.Hears(`<presence type="unavailable" from="ROOM/aa11bb22" to="FOCUS"><x xmlns=muc#user><item affiliation="none" role="none" jid="ANN"/></x></presence>`)
		f.Send(`<presence to="ROOM/focus" type="unavailable"/>`)
		f.Take()
		synctest.Wait()
		assert.Empty(t, w.Host.Rooms(), "an empty room is gone")
		s := w.Host.Stats()
		assert.Zero(t, s.Rooms)
		assert.Zero(t, s.Occupants)
		assert.EqualValues(t, 3, s.Joins)
		// And can be opened again, as new.
		f.Join("focus")
		assert.Contains(t, strings.Join(f.Take(), ""), `code="201"`)
	})
}

// A bounced stanza means that somebody is gone (Prosody's muc.lib.lua,
// handle_kickable).
func TestBounceRemoves(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, a, b := meeting(t, nil, nil)
		b.Send(`<message type="error" to="ROOM/aa11bb22" id="m"><error type="cancel"><recipient-unavailable xmlns=stanzas/></error></message>`)
		a.Hears(`<presence type="unavailable" from="ROOM/cc33dd44" to="ANN"><status>Kicked: recipient unavailable</status><x xmlns=muc#user><status code="333"/><item affiliation="none" role="none" jid="BOB"/></x></presence>`)
		f.Take()
		a.Send(`<presence type="error" to="ROOM/focus"><error type="cancel"><gone xmlns=stanzas/></error></presence>`)
		assert.Contains(t, strings.Join(f.Take(), ""), "Kicked: gone")
	})
}

func TestHarmlessErrorIsRelayed(t *testing.T) {
	play(t, func(t *testing.T) {
		_, _, a, b := meeting(t, nil, nil)
		b.Send(`<message type="error" to="ROOM/aa11bb22" id="m"><error type="cancel"><not-allowed xmlns=stanzas/></error></message>`)
		a.Hears(`<message type="error" from="ROOM/cc33dd44" to="ANN" id="m"><error type="cancel"><not-allowed xmlns=stanzas/></error></message>`)
	})
}

// Kicking (XEP-0045, 8.2): he loses his rank too (Jitsi's mod_muc_meeting_id).
func TestKick(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, a, b := meeting(t, nil, nil)
		f.Send(`<iq type="set" to="ROOM" id="o"><query xmlns=muc#admin><item affiliation="owner" jid="ANNBARE"/><item affiliation="owner" jid="BOBBARE"/></query></iq>`)
		for _, c := range []*muctest.Client{f, a, b} {
			c.Take()
		}
		// Owners can kick owners, and they do not come back as such.
		a.Send(`<iq type="set" to="ROOM" id="k1"><query xmlns=muc#admin><item nick="cc33dd44" role="none"><reason>bye</reason></item></query></iq>`)
		a.Hears(
			`<message from="ROOM" to="ANN"><x xmlns=muc#user><item affiliation="none" jid="BOBBARE"/></x></message>`,
			`<presence type="unavailable" from="ROOM/cc33dd44" to="ANN"><x xmlns=muc#user><status code="307"/>
			  <item affiliation="none" role="none" jid="BOB"><actor nick="aa11bb22" jid="ANN"/><reason>bye</reason></item></x></presence>`,
			`<iq type="result" from="ROOM" to="ANN" id="k1"/>`)
		b.Hears(
			`<presence type="unavailable" from="ROOM/cc33dd44" to="BOB"><x xmlns=muc#user><status code="307"/>
			  <item affiliation="none" role="none" jid="BOB"><actor nick="aa11bb22"/><reason>bye</reason></item><status code="110"/></x></presence>`)
		b.Join("cc33dd44")
		assert.Contains(t, strings.Join(b.Take(), ""), `affiliation="none" role="participant" jid="`+muctest.Bob)
		f.Take()
		a.Take()
		b.Send(`<iq type="set" to="ROOM" id="k2"><query xmlns=muc#admin><item nick="aa11bb22" role="none"/></query></iq>`)
		b.Hears(`<iq type="error" from="ROOM" to="BOB" id="k2"><error type="auth"><forbidden xmlns=stanzas/></error></iq>`)
		a.Hears()
	})
}

func TestBan(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, a, b := meeting(t, nil, nil)
		f.Send(`<iq type="set" to="ROOM" id="k1"><query xmlns=muc#admin><item affiliation="outcast" jid="BOBBARE"><reason>out</reason></item></query></iq>`)
		b.Hears(`<presence type="unavailable" from="ROOM/cc33dd44" to="BOB"><x xmlns=muc#user><status code="301"/>
			  <item affiliation="outcast" role="none" jid="BOB"><actor nick="focus"/><reason>out</reason></item><status code="110"/></x></presence>`)
		assert.Contains(t, strings.Join(a.Take(), ""), `code="301"`)
		b.Join("cc33dd44")
		b.Hears(`<presence type="error" from="ROOM/cc33dd44" to="BOB"><error type="auth"><forbidden xmlns=stanzas/></error></presence>`)
		f.Take()
		f.Send(`<iq type="get" to="ROOM" id="l"><query xmlns=muc#admin><item affiliation="outcast"/></query></iq>`)
		f.Hears(`<iq type="result" from="ROOM" to="FOCUS" id="l"><query xmlns=muc#admin><item affiliation="outcast" jid="BOBBARE"/></query></iq>`)
		f.Send(`<iq type="set" to="ROOM" id="u"><query xmlns=muc#admin><item affiliation="none" jid="BOBBARE"/></query></iq>`)
		f.Take()
		b.Join("cc33dd44")
		assert.Contains(t, strings.Join(b.Take(), ""), `code="110"`)
	})
}

// Somebody is made owner (XEP-0045, 10.3), with the forms of both client generations.
func TestGrant(t *testing.T) {
	for _, item := range []string{`jid="BOBBARE"`, `nick="cc33dd44"`} {
		play(t, func(t *testing.T) {
			_, f, a, b := meeting(t, nil, nil)
			f.Send(`<iq type="set" to="ROOM" id="o1"><query xmlns=muc#admin><item affiliation="owner" ` + item + `><reason>why</reason></item></query></iq>`)
			a.Hears(`<presence from="ROOM/cc33dd44" to="ANN"><x xmlns=muc#user><item affiliation="owner" role="moderator" jid="BOB"><actor nick="focus" jid="FOCUS"/><reason>why</reason></item></x></presence>`)
			b.Hears(`<presence from="ROOM/cc33dd44" to="BOB"><x xmlns=muc#user><item affiliation="owner" role="moderator" jid="BOB"><actor nick="focus"/><reason>why</reason></item><status code="110"/></x></presence>`)
			f.Take()
			// Revoke.
			f.Send(`<iq type="set" to="ROOM" id="o1"><query xmlns=muc#admin><item affiliation="none" ` + item + `/></query></iq>`)
			assert.Contains(t, strings.Join(b.Take(), ""), `affiliation="none" role="participant"`)
		})
	}
}

func TestAdminRefusals(t *testing.T) {
	cases := []struct{ name, who, item, want string }{
		{"both", "f", `<item affiliation="owner" role="none" nick="aa11bb22"/>`, "bad-request"},
		{"neither", "f", `<item nick="aa11bb22"/>`, "bad-request"},
		{"no items", "f", ``, "bad-request"},
		{"nobody named", "f", `<item affiliation="owner"/>`, "bad-request"},
		{"full address", "f", `<item affiliation="owner" jid="ANN"/>`, "jid-malformed"},
		{"no address", "f", `<item affiliation="owner" jid="@"/>`, "jid-malformed"},
		{"unknown nick", "f", `<item role="none" nick="nobody"/>`, "item-not-found"},
		{"unknown affiliation", "f", `<item affiliation="king" jid="ANNBARE"/>`, "not-acceptable"},
		{"unknown role", "f", `<item role="king" nick="aa11bb22"/>`, "not-acceptable"},
		{"administrator's rank", "f", `<item affiliation="none" jid="jvb@auth.meet.example.com"/>`, "not-acceptable"},
		{"no rank", "a", `<item affiliation="owner" jid="ANNBARE"/>`, "forbidden"},
		{"ban without rank", "a", `<item affiliation="outcast" jid="BOBBARE"/>`, "forbidden"},
		{"voice without rank", "a", `<item role="visitor" nick="cc33dd44"/>`, "forbidden"},
		{"demote an owner's role", "f", `<item role="visitor" nick="focus"/>`, "not-allowed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				_, f, a, b := meeting(t, nil, nil)
				who := f
				if c.who == "a" {
					who = a
				}
				who.Send(`<iq type="set" to="ROOM" id="x"><query xmlns=muc#admin>` + c.item + `</query></iq>`)
				got := who.Take()
				require.Len(t, got, 1)
				assert.Contains(t, got[0], `type="error"`)
				assert.Contains(t, got[0], "<"+c.want+" ")
				b.Hears()
			})
		})
	}
}

func TestLastOwner(t *testing.T) {
	play(t, func(t *testing.T) {
		w := muctest.New(t, func(c *muc.Config) { c.RestrictCreation = false }, nil)
		alice := w.Account("alice@meet.example.com/x")
		alice.Join("alice")
		alice.Take()
		alice.Send(`<iq type="set" to="ROOM" id="x"><query xmlns=muc#admin><item affiliation="none" jid="alice@meet.example.com"/></query></iq>`)
		assert.Contains(t, strings.Join(alice.Take(), ""), "<conflict ")
		// An admin ranks below owners.
		alice.Send(`<iq type="set" to="ROOM" id="x"><query xmlns=muc#admin><item affiliation="admin" jid="BOBBARE"/></query></iq>`)
		alice.Take()
		b := w.Web(muctest.Bob)
		b.Join("cc33dd44")
		b.Take()
		b.Send(`<iq type="set" to="ROOM" id="x"><query xmlns=muc#admin><item affiliation="none" jid="alice@meet.example.com"/></query></iq>`)
		assert.Contains(t, strings.Join(b.Take(), ""), "<forbidden ")
		b.Send(`<iq type="get" to="ROOM" id="x"><query xmlns=muc#admin><item affiliation="owner"/></query></iq>`)
		assert.Contains(t, strings.Join(b.Take(), ""), "<forbidden ")
		b.Send(`<iq type="get" to="ROOM" id="x"><query xmlns=muc#admin><item role="moderator"/></query></iq>`)
		got := strings.Join(b.Take(), "")
		assert.Contains(t, got, `nick="alice"`)
		assert.Contains(t, got, `nick="cc33dd44"`)
		b.Send(`<iq type="set" to="ROOM" id="x"><query xmlns=muc#admin><item affiliation="member" jid="carol@meet.example.com"/></query></iq>`)
		assert.Contains(t, strings.Join(b.Take(), ""), `type="result"`)
	})
}

func TestOwnerForm(t *testing.T) {
	submit := func(fields string) string {
		return `<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>` + fields + `</x></query></iq>`
	}
	field := func(name, value string) string {
		return `<field var="muc#roomconfig_` + name + `"><value>` + value + `</value></field>`
	}
	cases := []struct{ name, iq, want, heard string }{
		{"get with a submit form inside", `<iq type="get" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="submit"/></query></iq>`, "Configuration for", ""},
		{"one field", submit(field("roomname", "New")), "result", `code="104"`},
		{"unchanged", submit(field("whois", "anyone")), "result", ""},
		{"whois alone", submit(field("whois", "moderators")), "result", `code="173"`},
		{"unknown field", submit(field("passwordprotectedroom", "0")), "result", ""},
		{"instant room", `<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="submit"/></query></iq>`, "result", ""},
		{"cancel", `<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="cancel"/></query></iq>`, "result", ""},
		{"wrong form", `<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>x</value></field>` + field("lang", "de") + `</x></query></iq>`, "bad-request", ""},
		{"form without type", `<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="submit">` + field("lang", "de") + `</x></query></iq>`, "bad-request", ""},
		{"nothing", `<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner/></iq>`, "bad-request", ""},
		{"bad boolean", submit(field("membersonly", "perhaps")), "not-acceptable", ""},
		{"bad whois", submit(field("whois", "me")), "not-acceptable", ""},
		{"bad number", submit(field("historylength", "-1")), "not-acceptable", ""},
		{"many fields", submit(strings.Repeat(field("x", "y"), 200)), "bad-request", ""},
		{"long field", submit(field("roomsecret", strings.Repeat("x", 20000))), "bad-request", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				_, f, a, _ := meeting(t, nil, nil)
				f.Send(c.iq)
				got := f.Take()
				require.NotEmpty(t, got)
				assert.Contains(t, got[0], c.want)
				heard := strings.Join(a.Take(), "")
				if c.heard == "" {
					assert.Empty(t, heard)
				} else {
					assert.Contains(t, heard, c.heard)
				}
			})
		})
	}
	t.Run("not an owner", func(t *testing.T) {
		play(t, func(t *testing.T) {
			_, _, a, _ := meeting(t, nil, nil)
			a.Send(`<iq type="get" to="ROOM" id="s"><query xmlns=muc#owner/></iq>`)
			a.Hears(`<iq type="error" from="ROOM" to="ANN" id="s"><error type="auth"><forbidden xmlns=stanzas/><text xmlns=stanzas>Only owners can configure rooms</text></error></iq>`)
		})
	})
}

// Where addresses are veiled, only moderators see them.
func TestSemiAnonymous(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, a, b := meeting(t, nil, nil)
		f.Send(`<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		  <field var="muc#roomconfig_whois"><value>moderators</value></field></x></query></iq>`)
		f.Take()
		b.Take()
		a.Take()
		a.Send(`<presence to="ROOM/aa11bb22"/>`)
		b.Hears(`<presence from="ROOM/aa11bb22" to="BOB"><x xmlns=muc#user><item affiliation="none" role="participant"/></x></presence>`)
		f.Hears(`<presence from="ROOM/aa11bb22" to="FOCUS"><x xmlns=muc#user><item affiliation="none" role="participant" jid="ANN"/></x></presence>`)
	})
}

// The end of a room (XEP-0045, 10.9): each hears it about himself, with his rank, as was
// recorded from Prosody.
func TestDestroy(t *testing.T) {
	play(t, func(t *testing.T) {
		w, f, a, b := meeting(t, nil, nil)
		f.Send(`<iq type="set" to="ROOM" id="d"><query xmlns=muc#owner><destroy jid="other@conference.meet.example.com"><reason>moved</reason></destroy></query></iq>`)
		a.Hears(`<presence type="unavailable" from="ROOM/aa11bb22" to="ANN"><x xmlns=muc#user><destroy jid="other@conference.meet.example.com"><reason>moved</reason></destroy>
		  <item affiliation="none" role="none" jid="ANN"/><status code="110"/></x></presence>`)
		b.Take()
		f.Hears(`<iq type="result" from="ROOM" to="FOCUS" id="d"/>`,
			`<presence type="unavailable" from="ROOM/focus" to="FOCUS"><x xmlns=muc#user><destroy jid="other@conference.meet.example.com"><reason>moved</reason></destroy>
		  <item affiliation="owner" role="none" jid="FOCUS"/><status code="110"/></x></presence>`)
		assert.Empty(t, w.Host.Rooms())
		assert.Zero(t, w.Host.Stats().Occupants)
		a.Send(`<presence to="ROOM/aa11bb22" type="unavailable"/>`)
		a.Hears()
	})
}

func TestNickChange(t *testing.T) {
	play(t, func(t *testing.T) {
		w, _, a, _ := meeting(t, nil, nil)
		alice := w.Account("alice@meet.example.com/x")
		alice.Join("alice")
		alice.Take()
		a.Take()
		alice.Send(`<presence to="ROOM/Alice Cooper"/>`)
		a.Hears(
			`<presence type="unavailable" from="ROOM/alice" to="ANN"><x xmlns=muc#user><status code="303"/><item affiliation="none" role="participant" jid="alice@meet.example.com/x" nick="Alice Cooper"/></x></presence>`,
			`<presence from="ROOM/Alice Cooper" to="ANN"><x xmlns=muc#user><item affiliation="none" role="participant" jid="alice@meet.example.com/x"/></x></presence>`)
		alice.Take()
		alice.Send(`<presence to="ROOM/focus"/>`)
		assert.Contains(t, strings.Join(alice.Take(), ""), "conflict")
		a.Send(`<presence to="ROOM/other"/>`)
		assert.Contains(t, strings.Join(a.Take(), ""), "Nick changes are not allowed")
	})
}

// A panic in a rule costs one stanza, not the room.
func TestPanicIsContained(t *testing.T) {
	play(t, func(t *testing.T) {
		var hooks muc.Hooks
		hooks.OnMessage(func(_ *muc.Room, _ *muc.Occupant, st *stanza.Stanza) muc.Outcome {
			if st.ID == "boom" {
				panic("boom")
			}
			return muc.Continue
		})
		w, _, a, b := meeting(t, nil, &hooks)
		a.Send(`<message to="ROOM" type="groupchat" id="boom"><body>x</body></message>`)
		a.Send(`<message to="ROOM" type="groupchat" id="fine"><body>x</body></message>`)
		assert.Len(t, b.Take(), 1)
		assert.EqualValues(t, 1, w.Host.Stats().Panics)
	})
}

// Many at once hear everything in the same order.
func TestSameOrderForAll(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, a, b := meeting(t, nil, nil)
		done := make(chan struct{})
		for _, c := range []*muctest.Client{f, a, b} {
			go func() {
				defer func() { done <- struct{}{} }()
				for range 50 {
					c.Send(`<message to="ROOM" type="groupchat"><body>` + c.Addr.Local() + `</body></message>`)
				}
			}()
		}
		for range 3 {
			<-done
		}
		strip := func(c *muctest.Client) string {
			return strings.ReplaceAll(strings.Join(c.Take(), "\n"), c.Addr.String(), "")
		}
		one := strip(f)
		assert.Equal(t, one, strip(a))
		assert.Equal(t, one, strip(b))
		assert.Equal(t, 150, strings.Count(one, "<body>"))
	})
}

// A focus that was killed and is back at once is not seen to go: it takes its place as a
// newcomer, and the others hear of a presence. One that does not come back is missed.
func TestFocusReturns(t *testing.T) {
	play(t, func(t *testing.T) {
		w, f, a, b := meeting(t, nil, nil)
		f.Vanish()
		synctest.Wait()
		assert.Empty(t, a.Take())
		f = w.Account(muctest.Focus)
		f.Join("focus")
		heard := strings.Join(f.Take(), "")
		for _, want := range []string{`from="` + muctest.Room + `/aa11bb22"`, `from="` + muctest.Room + `/cc33dd44"`, `code="110"`} {
			assert.Contains(t, heard, want)
		}
		for _, c := range []*muctest.Client{a, b} {
			heard := strings.Join(c.Take(), "")
			assert.Contains(t, heard, `/focus"`)
			assert.NotContains(t, heard, "unavailable")
		}
		f.Send(`<message type="groupchat" to="ROOM" id="m"><body>x</body></message>`)
		assert.Contains(t, strings.Join(a.Take(), ""), "<body>x</body>")
		time.Sleep(time.Minute)
		assert.Empty(t, a.Take())

		f.Vanish()
		time.Sleep(4 * time.Second)
		assert.Empty(t, a.Take())
		time.Sleep(2 * time.Second)
		assert.Contains(t, strings.Join(a.Take(), ""), `type="unavailable"`)

		// Who says that it leaves has left; and the room goes with its last person.
		f = w.Account(muctest.Focus)
		f.Join("focus")
		a.Take()
		f.Send(`<presence to="ROOM/focus" type="unavailable"/>`)
		assert.Contains(t, strings.Join(a.Take(), ""), `type="unavailable"`)
		f.Join("focus")
		f.Vanish()
		a.Vanish()
		b.Vanish()
		time.Sleep(6 * time.Second)
		assert.Empty(t, w.Host.Rooms())
	})
}

// Another service than the one that was there may take its nick, and its other nick it.
func TestFocusReturnsAsAnother(t *testing.T) {
	play(t, func(t *testing.T) {
		w, f, a, _ := meeting(t, nil, nil)
		f.Vanish()
		f = w.Account(muctest.Focus)
		f.Join("other")
		heard := strings.Join(a.Take(), "")
		assert.Contains(t, heard, `type="unavailable"`)
		assert.Contains(t, heard, `/other"`)
	})
}
