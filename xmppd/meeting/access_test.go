package meeting_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/jwtauth"
	"parley/xmppd/meeting"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/router"
)

// As with mod_muc_auth_ban, who is shut out is remembered for five minutes; a server that
// does not answer keeps nobody out.
func TestAccess(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, func(c *meeting.Config) { c.Access.URL = "https://access.example.com/check" })
		b := &booker{}
		s.rules.SetTransport(b)
		c := token{}.claims()
		ask := func(token string) error { return s.rules.MayLogIn(t.Context(), token, c) }
		b.say(says(http.StatusOK, `{"access":true}`))
		require.NoError(t, ask("good"))
		require.NoError(t, ask("good"))
		assert.Equal(t, []string{"GET /check "}, b.take(), "the answer is remembered")
		b.say(says(http.StatusOK, `{"access":false}`))
		var refused *jwtauth.Error
		require.ErrorAs(t, ask("bad"), &refused)
		assert.Equal(t, "user is banned", refused.Text)
		assert.Equal(t, "not-allowed", refused.Condition)
		b.say(says(http.StatusOK, `{"access":true}`))
		time.Sleep(5*time.Minute - time.Second)
		require.Error(t, ask("bad"))
		time.Sleep(time.Second)
		require.NoError(t, ask("bad"))
		b.take()
		for name, answer := range map[string]func(string, string) (int, string, error){
			"broken": says(http.StatusInternalServerError, `{"access":false}`), "nonsense": says(http.StatusOK, "no"), "mute": says(http.StatusOK, "{}"),
			"away": func(string, string) (int, string, error) { return 0, "", errors.New("no way there") },
			"late": func(string, string) (int, string, error) { return 0, "", errSilent },
		} {
			b.say(answer)
			assert.NoError(t, ask(name), name)
		}
		b.take()
		require.NoError(t, s.rules.MayLogIn(t.Context(), "", nil), "guests show nothing")
		assert.Empty(t, b.take())
	})
}

// People are called what their token says, where it or the operator wants that.
func TestTokenNames(t *testing.T) {
	fixed := map[string]bool{"name-readonly": true}
	for _, c := range []struct {
		name     string
		all      bool
		features map[string]bool
		says     string // the name of the token
		want     string
	}{
		{"free", false, nil, "Ann", "Queen"},
		{"the operator wants it", true, nil, "Ann", "Ann"},
		{"the token wants it", false, fixed, "Ann", "Ann"},
		{"a token without a name", false, fixed, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s := serving(t, func(cfg *meeting.Config) { cfg.TokenNames = c.all })
				f := s.enterFocus()
				claims := token{features: c.features}.claims()
				claims.User.Name = c.says
				ann := s.Login(muctest.Ann, router.Info{Anonymous: true, Token: claims})
				ann.Join("aa11bb22", `<nick xmlns=nick>Queen</nick>`)
				text := all(f)
				if c.want == "" {
					assert.NotContains(t, text, "</nick>")
					return
				}
				assert.Contains(t, text, `<nick xmlns="http://jabber.org/protocol/nick">`+c.want+`</nick>`)
				assert.Equal(t, 1, strings.Count(text, "</nick>"))
			})
		})
	}
}

// Some tokens lead past the lobby, where the operator lets them.
func TestLobbyBypass(t *testing.T) {
	for _, on := range []bool{true, false} {
		play(t, func(t *testing.T) {
			s, _, ann, _ := meet(t, func(c *meeting.Config) { c.LobbyBypass = on })
			lobbyOn(ann, "true")
			claims := token{fields: map[string]string{"lobby_bypass": "true"}}.claims()
			c := s.Login(cyd, router.Info{Anonymous: true, Token: claims})
			c.Join("ee55ff66", `<nick xmlns=nick>Cyd</nick>`)
			if text := all(c); on {
				assert.Contains(t, text, `affiliation="member"`)
			} else {
				assert.Contains(t, text, "registration-required")
			}
		})
	}
}

// A meeting may last so long, and hears of its end before.
func TestMaxDuration(t *testing.T) {
	play(t, func(t *testing.T) {
		s, f, ann, _ := meet(t, func(c *meeting.Config) { c.MaxDuration = 7 * time.Minute })
		time.Sleep(2*time.Minute + time.Second)
		hears(t, ann, "The conference will be terminated in 5 min")
		time.Sleep(4 * time.Minute)
		hears(t, ann, "The conference will be terminated in 1 min")
		time.Sleep(time.Minute)
		hears(t, ann, "The meeting has been terminated")
		assert.Empty(t, s.Host.Rooms())

		// The next one of that name has its own time.
		f.Join("focus")
		f.Take()
		time.Sleep(6*time.Minute - time.Second)
		assert.NotContains(t, all(f), "has been terminated")
	})
}

// Latecomers read what those were called who wrote before; the others need not be told,
// and nobody says it of himself.
func TestNamesInHistory(t *testing.T) {
	play(t, func(t *testing.T) {
		s, _, ann, bob := meet(t, nil)
		const forged = `<display-name xmlns="http://jitsi.org/protocol/display-name" source="token">Boss</display-name>`
		ann.Send(`<message to="ROOM" type="groupchat" id="m1"><body>one</body>` + forged + `</message>`)
		assert.NotContains(t, all(bob), "display-name")
		claims := token{}.claims()
		claims.User.Name = "Cyd <of the token>"
		c := s.Login(cyd, router.Info{Anonymous: true, Token: claims})
		c.Join("ee55ff66", `<nick xmlns=nick>Queen</nick>`)
		text := all(c)
		assert.Contains(t, text, `<body>one</body>`)
		assert.Contains(t, text, `<display-name xmlns="http://jitsi.org/protocol/display-name" source="guest">Ann</display-name>`)
		assert.NotContains(t, text, "Boss")
		c.Send(`<message to="ROOM" type="groupchat" id="m2"><body>two</body></message>`)
		c.Send(`<presence to="ROOM/ee55ff66" type="unavailable"/>`)
		dan := s.Login("dd44ee55-0b5a-4e53-8a5e-5a0de2b8f111@meet.example.com/Rz9", router.Info{Anonymous: true, Room: "demo"})
		dan.Join("dd44ee55")
		assert.Contains(t, all(dan), `source="token">Cyd &lt;of the token&gt;</display-name>`)
	})
}
