package muc_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/logx"
	"parley/internal/store"
	"parley/xmppd/muc"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/stanza"
)

// kept makes a server on a database, with crone and hag logged in. The real clock
// runs, as the database has goroutines of its own.
func kept(t *testing.T, path string, change func(*muc.Config)) (w *muctest.World, stop func()) {
	t.Helper()
	db, err := store.Open(path, logx.Discard())
	require.NoError(t, err)
	w = muctest.New(t, func(c *muc.Config) {
		c.AccountRooms = true
		if change != nil {
			change(c)
		}
	}, nil)
	require.NoError(t, w.Host.Keep(context.Background(), db))
	return w, func() {
		w.Host.Close()
		require.NoError(t, db.Close())
	}
}

// hear waits until a stanza with all these parts came.
func hear(t *testing.T, c *muctest.Client, parts ...string) string {
	t.Helper()
	var all []string
	require.Eventually(t, func() bool {
		all = append(all, c.Heard()...)
		for _, st := range all {
			found := true
			for _, p := range parts {
				found = found && strings.Contains(st, p)
			}
			if found {
				return true
			}
		}
		return false
	}, 30*time.Second, time.Millisecond, "%v not heard", parts)
	return strings.Join(all, "\n")
}

var room = stanza.MustAddr(muctest.Room)

// A persistent room is there again after the server stopped, with all its owner knows
// it by; what is persistent no longer is gone.
func TestKeptRooms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rooms.db")
	w, stop := kept(t, path, nil)
	a := w.Account(crone)
	a.Join("firstwitch")
	a.Send(submit("persistentroom=1", "roomname=Cave", "whois=anyone", "membersonly=1", "maxusers=5"))
	hear(t, a, `id="form"`, `type="result"`)
	a.Send(set(`<item affiliation="member" jid="` + hagBare + `" nick="secondwitch"/><item affiliation="outcast" jid="earl@elsewhere.example"/>`))
	hear(t, a, `id="set"`, `type="result"`)
	a.Send(`<iq type="set" to="ROOM" id="card"><vCard xmlns="vcard-temp"><PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard></iq>`)
	hear(t, a, `id="card"`, `type="result"`)
	wait := w.Account(wench)
	wait.Send(registration("thirdwitch"))
	hear(t, wait, `id="reg"`, `type="result"`)
	a.Send(`<message to="ROOM" type="groupchat" id="s"><subject>Fire burn</subject></message>`)
	heard := hear(t, a, "Fire burn")
	id := heard[strings.Index(heard, "<occupant-id"):]
	id = id[:strings.Index(id, "/>")]
	stop()

	w, stop = kept(t, path, nil)
	rooms := w.Host.Rooms()
	require.Len(t, rooms, 1)
	assert.Equal(t, "Fire burn", rooms[0].Subject)
	assert.True(t, rooms[0].Persistent)
	b := w.Account(hag)
	b.Join("secondwitch")
	heard = hear(t, b, "Fire burn", "/firstwitch")
	for _, part := range []string{`code="110"`, `affiliation="member"`, `code="100"`} {
		assert.Contains(t, heard, part)
	}
	stranger := w.Account(wench)
	stranger.Join("thirdwitch")
	hear(t, stranger, "registration-required")
	a = w.Account(crone)
	a.Send(`<iq type="get" to="ROOM" id="f"><query xmlns=muc#owner/></iq>`)
	hear(t, a, "<value>Cave</value>", `var="muc#roomconfig_maxusers"><value>5</value>`)
	a.Send(get(`affiliation="outcast"`))
	hear(t, a, "earl@elsewhere.example")
	a.Send(get(`affiliation="member"`))
	hear(t, a, `nick="secondwitch"`)
	a.Join("firstwitch")
	heard = hear(t, a, "muc#register_allow", wenchBare, "<value>thirdwitch</value>")
	assert.Contains(t, heard, id, "the same occupant id")
	a.Send(`<iq type="get" to="ROOM" id="c"><vCard xmlns="vcard-temp"/></iq>`)
	hear(t, a, "aGVsbG8=")
	a.Send(submit("persistentroom=0"))
	hear(t, a, `id="form"`, `type="result"`)
	stop()

	w, stop = kept(t, path, nil)
	defer stop()
	assert.Empty(t, w.Host.Rooms())
}

