package meeting_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/logx"
	"parley/jwtauth"
	"parley/xmppd/meeting"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Guests wait until somebody comes who is known (mod_muc_wait_for_host).
func TestWaitForHost(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, func(c *meeting.Config) { c.WaitForHost = true })
		f := s.enterFocus()
		guest := s.Web(muctest.Bob)
		guest.Join("cc33dd44") // without a name: that is not asked for here
		guest.Hears(`<presence type="error" from="ROOM/cc33dd44" to="BOB"><error type="auth" code="407"><registration-required xmlns=stanzas/>
		  <waiting-for-host xmlns=jitmeet/><lobbyroom xmlns=jitmeet>demo@lobby.meet.example.com</lobbyroom></error>
		  <lobbyroom>demo@lobby.meet.example.com</lobbyroom><x xmlns=muc/></presence>`)
		guest.Send(`<presence to="` + waiting + `/11111111"><x xmlns=muc/></presence>`)
		assert.Contains(t, all(guest), isInside)
		// The focus leaves; the room stays for who waits.
		f.Send(`<presence to="ROOM/focus" type="unavailable"/>`)
		f.Take()
		f.Join("focus")
		host := s.holder(muctest.Ann, token{})
		host.Join("aa11bb22")
		assert.Contains(t, all(host), `affiliation="owner" role="moderator"`)
		guest.HearsAmong(`<presence type="unavailable" from="` + waiting + `/11111111" to="BOB"><x xmlns=muc#user><destroy jid="ROOM"><reason>Host arrived.</reason></destroy><item affiliation="none" role="none" jid="BOB"/><status code="110"/></x></presence>`)
		guest.Join("cc33dd44")
		assert.Contains(t, all(guest), isInside)
		// The next guest finds an open door, and nothing stays behind.
		for c, nick := range map[*muctest.Client]string{guest: "cc33dd44", host: "aa11bb22", f: "focus"} {
			c.Send(`<presence to="ROOM/` + nick + `" type="unavailable"/>`)
		}
		f.Take()
		assert.Empty(t, s.Host.Rooms())
		assert.Empty(t, s.rules.Hosts()[0].Rooms())
	})
}

// A room that only stays for people in its lobby goes when they have gone.
func TestLobbyGivenUp(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, func(c *meeting.Config) { c.WaitForHost = true })
		f := s.enterFocus()
		guest := s.Web(muctest.Bob)
		guest.Join("cc33dd44")
		guest.Take()
		guest.Send(`<presence to="` + waiting + `/11111111"><x xmlns=muc/></presence>`)
		guest.Take()
		f.Send(`<presence to="ROOM/focus" type="unavailable"/>`)
		f.Take()
		assert.Len(t, s.Host.Rooms(), 1)
		guest.Vanish()
		f.Take()
		assert.Empty(t, s.Host.Rooms())
	})
}

func TestAllOwners(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, func(c *meeting.Config) { c.AllOwners = true })
		f := s.enterFocus()
		ann, bob := s.Web(muctest.Ann), s.Web(muctest.Bob)
		ann.Join("aa11bb22")
		assert.Contains(t, all(ann), `affiliation="owner" role="moderator"`)
		f.Take()
		bob.Join("cc33dd44")
		assert.Len(t, f.Take(), 1, "nobody sees a participant turn moderator")
		bob.Take()
		bob.Send(`<iq type="set" to="ROOM" id="x"><query xmlns=muc#admin><item affiliation="none" jid="ANNBARE"/></query></iq>`)
		assert.Contains(t, all(bob), "<forbidden ")
	})
}

// Recorders do not record each other.
func TestForgottenRecorder(t *testing.T) {
	play(t, func(t *testing.T) {
		s, _, ann, bob := meet(t, func(c *meeting.Config) { c.TranscriberPrefixes = []string{"rec@auth."} })
		rec := s.Account("rec@auth.meet.example.com/1")
		rec.Join("rec")
		ann.Vanish()
		time.Sleep(30 * time.Second)
		assert.NotContains(t, all(rec), "<destroy")
		bob.Vanish()
		time.Sleep(19 * time.Second)
		assert.NotContains(t, all(rec), "<destroy")
		time.Sleep(2 * time.Second)
		assert.Contains(t, all(rec), "Empty room with recording")
	})
}

