package meeting_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"parley/internal/logx"
	"parley/jwtauth"
	"parley/xmppd/meeting"
	"parley/xmppd/muc"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alice    = "alice@meet.example.com/x"
	annJoin  = `<presence to="ROOM/aa11bb22"><x xmlns=muc/></presence>`
	noFocus  = `<error type="wait"><remote-server-timeout xmlns=stanzas/><text xmlns=stanzas>The conference service does not answer</text></error>`
	isInside = `code="110"`
)

// service is the component the conference requests go to.
type service struct {
	rt    *router.Router
	asked chan *stanza.Stanza
	// answer is nil for a focus that never answers.
	answer func(req *stanza.Stanza)
}

func (s *service) HandleStanza(st *stanza.Stanza, _ *router.Session) {
	s.asked <- st
	if s.answer != nil {
		s.answer(st)
	}
}

type stage struct {
	*muctest.World
	rules *meeting.Rules
	focus *service
}

func newStage(t *testing.T, change func(*meeting.Config, *jwtauth.Config)) *stage {
	t.Helper()
	w := muctest.New(t, nil, nil)
	cfg, tokens := meeting.DefaultConfig(), jwtauth.DefaultConfig()
	cfg.Domain, cfg.Services = muctest.Domain, meeting.ServicesConfig{}
	tokens.Secret = strings.Repeat("s", 32)
	if change != nil {
		change(&cfg, &tokens)
	}
	v, err := jwtauth.NewVerifier(tokens)
	require.NoError(t, err)
	rules, err := meeting.Install(w.Host, cfg, v, logx.Discard())
	require.NoError(t, err)
	t.Cleanup(rules.Close)
	s := &stage{World: w, rules: rules, focus: &service{rt: w.Router, asked: make(chan *stanza.Stanza, 100)}}
	require.NoError(t, w.Router.Add("focus."+muctest.Domain, s.focus))
	return s
}

// token is what a verified token says; the zero value is a plain guest of demo.
type token struct {
	room, sub string
	regex     bool
	moderator bool
	features  map[string]bool
	fields    map[string]string
	group     string
}

func (tk token) claims() *jwtauth.Claims {
	c := &jwtauth.Claims{Room: tk.room, Subject: tk.sub, RoomRegex: tk.regex, Features: tk.features, Group: tk.group}
	if c.Room == "" {
		c.Room = "demo"
	}
	if c.Subject == "" {
		c.Subject = muctest.Domain
	}
	if tk.moderator {
		c.User.Moderator = jwtauth.Yes
	}
	c.User.Fields = tk.fields
	return c
}

func (s *stage) holder(full string, tk token) *muctest.Client {
	return s.Login(full, router.Info{Anonymous: true, Token: tk.claims()})
}

func (s *stage) enterFocus() *muctest.Client {
	f := s.Account(muctest.Focus)
	f.Join("focus")
	f.Take()
	return f
}

func play(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t) })
}

func all(c *muctest.Client) string { return strings.Join(c.Take(), "\n") }

// Who may not enter with his token hears why, in the words of mod_token_verification as
// they were recorded.
func TestTokenRefusedAtJoin(t *testing.T) {
	noDomain := func(_ *meeting.Config, j *jwtauth.Config) { j.VerifyDomain = false }
	cases := []struct {
		name      string
		change    func(*meeting.Config, *jwtauth.Config)
		token     token
		text, tag string
	}{
		{"other room", noDomain, token{room: "other"}, "Room does not match the room from token", "room-mismatch"},
		{"other room, domain verified", nil, token{room: "other"}, "Room does not match the room from token", "room-mismatch"},
		{"other domain", nil, token{sub: "other.example.com"}, "Room and token mismatched", ""},
		{"pattern without match", nil, token{room: "xyz.*", regex: true}, "Room name cannot be matched to the one from token.", "room-name-does-not-match"},
		{"pattern broken", nil, token{room: "x(", regex: true}, "Room claim is not a valid Lua pattern", "invalid-regex"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s := newStage(t, c.change)
				f := s.enterFocus()
				a := s.holder(muctest.Ann, c.token)
				a.Send(`<presence to="ROOM/aa11bb22"><x xmlns=muc/><nick xmlns=nick>X</nick></presence>`)
				tag := ""
				if c.tag != "" {
					tag = `<` + c.tag + ` xmlns=jitmeet/>`
				}
				a.Hears(`<presence type="error" from="ROOM/aa11bb22" to="ANN"><error type="cancel"><not-allowed xmlns=stanzas/>
				  <text xmlns=stanzas>` + c.text + `</text>` + tag + `</error></presence>`)
				f.Hears()
				assert.EqualValues(t, 1, s.rules.Stats().TokenRefusals)
			})
		})
	}
}

