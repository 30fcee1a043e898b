package xmppclient

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/logx"
	"parley/internal/wire/ns"
)

// managed is a server that keeps sessions: what it offers after the log-in, and the answer
// to the request for stream management.
func managed(f *fakeServer) *peer {
	f.t.Helper()
	f.sm = true
	p := f.login()
	enable := p.next()
	require.Equal(f.t, "enable", enable.Name)
	assert.Contains(f.t, string(enable.Raw), "resume='true' max='3'")
	p.write("<enabled xmlns='%s' id='token-1' resume='true' max='3'/>", ns.SM3)
	return p
}

// back accepts the next connection up to the request that follows the log-in.
func (f *fakeServer) back() (*peer, *Stanza) {
	f.t.Helper()
	p := f.accept()
	p.open(ns.Client, f.saslFeatures())
	p.scramOrPlain(false)
	p.open(ns.Client, "<stream:features><bind xmlns='"+ns.Bind+"'/><sm xmlns='"+ns.SM3+"'/></stream:features>")
	return p, p.next()
}

type ups struct{ up, down chan error }

func (u ups) options() Options {
	return Options{
		Resume: 3 * time.Second,
		OnUp:   func(context.Context) { u.up <- nil },
		OnDown: func(err error) { u.down <- err },
	}
}

func newUps() ups { return ups{make(chan error, 8), make(chan error, 8)} }

func body(n int) Message {
	return Message{To: "a@b", ID: fmt.Sprint("m", n), Payload: []any{Raw("<body>x</body>")}}
}

// A connection that breaks is made good: nothing is lost or said twice, answers to
// questions of before arrive, and the owner does not notice.
func TestResume(t *testing.T) {
	f, u := newFake(t), newUps()
	cl, _ := startClient(t, f, userConfig(), u.options(), logx.Discard())
	heard := make(chan string, 16)
	cl.HandleMessage(func(st *Stanza) { heard <- st.ID })
	p := managed(f)
	<-u.up

	p.write("<message id='s1' from='a@b'/><r xmlns='%s'/>", ns.SM3)
	assert.Equal(t, "s1", <-heard)
	assert.Contains(t, string(p.next().Raw), "h='1'")
	require.NoError(t, cl.Send(body(1)))
	require.NoError(t, cl.Send(body(2)))
	answered := make(chan error, 1)
	require.NoError(t, cl.Ask(IQ{Type: TypeGet, ID: "q", To: "b@c/d", Payload: pingElement{}}, time.Minute, func(_ *Stanza, err error) { answered <- err }))
	for _, id := range []string{"m1", "m2", "q"} {
		require.Equal(t, id, p.next().ID)
	}
	p.conn.Close()

	p, st := f.back()
	require.NoError(t, cl.Send(body(3))) // while there is no connection
	assert.False(t, cl.Connected())
	require.Equal(t, "resume", st.Name)
	assert.Contains(t, string(st.Raw), "h='1' previd='token-1'")
	p.write("<resumed xmlns='%s' h='1' previd='token-1'/><message id='s2' from='a@b'/>", ns.SM3)
	for _, id := range []string{"m2", "q", "m3"} {
		require.Equal(t, id, p.next().ID)
	}
	assert.Equal(t, "s2", <-heard)
	p.write("<iq type='result' id='q' from='b@c/d'/>")
	assert.NoError(t, <-answered)
	assert.True(t, cl.Connected())

	// And once more, with the counts going on.
	p.conn.Close()
	p, st = f.back()
	assert.Contains(t, string(st.Raw), "h='3' previd='token-1'")
	p.write("<resumed xmlns='%s' h='4' previd='token-1'/>", ns.SM3)
	require.NoError(t, cl.Send(body(5)))
	require.Equal(t, "m5", p.next().ID)
	assert.Empty(t, u.up, "nobody is told")
	assert.Empty(t, u.down)
}

