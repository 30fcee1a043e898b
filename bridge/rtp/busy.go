package rtp

import (
	"math/bits"
	"time"
)

// work measures how much of its time the shard works, and how long packets stay in it.
// It belongs to the shard's goroutine.
type work struct {
	busy, since int64 // microseconds of work since the last look
	ended       int64 // when the last turn ended
	untold      int   // packets since the last one that was timed
}

// timedPackets is how many packets pass for one whose stay is noted.
const timedPackets = 256

// turn is one turn of the loop, with readings of the shard's clock: first datagrams were
// there at began, more came while those were dealt with, the last of them at read, and all
// was sent at ended.
type turn struct {
	began, read, ended int64
	// count is how many datagrams there were, of which the first batch had first and the
	// last one last.
	count, first, last int
}

// took takes in a batch that was read.
func (t *turn) took(n int, at int64) {
	if n > 0 {
		t.count, t.last, t.read = t.count+n, n, at
	}
}

// turn takes in one turn of the loop. Waiting for packets is no work, but taking in as many
// as fit at once is.
func (w *work) turn(s *Shard, t turn) {
	if t.first == receiveBatch && w.ended != 0 {
		t.began = w.ended
	}
	w.busy += t.ended - t.began
	w.ended = t.ended
	if w.untold += t.count; w.untold >= timedPackets {
		// Which of them is left to chance: the batches come as they like. Only the last
		// one's ages are left.
		i := min(max(0, timedPackets-1-(w.untold-t.count)), t.last-1)
		w.untold = 0
		s.stats.now.Transit.add(t.ended - t.read + s.ages[i])
	}
}

// look returns the share of the time since the last look that was work.
func (w *work) look(now int64) float64 {
	span := now - w.since
	if span <= 0 {
		return 0
	}
	share := min(1, float64(w.busy)/float64(span))
	w.busy, w.since = 0, now
	return share
}

// Transit counts how long packets took from the socket's queue to the socket, four entries
// for every doubling from a microsecond on.
type Transit [transitBuckets]uint64

const (
	transitBuckets = 4 * 24
	transitSteps   = 4
)

func (t *Transit) add(microseconds int64) {
	n := uint64(max(1, microseconds))
	octave := bits.Len64(n) - 1
	step := n << 2 >> octave & 3
	t[min(octave*transitSteps+int(step), transitBuckets-1)]++
}

// Bound is the time below which the packets of an entry stayed.
func (t *Transit) Bound(i int) time.Duration {
	octave, step := i/transitSteps, i%transitSteps
	return time.Duration((uint64(transitSteps+step+1)<<octave)>>2) * time.Microsecond
}

// Count is the number of packets timed.
func (t *Transit) Count() (n uint64) {
	for _, k := range t {
		n += k
	}
	return n
}

// Quantile is the time below which that share of the packets stayed, 0 if there are none.
func (t *Transit) Quantile(q float64) time.Duration {
	want := uint64(q * float64(t.Count()))
	var seen uint64
	for i, k := range t {
		if seen += k; k > 0 && seen >= want {
			return t.Bound(i)
		}
	}
	return 0
}