func TestJoinRate(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, func(c *meeting.Config) { c.JoinsPerSecond = 3 })
		s.enterFocus()
		var cs []*muctest.Client
		for i := range 8 {
			nick := fmt.Sprintf("aa11bb%02d", i)
			c := s.Web(nick + "-7c1e-4f0b-9d7e-1f6f3a6c5e21@meet.example.com/1")
			c.Join(nick)
			cs = append(cs, c)
		}
		inside := func() (n int) {
			cs[0].Take()
			list, err := s.Host.Occupants(stanza.MustAddr(muctest.Room))
			require.NoError(t, err)
			return len(list) - 1
		}
		assert.Equal(t, 3, inside())
		cs[3].Vanish()
		time.Sleep(1100 * time.Millisecond)
		assert.Equal(t, 6, inside(), "in order, without who has gone")
		assert.Contains(t, all(cs[4]), isInside)
		time.Sleep(time.Second)
		assert.Equal(t, 7, inside())
	})
}

func TestChatKept(t *testing.T) {
	play(t, func(t *testing.T) {
		_, _, ann, bob := meet(t, func(c *meeting.Config) { c.MessageLimit = 3 })
		ann.Send(`<message to="metadata.meet.example.com"><room_metadata xmlns=jitmeet room="ROOM">{"key":"permissions","data":{"groupChatRestricted":true,"pollCreationRestricted":true}}</room_metadata></message>`)
		bob.Take()
		bob.Send(`<message to="ROOM" type="groupchat" id="1"><body>x</body></message>`)
		assert.Contains(t, all(bob), "Sending group messages not allowed")
		bob.Send(`<message to="polls.meet.example.com" type="chat"><json-message xmlns=jitmeet>{"type":"polls","command":"new-poll","pollId":"p","question":"?","answers":[{"name":"A"}]}</json-message></message>`)
		assert.Contains(t, all(bob), "Creation of polls not allowed for user")
		ann.Take()
		for range 3 {
			ann.Send(`<message to="ROOM" type="groupchat"><body>x</body></message>`)
		}
		assert.Len(t, ann.Take(), 3)
		ann.Send(`<message to="ROOM" type="groupchat" id="4"><body>x</body></message>`)
		got := ann.Take()
		require.Len(t, got, 2)
		assert.Contains(t, got[0], "Messaging is now disabled")
		assert.Contains(t, got[1], "<not-allowed ")
		ann.Send(`<message to="ROOM/cc33dd44" type="chat" id="5"><body>x</body></message>`)
		assert.Len(t, ann.Take(), 1, "private ones, too, and no further announcement")
	})
}

// A moderator hands on what his token lets him do.
func TestGrantedFeatures(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, nil)
		f := s.enterFocus()
		boss := s.holder(muctest.Ann, token{moderator: true, features: map[string]bool{"file-upload": true, "recording": false}})
		boss.Join("aa11bb22")
		bob := s.Web(muctest.Bob)
		bob.Join("cc33dd44")
		bob.Take()
		boss.Send(`<iq type="set" to="ROOM" id="x"><query xmlns=muc#admin><item affiliation="owner" jid="BOBBARE"/></query></iq>`)
		assert.Contains(t, all(bob), `<permissions xmlns="http://jitsi.org/jitmeet"><p name="file-upload" val="true"/></permissions>`)
		f.Take()
		bob.Send(`<message to="filesharing.meet.example.com"><file-sharing xmlns=jitmeet type="add">{"fileId":"f","fileName":"a.txt","timestamp":5}</file-sharing></message>`)
		silent(t, bob, f)
		hears(t, boss, `{"event":"add","file":{"authorParticipantId":"cc33dd44","authorParticipantJid":"`+muctest.Bob+`","authorParticipantName":"","conferenceFullName":"`+muctest.Room+`","fileId":"f","fileName":"a.txt","timestamp":5},"type":"file-sharing"}`)
		c := s.Web(cyd)
		c.Join("ee55ff66")
		hears(t, c, `"event":"list","files":{"f":{`)
		bob.Send(`<message to="filesharing.meet.example.com"><file-sharing xmlns=jitmeet type="remove" fileId="f"/></message>`)
		hears(t, c, `{"event":"remove","fileId":"f","type":"file-sharing"}`)
		// Taken from him, they are gone.
		boss.Send(`<iq type="set" to="ROOM" id="y"><query xmlns=muc#admin><item affiliation="none" jid="BOBBARE"/></query></iq>`)
		bob.Take()
		bob.Send(`<message to="filesharing.meet.example.com"><file-sharing xmlns=jitmeet type="add">{"fileId":"g"}</file-sharing></message>`)
		hears(t, bob, "<forbidden ")
	})
}

