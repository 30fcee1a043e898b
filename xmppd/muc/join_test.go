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

// The focus creates the room, the first participant enters.
func TestFirstParticipant(t *testing.T) {
	play(t, func(t *testing.T) {
		w := muctest.New(t, nil, nil)
		f, a := w.Account(muctest.Focus), w.Web(muctest.Ann)

		f.Send(`<presence to="ROOM/focus" id="f1"><x xmlns=muc/><c xmlns="http://jabber.org/protocol/caps" ver="x"/></presence>`)
		f.Hears(
			`<presence from="ROOM/focus" to="FOCUS" id="f1"><c xmlns="http://jabber.org/protocol/caps" ver="x"/><x xmlns=muc#user>
			   <status code="201"/><status code="100"/><item affiliation="owner" role="moderator" jid="FOCUS"/><status code="110"/></x></presence>`,
			`<message from="ROOM" to="FOCUS" type="groupchat"><subject/></message>`)

		f.Send(`<iq type="get" to="ROOM" id="f2"><query xmlns=muc#owner/></iq>`)
		form := f.Take()
		require.Len(t, form, 1)
		assert.Contains(t, form[0], "muc#roomconfig_whois")
		f.Send(`<iq type="set" to="ROOM" id="f3"><query xmlns=muc#owner><x xmlns=data type="submit">
		   <field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		   <field var="muc#roomconfig_whois"><value>anyone</value></field></x></query></iq>`)
		f.Hears(`<iq type="result" from="ROOM" to="FOCUS" id="f3"/>`)
		f.Send(`<presence to="ROOM/focus"><conference-properties xmlns="http://jitsi.org/protocol/focus"><property key="a" value="b"/></conference-properties></presence>`)
		f.Hears(`<presence from="ROOM/focus" to="FOCUS"><conference-properties xmlns="http://jitsi.org/protocol/focus"><property key="a" value="b"/></conference-properties>
		   <x xmlns=muc#user><item affiliation="owner" role="moderator" jid="FOCUS"/><status code="110"/></x></presence>`)

		a.Join("aa11bb22", `<stats-id>Ann-X1y</stats-id>`, `<SourceInfo>{}</SourceInfo>`, `<nick xmlns=nick>Ann</nick>`)
		a.Hears(
			`<presence from="ROOM/focus" to="ANN"><conference-properties xmlns="http://jitsi.org/protocol/focus"><property key="a" value="b"/></conference-properties>
			   <x xmlns=muc#user><item affiliation="owner" role="moderator" jid="FOCUS"/></x></presence>`,
			`<presence from="ROOM/aa11bb22" to="ANN"><stats-id>Ann-X1y</stats-id><SourceInfo>{}</SourceInfo><nick xmlns=nick>Ann</nick>
			   <x xmlns=muc#user><status code="100"/><item affiliation="none" role="participant" jid="ANN"/><status code="110"/></x></presence>`,
			`<message from="ROOM" to="ANN" type="groupchat"><subject/></message>`)
		f.Hears(`<presence from="ROOM/aa11bb22" to="FOCUS"><stats-id>Ann-X1y</stats-id><SourceInfo>{}</SourceInfo><nick xmlns=nick>Ann</nick>
			   <x xmlns=muc#user><item affiliation="none" role="participant" jid="ANN"/></x></presence>`)

		f.Send(`<iq type="set" to="ROOM" id="f4"><query xmlns=muc#admin><item affiliation="owner" jid="ANNBARE"/></query></iq>`)
		f.Hears(
			`<presence from="ROOM/aa11bb22" to="FOCUS"><stats-id>Ann-X1y</stats-id><SourceInfo>{}</SourceInfo><nick xmlns=nick>Ann</nick>
			   <x xmlns=muc#user><item affiliation="owner" role="moderator" jid="ANN"><actor nick="focus" jid="FOCUS"/></item></x></presence>`,
			`<iq type="result" from="ROOM" to="FOCUS" id="f4"/>`)
		a.Hears(`<presence from="ROOM/aa11bb22" to="ANN"><stats-id>Ann-X1y</stats-id><SourceInfo>{}</SourceInfo><nick xmlns=nick>Ann</nick>
			   <x xmlns=muc#user><item affiliation="owner" role="moderator" jid="ANN"><actor nick="focus"/></item><status code="110"/></x></presence>`)
	})
}

