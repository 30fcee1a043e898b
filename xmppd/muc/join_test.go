package muc_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// xmpp.md 9.6: the focus creates the room, the first participant enters.
func TestFirstParticipant(t *testing.T) {
	play(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		f, a := w.account(focus), w.web(ann)

		f.send(`<presence to="ROOM/focus" id="f1"><x xmlns=muc/><c xmlns="http://jabber.org/protocol/caps" ver="x"/></presence>`)
		f.hears(
			`<presence from="ROOM/focus" to="FOCUS" id="f1"><c xmlns="http://jabber.org/protocol/caps" ver="x"/><x xmlns=muc#user>
			   <status code="201"/><status code="100"/><item affiliation="owner" role="moderator" jid="FOCUS"/><status code="110"/></x></presence>`,
			`<message from="ROOM" to="FOCUS" type="groupchat"><subject/></message>`)

		f.send(`<iq type="get" to="ROOM" id="f2"><query xmlns=muc#owner/></iq>`)
		form := f.take()
		require.Len(t, form, 1)
		assert.Contains(t, form[0], "muc#roomconfig_whois")
		f.send(`<iq type="set" to="ROOM" id="f3"><query xmlns=muc#owner><x xmlns=data type="submit">
		   <field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		   <field var="muc#roomconfig_whois"><value>anyone</value></field></x></query></iq>`)
		f.hears(`<iq type="result" from="ROOM" to="FOCUS" id="f3"/>`)
		f.send(`<presence to="ROOM/focus"><conference-properties xmlns="http://jitsi.org/protocol/focus"><property key="a" value="b"/></conference-properties></presence>`)
		f.hears(`<presence from="ROOM/focus" to="FOCUS"><conference-properties xmlns="http://jitsi.org/protocol/focus"><property key="a" value="b"/></conference-properties>
		   <x xmlns=muc#user><item affiliation="owner" role="moderator" jid="FOCUS"/><status code="110"/></x></presence>`)

		a.join("aa11bb22", `<stats-id>Ann-X1y</stats-id>`, `<SourceInfo>{}</SourceInfo>`, `<nick xmlns=nick>Ann</nick>`)
		a.hears(
			`<presence from="ROOM/focus" to="ANN"><conference-properties xmlns="http://jitsi.org/protocol/focus"><property key="a" value="b"/></conference-properties>
			   <x xmlns=muc#user><item affiliation="owner" role="moderator" jid="FOCUS"/></x></presence>`,
			`<presence from="ROOM/aa11bb22" to="ANN"><stats-id>Ann-X1y</stats-id><SourceInfo>{}</SourceInfo><nick xmlns=nick>Ann</nick>
			   <x xmlns=muc#user><status code="100"/><item affiliation="none" role="participant" jid="ANN"/><status code="110"/></x></presence>`,
			`<message from="ROOM" to="ANN" type="groupchat"><subject/></message>`)
		f.hears(`<presence from="ROOM/aa11bb22" to="FOCUS"><stats-id>Ann-X1y</stats-id><SourceInfo>{}</SourceInfo><nick xmlns=nick>Ann</nick>
			   <x xmlns=muc#user><item affiliation="none" role="participant" jid="ANN"/></x></presence>`)

		f.send(`<iq type="set" to="ROOM" id="f4"><query xmlns=muc#admin><item affiliation="owner" jid="ANNBARE"/></query></iq>`)
		f.hears(
			`<presence from="ROOM/aa11bb22" to="FOCUS"><stats-id>Ann-X1y</stats-id><SourceInfo>{}</SourceInfo><nick xmlns=nick>Ann</nick>
			   <x xmlns=muc#user><item affiliation="owner" role="moderator" jid="ANN"><actor nick="focus" jid="FOCUS"/></item></x></presence>`,
			`<iq type="result" from="ROOM" to="FOCUS" id="f4"/>`)
		a.hears(`<presence from="ROOM/aa11bb22" to="ANN"><stats-id>Ann-X1y</stats-id><SourceInfo>{}</SourceInfo><nick xmlns=nick>Ann</nick>
			   <x xmlns=muc#user><item affiliation="owner" role="moderator" jid="ANN"><actor nick="focus"/></item><status code="110"/></x></presence>`)
	})
}

