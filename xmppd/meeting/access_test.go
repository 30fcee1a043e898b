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
