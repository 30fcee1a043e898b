package muc_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// gateway is a component that may be gone.
type gateway struct {
	heard atomic.Int64
	gone  atomic.Bool
}

func (*gateway) HandleStanza(*stanza.Stanza, *router.Session) {}

func (g *gateway) Deliver(stanza.Addr, *stanza.Encoded) bool {
	if g.gone.Load() {
		return false
	}
	g.heard.Add(1)
	return true
}

// A component can be an occupant; when it is gone the room notices by itself.
func TestComponentInRoom(t *testing.T) {
	play(t, func(t *testing.T) {
		w, _, a, b := meeting(t, nil, nil)
		g := &gateway{}
		require.NoError(t, w.Router.Add("gateway.example.com", g))
		st, err := stanza.Parse([]byte(`<presence from="call@gateway.example.com/1" to="demo@conference.meet.example.com/phone"><x xmlns="http://jabber.org/protocol/muc"/></presence>`), nil)
		require.NoError(t, err)
		w.Router.Route(st, nil)
		assert.Contains(t, strings.Join(a.Take(), ""), "/phone")
		assert.EqualValues(t, 5, g.heard.Load())
		b.Take()
		a.Send(`<iq type="get" to="ROOM/phone" id="q"><ping xmlns=ping/></iq>`)
		synctest.Wait()
		assert.EqualValues(t, 6, g.heard.Load())
		g.gone.Store(true)
		a.Send(`<iq type="get" to="ROOM/phone" id="q"><ping xmlns=ping/></iq>`)
		assert.Contains(t, strings.Join(a.Take(), ""), "service-unavailable")
		a.Send(`<message to="ROOM" type="groupchat" id="m"><body>x</body></message>`)
		assert.Contains(t, strings.Join(b.Take(), ""), "Kicked: recipient unavailable")
	})
}