func TestRoomInfo(t *testing.T) {
	play(t, func(t *testing.T) {
		w, f, a, _ := meeting(t, nil, nil)
		f.send(`<iq type="set" to="ROOM" id="f3"><query xmlns=muc#owner><x xmlns=data type="submit">
		   <field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		   <field var="muc#roomconfig_roomname"><value>demo</value></field></x></query></iq>`)
		a.hears(`<message from="ROOM" to="ANN" type="groupchat"><x xmlns=muc#user><status code="104"/></x></message>`)
		a.send(`<iq type="get" to="ROOM" id="g"><query xmlns=info/></iq>`)
		a.hears(`<iq type="result" from="ROOM" to="ANN" id="g"><query xmlns=info>
		  <identity category="conference" type="text" name="demo"/>
		  <feature var="http://jabber.org/protocol/muc"/><feature var="http://jabber.org/protocol/muc#stable_id"/>
		  <feature var="http://jabber.org/protocol/muc#self-ping-optimization"/><feature var="http://jabber.org/protocol/muc#request"/>
		  <feature var="urn:xmpp:occupant-id:0"/><feature var="http://jabber.org/protocol/disco#info"/>
		  <feature var="muc_unsecured"/><feature var="muc_open"/><feature var="muc_hidden"/><feature var="muc_unmoderated"/>
		  <feature var="muc_temporary"/><feature var="muc_nonanonymous"/>
		  <x xmlns=data type="result"><field var="FORM_TYPE" type="hidden"><value>http://jabber.org/protocol/muc#roominfo</value></field>
		    <field var="muc#roomconfig_roomname" type="text-single" label="Title"><value>demo</value></field>
		    <field var="muc#roominfo_description" type="text-single" label="Description"><value/></field>
		    <field var="muc#roominfo_lang" type="text-single"><value>en</value></field>
		    <field var="muc#roominfo_occupants" type="text-single" label="Number of occupants"><value>3</value></field>
		    <field var="muc#roomconfig_changesubject" type="boolean"><value>0</value></field></x></query></iq>`)

		stranger, friend := w.web("00000000-7c1e-4f0b-9d7e-1f6f3a6c5e21@meet.example.com/x"), w.account("alice@meet.example.com/x")
		stranger.send(`<iq type="get" to="ROOM" id="g"><query xmlns=info/></iq>`)
		stranger.hears(`<iq type="error" from="ROOM" to="` + stranger.addr.String() + `" id="g"><error type="auth"><forbidden xmlns=stanzas/></error></iq>`)
		stranger.send(`<iq type="get" to="none@conference.meet.example.com" id="g"><query xmlns=info/></iq>`)
		assert.Contains(t, strings.Join(stranger.take(), ""), "item-not-found")
		friend.send(`<iq type="get" to="ROOM" id="g"><query xmlns=info/></iq>`)
		assert.Contains(t, strings.Join(friend.take(), ""), "muc_nonanonymous")
		friend.send(`<iq type="get" to="conference.meet.example.com" id="i"><query xmlns="http://jabber.org/protocol/disco#items"/></iq>`)
		friend.hears(`<iq type="result" from="conference.meet.example.com" to="alice@meet.example.com/x" id="i"><query xmlns="http://jabber.org/protocol/disco#items"/></iq>`)
		friend.send(`<iq type="get" to="conference.meet.example.com" id="i"><query xmlns=info/></iq>`)
		assert.Contains(t, strings.Join(friend.take(), ""), `var="http://jabber.org/protocol/muc"`)
		friend.send(`<iq type="get" to="conference.meet.example.com" id="i"><query xmlns="jabber:iq:version"/></iq>`)
		assert.Contains(t, strings.Join(friend.take(), ""), `service-unavailable`)
	})
}

