package rtp

import "testing"

// A turn that took in more than one batch is timed by an age that is there.
func TestTurnOfSeveralBatches(t *testing.T) {
	s := &Shard{}
	for n := 1; n <= 3*receiveBatch; n++ {
		for before := range timedPackets {
			w := work{untold: before}
			w.turn(s, n, 1)
		}
	}
	if s.stats.now.Transit.Count() == 0 {
		t.Error("nothing was timed")
	}
}