// What cannot be saved is refused, and nobody is told that it holds.
func TestFullDisk(t *testing.T) {
	db, err := store.Open(filepath.Join(t.TempDir(), "rooms.db"), logx.Discard())
	require.NoError(t, err)
	w := muctest.New(t, func(c *muc.Config) { c.AccountRooms = true }, nil)
	defer w.Host.Close()
	require.NoError(t, w.Host.Keep(context.Background(), db))
	a := w.Account(crone)
	a.Join("firstwitch")
	a.Send(submit("persistentroom=1", "roomname=Cave"))
	hear(t, a, `id="form"`, `type="result"`)
	require.NoError(t, db.Close())
	a.Send(submit("roomname=Heath"))
	assert.NotContains(t, hear(t, a, `id="form"`, "internal-server-error"), `code="104"`)
	a.Send(`<iq type="set" to="ROOM" id="card"><vCard xmlns="vcard-temp"><PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard></iq>`)
	assert.NotContains(t, hear(t, a, `id="card"`, "internal-server-error"), `code="104"`)
	a.Send(`<iq type="get" to="ROOM" id="f"><query xmlns=muc#owner/></iq>`)
	hear(t, a, "<value>Cave</value>")
	a.Send(`<iq type="get" to="ROOM" id="c"><vCard xmlns="vcard-temp"/></iq>`)
	hear(t, a, `id="c"`, "item-not-found")
}

// There is a bound, a destroyed room makes place, and what the server opens for
// itself does not count.
func TestKeptRoomsAreBounded(t *testing.T) {
	w, stop := kept(t, filepath.Join(t.TempDir(), "rooms.db"), func(c *muc.Config) { c.MaxPersistent = 1 })
	defer stop()
	other := stanza.MustAddr("other@conference.meet.example.com")
	require.NoError(t, w.Host.CreateRoom(other, stanza.MustAddr(croneBare)))
	a := w.Account(crone)
	a.Join("firstwitch")
	a.Send(submit("persistentroom=1"))
	hear(t, a, `id="form"`, "resource-constraint")
	require.NoError(t, w.Host.DestroyRoom(other, "gone"))
	a.Send(submit("persistentroom=1"))
	hear(t, a, `id="form"`, `type="result"`)
	require.ErrorContains(t, w.Host.CreateRoom(other, stanza.Addr{}), "keeps no more rooms")
}

// What an operator does.
func TestOperate(t *testing.T) {
	w, stop := kept(t, filepath.Join(t.TempDir(), "rooms.db"), nil)
	defer stop()
	h := w.Host
	require.ErrorIs(t, h.DestroyRoom(room, "x"), muc.ErrNoRoom)
	require.NoError(t, h.CreateRoom(room, stanza.MustAddr(croneBare)))
	require.ErrorIs(t, h.CreateRoom(room, stanza.Addr{}), muc.ErrRoomExists)
	require.NoError(t, h.Affiliate(room, stanza.MustAddr(hagBare), muc.Admin, "helps"))
	require.ErrorIs(t, h.Affiliate(room, stanza.MustAddr(muctest.Focus), muc.None, ""), muc.ErrAdministrator)
	ranks, err := h.Affiliations(room)
	require.NoError(t, err)
	assert.Equal(t, map[string]muc.Affiliation{croneBare: muc.Owner, hagBare: muc.Admin}, ranks)
	b := w.Account(hag)
	b.Join("secondwitch")
	hear(t, b, `code="110"`, `affiliation="admin"`)
	require.ErrorIs(t, h.KickOccupant(room, "nobody", ""), muc.ErrNoOccupant)
	require.NoError(t, h.KickOccupant(room, "secondwitch", "late"))
	hear(t, b, `code="307"`, "late")
	b.Join("secondwitch")
	hear(t, b, `code="110"`)
	require.NoError(t, h.DestroyRoom(room, "moved"))
	hear(t, b, "<destroy", "moved")
	_, err = h.Affiliations(room)
	require.ErrorIs(t, err, muc.ErrNoRoom)
}