func TestRoomInfo(t *testing.T) {
	play(t, func(t *testing.T) {
		w, f, a, _ := meeting(t, nil, nil)
		f.Send(`<iq type="set" to="ROOM" id="f3"><query xmlns=muc#owner><x xmlns=data type="submit">
		   <field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		   <field var="muc#roomconfig_roomname"><value>demo</value></field></x></query></iq>`)
		a.Hears(`<message from="ROOM" to="ANN" type="groupchat"><x xmlns=muc#user><status code="104"/></x></message>`)
		a.Send(`<iq type="get" to="ROOM" id="g"><query xmlns=info/></iq>`)
		a.Hears(`<iq type="result" from="ROOM" to="ANN" id="g"><query xmlns=info>
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

		stranger, friend := w.Web("00000000-7c1e-4f0b-9d7e-1f6f3a6c5e21@meet.example.com/x"), w.Account("alice@meet.example.com/x")
		stranger.Send(`<iq type="get" to="ROOM" id="g"><query xmlns=info/></iq>`)
		stranger.Hears(`<iq type="error" from="ROOM" to="` + stranger.Addr.String() + `" id="g"><error type="auth"><forbidden xmlns=stanzas/></error></iq>`)
		stranger.Send(`<iq type="get" to="none@conference.meet.example.com" id="g"><query xmlns=info/></iq>`)
		assert.Contains(t, strings.Join(stranger.Take(), ""), "item-not-found")
		friend.Send(`<iq type="get" to="ROOM" id="g"><query xmlns=info/></iq>`)
		assert.Contains(t, strings.Join(friend.Take(), ""), "muc_nonanonymous")
		friend.Send(`<iq type="get" to="conference.meet.example.com" id="i"><query xmlns="http://jabber.org/protocol/disco#items"/></iq>`)
		friend.Hears(`<iq type="result" from="conference.meet.example.com" to="alice@meet.example.com/x" id="i"><query xmlns="http://jabber.org/protocol/disco#items"/></iq>`)
		friend.Send(`<iq type="get" to="conference.meet.example.com" id="i"><query xmlns=info/></iq>`)
		assert.Contains(t, strings.Join(friend.Take(), ""), `var="http://jabber.org/protocol/muc"`)
		friend.Send(`<iq type="get" to="conference.meet.example.com" id="i"><query xmlns="jabber:iq:version"/></iq>`)
		assert.Contains(t, strings.Join(friend.Take(), ""), `service-unavailable`)
	})
}

// The second participant enters: he hears of all, and all of him.
func TestSecondParticipant(t *testing.T) {
	play(t, func(t *testing.T) {
		w := muctest.New(t, nil, nil)
		f, a, b := w.Account(muctest.Focus), w.Web(muctest.Ann), w.Web(muctest.Bob)
		f.Join("focus")
		a.Join("aa11bb22")
		f.Take()
		a.Take()
		f.Send(`<iq type="set" to="ROOM" id="f4"><query xmlns=muc#admin><item affiliation="owner" jid="ANNBARE"/></query></iq>`)
		f.Take()
		a.Take()
		b.Join("cc33dd44", `<nick xmlns=nick>Bob</nick>`)
		b.Hears(
			`<presence from="ROOM/focus" to="BOB"><x xmlns=muc#user><item affiliation="owner" role="moderator" jid="FOCUS"/></x></presence>`,
			`<presence from="ROOM/aa11bb22" to="BOB"><x xmlns=muc#user><item affiliation="owner" role="moderator" jid="ANN"/></x></presence>`,
			`<presence from="ROOM/cc33dd44" to="BOB"><nick xmlns=nick>Bob</nick><x xmlns=muc#user><status code="100"/><item affiliation="none" role="participant" jid="BOB"/><status code="110"/></x></presence>`,
			`<message from="ROOM" to="BOB" type="groupchat"><subject/></message>`)
		for _, c := range []*muctest.Client{f, a} {
			c.Hears(`<presence from="ROOM/cc33dd44" to="` + c.Addr.String() + `"><nick xmlns=nick>Bob</nick><x xmlns=muc#user><item affiliation="none" role="participant" jid="BOB"/></x></presence>`)
		}
	})
}

func TestCreationRestricted(t *testing.T) {
	play(t, func(t *testing.T) {
		w := muctest.New(t, nil, nil)
		a := w.Web(muctest.Ann)
		a.Join("aa11bb22", `<nick xmlns=nick>Ann</nick>`)
		a.Hears(`<presence type="error" from="ROOM/aa11bb22" to="ANN"><error type="cancel"><not-allowed xmlns=stanzas/>
		  <text xmlns=stanzas>Room creation is restricted</text></error></presence>`)
		assert.Zero(t, w.Host.Stats().Rooms)
		a.Send(`<presence to="ROOM/aa11bb22"/>`)
		a.Hears(`<presence type="error" from="ROOM/aa11bb22" to="ANN"><error type="cancel"><item-not-found xmlns=stanzas/>
		  <text xmlns=stanzas>You are not currently connected to this chat</text></error></presence>`)
		a.Send(`<message to="ROOM" type="groupchat" id="m"><body>x</body></message>`)
		assert.Contains(t, strings.Join(a.Take(), ""), "item-not-found")
		a.Send(`<presence to="ROOM/aa11bb22" type="unavailable"/>`)
		a.Hears()
	})
}

func TestOpenCreation(t *testing.T) {
	play(t, func(t *testing.T) {
		w := muctest.New(t, func(c *muc.Config) { c.RestrictCreation = false; c.MaxRooms = 1 }, nil)
		a := w.Account("alice@meet.example.com/x")
		a.Join("Älice")
		a.HearsAmong(`<presence from="ROOM/Älice" to="alice@meet.example.com/x"><x xmlns=muc#user><status code="201"/><status code="100"/>
		  <item affiliation="owner" role="moderator" jid="alice@meet.example.com/x"/><status code="110"/></x></presence>`)
		a.Send(`<presence to="other@conference.meet.example.com/a"><x xmlns=muc/></presence>`)
		assert.Contains(t, strings.Join(a.Take(), ""), "resource-constraint")
	})
}

func TestNicks(t *testing.T) {
	cases := []struct {
		name, nick string
		who        func(*muctest.World) *muctest.Client
		want       string // condition, "" if let in
		text       string
	}{
		{"web", "aa11bb22", func(w *muctest.World) *muctest.Client { return w.Web(muctest.Ann) }, "", ""},
		{"web, blank inside", "carol x", func(w *muctest.World) *muctest.Client { return w.Web(muctest.Ann) }, "not-allowed", "Invalid resource"},
		{"web, umlaut", "änn", func(w *muctest.World) *muctest.Client { return w.Web(muctest.Ann) }, "not-allowed", "Invalid resource"},
		{"web, underscore first", "_a", func(w *muctest.World) *muctest.Client { return w.Web(muctest.Ann) }, "not-allowed", "Invalid resource"},
		{"account, umlaut and blank", "Änn X", func(w *muctest.World) *muctest.Client { return w.Account("alice@meet.example.com/x") }, "", ""},
		{"account as focus", "focus", func(w *muctest.World) *muctest.Client { return w.Account("alice@meet.example.com/x") }, "conflict", ""},
		{"account as Focus", "Focus", func(w *muctest.World) *muctest.Client { return w.Account("alice@meet.example.com/x") }, "conflict", ""},
		{"taken", "cc33dd44", func(w *muctest.World) *muctest.Client { return w.Account("alice@meet.example.com/x") }, "conflict", ""},
		{"too long", strings.Repeat("a", 300), func(w *muctest.World) *muctest.Client { return w.Account("alice@meet.example.com/x") }, "not-acceptable", ""},
		{"blank", "\u00a0", func(w *muctest.World) *muctest.Client { return w.Account("alice@meet.example.com/x") }, "not-allowed", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				w := muctest.New(t, nil, nil)
				f, b := w.Account(muctest.Focus), w.Web(muctest.Bob)
				f.Join("focus")
				b.Join("cc33dd44")
				b.Take()
				who := c.who(w)
				who.Join(c.nick)
				got := strings.Join(who.Take(), "")
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
		w := strangerIn(t)
		w.Send(`<presence to="ROOM"><x xmlns=muc/></presence>`)
		assert.Contains(t, strings.Join(w.Take(), ""), "jid-malformed")
	})
}

func strangerIn(t *testing.T) *muctest.Client {
	w, _, _, _ := meeting(t, nil, nil)
	return w.Account("alice@meet.example.com/x")
}

func TestMaxOccupants(t *testing.T) {
	play(t, func(t *testing.T) {
		w := muctest.New(t, func(c *muc.Config) { c.MaxOccupants = 2 }, nil)
		f, a, b := w.Account(muctest.Focus), w.Web(muctest.Ann), w.Web(muctest.Bob)
		f.Join("focus")
		a.Join("aa11bb22")
		a.Take()
		b.Join("cc33dd44")
		assert.Contains(t, strings.Join(b.Take(), ""), "service-unavailable")
		j := w.Account("jvb@auth.meet.example.com/1")
		j.Join("jvb")
		assert.Contains(t, strings.Join(j.Take(), ""), `code="110"`)
	})
}

// Those who are not counted find a place and take none.
func TestUncounted(t *testing.T) {
	play(t, func(t *testing.T) {
		w := muctest.New(t, func(c *muc.Config) { c.MaxOccupants, c.Uncounted = 2, []string{"jibri@auth.meet.example.com"} }, nil)
		f, j, a, b := w.Account(muctest.Focus), w.Account("jibri@auth.meet.example.com/1"), w.Web(muctest.Ann), w.Web(muctest.Bob)
		f.Join("focus")
		f.Take()
		j.Join("jibri")
		assert.Contains(t, strings.Join(j.Take(), ""), `code="110"`)
		a.Join("aa11bb22")
		assert.Contains(t, strings.Join(a.Take(), ""), `code="110"`)
		b.Join("cc33dd44")
		assert.Contains(t, strings.Join(b.Take(), ""), "service-unavailable")
	})
}

// A presence with x from somebody inside: he has lost track.
func TestResync(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, a, b := meeting(t, nil, nil)
		a.Send(`<message to="ROOM" type="groupchat" id="m1"><body>hello</body></message>`)
		for _, c := range []*muctest.Client{f, a, b} {
			c.Take()
		}
		b.Join("cc33dd44")
		got := b.Take()
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
		a.Send(`<presence to="ROOM/aa11bb22"><x xmlns=muc#user><item role="moderator"/></x><occupant-id xmlns=oid id="focus"/><email>a@x</email></presence>`)
		b.Hears(`<presence from="ROOM/aa11bb22" to="BOB"><email>a@x</email><x xmlns=muc#user><item affiliation="none" role="participant" jid="ANN"/></x></presence>`)
		a.Take()
		a.Send(`<message to="ROOM" type="groupchat" id="m"><body>x</body><x xmlns=muc#user><status code="104"/></x><nick xmlns=nick>Eve</nick>
		   <delay xmlns=delay from="ROOM" stamp="x"/><occupant-id xmlns=oid id="focus"/></message>`)
		b.Hears(`<message type="groupchat" from="ROOM/aa11bb22" to="BOB" id="m"><body>x</body></message>`)
	})
}

