package muc_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/xmppd/muc"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/stanza"
)

// Messages to all, to one, and the subject (XEP-0045, 7.4, 7.5, 8.1).
func TestChat(t *testing.T) {
	play(t, func(t *testing.T) {
		w, f, a, b := meeting(t, nil, nil)
		a.Send(`<message to="ROOM" type="groupchat" id="m1"><body>hello</body></message>`)
		for _, c := range []*muctest.Client{f, a, b} {
			c.Hears(`<message from="ROOM/aa11bb22" to="` + c.Addr.String() + `" type="groupchat" id="m1"><body>hello</body></message>`)
		}
		a.Send(`<message to="ROOM/cc33dd44" type="chat" id="m2"><body>psst</body></message>`)
		b.Hears(`<message from="ROOM/aa11bb22" to="BOB" type="chat" id="m2"><body>psst</body><x xmlns=muc#user/></message>`)
		a.Hears()
		f.Hears()
		f.Send(`<message to="ROOM" type="groupchat"><subject>Weekly</subject></message>`)
		a.Hears(`<message from="ROOM/focus" to="ANN" type="groupchat" id="*"><subject>Weekly</subject></message>`)
		b.Take()
		a.Send(`<message to="ROOM" type="groupchat"><subject>Mine</subject></message>`)
		assert.Contains(t, strings.Join(a.Take(), ""), "forbidden")
		b.Hears()
		// No body and no hint: reflected, not remembered.
		a.Send(`<message to="ROOM" type="groupchat"><json-message xmlns=jitmeet>{"a":1}</json-message></message>`)
		b.Hears(`<message from="ROOM/aa11bb22" to="BOB" type="groupchat" id="*"><json-message xmlns=jitmeet>{"a":1}</json-message></message>`)
		a.Send(`<message to="ROOM" type="groupchat" id="r1"><reactions xmlns="urn:xmpp:reactions:0" id="m1"><reaction>+</reaction></reactions><store xmlns="urn:xmpp:hints"/></message>`)

		late := w.Account("alice@meet.example.com/x")
		late.Join("alice")
		got := late.Take()
		require.Len(t, got, 7)
		late.Same(`<message from="ROOM/aa11bb22" to="alice@meet.example.com/x" type="groupchat" id="m1"><body>hello</body>
		  <delay xmlns=delay from="ROOM" stamp="2000-01-01T00:00:00Z"/></message>`, got[4])
		assert.Contains(t, got[5], "urn:xmpp:reactions:0")
		late.Same(`<message from="ROOM/focus" to="alice@meet.example.com/x" type="groupchat" id="*"><subject>Weekly</subject></message>`, got[6])
		late.Send(`<presence to="ROOM/alice" type="unavailable"/>`)
		late.Take()
		late.Join("alice", "") // again, without history
		late.Take()
		late.Send(`<presence to="ROOM/alice" type="unavailable"/>`)
		late.Take()
		late.Send(`<presence to="ROOM/alice"><x xmlns=muc><history maxstanzas="0"/></x></presence>`)
		got = late.Take()
		require.Len(t, got, 5)
		assert.Contains(t, got[4], "Weekly")
		assert.Equal(t, "Weekly", w.Host.Rooms()[0].Subject)
	})
}

func TestHistoryBounds(t *testing.T) {
	play(t, func(t *testing.T) {
		w, _, a, _ := meeting(t, func(c *muc.Config) { c.HistoryLength = 3; c.MaxHistoryBytes = 400 }, nil)
		for i := range 10 {
			a.Send(`<message to="ROOM" type="groupchat" id="m` + strconv.Itoa(i) + `"><body>x</body></message>`)
		}
		a.Send(`<message to="ROOM" type="groupchat" id="secret"><body>x</body><no-store xmlns="urn:xmpp:hints"/></message>`)
		late := w.Account("alice@meet.example.com/x")
		late.Join("alice")
		got := strings.Join(late.Take(), "")
		assert.NotContains(t, got, `id="m7"`, "the bytes allow two")
		assert.Contains(t, got, `id="m9"`)
		assert.NotContains(t, got, "secret")
		late.Send(`<presence to="ROOM/alice"><x xmlns=muc><history maxchars="1"/></x></presence>`)
		assert.NotContains(t, strings.Join(late.Take(), ""), "<body>")
		late.Send(`<presence to="ROOM/alice"><x xmlns=muc><history seconds="10"/></x></presence>`)
		assert.Contains(t, strings.Join(late.Take(), ""), "<body>")
		late.Send(`<presence to="ROOM/alice"><x xmlns=muc><history since="2030-01-01T00:00:00Z"/></x></presence>`)
		assert.NotContains(t, strings.Join(late.Take(), ""), "<body>")
	})
}

