package bosh

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a Handler that writes down what it hears.
type recorder struct {
	c    stream.Carrier
	told []string
}

func (r *recorder) Header(h stream.Header) {
	r.told = append(r.told, "header "+h.To)
	r.c.Header(stream.Header{From: h.To})
	r.c.Features(nil)
}
func (r *recorder) Element(st *stanza.Stanza) { r.told = append(r.told, st.ID) }
func (r *recorder) End()                      { r.told = append(r.told, "end") }
func (r *recorder) Lost(err error)            { r.told = append(r.told, "lost "+err.Error()) }
func (r *recorder) Idle() bool                { return false }

type client struct {
	t   *testing.T
	srv *Server
	rec *recorder
	sid string
	rid int
}

// newClient makes a session in the bubble of the caller.
func newClient(t *testing.T) *client {
	c := &client{t: t, rec: &recorder{}, rid: 10}
	c.srv = New(Options{MaxWait: 30 * time.Second, Inactivity: 60 * time.Second, MaxSessions: 2, Limit: 10000, Queue: 5000,
		Knows: func(d string) bool { return d == "example.com" }},
		func(x stream.Carrier, _ stream.Meta) stream.Handler { c.rec.c = x; return c.rec })
	got := c.post(context.Background(), fmt.Sprintf(`<body rid="%d" to="example.com" wait="60" hold="1" xmlns="%s"/>`, c.rid, ns.HTTPBind))
	m := regexp.MustCompile(` sid="([^"]+)"`).FindStringSubmatch(got)
	if m == nil || !strings.Contains(got, ` wait="30"`) {
		t.Fatalf("created %s", got)
	}
	c.sid = m[1]
	return c
}

func (c *client) post(ctx context.Context, body string) string {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/http-bind", strings.NewReader(body))
	c.srv.Serve(w, r, func() stream.Meta { return stream.Meta{} })
	return w.Body.String()
}

func (c *client) body(rid int, inner string) string {
	return fmt.Sprintf(`<body rid="%d" sid="%s" xmlns="%s">%s</body>`, rid, c.sid, ns.HTTPBind, inner)
}

// later sends the next request and gives its answer when it comes.
func (c *client) later(inner string) <-chan string {
	c.rid++
	return c.at(c.rid, inner)
}

func (c *client) at(rid int, inner string) <-chan string {
	ch := make(chan string, 1)
	go func() { ch <- c.post(context.Background(), c.body(rid, inner)) }()
	synctest.Wait()
	return ch
}

func (c *client) say(id string) {
	c.rec.c.Deliver(stanza.Addr{}, stanza.New(stanza.Message, "", stanza.Addr{}, stanza.Addr{}, id).Encode())
}

func (c *client) heard(want ...string) {
	c.t.Helper()
	if got := strings.Join(c.rec.told, ","); got != strings.Join(want, ",") {
		c.t.Errorf("the handler heard %s", got)
	}
}

// refusing is a server for two sessions, each with a Handler of its own, and a request
// for one more.
func refusing(t *testing.T, begun func(stream.Carrier)) (srv *Server, create func() string) {
	srv = New(Options{MaxWait: time.Second, Inactivity: time.Minute, MaxSessions: 2, Limit: 10000, Queue: 5000,
		Knows: func(string) bool { return true }},
		func(x stream.Carrier, _ stream.Meta) stream.Handler {
			begun(x)
			return &recorder{c: x}
		})
	c := &client{t: t, srv: srv}
	return srv, func() string {
		return c.post(context.Background(), fmt.Sprintf(`<body rid="1" to="example.com" wait="1" hold="1" xmlns="%s"/>`, ns.HTTPBind))
	}
}