func TestTokenAccepted(t *testing.T) {
	for name, tk := range map[string]token{
		"room": {}, "any room": {room: "*"}, "any domain": {sub: "*"}, "pattern": {room: "dem.*", regex: true}, "capitals": {room: "DEMO"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s := newStage(t, nil)
				s.enterFocus()
				a := s.holder(muctest.Ann, tk)
				a.Send(annJoin)
				assert.Contains(t, all(a), isInside)
			})
		})
	}
}

func TestRoomNotThere(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, nil)
		a := s.holder(muctest.Ann, token{})
		a.Send(annJoin)
		a.Hears(`<presence type="error" from="ROOM/aa11bb22" to="ANN"><error type="cancel"><not-allowed xmlns=stanzas/>
		  <text xmlns=stanzas>Room does not exist</text><room-does-not-exist xmlns=jitmeet/></error></presence>`)
	})
}

func TestGuestWithoutToken(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.enterFocus()
		a := s.Web(muctest.Ann)
		a.Send(annJoin)
		a.Hears(`<presence type="error" from="ROOM/aa11bb22" to="ANN"><error type="cancel"><not-allowed xmlns=stanzas/>
		  <text xmlns=stanzas>Authentication required</text><authentication-required xmlns=jitmeet/></error></presence>`)
	})
	play(t, func(t *testing.T) {
		s := newStage(t, func(_ *meeting.Config, j *jwtauth.Config) { j.AllowEmpty = true })
		s.enterFocus()
		a := s.Web(muctest.Ann)
		a.Send(annJoin)
		assert.Contains(t, all(a), `affiliation="none"`)
	})
}

// The token says who moderates; being first and alone does not.
func TestAffiliationFromToken(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, nil)
		f := s.enterFocus()
		guest := s.holder(muctest.Ann, token{})
		guest.Send(annJoin)
		got := guest.Take()
		require.Len(t, got, 3)
		assert.Contains(t, got[1], `affiliation="none" role="participant"`)
		assert.NotContains(t, got[1], "permissions")
		assert.Len(t, f.Take(), 1, "one presence, no message about a rank")
		boss := s.holder(muctest.Bob, token{moderator: true})
		boss.Join("cc33dd44")
		got = boss.Take()
		require.Len(t, got, 4)
		assert.Contains(t, got[2], `affiliation="owner" role="moderator"`)
		assert.Contains(t, got[2], `<p name="recording" val="true"/>`)
		guest.Hears(`<presence from="ROOM/cc33dd44" to="ANN"><x xmlns=muc#user><item affiliation="owner" role="moderator" jid="BOB"/></x></presence>`)
		// Only the first self-presence carries the permissions.
		boss.Send(`<presence to="ROOM/cc33dd44"><email>b@x</email></presence>`)
		assert.NotContains(t, all(boss), "permissions")
		// Granted by the focus: told so with the presence that makes him moderator.
		guest.Take()
		f.Send(`<iq type="set" to="ROOM" id="f4"><query xmlns=muc#admin><item affiliation="owner" jid="ANNBARE"/></query></iq>`)
		guest.Hears(`<presence from="ROOM/aa11bb22" to="ANN"><x xmlns=muc#user><item affiliation="owner" role="moderator" jid="ANN"><actor nick="focus"/></item><status code="110"/></x>
		  <permissions xmlns=jitmeet><p name="livestreaming" val="true"/><p name="recording" val="true"/><p name="transcription" val="true"/><p name="outbound-call" val="true"/>
		  <p name="create-polls" val="true"/><p name="send-groupchat" val="true"/><p name="flip" val="true"/></permissions></presence>`)
		// A rank that was given is not lowered by the token.
		guest.Send(`<presence to="ROOM/aa11bb22" type="unavailable"/>`)
		guest.Take()
		guest.Send(annJoin)
		assert.Contains(t, all(guest), `affiliation="owner" role="moderator" jid="`+muctest.Ann)
	})
}