// xmpp.md 9.7: the second participant.
func TestSecondParticipant(t *testing.T) {
	play(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		f, a, b := w.account(focus), w.web(ann), w.web(bob)
		f.join("focus")
		a.join("aa11bb22")
		f.take()
		a.take()
		f.send(`<iq type="set" to="ROOM" id="f4"><query xmlns=muc#admin><item affiliation="owner" jid="ANNBARE"/></query></iq>`)
		f.take()
		a.take()
		b.join("cc33dd44", `<nick xmlns=nick>Bob</nick>`)
		b.hears(
			`<presence from="ROOM/focus" to="BOB"><x xmlns=muc#user><item affiliation="owner" role="moderator" jid="FOCUS"/></x></presence>`,
			`<presence from="ROOM/aa11bb22" to="BOB"><x xmlns=muc#user><item affiliation="owner" role="moderator" jid="ANN"/></x></presence>`,
			`<presence from="ROOM/cc33dd44" to="BOB"><nick xmlns=nick>Bob</nick><x xmlns=muc#user><status code="100"/><item affiliation="none" role="participant" jid="BOB"/><status code="110"/></x></presence>`,
			`<message from="ROOM" to="BOB" type="groupchat"><subject/></message>`)
		for _, c := range []*client{f, a} {
			c.hears(`<presence from="ROOM/cc33dd44" to="` + c.addr.String() + `"><nick xmlns=nick>Bob</nick><x xmlns=muc#user><item affiliation="none" role="participant" jid="BOB"/></x></presence>`)
		}
	})
}

func TestCreationRestricted(t *testing.T) {
	play(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		a := w.web(ann)
		a.join("aa11bb22", `<nick xmlns=nick>Ann</nick>`)
		a.hears(`<presence type="error" from="ROOM/aa11bb22" to="ANN"><error type="cancel"><not-allowed xmlns=stanzas/>
		  <text xmlns=stanzas>Room creation is restricted</text></error></presence>`)
		assert.Zero(t, w.host.Stats().Rooms)
		a.send(`<presence to="ROOM/aa11bb22"/>`)
		a.hears(`<presence type="error" from="ROOM/aa11bb22" to="ANN"><error type="cancel"><item-not-found xmlns=stanzas/>
		  <text xmlns=stanzas>You are not currently connected to this chat</text></error></presence>`)
		a.send(`<message to="ROOM" type="groupchat" id="m"><body>x</body></message>`)
		assert.Contains(t, strings.Join(a.take(), ""), "item-not-found")
		a.send(`<presence to="ROOM/aa11bb22" type="unavailable"/>`)
		a.hears()
	})
}

func TestOpenCreation(t *testing.T) {
	play(t, func(t *testing.T) {
		w := newWorld(t, func(c *muc.Config) { c.RestrictCreation = false; c.MaxRooms = 1 }, nil)
		a := w.account("alice@meet.example.com/x")
		a.join("Älice")
		a.hearsAmong(`<presence from="ROOM/Älice" to="alice@meet.example.com/x"><x xmlns=muc#user><status code="201"/><status code="100"/>
		  <item affiliation="owner" role="moderator" jid="alice@meet.example.com/x"/><status code="110"/></x></presence>`)
		a.send(`<presence to="other@conference.meet.example.com/a"><x xmlns=muc/></presence>`)
		assert.Contains(t, strings.Join(a.take(), ""), "resource-constraint")
	})
}

