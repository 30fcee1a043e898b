package channel_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"parley/bridge/channel"
	"parley/internal/logx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a Handler that remembers.
type recorder struct {
	opened   chan channel.Kind
	messages chan string
	closed   chan struct{}
}

func newRecorder() *recorder {
	return &recorder{make(chan channel.Kind, 16), make(chan string, 1024), make(chan struct{}, 16)}
}

func (r *recorder) ChannelOpened(k channel.Kind) { r.opened <- k }
func (r *recorder) ChannelMessage(text []byte)   { r.messages <- string(text) }
func (r *recorder) ChannelClosed()               { r.closed <- struct{}{} }

// patience is how long anything may take on the slowest of machines.
const patience = 45 * time.Second

func receive[T any](t *testing.T, from chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// start serves channels; the address is that of a real listener.
func start(t *testing.T) (*channel.Server, *httptest.Server) {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	s := channel.NewServer(channel.Config{Domains: []string{web.Listener.Addr().String()}, ServerID: "b1"}, logx.Discard())
	web.Config.Handler = s
	web.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // for goodbyes; what then is open is cut
		defer cancel()
		s.Close(ctx)
		web.Close()
	})
	return s, web
}

func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	if ext := resp.Header.Get("Sec-WebSocket-Extensions"); ext != "" {
		t.Errorf("extensions %q were agreed on", ext)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// connected is a channel with its WebSocket.
func connected(t *testing.T) (*channel.Server, *channel.Channel, *recorder, *websocket.Conn) {
	t.Helper()
	s, _ := start(t)
	r := newRecorder()
	c := s.Open("c1", "e1", r)
	ws := dial(t, c.URLs()[0])
	receive(t, r.opened)
	return s, c, r, ws
}

func read(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, b, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// closing reads until the server closes, and returns how.
func closing(t *testing.T, c *websocket.Conn) websocket.CloseError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			var ce websocket.CloseError
			if !errors.As(err, &ce) {
				t.Fatalf("closed without a close frame: %v", err)
			}
			return ce
		}
	}
}

func TestMessagesBothWays(t *testing.T) {
	s, _ := start(t)
	r := newRecorder()
	c := s.Open("c1", "e1", r)
	ws := dial(t, c.URLs()[0])
	if k := receive(t, r.opened); k != channel.WebSocket {
		t.Fatalf("opened %v", k)
	}
	c.Send([]byte("hello"))
	if got := read(t, ws); got != "hello" {
		t.Fatalf("client got %q", got)
	}
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("hi")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, r.messages); got != "hi" {
		t.Fatalf("bridge got %q", got)
	}
	_ = ws.Close(websocket.StatusNormalClosure, "")
	receive(t, r.closed)
	if c.Active() != 0 {
		t.Fatal("the channel still has a carrier")
	}
	c.Send([]byte("into the void"))
}

