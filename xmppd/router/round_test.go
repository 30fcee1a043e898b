package router

import (
	"sync/atomic"
	"testing"

	"parley/xmppd/stanza"
)

type flushed struct{ n atomic.Int32 }

func (f *flushed) Flush() { f.n.Add(1) }

// TestRoundEnds: every stream is flushed once a round, however many there are, and a
// round leaves nothing behind for the next one.
func TestRoundEnds(t *testing.T) {
	var r Round
	for _, n := range []int{0, 1, 100, 1000, 3} {
		streams := make([]flushed, n)
		for i := range streams {
			r.Add(&streams[i])
		}
		r.End()
		for i := range streams {
			if got := streams[i].n.Load(); got != 1 {
				t.Fatalf("stream %d of %d was flushed %d times", i, n, got)
			}
		}
	}
}

// late is a Sink that takes part in rounds.
type late struct {
	flushed
	given int
}

func (l *late) Deliver(stanza.Addr, *stanza.Encoded) bool { l.given++; return true }
func (l *late) Kick(string, string)                       {}
func (l *late) DeliverIn(r *Round, _ stanza.Addr, _ *stanza.Encoded) bool {
	l.given++
	r.Add(l)
	return true
}

// TestRoundFull: a round is full after so much work that others should be served.
func TestRoundFull(t *testing.T) {
	var r Round
	addr := stanza.MustAddr("ann@example.com/x")
	l := &late{}
	s := NewSession(addr, l, &Info{})
	e := stanza.New(stanza.Message, "", addr, stanza.Addr{}, "m").Encode()
	for !r.Full() {
		s.DeliverIn(&r, addr, e)
	}
	if l.given != roundSize {
		t.Errorf("full after %d deliveries", l.given)
	}
	r.End()
	if r.Full() {
		t.Error("full after its end")
	}
	for range roundSize / roundEvent {
		r.Event()
	}
	if !r.Full() {
		t.Error("events do not fill a round")
	}
}