func TestNicks(t *testing.T) {
	cases := []struct {
		name, nick string
		who        func(*world) *client
		want       string // condition, "" if let in
		text       string
	}{
		{"web", "aa11bb22", func(w *world) *client { return w.web(ann) }, "", ""},
		{"web, blank inside", "carol x", func(w *world) *client { return w.web(ann) }, "not-allowed", "Invalid resource"},
		{"web, umlaut", "änn", func(w *world) *client { return w.web(ann) }, "not-allowed", "Invalid resource"},
		{"web, underscore first", "_a", func(w *world) *client { return w.web(ann) }, "not-allowed", "Invalid resource"},
		{"account, umlaut and blank", "Änn X", func(w *world) *client { return w.account("alice@meet.example.com/x") }, "", ""},
		{"account as focus", "focus", func(w *world) *client { return w.account("alice@meet.example.com/x") }, "conflict", ""},
		{"account as Focus", "Focus", func(w *world) *client { return w.account("alice@meet.example.com/x") }, "conflict", ""},
		{"taken", "cc33dd44", func(w *world) *client { return w.account("alice@meet.example.com/x") }, "conflict", ""},
		{"too long", strings.Repeat("a", 300), func(w *world) *client { return w.account("alice@meet.example.com/x") }, "not-acceptable", ""},
		{"blank", "\u00a0", func(w *world) *client { return w.account("alice@meet.example.com/x") }, "not-allowed", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				w := newWorld(t, nil, nil)
				f, b := w.account(focus), w.web(bob)
				f.join("focus")
				b.join("cc33dd44")
				b.take()
				who := c.who(w)
				who.join(c.nick)
				got := strings.Join(who.take(), "")
				if c.want == "" {
					assert.Contains(t, got, `code="110"`)
					return
				}
				assert.Contains(t, got, `type="error"`)
				assert.Contains(t, got, "<"+c.want+" ")
				assert.Contains(t, got, c.text)
			})
		})
	}
}

func TestJoinWithoutNick(t *testing.T) {
	play(t, func(t *testing.T) {
		_, _, _, _ = meeting(t, nil, nil)
		w := newWorldClient(t)
		w.send(`<presence to="ROOM"><x xmlns=muc/></presence>`)
		assert.Contains(t, strings.Join(w.take(), ""), "jid-malformed")
	})
}

func newWorldClient(t *testing.T) *client {
	w, _, _, _ := meeting(t, nil, nil)
	return w.account("alice@meet.example.com/x")
}

func TestMaxOccupants(t *testing.T) {
	play(t, func(t *testing.T) {
		w := newWorld(t, func(c *muc.Config) { c.MaxOccupants = 2 }, nil)
		f, a, b := w.account(focus), w.web(ann), w.web(bob)
		f.join("focus")
		a.join("aa11bb22")
		a.take()
		b.join("cc33dd44")
		assert.Contains(t, strings.Join(b.take(), ""), "service-unavailable")
		j := w.account("jvb@auth.meet.example.com/1")
		j.join("jvb")
		assert.Contains(t, strings.Join(j.take(), ""), `code="110"`)
	})
}

// A presence with x from somebody inside: he has lost track.
func TestResync(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, a, b := meeting(t, nil, nil)
		a.send(`<message to="ROOM" type="groupchat" id="m1"><body>hello</body></message>`)
		for _, c := range []*client{f, a, b} {
			c.take()
		}
		b.join("cc33dd44")
		got := b.take()
		require.Len(t, got, 5)
		assert.Contains(t, got[0], "/focus")
		assert.Contains(t, got[1], "/aa11bb22")
		assert.Contains(t, got[2], `code="110"`)
		assert.Contains(t, got[3], "hello")
		assert.Contains(t, got[4], "<subject/>")
	})
}

func TestSpoofedElementsAreDropped(t *testing.T) {
	play(t, func(t *testing.T) {
		_, _, a, b := meeting(t, nil, nil)
		a.send(`<presence to="ROOM/aa11bb22"><x xmlns=muc#user><item role="moderator"/></x><occupant-id xmlns=oid id="focus"/><email>a@x</email></presence>`)
		b.hears(`<presence from="ROOM/aa11bb22" to="BOB"><email>a@x</email><x xmlns=muc#user><item affiliation="none" role="participant" jid="ANN"/></x></presence>`)
		a.take()
		a.send(`<message to="ROOM" type="groupchat" id="m"><body>x</body><x xmlns=muc#user><status code="104"/></x><nick xmlns=nick>Eve</nick>
		   <delay xmlns=delay from="ROOM" stamp="x"/><occupant-id xmlns=oid id="focus"/></message>`)
		b.hears(`<message type="groupchat" from="ROOM/aa11bb22" to="BOB" id="m"><body>x</body></message>`)
	})
}