// counsellor and client are the two kinds of tokens of an online counselling
// (mod_token_moderation, see caritas.go).
func counsellor(s *stage, full string) *muctest.Client {
	c := token{}.claims()
	c.Moderator = jwtauth.Yes
	return s.Login(full, router.Info{Anonymous: true, Token: c})
}

func TestTokenModeration(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, func(c *meeting.Config) { c.TokenModeration = true })
		f := s.enterFocus()
		// context.user.moderator does not count here, and nobody else makes owners.
		boss := counsellor(s, muctest.Ann)
		boss.Join("aa11bb22")
		assert.Contains(t, all(boss), `affiliation="owner" role="moderator"`)
		f.Take()
		f.Send(`<iq type="set" to="ROOM" id="f1"><query xmlns=muc#admin><item affiliation="owner" jid="BOBBARE"/></query></iq>`)
		f.Hears(`<iq type="error" from="ROOM" to="FOCUS" id="f1"><error type="modify"><not-acceptable xmlns=stanzas/><text xmlns=stanzas>*</text></error></iq>`)
		// A lobby is there since; who holds a token knocks, and becomes a member when let in.
		client := s.holder(muctest.Bob, token{moderator: true})
		client.Join("cc33dd44", `<nick xmlns=nick>Bob</nick>`)
		assert.Contains(t, all(client), "registration-required")
		client.Send(`<presence to="` + waiting + `/11111111"><x xmlns=muc/><nick xmlns=nick>Bob</nick></presence>`)
		client.Take()
		boss.Send(`<message to="ROOM" id="i"><x xmlns=muc#user><invite to="BOB"/></x></message>`)
		client.Take()
		client.Join("cc33dd44")
		assert.Contains(t, all(client), `affiliation="member" role="participant"`)
		// What was taken comes back with the next presence.
		f.Send(`<iq type="set" to="ROOM" id="f2"><query xmlns=muc#admin><item affiliation="member" jid="ANNBARE"/></query></iq>`)
		assert.Contains(t, all(boss), `affiliation="member"`)
		boss.Send(`<presence to="ROOM/aa11bb22"/>`)
		assert.Contains(t, all(boss), `affiliation="owner" role="moderator"`)
		// People without a token are left alone.
		guest := s.Web(cyd)
		guest.Join("ee55ff66", `<nick xmlns=nick>Cyd</nick>`)
		assert.Contains(t, all(guest), "registration-required")
	})
}

// As with mod_create_room (see caritas.go), only a moderator's token begins a meeting.
func TestModeratorsCreate(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, func(c *meeting.Config) { c.ModeratorsCreate = true })
		client, boss := token{moderator: true}.claims(), token{}.claims()
		boss.Moderator = jwtauth.Yes
		may := func(c *jwtauth.Claims) bool { return s.rules.MayLogIn(t.Context(), "x", c) == nil }
		assert.False(t, may(nil))
		assert.False(t, may(client))
		assert.True(t, may(boss))
		s.enterFocus()
		assert.True(t, may(client), "the meeting has begun")
		assert.False(t, may(nil))
		assert.False(t, may(token{room: "*"}.claims()))
	})
}