// TestRefusedSessions: one too many ends with its answer.
func TestRefusedSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, create := refusing(t, func(stream.Carrier) {})
		create()
		create()
		if got := create(); !strings.Contains(got, `condition="policy-violation"`) {
			t.Errorf("one too many hears %s", got)
		}
		time.Sleep(5 * time.Minute)
		if n := srv.Len(); n != 0 {
			t.Errorf("%d sessions after a long silence", n)
		}
	})
}

// TestRefusedAtOnce: the Handler may end a session while it is being made.
func TestRefusedAtOnce(t *testing.T) {
	for range 20 {
		srv, create := refusing(t, func(x stream.Carrier) {
			x.Fail(stream.Err(stream.PolicyViolation, ""))
			for range 100 {
				runtime.Gosched()
			}
		})
		if got := create(); !strings.Contains(got, "policy-violation") {
			t.Errorf("heard %s", got)
		}
		srv.Close()
	}
}

func TestWaitAndInactivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		begin := time.Now()
		if got := <-c.later(""); strings.Contains(got, "terminate") || time.Since(begin) != 30*time.Second {
			t.Errorf("held for %v: %s", time.Since(begin), got)
		}
		time.Sleep(59 * time.Second)
		if got := <-c.later(`<iq id="1"/>`); strings.Contains(got, "terminate") {
			t.Errorf("ended early: %s", got)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		c.heard("header example.com", "1", "lost "+errSilent.Error())
		if c.srv.Len() != 0 {
			t.Error("the session is still there")
		}
		if got := <-c.later(""); !strings.Contains(got, `condition="item-not-found"`) {
			t.Errorf("got %s", got)
		}
	})
}

func TestAnswersAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		held := c.later("")
		for _, id := range []string{"a", "b", "c"} {
			c.say(id)
		}
		got := <-held
		for _, id := range []string{"a", "b", "c"} {
			if !strings.Contains(got, `<message xmlns="jabber:client" id="`+id+`"/>`) {
				t.Errorf("%s is not in %s", id, got)
			}
		}
		c.say("d")
		if got := <-c.later(""); !strings.Contains(got, `id="d"`) {
			t.Errorf("got %s", got)
		}
		c.srv.Close()
	})
}

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		early := c.at(c.rid+2, `<iq id="2"/>`)
		c.heard("header example.com")
		first := c.at(c.rid+1, `<iq id="1"/>`)
		c.heard("header example.com", "1", "2")
		c.rid += 2
		<-first // answered since the second took its place
		// The held request is sent again: the old one is let go.
		again := c.at(c.rid, `<iq id="2"/>`)
		<-early
		c.heard("header example.com", "1", "2")
		c.say("x")
		got := <-again
		if !strings.Contains(got, `id="x"`) {
			t.Errorf("got %s", got)
		}
		if rep := <-c.at(c.rid, ""); rep != got {
			t.Errorf("repeated: %s", rep)
		}
		if rep := <-c.at(c.rid+3, ""); !strings.Contains(rep, `type="terminate" condition="item-not-found"`) {
			t.Errorf("gap: %s", rep)
		}
		synctest.Wait()
		c.heard("header example.com", "1", "2", "lost "+errOrder.Error())
	})
}

func TestEndWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		held := c.later("")
		c.say("last")
		c.rec.c.Fail(stream.Err(stream.Conflict, ""))
		got := <-held
		if !strings.Contains(got, `id="last"`) || !strings.Contains(got, `type="terminate" condition="remote-stream-error"`) ||
			!strings.Contains(got, `<stream:error><conflict xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error></body>`) {
			t.Errorf("got %s", got)
		}
		synctest.Wait()
		c.heard("header example.com", "lost "+errEnded.Error())
		if c.srv.Len() != 0 {
			t.Error("the session is still there")
		}
	})
}

func TestEndIsToldLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		c.rec.c.Fail(stream.Err(stream.Conflict, ""))
		synctest.Wait()
		if got := <-c.later(""); !strings.Contains(got, "<conflict ") {
			t.Errorf("got %s", got)
		}
		synctest.Wait()
		if c.srv.Len() != 0 {
			t.Error("the session is still there")
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		for range 1000 {
			c.say("x")
		}
		synctest.Wait()
		c.heard("header example.com", "lost "+errEnded.Error())
		if got := <-c.later(""); !strings.Contains(got, "<resource-constraint ") {
			t.Errorf("got %s", got)
		}
	})
}

func TestClientGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		ctx, cancel := context.WithCancel(context.Background())
		c.rid++
		done := make(chan string, 1)
		go func() { done <- c.post(ctx, c.body(c.rid, "")) }()
		synctest.Wait()
		cancel()
		<-done
		c.say("kept")
		if got := <-c.later(""); !strings.Contains(got, `id="kept"`) {
			t.Errorf("got %s", got)
		}
		c.srv.Close()
	})
}

func TestTooManySessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		create := fmt.Sprintf(`<body rid="1" to="example.com" wait="60" xmlns="%s"/>`, ns.HTTPBind)
		c.post(context.Background(), create)
		if got := c.post(context.Background(), create); !strings.Contains(got, `condition="policy-violation"`) {
			t.Errorf("got %s", got)
		}
		c.srv.Close()
		synctest.Wait()
	})
}

// TestTwoLines: a client with two connections sends its next request on each as soon
// as it is answered. Whichever arrives, or is scheduled, first: what it says is taken
// in the order it was said in.
func TestTwoLines(t *testing.T) {
	const count = 4000
	rec := &recorder{}
	srv := New(Options{MaxWait: time.Minute, Inactivity: time.Minute, MaxSessions: 1, Limit: 10000, Queue: 1 << 20,
		Knows: func(string) bool { return true }}, func(x stream.Carrier, _ stream.Meta) stream.Handler { rec.c = x; return answering{rec} })
	c := &client{t: t, srv: srv, rec: rec}
	got := c.post(context.Background(), fmt.Sprintf(`<body rid="0" to="example.com" wait="60" xmlns="%s"/>`, ns.HTTPBind))
	c.sid = regexp.MustCompile(` sid="([^"]+)"`).FindStringSubmatch(got)[1]
	var next atomic.Int64
	var lines sync.WaitGroup
	for range 2 {
		lines.Go(func() {
			for {
				rid := int(next.Add(1))
				if rid > count {
					return
				}
				if got := c.post(context.Background(), c.body(rid, fmt.Sprintf(`<iq id="%d"/>`, rid))); strings.Contains(got, "terminate") {
					t.Errorf("request %d: %s", rid, got)
					return
				}
			}
		})
	}
	lines.Wait()
	for i, id := range rec.told[1:] {
		if id != strconv.Itoa(i+1) {
			t.Fatalf("request %s was worked on where %d was due", id, i+1)
		}
	}
	srv.Close()
}

// answering is a recorder that answers at once.
type answering struct{ *recorder }

func (a answering) Element(st *stanza.Stanza) {
	a.recorder.Element(st)
	runtime.Gosched()
	a.c.Deliver(stanza.Addr{}, stanza.New(stanza.Message, "", stanza.Addr{}, stanza.Addr{}, st.ID).Encode())
}

// TestRestart: a stream begins anew on the host of before, whether the client says so or
// not (XEP-0206 §4).
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		for _, to := range []string{` to="example.com"`, ""} {
			c.rid++
			c.post(context.Background(), fmt.Sprintf(`<body rid="%d" sid="%s"%s xmpp:restart="true" xmlns:xmpp="urn:xmpp:xbosh" xmlns="%s"/>`, c.rid, c.sid, to, ns.HTTPBind))
		}
		c.rid++
		c.post(context.Background(), fmt.Sprintf(`<body rid="%d" sid="%s" type="terminate" xmlns="%s"/>`, c.rid, c.sid, ns.HTTPBind))
		synctest.Wait()
		c.heard("header example.com", "header example.com", "header example.com", "end")
	})
}