func TestPasswordAndMembers(t *testing.T) {
	play(t, func(t *testing.T) {
		w, f, a, b := meeting(t, nil, nil)
		f.send(`<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		  <field var="muc#roomconfig_roomsecret"><value>1234</value></field><field var="muc#roomconfig_passwordprotectedroom"><value>1</value></field>
		  <field var="muc#roomconfig_whois"><value>anyone</value></field></x></query></iq>`)
		b.hears(`<message from="ROOM" to="BOB" type="groupchat"><x xmlns=muc#user><status code="104"/></x></message>`)
		a.take()
		alice := w.account("alice@meet.example.com/x")
		alice.join("alice")
		alice.hears(`<presence type="error" from="ROOM/alice" to="alice@meet.example.com/x"><error type="auth"><not-authorized xmlns=stanzas/></error></presence>`)
		alice.send(`<presence to="ROOM/alice"><x xmlns=muc><password>wrong</password></x></presence>`)
		assert.Contains(t, strings.Join(alice.take(), ""), "not-authorized")
		alice.send(`<presence to="ROOM/alice"><x xmlns=muc><password>1234</password></x></presence>`)
		assert.Contains(t, strings.Join(alice.take(), ""), `code="110"`)

		// Members only: Ann and Bob and Alice have no rank, so they are out.
		a.take()
		f.send(`<iq type="set" to="ROOM" id="s2"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		  <field var="muc#roomconfig_membersonly"><value>true</value></field><field var="muc#roomconfig_roomsecret"><value/></field></x></query></iq>`)
		assert.Contains(t, strings.Join(a.take(), ""), `code="322"`)
		alice.take()
		alice.join("alice")
		alice.hears(`<presence type="error" from="ROOM/alice" to="alice@meet.example.com/x"><error type="auth"><registration-required xmlns=stanzas/></error></presence>`)
		// An invitation by the owner makes her a member.
		alice.send(`<presence/>`)
		alice.take()
		f.take()
		f.send(`<message to="ROOM" id="l7"><x xmlns=muc#user><invite to="alice@meet.example.com/x"><reason>come</reason></invite></x></message>`)
		alice.hears(`<message from="ROOM" to="alice@meet.example.com/x" id="l7"><x xmlns=muc#user><invite from="FOCUS"><reason>come</reason></invite></x>
		  <x xmlns=conference jid="ROOM"/><body>*</body></message>`)
		f.hears(`<message from="ROOM" to="FOCUS"><x xmlns=muc#user><item affiliation="member" jid="alice@meet.example.com"><reason>*</reason></item></x></message>`)
		alice.join("alice")
		assert.Contains(t, strings.Join(alice.take(), ""), `affiliation="member"`)
	})
}

func TestBrewery(t *testing.T) {
	play(t, func(t *testing.T) {
		w := newWorld(t, func(c *muc.Config) { *c = muc.BreweryConfig("auth.meet.example.com") }, nil)
		f := w.account(focus)
		j1, j2 := w.account("jvb@auth.meet.example.com/1"), w.account("jvb@auth.meet.example.com/2")
		j1.join("jvb-a")
		j1.take()
		f.join("focus")
		f.take()
		assert.Len(t, j1.take(), 1, "the bridge hears the focus")
		j2.join("jvb-b")
		got := strings.Join(j2.take(), "")
		assert.NotContains(t, got, "jvb-a")
		assert.Contains(t, got, "/focus")
		j1.hears()
		assert.Len(t, f.take(), 1)
		j2.send(`<presence to="ROOM/jvb-b"><stats xmlns="http://jitsi.org/protocol/colibri"><stat name="stress_level" value="0.1"/></stats></presence>`)
		j1.hears()
		assert.Len(t, f.take(), 1)
		assert.Len(t, j2.take(), 1, "its own presence comes back")
		a := w.web(ann)
		a.join("aa11bb22")
		assert.Contains(t, strings.Join(a.take(), ""), "forbidden")
		// Requests reach the bridge through its occupant address.
		f.send(`<iq type="get" to="ROOM/jvb-b" id="Z9"><conference-modify xmlns="jitsi:colibri2"/></iq>`)
		j2.hears(`<iq type="get" from="ROOM/focus" to="jvb@auth.meet.example.com/2" id="Z9"><conference-modify xmlns="jitsi:colibri2"/></iq>`)
	})
}