func TestMessageRefusals(t *testing.T) {
	cases := []struct{ name, message, want string }{
		{"unknown recipient", `<message to="ROOM/nobody" type="chat" id="x"><body>x</body></message>`, "item-not-found"},
		{"groupchat to a nick", `<message to="ROOM/cc33dd44" type="groupchat" id="x"><body>x</body></message>`, "bad-request"},
		{"normal to the room", `<message to="ROOM" id="x"><body>x</body></message>`, "feature-not-implemented"},
		{"long subject", `<message to="ROOM" type="groupchat" id="x"><subject>` + strings.Repeat("x", 5000) + `</subject></message>`, "not-acceptable"},
		{"invite nobody", `<message to="ROOM" id="x"><x xmlns=muc#user/></message>`, "bad-request"},
		{"invite nonsense", `<message to="ROOM" id="x"><x xmlns=muc#user><invite to="@@"/></x></message>`, "jid-malformed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				_, f, _, b := meeting(t, nil, nil)
				f.Send(c.message)
				got := strings.Join(f.Take(), "")
				assert.Contains(t, got, `type="error"`)
				assert.Contains(t, got, c.want)
				b.Hears()
			})
		})
	}
	t.Run("outside", func(t *testing.T) {
		play(t, func(t *testing.T) {
			w, _, a, _ := meeting(t, nil, nil)
			out := w.Account("alice@meet.example.com/x")
			out.Send(`<message to="ROOM" type="groupchat" id="m"><body>x</body></message>`)
			assert.Contains(t, strings.Join(out.Take(), ""), "not-acceptable")
			out.Send(`<message to="ROOM/aa11bb22" type="chat" id="m"><body>x</body></message>`)
			assert.Contains(t, strings.Join(out.Take(), ""), "not-acceptable")
			out.Send(`<message to="ROOM"><x xmlns=muc#user><decline to="ANNBARE"><reason>no</reason></decline></x></message>`)
			a.Hears(`<message from="ROOM" to="ANN"><x xmlns=muc#user><decline from="alice@meet.example.com"><reason>no</reason></decline></x></message>`)
		})
	})
}

func TestModeratedRoom(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, a, b := meeting(t, nil, nil)
		f.Send(`<iq type="set" to="ROOM" id="v"><query xmlns=muc#admin><item nick="aa11bb22" role="visitor"/></query></iq>`)
		assert.Contains(t, strings.Join(b.Take(), ""), `role="visitor"`)
		a.Take()
		a.Send(`<message to="ROOM" type="groupchat" id="m"><body>x</body></message>`)
		a.Hears(`<message type="error" from="ROOM" to="ANN" id="m"><error type="auth"><forbidden xmlns=stanzas/>
		  <text xmlns=stanzas>You do not currently have permission to speak in this chat</text></error></message>`)
		b.Hears()
	})
}

func TestAllowPM(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, a, b := meeting(t, nil, nil)
		f.Send(`<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		  <field var="muc#roomconfig_allowpm"><value>moderators</value></field></x></query></iq>`)
		a.Take()
		b.Take()
		a.Send(`<message to="ROOM/cc33dd44" type="chat" id="m2"><body>psst</body></message>`)
		assert.Contains(t, strings.Join(a.Take(), ""), "forbidden")
		b.Hears()
	})
}

// A rule may refuse or swallow what is said to all.
func TestMessageHook(t *testing.T) {
	play(t, func(t *testing.T) {
		var hooks muc.Hooks
		hooks.OnMessage(func(_ *muc.Room, o *muc.Occupant, st *stanza.Stanza) muc.Outcome {
			switch st.ID {
			case "no":
				return muc.Refuse(stanza.Err(stanza.Cancel, stanza.NotAllowed, "Sending group messages not allowed"))
			case "eaten":
				return muc.Handled
			}
			return muc.Continue
		})
		_, _, a, b := meeting(t, nil, &hooks)
		for _, id := range []string{"no", "eaten", "yes"} {
			a.Send(`<message to="ROOM" type="groupchat" id="` + id + `"><body>x</body></message>`)
		}
		assert.Len(t, b.Take(), 1)
		got := a.Take()
		require.Len(t, got, 2)
		assert.Contains(t, got[0], "Sending group messages not allowed")
	})
}

