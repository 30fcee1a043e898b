package rtp

import (
	"testing"
	"time"
)

func TestTransitQuantiles(t *testing.T) {
	var h Transit
	if h.Quantile(0.5) != 0 {
		t.Error("nothing was timed, but something told")
	}
	for us := range int64(1000) {
		h.add(us)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond} {
		if got := h.Quantile(q); got < want || got > want*5/4+2*time.Microsecond {
			t.Errorf("quantile %v is %v, want %v or a quarter more", q, got, want)
		}
	}
	h.add(1 << 60)
	h.add(-5)
	if h.Count() != 1002 {
		t.Errorf("%d timed", h.Count())
	}
	for i := 1; i < len(h); i++ {
		if h.Bound(i) < h.Bound(i-1) {
			t.Fatalf("entry %d ends at %v, the one before at %v", i, h.Bound(i), h.Bound(i-1))
		}
	}
}

// TestWorkIsMeasured: waiting is no work, a full batch is also work to take in.
func TestWorkIsMeasured(t *testing.T) {
	s := &Shard{}
	var w work
	w.look(0)
	w.turn(s, turn{began: 1000, read: 1000, ended: 1400, count: 3, first: 3, last: 3}) // 400 of 1000 worked
	if got := w.look(2000); got < 0.19 || got > 0.21 {
		t.Errorf("worked %v of the time", got)
	}
	for i := range int64(10) {
		at := 3000 + i*1000 + 900
		w.turn(s, turn{began: at, read: at, ended: at + 100, count: receiveBatch, first: receiveBatch, last: receiveBatch})
	}
	if got := w.look(13000); got < 0.9 {
		t.Errorf("worked %v of the time with a backlog", got)
	}
	if s.stats.now.Transit.Count() != 10*receiveBatch/timedPackets {
		t.Errorf("%d packets timed", s.stats.now.Transit.Count())
	}
}

// A turn that took in more than one batch is timed by an age that is there.
func TestTurnOfSeveralBatches(t *testing.T) {
	s := &Shard{}
	for n := 1; n <= 3*receiveBatch; n++ {
		for before := range timedPackets {
			w := work{untold: before}
			batch := min(n, receiveBatch)
			w.turn(s, turn{ended: 1, count: n, first: batch, last: batch})
		}
	}
	if s.stats.now.Transit.Count() == 0 {
		t.Error("nothing was timed")
	}
}

// TestAllOfATurnIsWork: what is done before the shard looks for more packets, too, and so
// do the packets of that time stay.
func TestAllOfATurnIsWork(t *testing.T) {
	b := newBench(t)
	const worked = 5 * time.Millisecond
	for range receiveBatch - 1 {
		b.link.in, b.link.from = append(b.link.in, make([]byte, 12)), append(b.link.from, 1)
	}
	b.shard.post(func() { b.shard.epoch = b.shard.epoch.Add(-worked) })
	b.shard.work.untold = timedPackets - receiveBatch + 1
	b.turn()
	if got := time.Duration(b.shard.work.busy) * time.Microsecond; got < worked {
		t.Errorf("%v of work are counted, want %v at least", got, worked)
	}
	if got := b.shard.stats.now.Transit.Quantile(1); got < worked*3/4 {
		t.Errorf("packets stayed for %v, want %v at least", got, worked)
	}
}