// A rule may hold a join and let it go on later.
func TestHeldJoins(t *testing.T) {
	play(t, func(t *testing.T) {
		var hooks muc.Hooks
		var waiting []*muc.Join
		hooks.OnJoin(8, "lock", func(j *muc.Join) muc.Outcome {
			if j.Nick == "focus" || j.Room.Occupant("focus") != nil {
				return muc.Continue
			}
			waiting = append(waiting, j)
			return muc.Hold
		})
		hooks.OnCreate(50, "wait", func(j *muc.Join) muc.Outcome {
			if j.Admin {
				return muc.Continue
			}
			waiting = append(waiting, j)
			return muc.Hold
		})
		hooks.OnSettled(func(r *muc.Room, o *muc.Occupant) {
			if o.Nick() == "focus" {
				for _, j := range waiting {
					r.Resume(j)
				}
			}
		})
		w := newWorld(t, nil, &hooks)
		f, a, b, c := w.account(focus), w.web(ann), w.web(bob), w.account("alice@meet.example.com/x")
		a.join("aa11bb22")
		b.join("cc33dd44")
		c.join("alice")
		synctest.Wait()
		c.vanish() // nobody waits for its answer any more
		b.join("cc33dd44", `<nick xmlns=nick>Bob</nick>`)
		a.hears()
		b.hears()
		assert.Zero(t, w.host.Stats().Rooms)
		f.join("focus")
		synctest.Wait()
		got := a.take()
		require.Len(t, got, 4)
		assert.Contains(t, got[0], "/focus")
		assert.Contains(t, got[1], `code="110"`)
		assert.Contains(t, got[3], "/cc33dd44")
		assert.Contains(t, got[3], ">Bob</nick>")
		assert.Len(t, b.take(), 4)
		info := w.host.Rooms()
		require.Len(t, info, 1)
		assert.Len(t, info[0].Occupants, 3)
		assert.Zero(t, info[0].Waiting)
	})
}

func TestHeldJoinRefusedByTimer(t *testing.T) {
	play(t, func(t *testing.T) {
		var hooks muc.Hooks
		hooks.OnCreate(50, "wait", func(j *muc.Join) muc.Outcome {
			r := j.Room
			r.After(5*time.Second, func() { r.Refuse(j, stanza.Err(stanza.Wait, stanza.RemoteServerTimeout, "")) })
			return muc.Hold
		})
		w := newWorld(t, nil, &hooks)
		a := w.web(ann)
		a.join("aa11bb22")
		a.hears()
		time.Sleep(5 * time.Second) // the bubble's clock
		a.hears(`<presence type="error" from="ROOM/aa11bb22" to="ANN"><error type="wait"><remote-server-timeout xmlns=stanzas/></error></presence>`)
		assert.ErrorIs(t, w.host.Do(stanza.MustAddr(room), func(*muc.Room) {}), muc.ErrNoRoom)
	})
}

func TestConfigMistakes(t *testing.T) {
	for name, change := range map[string]func(*muc.Config){
		"max_rooms":      func(c *muc.Config) { c.MaxRooms = 0 },
		"max_nick":       func(c *muc.Config) { c.MaxNick = 5000 },
		"history_length": func(c *muc.Config) { c.HistoryLength = 200 },
	} {
		cfg := muc.DefaultConfig()
		change(&cfg)
		require.ErrorContains(t, cfg.Validate(), name)
	}
}
