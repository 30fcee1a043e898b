package stream

import (
	"bufio"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// turn is a Round of tests.
type turn struct{ streams []interface{ Flush() } }

func (t *turn) Add(w interface{ Flush() }) { t.streams = append(t.streams, w) }

func (t *turn) end() {
	for _, w := range t.streams {
		w.Flush()
	}
	t.streams = t.streams[:0]
}

// TestRoundsKeepOrder: rounds and others that deliver to the same stream, one after
// the other, are heard in that order.
func TestRoundsKeepOrder(t *testing.T) {
	var round turn
	const count = 300
	sendInOrder(t, 40, count, func(i int, w *Writer, e *stanza.Encoded) bool {
		if i%5 == 3 {
			return w.Deliver(stanza.MustAddr("a@b"), e)
		}
		return w.Gather(&round, stanza.MustAddr("a@b"), e)
	}, func(i int) {
		if i%7 != 2 || i == count-1 { // else it goes out with the next one
			round.end()
		}
	})
}

// TestRoundWithSlowReader: a round ends although a peer does not read, who loses
// nothing.
func TestRoundWithSlowReader(t *testing.T) {
	slow, r := written(t, 64<<20)
	quick, r2 := written(t, 0)
	heard := make(chan error, 1)
	const count = 1500 // of 20 KiB each: more than any socket takes
	go func() { heard <- inOrder(r2, count) }()
	text := strings.Repeat("x", 20<<10)
	var round turn
	for i := range count {
		e := numbered(i, text)
		if !slow.Gather(&round, stanza.MustAddr("a@b"), e) || !quick.Gather(&round, stanza.MustAddr("a@b"), e) {
			t.Fatal("refused")
		}
		round.end()
		quick.Drain()
	}
	if err := <-heard; err != nil {
		t.Fatal(err)
	}
	if err := inOrder(r, count); err != nil {
		t.Fatal(err)
	}
	slow.Fail(Err(SystemShutdown, ""))
	endsPolitely(t, r)
	quick.Close()
}

// TestRoundOfEndedStreams: what ends between a delivery and the end of its round still
// says its last words, or none if it was cut.
func TestRoundOfEndedStreams(t *testing.T) {
	var round turn
	polite, r := written(t, 0)
	cut, r2 := written(t, 0)
	for _, w := range []*Writer{polite, cut} {
		if !w.Gather(&round, stanza.MustAddr("a@b"), numbered(0, "x")) {
			t.Fatal("refused")
		}
	}
	polite.End()
	cut.Close()
	round.end()
	polite.Drain()
	cut.Drain()
	if err := inOrder(r, 1); err != nil {
		t.Error(err)
	}
	endsPolitely(t, r)
	if got, _ := io.ReadAll(r2); len(got) > 0 {
		t.Errorf("a stream that was cut still said %q", got)
	}
}

// TestRoundBesidePipe: a connection that cannot be written to without waiting is
// written to by a goroutine, and the round does not wait for it.
func TestRoundBesidePipe(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	w := NewWriter(halfConn{here, here}, encodeTCP{ns.Client}, 0)
	var round turn
	for i := range 3 {
		w.Gather(&round, stanza.MustAddr("a@b"), numbered(i, "x"))
	}
	round.end()
	if err := inOrder(bufio.NewReader(there), 3); err != nil {
		t.Error(err)
	}
	w.Drain()
	w.Close()
}

// BenchmarkFlush is one delivery in a round of a hundred streams.
func BenchmarkFlush(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	raw, err := null.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	var writers []*Writer
	for range 100 {
		w := NewWriter(sink{}, encodeTCP{ns.Client}, 0)
		w.raw = raw
		writers = append(writers, w)
	}
	e := numbered(0, strings.Repeat("x", 200))
	to := stanza.MustAddr("ann@example.com/x")
	var round turn
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		writers[i%100].Gather(&round, to, e)
		if i%100 == 99 {
			round.end()
		}
	}
}

type sink struct{}

func (sink) Write(b []byte) (int, error)      { return len(b), nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }
func (sink) Close() error                     { return nil }
