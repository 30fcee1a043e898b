package channel_test

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"parley/bridge/channel"
	"parley/internal/logx"
)

// pipes is a listener whose connections are made in memory, so that fake time passes.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// quiet runs f with a channel a client has opened, in fake time. pings counts what the
// bridge asked; a deaf client answers nothing.
func quiet(t *testing.T, deaf bool, f func(t *testing.T, c *channel.Channel, r *recorder, ws *websocket.Conn, pings *atomic.Int32)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := channel.NewServer(channel.Config{Domains: []string{"meet.example.org"}, ServerID: "b1"}, logx.Discard())
		l := &pipes{make(chan net.Conn), make(chan struct{})}
		web := &http.Server{Handler: s}
		go func() { _ = web.Serve(l) }()
		r := newRecorder()
		c := s.Open("c1", "e1", r)
		var pings atomic.Int32
		client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			l.conns <- theirs
			return ours, nil
		}}}
		ws, _, err := websocket.Dial(t.Context(), c.URLs()[0], &websocket.DialOptions{
			HTTPClient:     client,
			OnPingReceived: func(context.Context, []byte) bool { pings.Add(1); return !deaf },
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				if _, _, err := ws.Read(context.Background()); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		f(t, c, r, ws, &pings)
		_ = ws.CloseNow()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Close(ctx)
		_ = web.Close()
		synctest.Wait()
	})
}

// TestSilentClientIsAsked: a client that says nothing but answers stays, and is asked every
// quarter of a minute.
func TestSilentClientIsAsked(t *testing.T) {
	quiet(t, false, func(t *testing.T, c *channel.Channel, _ *recorder, _ *websocket.Conn, pings *atomic.Int32) {
		time.Sleep(10*time.Minute + time.Second)
		if n := pings.Load(); n < 38 || n > 40 {
			t.Errorf("asked %d times in ten minutes, want 40", n)
		}
		if c.Active() != channel.WebSocket {
			t.Error("the client was cut off")
		}
	})
}

// TestTalkingClientIsNotAsked: traffic either way is proof enough.
func TestTalkingClientIsNotAsked(t *testing.T) {
	quiet(t, false, func(t *testing.T, c *channel.Channel, _ *recorder, ws *websocket.Conn, pings *atomic.Int32) {
		for i := range 60 {
			time.Sleep(10 * time.Second)
			if i%2 == 0 {
				c.Send([]byte("{}"))
			} else if err := ws.Write(t.Context(), websocket.MessageText, []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		if n := pings.Load(); n != 0 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestDeadClientIsCutOff: one that does not answer is gone after a minute.
func TestDeadClientIsCutOff(t *testing.T) {
	quiet(t, true, func(t *testing.T, c *channel.Channel, r *recorder, _ *websocket.Conn, _ *atomic.Int32) {
		time.Sleep(58 * time.Second)
		synctest.Wait()
		if c.Active() != channel.WebSocket {
			t.Error("cut off too early")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if c.Active() != 0 || len(r.closed) != 1 {
			t.Error("a client that is dead still counts as there")
		}
	})
}