func TestTokenMembers(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, func(c *meeting.Config, _ *jwtauth.Config) { c.TokenMembers = true })
		f := s.enterFocus()
		a := s.holder(muctest.Ann, token{})
		a.Send(annJoin)
		assert.Contains(t, all(a), `affiliation="member" role="participant"`)
		assert.Len(t, f.Take(), 1, "one presence, no message about a rank")
	})
}

func TestFeaturesInTokenSpeakForThemselves(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.enterFocus()
		boss := s.holder(muctest.Bob, token{moderator: true, features: map[string]bool{"recording": true}})
		boss.Join("cc33dd44")
		assert.NotContains(t, all(boss), "permissions")
	})
}

// The focus comes first; who is earlier waits in order, and not for ever.
func TestFocusLock(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, func(c *meeting.Config, j *jwtauth.Config) { j.AllowEmpty = true })
		// A room without focus: a bridge's account has opened it.
		j := s.Account("jvb@auth.meet.example.com/1")
		j.Join("jvb") // held too, by the same rule
		a, b := s.holder(muctest.Ann, token{}), s.holder(muctest.Bob, token{})
		a.Join("aa11bb22")
		b.Join("cc33dd44")
		assert.Contains(t, all(a), "room-does-not-exist", "not created yet")
		b.Take()
		j.Hears()

		time.Sleep(4 * time.Second)
		f := s.Account(muctest.Focus)
		f.Join("focus")
		assert.Contains(t, all(j), isInside)
		f.Take()
		a.Join("aa11bb22")
		assert.Contains(t, all(a), isInside)

		// The focus is gone: those inside stay, others wait for its return.
		f.Send(`<presence to="ROOM/focus" type="unavailable"/>`)
		a.Take()
		b.Join("cc33dd44")
		alice := s.Account(alice)
		alice.Join("alice")
		b.Hears()
		time.Sleep(2 * time.Second)
		f.Join("focus")
		got := b.Take()
		require.NotEmpty(t, got)
		assert.Contains(t, strings.Join(got, ""), isInside)
		assert.Contains(t, got[len(got)-1], "/alice", "in the order in which they came")
		assert.Contains(t, all(alice), isInside)
	})
}

func TestFocusLockTimesOut(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, nil)
		f := s.enterFocus()
		a := s.holder(muctest.Ann, token{})
		a.Send(annJoin)
		a.Take()
		f.Vanish()
		time.Sleep(5 * time.Second) // it does not come back
		a.Take()
		b := s.holder(muctest.Bob, token{})
		b.Join("cc33dd44")
		time.Sleep(5*time.Second - time.Millisecond)
		b.Hears()
		time.Sleep(time.Millisecond)
		b.Hears(`<presence type="error" from="ROOM/cc33dd44" to="BOB">` + noFocus + `</presence>`)
		assert.EqualValues(t, 1, s.rules.Stats().FocusTimeouts)
		// A second try waits anew.
		b.Join("cc33dd44")
		time.Sleep(time.Second)
		b.Hears()
		b.Vanish()
	})
}

// A password account enters any room, and opens one: the server calls the focus.
func TestAccountOpensRoom(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, nil)
		f := s.Account(muctest.Focus)
		s.focus.answer = func(req *stanza.Stanza) {
			f.Join("focus")
			var b stanza.Builder
			b.Empty("http://jitsi.org/protocol/focus", "conference", "ready", "true", "room", muctest.Room)
			s.Router.Reply(req, b.Bytes())
		}
		a, other := s.Account(alice), s.Account("carol@meet.example.com/x")
		a.Join("Alice")
		got := a.Take()
		require.Len(t, got, 3, "the answer of the focus is not for her")
		assert.Contains(t, got[0], "/focus")
		assert.Contains(t, got[1], `affiliation="none" role="participant"`)
		req := <-s.focus.asked
		assert.Equal(t, "set", req.Type)
		assert.Equal(t, alice, req.From.String())
		p, _ := req.Payload()
		assert.Equal(t, muctest.Room, req.ChildAttr(p, "room"))
		assert.Len(t, req.ChildAttr(p, "machine-uid"), 32)
		other.Join("Carol")
		assert.Contains(t, all(other), isInside)
		assert.Empty(t, s.focus.asked, "one request is enough")
		assert.EqualValues(t, 1, s.rules.Stats().FocusCalls)
	})
}

