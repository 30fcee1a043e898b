package channel_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/bridge/channel"
)

// TestEarlyMessages: a client may speak before it has our answer, and say more at once than
// a buffer holds.
func TestEarlyMessages(t *testing.T) {
	s, web := start(t)
	r := newRecorder()
	c := s.Open("c1", "e1", r)
	conn, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	path := c.URLs()[0][strings.Index(c.URLs()[0], "/colibri-ws"):]
	hello := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path)
	want := []string{"early", strings.Repeat("x", 3000), "more"}
	for _, text := range want {
		hello += frame(text)
	}
	if _, err := conn.Write([]byte(hello)); err != nil {
		t.Fatal(err)
	}
	for _, text := range want {
		if got := receive(t, r.messages); got != text {
			t.Fatalf("got %d bytes, want %d", len(got), len(text))
		}
	}
}

// frame is a text frame of a client, masked with zeros (RFC 6455, section 5.2).
func frame(text string) string {
	b := []byte{0x81}
	if len(text) < 126 {
		b = append(b, 0x80|byte(len(text)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(len(text)))
	}
	return string(append(b, 0, 0, 0, 0)) + text
}

func TestLargeMessageToTheClient(t *testing.T) {
	_, c, _, ws := connected(t)
	for _, n := range []int{1, 511, 512, 513, 20000} {
		c.Send([]byte(strings.Repeat("y", n)))
		if got := read(t, ws); len(got) != n {
			t.Fatalf("got %d bytes, want %d", len(got), n)
		}
	}
}

// fragile is a handler that cannot stand one message, nor the end.
type fragile struct{ *recorder }

func (f fragile) ChannelMessage(text []byte) {
	if string(text) == "poison" {
		panic("poison")
	}
	f.recorder.ChannelMessage(text)
}

func (f fragile) ChannelClosed() {
	f.recorder.ChannelClosed()
	panic("closed")
}

// TestPanicEndsOneChannel: the client whose message does harm is cut off, others go on.
func TestPanicEndsOneChannel(t *testing.T) {
	s, _ := start(t)
	bad, good := fragile{newRecorder()}, newRecorder()
	cb, cg := s.Open("c1", "e1", bad), s.Open("c1", "e2", good)
	wb, wg := dial(t, cb.URLs()[0]), dial(t, cg.URLs()[0])
	receive(t, bad.opened)
	receive(t, good.opened)
	for _, ws := range []*websocket.Conn{wb, wg} {
		if err := ws.Write(t.Context(), websocket.MessageText, []byte("poison")); err != nil {
			t.Fatal(err)
		}
	}
	if ce := closing(t, wb); ce.Code != websocket.StatusInternalError {
		t.Errorf("closed with %v", ce)
	}
	receive(t, bad.closed)
	if got := receive(t, good.messages); got != "poison" {
		t.Fatalf("got %q", got)
	}
	if cb.Active() != 0 || cg.Active() != channel.WebSocket {
		t.Error("the wrong channel was closed")
	}
}