// A server that has forgotten the session is logged in to anew, and the owner hears of it.
func TestResumeRefused(t *testing.T) {
	for name, answer := range map[string]string{
		"unknown":  "<failed xmlns='" + ns.SM3 + "'><item-not-found xmlns='" + ns.Stanzas + "'/></failed>",
		"too much": "<resumed xmlns='" + ns.SM3 + "' h='9' previd='token-1'/>",
		"no count": "<resumed xmlns='" + ns.SM3 + "' previd='token-1'/>",
	} {
		t.Run(name, func(t *testing.T) {
			f, u := newFake(t), newUps()
			cl, _ := startClient(t, f, userConfig(), u.options(), logx.Discard())
			p := managed(f)
			<-u.up
			answered := make(chan error, 1)
			require.NoError(t, cl.Ask(IQ{Type: TypeGet, To: "b@c/d", Payload: pingElement{}}, time.Minute, func(_ *Stanza, err error) { answered <- err }))
			p.conn.Close()
			p, _ = f.back()
			p.write("%s", answer)
			if name == "no count" { // the connection's fault, not the session's
				p, _ = f.back()
				p.write("<failed xmlns='%s'/>", ns.SM3)
			}
			assert.Error(t, <-u.down)
			assert.ErrorIs(t, <-answered, ErrDisconnected)
			managed(f)
			<-u.up
		})
	}
}

// A session that the server ended is not taken up again, and neither is one whose stream
// we cannot read.
func TestEndIsNoLoss(t *testing.T) {
	for name, last := range map[string]string{
		"stream error":      "<stream:error><conflict xmlns='" + ns.Streams + "'/></stream:error></stream:stream>",
		"end of stream":     "</stream:stream>",
		"comment":           "<message><!-- hi --></message>",
		"acknowledges more": "<a xmlns='" + ns.SM3 + "' h='77'/>",
		"no acknowledgment": "<a xmlns='" + ns.SM3 + "' h='many'/>",
	} {
		t.Run(name, func(t *testing.T) {
			f, u := newFake(t), newUps()
			startClient(t, f, userConfig(), u.options(), logx.Discard())
			p := managed(f)
			p.write("%s", last)
			assert.Error(t, <-u.down)
			managed(f)
		})
	}
}

// Without the server's offer, or its promise, a lost connection is a lost session.
func TestNoResumption(t *testing.T) {
	for name, answer := range map[string]string{
		"failed":    "<failed xmlns='" + ns.SM3 + "'><unexpected-request xmlns='" + ns.Stanzas + "'/></failed>",
		"no resume": "<message id='early' from='a@b'/><enabled xmlns='" + ns.SM3 + "'/>",
	} {
		t.Run(name, func(t *testing.T) {
			f, u := newFake(t), newUps()
			f.sm = true
			opts := u.options()
			opts.Dial = f.dial
			cl, err := New(userConfig(), logx.Discard(), opts)
			require.NoError(t, err)
			heard := make(chan string, 1)
			cl.HandleMessage(func(st *Stanza) { heard <- st.ID })
			runClient(t, cl)
			p := f.login()
			p.next()
			p.write("%s", answer)
			<-u.up
			if name == "no resume" {
				assert.Equal(t, "early", <-heard)
			}
			require.NoError(t, cl.Send(body(1)))
			require.Equal(t, "m1", p.next().ID)
			p.conn.Close()
			assert.Error(t, <-u.down)
			f.login()
		})
	}
}

// Run ends while the connection is away.
func TestCloseWhileAway(t *testing.T) {
	f, u := newFake(t), newUps()
	log, out := testLog(logrus.InfoLevel)
	_, stop := startClient(t, f, userConfig(), u.options(), log)
	p := managed(f)
	<-u.up
	p.conn.Close()
	f.accept() // and says nothing
	stop()
	assert.ErrorIs(t, <-u.down, ErrClosed)
	assert.NotContains(t, out.String(), "token-1")
}

func TestAcknowledged(t *testing.T) {
	m := management{on: true, id: "x", acked: 1<<32 - 2}
	asked := 0
	for range 25 {
		if m.sent([]byte("stanza")) {
			asked++
		}
	}
	assert.Equal(t, 2, asked)
	assert.True(t, m.ack(1<<32-1), "one")
	assert.True(t, m.ack(22), "the count wraps")
	assert.Len(t, m.unacked, 1)
	assert.Equal(t, 6, m.bytes)
	assert.False(t, m.ack(24))
	assert.False(t, m.ack(21), "fewer than before")
	assert.True(t, m.ack(23))
	assert.Nil(t, m.unacked)
	assert.True(t, m.sent(bytes.Repeat([]byte("x"), ackBytes)))
}