func TestCloseRoomAtOnce(t *testing.T) {
	play(t, func(t *testing.T) {
		s, _, ann, bob := meet(t, func(c *meeting.Config) { c.CloseRoom = meeting.CloseAtOnce })
		ann.Send(`<presence to="ROOM/aa11bb22" type="unavailable"/>`)
		assert.Contains(t, all(bob), "<destroy/>")
		assert.Empty(t, s.Host.Rooms())
	})
}

func TestCloseRoomLater(t *testing.T) {
	play(t, func(t *testing.T) {
		s, f, ann, bob := meet(t, func(c *meeting.Config) { c.CloseRoom = meeting.CloseLater })
		lobbyOn(ann, "true")
		ann.Vanish()
		got := all(bob)
		assert.Contains(t, got, `affiliation="outcast"`)
		time.Sleep(19 * time.Second)
		assert.NotContains(t, all(bob), "<destroy")
		// Another one comes in time.
		f.Send(`<iq type="set" to="ROOM" id="f1"><query xmlns=muc#admin><item affiliation="owner" jid="BOBBARE"/></query></iq>`)
		time.Sleep(2 * time.Second)
		assert.NotContains(t, all(bob), "<destroy")
		bob.Vanish()
		time.Sleep(19 * time.Second)
		assert.Len(t, s.Host.Rooms(), 1)
		time.Sleep(2 * time.Second)
		assert.Empty(t, s.Host.Rooms())
	})
}

var regexpStamp = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// The report of the end of a room, byte by byte (mod_close_room, see caritas.go).
func TestStatistics(t *testing.T) {
	type request struct {
		header http.Header
		body   string
	}
	heard := make(chan request, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard <- request{r.Header, string(body)}
		_, _ = io.WriteString(w, `{"routed":true}`)
	}))
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	cfg := meeting.DefaultConfig()
	cfg.Statistics = meeting.StatisticsConfig{URL: srv.URL, Username: "u", Password: "p"}
	meeting.Report(t, cfg, "uuid-1", logx.Discard())
	r := <-heard
	assert.Equal(t, "Basic dTpw", r.header.Get("Authorization"))
	assert.Equal(t, "application/json", r.header.Get("Content-Type"))
	stamp := regexpStamp.FindString(r.body)
	want := `{"properties":{},"routing_key":"STOP_VIDEO_CALL","payload":"{\"eventType\":\"STOP_VIDEO_CALL\",\"videoCallUuid\":\"uuid-1\",\"timestamp\":\"` + stamp + `\"}","payload_encoding":"string"}`
	assert.Equal(t, want, r.body)
	assert.NotEmpty(t, stamp)
}