func TestRefusals(t *testing.T) {
	s, web := start(t)
	c := s.Open("c1", "e/1", newRecorder())
	good := strings.Replace(c.URLs()[0], "ws://", "http://", 1)
	for url, want := range map[string]int{
		web.URL + "/":                                  404,
		web.URL + "/colibri-ws/b1/c1":                  404,
		web.URL + "/colibri-ws/b2/c1/e%2F1?pwd=x":      404,
		web.URL + "/colibri-ws/b1/c1/e%2F1/x?pwd=x":    404,
		web.URL + "/colibri-ws/b1/c1//?pwd=x":          404,
		web.URL + "/colibri-ws/b1/c1/e%2F1":            403,
		web.URL + "/colibri-ws/b1/c1/e%2F1?pwd=x":      403,
		web.URL + "/colibri-ws/b1/c1/e%2F1?pwd=":       403,
		web.URL + "/colibri-ws/b1/c1/other?pwd=x":      403,
		web.URL + "/colibri-ws/b1/c2/e%2F1?pwd=x":      403,
		strings.Replace(good, "?pwd=", "?a=b&pwd=", 1): 403,
		good: 426,
	} {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", url, resp.StatusCode, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	c.Close()
	resp, err := http.Get(good)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("an expired endpoint is answered %d", resp.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestSecondSocketReplacesTheFirst(t *testing.T) {
	s, _ := start(t)
	r := newRecorder()
	c := s.Open("c1", "e1", r)
	first := dial(t, c.URLs()[0])
	receive(t, r.opened)
	second := dial(t, c.URLs()[0])
	receive(t, r.opened)
	if ce := closing(t, first); ce.Code != websocket.StatusNormalClosure || ce.Reason != "replaced" {
		t.Fatalf("the first was closed with %v", ce)
	}
	c.Send([]byte("x"))
	if got := read(t, second); got != "x" {
		t.Fatalf("second got %q", got)
	}
	select {
	case <-r.closed:
		t.Fatal("the channel was reported closed")
	default:
	}
}

func TestExpiryClosesWith1001(t *testing.T) {
	_, c, _, ws := connected(t)
	c.Close()
	if ce := closing(t, ws); ce.Code != websocket.StatusGoingAway {
		t.Fatalf("closed with %v", ce)
	}
}

func TestStopClosesWith1001(t *testing.T) {
	s, _, r, ws := connected(t)
	done := make(chan struct{})
	go func() { s.Close(t.Context()); close(done) }()
	if ce := closing(t, ws); ce.Code != websocket.StatusGoingAway {
		t.Fatalf("closed with %v", ce)
	}
	receive(t, done)
	if len(s.Open("c1", "e2", r).URLs()) != 1 {
		t.Fatal("no address")
	}
}

func TestTooLargeClosesWith1009(t *testing.T) {
	_, _, r, ws := connected(t)
	if err := ws.Write(t.Context(), websocket.MessageText, make([]byte, channel.MaxMessage+1)); err != nil {
		t.Fatal(err)
	}
	if ce := closing(t, ws); ce.Code != websocket.StatusMessageTooBig {
		t.Fatalf("closed with %v", ce)
	}
	receive(t, r.closed)
}

func TestBurstIsSlowedNotLost(t *testing.T) {
	_, _, r, ws := connected(t)
	began := time.Now()
	for range 120 {
		if err := ws.Write(t.Context(), websocket.MessageText, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for range 120 {
		receive(t, r.messages)
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Fatalf("120 messages passed in %v", took)
	}
}

func TestLastCarrierThatSpokeWins(t *testing.T) {
	_, c, r, ws := connected(t)
	data := make(chan string, 16)
	c.DataOpened(func(b []byte) error { data <- string(b); return nil })
	if k := receive(t, r.opened); k != channel.DataChannel {
		t.Fatalf("opened %v", k)
	}
	c.Send([]byte("1"))
	if got := receive(t, data); got != "1" {
		t.Fatalf("data channel got %q", got)
	}
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("x")); err != nil {
		t.Fatal(err)
	}
	receive(t, r.messages)
	c.Send([]byte("2"))
	if got := read(t, ws); got != "2" {
		t.Fatalf("socket got %q", got)
	}
	c.DataMessage([]byte("y"))
	receive(t, r.messages)
	if c.Active() != channel.DataChannel {
		t.Fatalf("active is %v", c.Active())
	}
	c.DataClosed()
	if c.Active() != channel.WebSocket {
		t.Fatalf("active is %v after the data channel closed", c.Active())
	}
	_ = ws.Close(websocket.StatusNormalClosure, "")
	receive(t, r.closed)
}

func TestDataChannelIsBounded(t *testing.T) {
	s, _ := start(t)
	r := newRecorder()
	c := s.Open("c1", "e1", r)
	c.DataOpened(func([]byte) error { return errors.New("full") })
	began := time.Now()
	for range 300 {
		c.DataMessage([]byte("x"))
	}
	c.DataMessage(make([]byte, channel.MaxMessage+1))
	took := time.Since(began)
	if n := len(r.messages); n < 100 || n > 110+int(60*took.Seconds()) {
		t.Fatalf("%d of 300 messages passed in %v", n, took)
	}
	c.Send([]byte("x"))
	if s.Counters().DataDropped.Value() != 1 || s.Counters().DataRefused.Value() == 0 {
		t.Fatal("drops are not counted")
	}
}

func TestSlowClientIsCutOff(t *testing.T) {
	s, _ := start(t)
	r := newRecorder()
	c := s.Open("c1", "e1", r)
	_ = dial(t, c.URLs()[0]) // and never reads
	receive(t, r.opened)
	big := make([]byte, 60<<10)
	deadline := time.Now().Add(patience)
	for c.Active() != 0 && time.Now().Before(deadline) {
		c.Send(big)
		select {
		case <-r.closed:
			return
		case <-time.After(time.Millisecond):
		}
	}
	if c.Active() != 0 {
		t.Fatal("a client that does not read is still attached")
	}
}

func FuzzPath(f *testing.F) {
	f.Add("/colibri-ws/b1/c1/e1", "pwd=x")
	f.Add("/colibri-ws/b1/c1/%2e%2e", "pwd=x&pwd=y")
	f.Add("/colibri-ws//..//", "%pwd")
	s := channel.NewServer(channel.Config{Domains: []string{"d"}, ServerID: "b1"}, logx.Discard())
	s.Open("c1", "e1", newRecorder())
	f.Fuzz(func(t *testing.T, path, query string) {
		r := httptest.NewRequest("GET", "http://d/", nil)
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, path, query
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 404 && w.Code != 403 {
			t.Fatalf("%s?%s: %d", path, query, w.Code)
		}
	})
}
