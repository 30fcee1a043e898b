package stream

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// pair is a connection on loopback.
func pair(t *testing.T) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if here, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if there, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	_ = there.SetReadDeadline(time.Now().Add(time.Minute))
	return here, there
}

// written is a Writer, and what its peer reads.
func written(t *testing.T, queue int) (*Writer, *bufio.Reader) {
	t.Helper()
	here, there := pair(t)
	return NewWriter(halfConn{here, here}, encodeTCP{ns.Client}, queue), bufio.NewReaderSize(there, 128<<10)
}

// sendInOrder checks that what send gives to many writers, message by message, arrives
// whole and in order.
func sendInOrder(t *testing.T, peers, count int, send func(i int, w *Writer, e *stanza.Encoded) bool, sent func(i int)) {
	t.Helper()
	var writers []*Writer
	var readers sync.WaitGroup
	for range peers {
		w, r := written(t, 0)
		writers = append(writers, w)
		readers.Go(func() {
			if err := inOrder(r, count); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range count {
		e := numbered(i, "x")
		for _, w := range writers {
			if !send(i, w, e) {
				t.Fatal("refused")
			}
		}
		sent(i)
	}
	readers.Wait()
	for _, w := range writers {
		w.Drain()
		w.Close()
	}
}

// endsPolitely checks that nothing but the end of the stream follows.
func endsPolitely(t *testing.T, r io.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(r); err != nil || !strings.HasSuffix(string(rest), "</stream:stream>") {
		t.Errorf("ended with %q, %v", rest, err)
	}
}

func numbered(n int, text string) *stanza.Encoded {
	return stanza.New(stanza.Message, "", stanza.Addr{}, stanza.Addr{}, fmt.Sprint("n", n)).With([]byte("<body>" + text + "</body>")).Encode()
}

// inOrder reads n numbered messages.
func inOrder(r *bufio.Reader, n int) error {
	for i := range n {
		s, err := r.ReadString('>')
		if err != nil {
			return fmt.Errorf("number %d: %w", i, err)
		}
		if !strings.HasPrefix(s, fmt.Sprintf(`<message to="a@b" id="n%d"`, i)) {
			return fmt.Errorf("number %d: %s", i, s)
		}
		for range 3 { // <body>, </body>, </message>
			if _, err := r.ReadSlice('>'); err != nil && err != bufio.ErrBufferFull {
				return err
			}
		}
	}
	return nil
}

// TestWritersKeepOrder: whatever writers do at the same time, each peer gets all of
// his, in order.
func TestWritersKeepOrder(t *testing.T) {
	sendInOrder(t, 150, 200, func(_ int, w *Writer, e *stanza.Encoded) bool {
		return w.Deliver(stanza.MustAddr("a@b"), e)
	}, func(int) {})
}

// TestFullSocket: a peer that does not read for a while loses nothing and holds nobody
// else up.
func TestFullSocket(t *testing.T) {
	slow, r := written(t, 64<<20)
	quick, r2 := written(t, 0)
	const count = 400 // of 64 KiB each: more than any socket takes
	text := strings.Repeat("x", 64<<10)
	for i := range count {
		slow.Deliver(stanza.MustAddr("a@b"), numbered(i, text))
	}
	quick.Deliver(stanza.MustAddr("a@b"), numbered(0, "x"))
	if err := inOrder(r2, 1); err != nil {
		t.Fatal(err)
	}
	quick.Drain()
	if err := inOrder(r, count); err != nil {
		t.Fatal(err)
	}
	slow.Drain()
	slow.Deliver(stanza.MustAddr("a@b"), numbered(0, "x"))
	if err := inOrder(r, 1); err != nil {
		t.Fatal(err)
	}
	slow.End()
	endsPolitely(t, r)
	quick.Close()
	if quick.Deliver(stanza.MustAddr("a@b"), numbered(0, "x")) {
		t.Error("a closed writer takes stanzas")
	}
}

// TestGoneSocket: a peer that went away closes the stream, and costs the others nothing.
func TestGoneSocket(t *testing.T) {
	here, there := pair(t)
	w := NewWriter(halfConn{here, here}, encodeTCP{ns.Client}, 0)
	_ = there.(*net.TCPConn).SetLinger(0)
	_ = there.Close()
	deadline := time.Now().Add(time.Minute)
	for w.Deliver(stanza.MustAddr("a@b"), numbered(0, "x")) {
		if time.Now().After(deadline) {
			t.Fatal("the stream is still open")
		}
		w.Drain()
	}
}