func TestPasswordAndMembers(t *testing.T) {
	play(t, func(t *testing.T) {
		w, f, a, b := meeting(t, nil, nil)
		f.Send(`<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		  <field var="muc#roomconfig_roomsecret"><value>1234</value></field><field var="muc#roomconfig_passwordprotectedroom"><value>1</value></field>
		  <field var="muc#roomconfig_whois"><value>anyone</value></field></x></query></iq>`)
		b.Hears(`<message from="ROOM" to="BOB" type="groupchat"><x xmlns=muc#user><status code="104"/></x></message>`)
		a.Take()
		alice := w.Account("alice@meet.example.com/x")
		alice.Join("alice")
		alice.Hears(`<presence type="error" from="ROOM/alice" to="alice@meet.example.com/x"><error type="auth"><not-authorized xmlns=stanzas/></error></presence>`)
		alice.Send(`<presence to="ROOM/alice"><x xmlns=muc><password>wrong</password></x></presence>`)
		assert.Contains(t, strings.Join(alice.Take(), ""), "not-authorized")
		alice.Send(`<presence to="ROOM/alice"><x xmlns=muc><password>1234</password></x></presence>`)
		assert.Contains(t, strings.Join(alice.Take(), ""), `code="110"`)

		// Members only: Ann and Bob and Alice have no rank, so they are out.
		a.Take()
		f.Send(`<iq type="set" to="ROOM" id="s2"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		  <field var="muc#roomconfig_membersonly"><value>true</value></field><field var="muc#roomconfig_roomsecret"><value/></field></x></query></iq>`)
		assert.Contains(t, strings.Join(a.Take(), ""), `code="322"`)
		alice.Take()
		alice.Join("alice")
		alice.Hears(`<presence type="error" from="ROOM/alice" to="alice@meet.example.com/x"><error type="auth"><registration-required xmlns=stanzas/></error></presence>`)
		// An invitation by the owner makes her a member.
		alice.Send(`<presence/>`)
		alice.Take()
		f.Take()
		f.Send(`<message to="ROOM" id="l7"><x xmlns=muc#user><invite to="alice@meet.example.com/x"><reason>come</reason></invite></x></message>`)
		alice.Hears(`<message from="ROOM" to="alice@meet.example.com/x" id="l7"><x xmlns=muc#user><invite from="FOCUS"><reason>come</reason></invite></x>
		  <x xmlns=conference jid="ROOM"/><body>*</body></message>`)
		f.Hears(`<message from="ROOM" to="FOCUS"><x xmlns=muc#user><item affiliation="member" jid="alice@meet.example.com"><reason>*</reason></item></x></message>`)
		alice.Join("alice")
		assert.Contains(t, strings.Join(alice.Take(), ""), `affiliation="member"`)
	})
}

