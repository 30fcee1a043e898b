package muc

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/logx"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

func TestMailboxBounds(t *testing.T) {
	m := newMailbox()
	ran := 0
	for range maxMail {
		require.Equal(t, posted, m.post(func() { ran++ }, ordinary))
	}
	assert.Equal(t, full, m.post(func() {}, ordinary))
	for range maxLeaving - maxMail {
		require.Equal(t, posted, m.post(func() { ran++ }, leaving))
	}
	assert.Equal(t, full, m.post(func() {}, leaving))
	assert.Equal(t, posted, m.post(func() { ran++ }, internal))
	assert.False(t, m.closeIfEmpty())
	for _, f := range m.take(nil) {
		f()
	}
	assert.Equal(t, maxLeaving+1, ran)
	assert.True(t, m.closeIfEmpty())
	assert.Equal(t, closed, m.post(func() {}, internal))
}

// deaf hears nothing: it is not there any more.
type deaf struct{ heard []string }

func (d *deaf) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	d.heard = append(d.heard, string(e.Append(nil, to, "")))
	return true
}
func (*deaf) Kick(string, string) {}

// A busy room refuses what it cannot take, and does not block who asks.
func TestBusyRoomRefuses(t *testing.T) {
	rt := router.New(logx.Discard())
	users := router.NewUsers(rt, "users.example", router.UsersOptions{})
	require.NoError(t, rt.Add("users.example", users))
	h, err := NewHost("rooms.example", DefaultConfig(), rt, nil, logx.Discard())
	require.NoError(t, err)
	// A room whose goroutine does not run.
	r := newRoom(h, "demo", stanza.MustAddr("demo@rooms.example"))
	h.rooms["demo"] = r
	for range maxMail {
		r.box.post(func() {}, ordinary)
	}
	d := &deaf{}
	s := router.NewSession(stanza.MustAddr("ann@users.example/x"), d, &router.Info{})
	require.Nil(t, users.Bind(s))
	st := stanza.New(stanza.IQ, stanza.Get, s.Addr(), r.addr, "q")
	h.HandleStanza(st, s)
	require.Len(t, d.heard, 1)
	assert.Contains(t, d.heard[0], "resource-constraint")
	assert.EqualValues(t, 1, h.Stats().Overflows)
	assert.Error(t, h.Do(r.addr, func(*Room) {}))
	gone := stanza.New(stanza.Presence, stanza.Unavailable, s.Addr(), r.addr, "")
	h.HandleStanza(gone, s)
	assert.Len(t, d.heard, 1)
}
