package websocket

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a Handler that writes down what it hears.
type recorder struct {
	c    stream.Carrier
	told chan string
}

func (r *recorder) Header(h stream.Header) {
	r.told <- "header " + h.To
	r.c.Header(stream.Header{From: h.To, ID: "s1", Version: "1.0", Lang: "en"})
}
func (r *recorder) Element(st *stanza.Stanza) { r.told <- st.String() }
func (r *recorder) End()                      { r.told <- "end"; r.c.End() }
func (r *recorder) Lost(error)                { r.told <- "lost" }
func (r *recorder) Idle() bool                { return false }

// patience is how long anything may take on the slowest of machines.
const patience = 45 * time.Second

// dial runs a carrier and returns the raw client side of its socket.
func dial(t *testing.T, o Options) (net.Conn, *recorder) {
	t.Helper()
	rec := &recorder{told: make(chan string, 100)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Serve(context.Background(), w, r, stream.Meta{}, o, func(c stream.Carrier, _ stream.Meta) stream.Handler {
			rec.c = c
			return rec
		}, func() {})
	}))
	d := ws.Dialer{Protocols: []string{"xmpp"}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, _, err := d.Dial(ctx, "ws"+strings.TrimPrefix(srv.URL, "http"))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = conn.Close(); srv.Close() })
	return conn, rec
}

func masked(f ws.Frame) []byte {
	b, err := ws.CompileFrame(ws.MaskFrame(f))
	if err != nil {
		panic(err)
	}
	return b
}

func text(s string) []byte { return masked(ws.NewTextFrame([]byte(s))) }

func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

func next(t *testing.T, conn net.Conn) ws.Frame {
	t.Helper()
	f, err := readFrame(conn)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCarrier(t *testing.T) {
	conn, rec := dial(t, Options{})
	_, _ = conn.Write(text(`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="meet.example.com" version="1.0"/>`))
	if got := <-rec.told; got != "header meet.example.com" {
		t.Error(got)
	}
	if f := next(t, conn); string(f.Payload) != `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" from="meet.example.com" id="s1" version="1.0" xml:lang="en"/>` || f.Header.OpCode != ws.OpText {
		t.Errorf("%v %s", f.Header, f.Payload)
	}
	_, _ = conn.Write(masked(ws.NewPingFrame([]byte("hi"))))
	if f := next(t, conn); f.Header.OpCode != ws.OpPong || string(f.Payload) != "hi" {
		t.Errorf("%v %s", f.Header, f.Payload)
	}
	_, _ = conn.Write(text(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`))
	if got := <-rec.told; got != "end" {
		t.Error(got)
	}
	if f := next(t, conn); string(f.Payload) != `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />` {
		t.Errorf("%s", f.Payload)
	}
	if f := next(t, conn); f.Header.OpCode != ws.OpClose || binary.BigEndian.Uint16(f.Payload) != 1000 {
		t.Errorf("%v %x", f.Header, f.Payload)
	}
}

func TestBadFrames(t *testing.T) {
	huge := make([]byte, 0, 20)
	huge = append(huge, 0x81, 0xff)
	huge = binary.BigEndian.AppendUint64(huge, 1<<40)
	huge = append(huge, 1, 2, 3, 4)
	fragment := ws.NewFrame(ws.OpText, false, []byte("<a/>"))
	reserved := ws.NewFrame(ws.OpText, true, []byte("<a/>"))
	reserved.Header.Rsv = ws.Rsv(true, false, false)
	for _, tt := range []struct {
		name string
		say  []byte
		code uint16
		text string
	}{
		{"not an element", text("hello"), 1007, ""},
		{"empty", text(""), 1007, ""},
		{"latin", text("<a>\xe4</a>"), 1007, ""},
		{"binary", masked(ws.NewBinaryFrame([]byte("<a/>"))), 1003, ""},
		{"fragment", masked(fragment), 1003, ""},
		{"reserved bits", masked(reserved), 1002, ""},
		{"unmasked", ws.MustCompileFrame(ws.NewTextFrame([]byte("<a/>"))), 1002, ""},
		{"two elements", text("<a/><b/>"), 1000, "not-well-formed"},
		{"too large", huge, 1000, "stanza too large"},
		{"a flood of pongs", bytes.Repeat(masked(ws.NewPongFrame(nil)), maxControls+1), 1000, "too many pings"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, rec := dial(t, Options{Limit: 1000})
			_, _ = conn.Write(tt.say)
			if got := <-rec.told; got != "lost" {
				t.Error(got)
			}
			var said bytes.Buffer
			for {
				f := next(t, conn)
				if f.Header.OpCode == ws.OpClose {
					if got := binary.BigEndian.Uint16(f.Payload); got != tt.code {
						t.Errorf("code %d", got)
					}
					break
				}
				said.Write(f.Payload)
			}
			if !strings.Contains(said.String(), tt.text) {
				t.Errorf("heard %s", said.String())
			}
		})
	}
}

func TestSilence(t *testing.T) {
	conn, rec := dial(t, Options{Idle: 20 * time.Millisecond})
	if f := next(t, conn); f.Header.OpCode != ws.OpPing {
		t.Errorf("%v", f.Header)
	}
	if got := <-rec.told; got != "lost" {
		t.Error(got)
	}
	_, _ = io.Copy(io.Discard, conn)
}

func TestFrameSizes(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 100000} {
		got := frame([]byte("before"), func(b []byte) []byte { return append(b, bytes.Repeat([]byte("x"), n)...) })
		f, err := readFrame(bytes.NewReader(got[6:]))
		if err != nil || len(f.Payload) != n || f.Header.OpCode != ws.OpText || !f.Header.Fin {
			t.Errorf("%d: %v %v", n, f.Header, err)
		}
	}
}

// TestAnnouncedBytesCostNothing: memory for a large frame is taken as the frame comes.
func TestAnnouncedBytesCostNothing(t *testing.T) {
	const announced = 1 << 20
	c := &carrier{br: bufio.NewReaderSize(strings.NewReader("<message>"), readSize)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.payload(announced)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > announced/4 {
		t.Errorf("%d bytes were taken for a frame of which nine came", n)
	}
	for _, n := range []int{0, 1, readSize, readSize + 1, 100000} {
		want := strings.Repeat("x", n)
		c := &carrier{br: bufio.NewReaderSize(strings.NewReader(want+"y"), readSize)}
		if got, err := c.payload(n); err != nil || string(got) != want || got == nil {
			t.Errorf("%d: %d bytes, %v", n, len(got), err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(text("<a/>"))
	f.Add(masked(ws.NewPingFrame(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		client, server := net.Pipe()
		defer client.Close()
		go func() { _, _ = io.Copy(io.Discard, client) }()
		c := newCarrier(server, bytes.NewReader(b), Options{Limit: 4096})
		c.serve(&recorder{c: c, told: make(chan string, len(b)+10)})
		c.Close()
		c.Drain()
	})
}