func TestAccountAndNoFocus(t *testing.T) {
	refused := `<presence type="error" from="ROOM/Alice" to="alice@meet.example.com/x">` + noFocus + `</presence>`
	t.Run("silent", func(t *testing.T) {
		play(t, func(t *testing.T) {
			s := newStage(t, nil)
			a := s.Account(alice)
			a.Join("Alice")
			time.Sleep(4999 * time.Millisecond)
			a.Hears()
			time.Sleep(time.Millisecond)
			a.Hears(refused)
			assert.Empty(t, s.Host.Rooms())
			// Asked again, it calls again.
			a.Join("Alice")
			synctest.Wait()
			assert.Len(t, s.focus.asked, 2)
			a.Vanish()
		})
	})
	t.Run("not connected", func(t *testing.T) {
		play(t, func(t *testing.T) {
			s := newStage(t, nil)
			s.Router.Remove("focus."+muctest.Domain, s.focus)
			a := s.Account(alice)
			a.Join("Alice")
			a.Hears(refused)
			time.Sleep(6 * time.Second) // the timer finds nobody waiting
			a.Hears()
		})
	})
	t.Run("switched off", func(t *testing.T) {
		play(t, func(t *testing.T) {
			s := newStage(t, func(c *meeting.Config, _ *jwtauth.Config) { c.AccountsOpenRooms = false })
			a := s.Account(alice)
			a.Join("Alice")
			assert.Contains(t, all(a), "Room creation is restricted")
			assert.Empty(t, s.focus.asked)
			s.enterFocus()
			a.Join("Alice")
			assert.Contains(t, all(a), isInside)
		})
	})
}

func TestHealthRoom(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, nil)
		f := s.Account(muctest.Focus)
		f.Send(`<presence to="__jicofo-health-check-1@conference.meet.example.com/focus"><x xmlns=muc/></presence>`)
		assert.Contains(t, all(f), `code="201"`)
		for _, c := range []*muctest.Client{s.Account(alice), s.holder(muctest.Ann, token{room: "*"})} {
			c.Send(`<presence to="__jicofo-health-check-1@conference.meet.example.com/aa11bb22"><x xmlns=muc/></presence>`)
			assert.Contains(t, all(c), "service-unavailable")
			c.Send(`<presence to="__jicofo-health-check-2@conference.meet.example.com/aa11bb22"><x xmlns=muc/></presence>`)
			assert.Contains(t, all(c), "service-unavailable")
		}
	})
}

func TestMeetingID(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, nil)
		f := s.enterFocus()
		f.Send(`<iq type="get" to="ROOM" id="i"><query xmlns=info/></iq>`)
		got := all(f)
		assert.Regexp(t, `var="muc#roominfo_meetingId"><value>[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}</value>`, got)
		assert.Contains(t, got, `var="muc#roominfo_created_timestamp"><value/>`)
		assert.NotContains(t, got, "isbreakout")
		time.Sleep(1500 * time.Millisecond)
		a := s.holder(muctest.Ann, token{moderator: true})
		a.Send(annJoin)
		a.Take()
		a.Send(`<iq type="get" to="ROOM" id="i"><query xmlns=info/></iq>`)
		assert.Contains(t, all(a), `var="muc#roominfo_created_timestamp"><value>946684801000</value>`)

		form := `<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		  <field var="muc#roominfo_meetingId"><value>mine</value></field><field var="muc#roomconfig_moderatedroom"><value>1</value></field></x></query></iq>`
		a.Send(form)
		assert.Contains(t, all(a), `type="result"`)
		f.Take()
		f.Send(`<iq type="get" to="ROOM" id="o"><query xmlns=muc#owner/></iq>`)
		got = all(f)
		assert.NotContains(t, got, "<value>mine</value>", "only administrators name a meeting")
		f.Send(form)
		f.Take()
		f.Send(`<iq type="get" to="ROOM" id="o"><query xmlns=muc#owner/></iq>`)
		got = all(f)
		assert.Contains(t, got, "<value>mine</value>")
		assert.Contains(t, got, `var="muc#roomconfig_moderatedroom"><value>0</value>`)
		assert.Equal(t, "mine", s.Host.Rooms()[0].Details["muc#roominfo_meetingId"])
	})
}