func TestBrewery(t *testing.T) {
	play(t, func(t *testing.T) {
		w := muctest.New(t, func(c *muc.Config) { *c = muc.BreweryConfig("auth.meet.example.com") }, nil)
		f := w.Account(muctest.Focus)
		j1, j2 := w.Account("jvb@auth.meet.example.com/1"), w.Account("jvb@auth.meet.example.com/2")
		j1.Join("jvb-a")
		j1.Take()
		f.Join("focus")
		f.Take()
		assert.Len(t, j1.Take(), 1, "the bridge hears the focus")
		j2.Join("jvb-b")
		got := strings.Join(j2.Take(), "")
		assert.NotContains(t, got, "jvb-a")
		assert.Contains(t, got, "/focus")
		j1.Hears()
		assert.Len(t, f.Take(), 1)
		j2.Send(`<presence to="ROOM/jvb-b"><stats xmlns="http://jitsi.org/protocol/colibri"><stat name="stress_level" value="0.1"/></stats></presence>`)
		j1.Hears()
		assert.Len(t, f.Take(), 1)
		assert.Len(t, j2.Take(), 1, "its own presence comes back")
		a := w.Web(muctest.Ann)
		a.Join("aa11bb22")
		assert.Contains(t, strings.Join(a.Take(), ""), "forbidden")
		// Requests reach the bridge through its occupant address.
		f.Send(`<iq type="get" to="ROOM/jvb-b" id="Z9"><conference-modify xmlns="jitsi:colibri2"/></iq>`)
		j2.Hears(`<iq type="get" from="ROOM/focus" to="jvb@auth.meet.example.com/2" id="Z9"><conference-modify xmlns="jitsi:colibri2"/></iq>`)
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
		w := muctest.New(t, nil, &hooks)
		f, a, b, c := w.Account(muctest.Focus), w.Web(muctest.Ann), w.Web(muctest.Bob), w.Account("alice@meet.example.com/x")
		a.Join("aa11bb22")
		b.Join("cc33dd44")
		c.Join("alice")
		synctest.Wait()
		c.Vanish() // nobody waits for its answer any more
		b.Join("cc33dd44", `<nick xmlns=nick>Bob</nick>`)
		a.Hears()
		b.Hears()
		assert.Zero(t, w.Host.Stats().Rooms)
		f.Join("focus")
		synctest.Wait()
		got := a.Take()
		require.Len(t, got, 4)
		assert.Contains(t, got[0], "/focus")
		assert.Contains(t, got[1], `code="110"`)
		assert.Contains(t, got[3], "/cc33dd44")
		assert.Contains(t, got[3], ">Bob</nick>")
		assert.Len(t, b.Take(), 4)
		info := w.Host.Rooms()
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
		w := muctest.New(t, nil, &hooks)
		a := w.Web(muctest.Ann)
		a.Join("aa11bb22")
		a.Hears()
		time.Sleep(5 * time.Second) // the bubble's clock
		a.Hears(`<presence type="error" from="ROOM/aa11bb22" to="ANN"><error type="wait"><remote-server-timeout xmlns=stanzas/></error></presence>`)
		assert.ErrorIs(t, w.Host.Do(stanza.MustAddr(muctest.Room), func(*muc.Room) {}), muc.ErrNoRoom)
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

// A tenant's rooms have addresses of their own (Jitsi's mod_muc_domain_mapper).
func TestTenantRooms(t *testing.T) {
	play(t, func(t *testing.T) {
		w := muctest.New(t, nil, nil)
		w.Router.AddTenants("conference", muctest.Domain, w.Host)
		f, a, plain := w.Account(muctest.Focus), w.Web(muctest.Ann), w.Web(muctest.Bob)
		f.Send(`<presence to="demo@conference.t1.meet.example.com/focus"><x xmlns=muc/></presence>`)
		f.HearsAmong(`<presence from="demo@conference.t1.meet.example.com/focus" to="FOCUS"><x xmlns=muc#user>
		  <status code="201"/><status code="100"/><item affiliation="owner" role="moderator" jid="FOCUS"/><status code="110"/></x></presence>`)
		a.Send(`<presence to="demo@conference.t1.meet.example.com/aa11bb22"><x xmlns=muc/></presence>`)
		assert.Contains(t, strings.Join(a.Take(), ""), `from="demo@conference.t1.meet.example.com/focus"`)
		plain.Join("cc33dd44")
		assert.Contains(t, strings.Join(plain.Take(), ""), "Room creation is restricted", "another room")
		// The server's own form names the same room.
		plain.Send(`<presence to="[t1]demo@conference.meet.example.com/cc33dd44"><x xmlns=muc/></presence>`)
		assert.Contains(t, strings.Join(plain.Take(), ""), `from="demo@conference.t1.meet.example.com/cc33dd44"`)
		a.Send(`<iq type="get" to="conference.t1.meet.example.com" id="i"><query xmlns=info/></iq>`)
		assert.Contains(t, strings.Join(a.Take(), ""), `from="conference.t1.meet.example.com"`)
		for _, odd := range []string{"[t1]", "[]demo", "[a.b]demo", "[t1"} {
			plain.Send(`<presence to="` + odd + `@conference.meet.example.com/cc33dd44"><x xmlns=muc/></presence>`)
			assert.Contains(t, strings.Join(plain.Take(), ""), `type="error"`, odd)
		}
	})
}