// What other services ask about meetings, and what they may do.
func TestHTTP(t *testing.T) {
	play(t, func(t *testing.T) {
		system := strings.Repeat("k", 32)
		s, f, ann, bob := meet(t, func(c *meeting.Config) { c.HTTP.System.Secret = system })
		routes, err := s.rules.Routes(func() int { return 3 })
		require.NoError(t, err)
		mint := func(secret, room string) string {
			c := jwtauth.DefaultConfig()
			c.Secret = secret
			tk, err := jwtauth.Mint(c, jwtauth.Grant{Room: room, Subject: muctest.Domain, TTL: time.Hour}, time.Now())
			require.NoError(t, err)
			return "Bearer " + tk
		}
		guest, boss := mint(strings.Repeat("s", 32), "demo"), mint(system, "*")
		ask := func(method, path, auth, body string) (int, string) {
			req := httptest.NewRequest(method, path, strings.NewReader(body))
			if auth != "" {
				req.Header.Set("Authorization", auth)
			}
			if body != "" {
				req.Header.Set("Content-Type", "application/json")
			}
			w := httptest.NewRecorder()
			routes[req.URL.Path](w, req)
			return w.Code, strings.TrimSpace(w.Body.String())
		}
		lobbyOn(ann, "true")
		for _, c := range []struct {
			method, path, auth, body string
			status                   int
			want                     string
		}{
			{"GET", "/room-size?room=demo&domain=meet.example.com", "", "", 200, `{"participants":2}`},
			{"GET", "/room-size", "", "", 400, ""},
			{"GET", "/room-size?room=other&domain=meet.example.com", "", "", 404, ""},
			{"GET", "/room-size?room=demo&domain=evil.example.com", "", "", 404, ""},
			{"POST", "/room-size?room=demo", "", "", 405, ""},
			{"GET", "/room?room=Demo&domain=meet.example.com", "", "", 200,
				`[{"jid":"` + muctest.Room + `/aa11bb22","email":"","display_name":"Ann"},{"jid":"` + muctest.Room + `/cc33dd44","email":"","display_name":"Bob"}]`},
			{"GET", "/sessions", "", "", 200, "3"},
			{"GET", "/room-census", "", "", 200, `{"room_census":[{"room_name":"` + muctest.Room + `","participants":2,"created_time":"946684800000","leaked":false}]}`},
			{"GET", "/room-info?room=demo", "", "", 403, ""},
			{"GET", "/room-info?room=demo", "Bearer x", "", 403, ""},
			{"GET", "/room-info?room=demo", boss, "", 403, ""},
			{"GET", "/room-info?room=other", guest, "", 403, ""},
			{"GET", "/room-info?room=demo", guest, "", 200, `{"conference":"` + muctest.Room + `","lobbyEnabled":true,"passcodeProtected":false}`},
			{"PUT", "/room-info?room=demo", guest, `{"passcode":"x"}`, 200, `{"valid":false}`},
			{"PUT", "/room-info?room=demo", guest, `{`, 400, ""},
			{"PUT", "/kick-participant?room=demo", guest, `{"participantId":"cc33dd44"}`, 401, ""},
			{"PUT", "/kick-participant?room=demo", boss, `{"participantId":"a","number":"1"}`, 400, ""},
			{"PUT", "/kick-participant?room=demo", boss, `{"participantId":"focus"}`, 404, ""},
			{"POST", "/send-system-chat-message", boss, `{"room":"` + muctest.Room + `","connectionJIDs":["` + muctest.Bob + `"],"message":"hi","displayName":"Sys"}`, 200, ""},
			{"PUT", "/kick-participant?room=demo", boss, `{"participantId":"cc33dd44"}`, 200, ""},
			{"POST", "/end-meeting", boss, "", 400, ""},
			{"POST", "/end-meeting?conference=none@conference.meet.example.com", boss, "", 404, ""},
			{"POST", "/end-meeting?conference=" + muctest.Room + "&silent-reconnect=true", boss, "", 200, ""},
		} {
			status, body := ask(c.method, c.path, c.auth, c.body)
			assert.Equal(t, c.status, status, c.path)
			assert.Equal(t, c.want, body, c.path)
		}
		got := strings.ReplaceAll(all(bob), "&quot;", `"`)
		assert.Contains(t, got, `{"type":"system_chat_message","message":"hi","displayName":"Sys"}`)
		assert.Contains(t, got, `code="307"`)
		assert.Contains(t, all(ann), `<destroy jid="`+muctest.Room+`"><reason>The meeting has been terminated silently</reason></destroy>`)
		f.Take()
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add(`{"key":"a","data":{"b":[1,2,{"c":null}]}}`)
	f.Add(`{"key":"recording","data":1e400}`)
	f.Add(`{"type":"polls","command":"answer-poll","pollId":"p","answers":[true,false]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var v any
		if meeting.Decode(text, &v) {
			var again any
			if !meeting.Decode(meeting.Encode(v), &again) {
				t.Fatalf("%q became %q", text, meeting.Encode(v))
			}
			if _, err := json.Marshal(again); err != nil {
				t.Fatal(err)
			}
		}
	})
}