func TestIdentityAndRegion(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, nil)
		f := s.enterFocus()
		a := s.Login(muctest.Ann, router.Info{Anonymous: true, Region: "eu", Token: token{
			fields: map[string]string{"id": "u1", "name": "Ann & Co", "bad name": "x", "1st": "x"}, group: "g1",
		}.claims()})
		a.Send(`<presence to="ROOM/aa11bb22"><x xmlns=muc/><identity><user><id>boss</id></user></identity><permissions xmlns=jitmeet><p name="recording" val="true"/></permissions></presence>`)
		f.Hears(`<presence from="ROOM/aa11bb22" to="FOCUS"><identity><user><id>u1</id><name>Ann &amp; Co</name></user><group>g1</group></identity>
		  <jitsi_participant_region>eu</jitsi_participant_region><x xmlns=muc#user><item affiliation="none" role="participant" jid="ANN"/></x></presence>`)
		al := s.Account(alice)
		al.Join("Alice", `<identity><user><id>boss</id></user></identity>`)
		f.Hears(`<presence from="ROOM/Alice" to="FOCUS"><x xmlns=muc#user><item affiliation="none" role="participant" jid="alice@meet.example.com/x"/></x></presence>`)
	})
}

func TestFocusCannotBeKicked(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, nil)
		f := s.enterFocus()
		a := s.holder(muctest.Ann, token{moderator: true})
		a.Send(annJoin)
		a.Take()
		f.Take()
		for _, item := range []string{`nick="focus" role="none"`, `jid="focus@auth.meet.example.com" affiliation="none"`, `jid="focus@auth.meet.example.com" affiliation="outcast"`} {
			a.Send(`<iq type="set" to="ROOM" id="k"><query xmlns=muc#admin><item ` + item + `/></query></iq>`)
			a.Hears(`<iq type="error" from="ROOM" to="ANN" id="k"><error type="cancel"><not-allowed xmlns=stanzas/></error></iq>`)
		}
		f.Hears()
	})
}

func TestModerationNeedsToken(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, func(c *meeting.Config, j *jwtauth.Config) { c.RequireTokenForModeration = true; j.AllowEmpty = true })
		f := s.enterFocus()
		a := s.Web(muctest.Ann)
		a.Send(annJoin)
		f.Send(`<iq type="set" to="ROOM" id="f4"><query xmlns=muc#admin><item affiliation="owner" jid="ANNBARE"/></query></iq>`)
		a.Take()
		a.Send(`<iq type="set" to="ROOM" id="s"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>
		  <field var="muc#roomconfig_roomname"><value>x</value></field></x></query></iq>`)
		assert.Contains(t, all(a), "Room modification disabled for guests")
	})
}

func TestTranscripts(t *testing.T) {
	play(t, func(t *testing.T) {
		s := newStage(t, func(c *meeting.Config, _ *jwtauth.Config) { c.TranscriberPrefixes = []string{"alice@"} })
		f := s.enterFocus()
		a, real := s.holder(muctest.Ann, token{}), s.Account(alice)
		a.Send(annJoin)
		real.Join("Alice")
		f.Take()
		for _, forged := range []string{`{"type":"transcription-result"}`, `{"type":"transcription\u002dresult"}`} {
			a.Send(`<message to="ROOM" type="groupchat" id="m"><json-message xmlns=jitmeet>` + forged + `</json-message></message>`)
		}
		f.Hears()
		a.Send(`<message to="ROOM" type="groupchat" id="m"><body>transcription-result</body></message>`)
		real.Send(`<message to="ROOM" type="groupchat" id="m"><json-message xmlns=jitmeet>{"type":"transcription-result"}</json-message></message>`)
		assert.Len(t, f.Take(), 2)
	})
}

func TestConfigMistakes(t *testing.T) {
	for name, change := range map[string]func(*meeting.Config){
		"domain":        func(c *meeting.Config) { c.Domain = "" },
		"focus:":        func(c *meeting.Config) { c.Focus = "a@@b" },
		"focus_nick":    func(c *meeting.Config) { c.FocusNick = "" },
		"focus_timeout": func(c *meeting.Config) { c.FocusTimeout = time.Minute },
	} {
		cfg := meeting.DefaultConfig()
		require.NoError(t, cfg.Validate())
		change(&cfg)
		require.ErrorContains(t, cfg.Validate(), name)
	}
	_ = muc.Owner
}
