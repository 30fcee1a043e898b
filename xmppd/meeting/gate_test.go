package meeting_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/xmppd/meeting"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// TestBeginners: guests are new people with each log-in, but their address is the same.
func TestBeginners(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, func(c *meeting.Config) { c.ConferencesPerAddress = 2 })
		s.focus.answer = func(req *stanza.Stanza) {
			if req.IsRequest() {
				s.Router.Reply(req, []byte(`<conference xmlns="http://jitsi.org/protocol/focus" ready="true"/>`))
			}
		}
		s.Router.Remove("focus."+muctest.Domain, s.focus)
		require.NoError(t, s.Router.Add("focus."+muctest.Domain, s.rules.FocusGate(s.focus)))
		n := 0
		guest := func(from string) *muctest.Client {
			n++
			return s.Login(fmt.Sprintf("%08d-1@meet.example.com/x", n), router.Info{Anonymous: true, Client: netip.MustParseAddr(from)})
		}
		// ask says whether a room is begun for somebody new.
		ask := func(from, room string) bool {
			before := len(s.focus.asked)
			request(guest(from), room+"@conference.meet.example.com")
			synctest.Wait()
			return len(s.focus.asked) > before
		}
		assert.True(t, ask("2001:db8::1", "one"))
		assert.True(t, ask("2001:db8::2", "two"))
		assert.False(t, ask("2001:db8::3", "three"))
		assert.True(t, ask("2001:db8::3", "two"), "again, as the focus was not ready")
		assert.True(t, ask("2001:db8:0:1::1", "three"), "somebody else")
		s.enterFocus()
		assert.True(t, ask("2001:db8::4", "demo"), "a meeting that is there")
		for range 5 {
			assert.True(t, ask("127.0.0.1", "four"), "perhaps many people behind a proxy")
		}
		g := guest("2001:db8::5")
		request(g, "five@conference.meet.example.com")
		g.Hears(`<iq type="result" from="focus.meet.example.com" to="` + fmt.Sprintf("%08d-1@meet.example.com/x", n) + `" id="c1"><conference xmlns="http://jitsi.org/protocol/focus" room="five@conference.meet.example.com" ready="false"/></iq>`)
		time.Sleep(time.Minute) // on the clock of the bubble
		assert.True(t, ask("2001:db8::6", "five"))
	})
}