// Requests between occupants (XEP-0045, 17.4).
func TestRelayedRequests(t *testing.T) {
	play(t, func(t *testing.T) {
		w, f, a, b := meeting(t, nil, nil)
		f.Send(`<iq type="set" to="ROOM/aa11bb22" id="VL4VF-20"><jingle xmlns="urn:xmpp:jingle:1" action="session-initiate" sid="s"/></iq>`)
		a.Hears(`<iq type="set" from="ROOM/focus" to="ANN" id="VL4VF-20"><jingle xmlns="urn:xmpp:jingle:1" action="session-initiate" sid="s"/></iq>`)
		a.Send(`<iq type="result" to="ROOM/focus" id="VL4VF-20"/>`)
		f.Hears(`<iq type="result" from="ROOM/aa11bb22" to="FOCUS" id="VL4VF-20"/>`)
		// An error goes back too, even from somebody without voice.
		b.Send(`<iq type="get" to="ROOM/aa11bb22" id="q"><query xmlns=info node="n"/></iq>`)
		a.Take()
		a.Send(`<iq type="error" to="ROOM/cc33dd44" id="q"><error type="cancel"><service-unavailable xmlns=stanzas/></error></iq>`)
		b.Hears(`<iq type="error" from="ROOM/aa11bb22" to="BOB" id="q"><error type="cancel"><service-unavailable xmlns=stanzas/></error></iq>`)
		// To nobody, from nobody, to oneself.
		b.Send(`<iq type="get" to="ROOM/nobody" id="q"><ping xmlns=ping/></iq>`)
		b.Hears(`<iq type="error" from="ROOM/nobody" to="BOB" id="q"><error type="cancel"><item-not-found xmlns=stanzas/><text xmlns=stanzas>Recipient not in room</text></error></iq>`)
		b.Send(`<iq type="get" to="ROOM/cc33dd44" id="p"><ping xmlns=ping/></iq>`)
		b.Hears(`<iq type="result" from="ROOM/cc33dd44" to="BOB" id="p"/>`)
		b.Send(`<iq type="get" to="ROOM" id="p"><ping xmlns=ping/></iq>`)
		b.Hears(`<iq type="result" from="ROOM" to="BOB" id="p"/>`)
		out := w.Account("alice@meet.example.com/x")
		out.Send(`<iq type="get" to="ROOM/cc33dd44" id="p"><ping xmlns=ping/></iq>`)
		assert.Contains(t, strings.Join(out.Take(), ""), "not-acceptable")
		out.Send(`<iq type="result" to="ROOM/cc33dd44" id="p"/>`)
		b.Send(`<iq type="get" to="ROOM" id="z"><query xmlns="jabber:iq:unknown"/></iq>`)
		assert.Contains(t, strings.Join(b.Take(), ""), "service-unavailable")
		b.Send(`<iq type="get" to="ROOM" id="v"><vCard xmlns="vcard-temp"/></iq>`)
		assert.Contains(t, strings.Join(b.Take(), ""), "item-not-found")
		// A vCard belongs to the account: the server answers for it.
		b.Send(`<iq type="get" to="ROOM/aa11bb22" id="v"><vCard xmlns="vcard-temp"/></iq>`)
		a.Hears()
		b.Hears(`<iq type="error" from="ROOM/aa11bb22" to="BOB" id="v"><error type="cancel"><service-unavailable xmlns=stanzas/></error></iq>`)
	})
}

// Two sessions of one account under one nick: the answer finds the one that asked.
func TestTwoSessionsOfOneNick(t *testing.T) {
	play(t, func(t *testing.T) {
		w, _, a, _ := meeting(t, nil, nil)
		one, two := w.Account("alice@meet.example.com/1"), w.Account("alice@meet.example.com/2")
		one.Join("alice")
		two.Join("alice")
		one.Take()
		two.Take()
		a.Take()
		one.Send(`<iq type="get" to="ROOM/aa11bb22" id="q"><query xmlns=info/></iq>`)
		two.Send(`<iq type="get" to="ROOM/aa11bb22" id="r"><query xmlns=info/></iq>`)
		a.Take()
		a.Send(`<iq type="result" to="ROOM/alice" id="q"/>`)
		a.Send(`<iq type="result" to="ROOM/alice" id="r"/>`)
		one.Hears(`<iq type="result" from="ROOM/aa11bb22" to="alice@meet.example.com/1" id="q"/>`)
		two.Hears(`<iq type="result" from="ROOM/aa11bb22" to="alice@meet.example.com/2" id="r"/>`)
		// Private messages reach both; the room counts one occupant.
		a.Send(`<message to="ROOM/alice" type="chat" id="m"><body>x</body></message>`)
		assert.Len(t, one.Take(), 1)
		assert.Len(t, two.Take(), 1)
		occ, err := w.Host.Occupants(stanza.MustAddr(muctest.Room))
		require.NoError(t, err)
		require.Len(t, occ, 4)
		assert.Equal(t, []string{"alice@meet.example.com/2", "alice@meet.example.com/1"}, occ[3].Real)
		// One goes: the other stays, and nobody is told that alice left.
		two.Send(`<presence to="ROOM/alice" type="unavailable"/>`)
		two.Hears(`<presence type="unavailable" from="ROOM/alice" to="alice@meet.example.com/2"><x xmlns=muc#user><item affiliation="none" role="none" jid="alice@meet.example.com/2"/><status code="110"/></x></presence>`)
		a.Hears(`<presence from="ROOM/alice" to="ANN"><x xmlns=muc#user><item affiliation="none" role="participant" jid="alice@meet.example.com/1"/></x></presence>`)
		one.Vanish()
		a.Hears(`<presence type="unavailable" from="ROOM/alice" to="ANN"><x xmlns=muc#user><item affiliation="none" role="none" jid="alice@meet.example.com/1"/></x></presence>`)
	})
}
