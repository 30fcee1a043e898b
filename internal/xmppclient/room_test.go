package xmppclient

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/logx"
	"parley/internal/wire/ns"
)

const room = "brewery@muc.example.org"

// admit plays a room that lets the client in, after presence of another occupant.
func (p *peer) admit(codes string) *Stanza {
	p.t.Helper()
	join := p.nextPayload("x")
	require.Equal(p.t, ns.MUC, join.Payload.Space)
	p.write("<presence from='%s/other'><x xmlns='%s'><item role='participant' affiliation='none'/></x></presence>", room, ns.MUCUser)
	p.write("<presence from='%s'><x xmlns='%s'><item role='moderator' affiliation='owner'/>%s</x></presence>", join.To, ns.MUCUser, codes)
	return join
}

func TestJoinAndLeave(t *testing.T) {
	f := newFake(t)
	cl, _ := startClient(t, f, userConfig(), Options{}, logx.Discard())
	p := f.login()
	require.NoError(t, cl.WaitConnected(ctx10(t)))
	seen := make(chan string, 10)
	go p.admit("<status code='110'/><status code='201'/>")
	r, err := cl.Join(ctx10(t), room+"/focus", RoomOptions{
		OnPresence: func(st *Stanza) { seen <- Resource(st.From) + st.Type },
	})
	require.NoError(t, err)
	assert.True(t, r.Joined() && r.Created())
	assert.Equal(t, "other focus", <-seen+" "+<-seen)
	_, err = cl.Join(ctx10(t), room+"/again", RoomOptions{})
	require.Error(t, err)

	require.NoError(t, r.SetPresence(Raw("<hello xmlns='urn:x'/>")))
	st := p.next()
	assert.Equal(t, "hello", st.Payload.Local)
	assert.False(t, st.HasChild(ns.MUC, "x"), "an update must not look like a join")

	go func() {
		q := p.next()
		p.write("<iq type='result' id='%s' from='%s'><query xmlns='%s'><x xmlns='jabber:x:data' type='form'><field var='muc#roominfo_meetingId'><value>m1</value></field></x></query></iq>", q.ID, room, ns.MUCOwner)
		q = p.next()
		assert.Contains(t, string(q.Raw), `<field var="muc#roomconfig_whois"><value>anyone</value></field>`)
		p.write("<iq type='result' id='%s' from='%s'/>", q.ID, room)
		q = p.next()
		assert.Contains(t, string(q.Raw), `<item affiliation="owner" jid="a@b"></item>`)
		p.write("<iq type='error' id='%s' from='%s'><error type='auth'><forbidden xmlns='%s'/></error></iq>", q.ID, room, ns.Stanzas)
		q = p.next()
		p.write("<presence type='unavailable' from='%s'><x xmlns='%s'><item role='none'/><status code='110'/></x></presence>", q.To, ns.MUCUser)
	}()
	form, err := r.Config(ctx10(t))
	require.NoError(t, err)
	id, _ := form.Field("muc#roominfo_meetingId")
	assert.Equal(t, "m1", id)
	require.NoError(t, r.Configure(ctx10(t), map[string]string{"muc#roomconfig_whois": "anyone"}))
	assert.True(t, IsCondition(r.SetAffiliation(ctx10(t), "a@b", "owner"), Forbidden))
	require.NoError(t, r.Leave(ctx10(t)))
	assert.False(t, r.Joined())
	require.NoError(t, r.Leave(ctx10(t)))
}

func TestJoinRefused(t *testing.T) {
	f := newFake(t)
	cl, _ := startClient(t, f, userConfig(), Options{}, logx.Discard())
	p := f.login()
	require.NoError(t, cl.WaitConnected(ctx10(t)))
	go func() {
		q := p.nextPayload("x")
		p.write("<presence type='error' from='%s'><error type='auth'><not-authorized xmlns='%s'/></error></presence>", q.To, ns.Stanzas)
	}()
	_, err := cl.Join(ctx10(t), room+"/focus", RoomOptions{})
	assert.True(t, IsCondition(err, NotAuthorized), err)
	go p.admit("<status code='110'/>")
	_, err = cl.Join(ctx10(t), room+"/focus", RoomOptions{})
	require.NoError(t, err, "a refused room can be tried again")
}

func TestLostRoom(t *testing.T) {
	f := newFake(t)
	cl, _ := startClient(t, f, userConfig(), Options{}, logx.Discard())
	p := f.login()
	require.NoError(t, cl.WaitConnected(ctx10(t)))
	lost := make(chan error, 2)
	go p.admit("<status code='110'/>")
	opts := RoomOptions{OnLost: func(err error) { lost <- err }}
	_, err := cl.Join(ctx10(t), room+"/focus", opts)
	require.NoError(t, err)
	p.write("<presence type='unavailable' from='%s/focus'><x xmlns='%s'><item role='none'/><destroy/><status code='110'/></x></presence>", room, ns.MUCUser)
	err = <-lost
	assert.ErrorIs(t, err, ErrLeft)
	assert.ErrorContains(t, err, "destroyed")

	go p.admit("<status code='110'/>")
	_, err = cl.Join(ctx10(t), room+"/focus", opts)
	require.NoError(t, err)
	p.conn.Close()
	assert.ErrorIs(t, <-lost, ErrDisconnected)
}

func TestKeepRejoins(t *testing.T) {
	f := newFake(t)
	opts := Options{Dial: f.dial}
	cl, err := New(userConfig(), logx.Discard(), opts)
	require.NoError(t, err)
	joined := make(chan bool, 4)
	r, err := cl.Keep(room+"/jvb", RoomOptions{
		Payload:  []any{Raw("<stats xmlns='urn:x'/>")},
		OnJoined: func(_ context.Context, r *Room) { joined <- r.Created() },
	})
	require.NoError(t, err)
	runClient(t, cl)
	p := f.login()
	join := p.admit("<status code='110'/><status code='201'/>")
	assert.True(t, join.HasChild("urn:x", "stats"))
	assert.True(t, <-joined)
	require.NoError(t, r.SetPresence(Raw("<new xmlns='urn:x'/>")))
	p.nextPayload("new")
	p.conn.Close()

	p = f.login()
	join = p.admit("<status code='110'/>")
	assert.True(t, join.HasChild("urn:x", "new"), "the last presence is kept")
	assert.False(t, <-joined)
	p.write("<presence type='unavailable' from='%s/jvb'><x xmlns='%s'><item role='none'/><status code='110'/><status code='307'/></x></presence>", room, ns.MUCUser)
	p.admit("<status code='110'/>")
	<-joined
}
