package rtp

import (
	"testing"

	"pgregory.net/rapid"
)

// TestShift: whatever is left out, what goes out keeps its order, has no holes but those
// of true losses, and late packets land in their own holes.
func TestShift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s shift
		start := rapid.Int64Range(0, 1<<40).Draw(t, "start")
		s.restart(start, 100)
		out := map[int64]int64{}
		var late []int64
		next := int64(100)
		for in := start; in < start+200; in++ {
			switch rapid.IntRange(0, 9).Draw(t, "fate") {
			case 0, 1:
				s.drop(in)
			case 2:
				late = append(late, in)
				next++
			default:
				got, ok := s.apply(in)
				if !ok {
					t.Fatalf("%d is not mapped", in)
				}
				if got != next {
					t.Fatalf("%d went out as %d, want %d", in, got, next)
				}
				next++
				out[got] = in
			}
		}
		for _, in := range late {
			got, ok := s.apply(in)
			if !ok {
				continue // older than the history
			}
			if other, taken := out[got]; taken {
				t.Fatalf("%d and %d both went out as %d", in, other, got)
			}
			out[got] = in
		}
	})
}

func TestUnwrap(t *testing.T) {
	for _, c := range []struct {
		last int64
		n    uint32
		bits uint
		want int64
	}{
		{65535, 0, 16, 65536}, {65536, 65535, 16, 65535}, {100, 101, 16, 101},
		{1<<20 + 5, 3, 7, 1<<20 + 3}, {1<<20 + 126, 1, 7, 1<<20 + 129}, {1 << 20, 0x7FFF, 15, 1<<20 - 1},
	} {
		if got := unwrap(c.last, c.n, c.bits); got != c.want {
			t.Errorf("unwrap(%d, %d, %d) = %d, want %d", c.last, c.n, c.bits, got, c.want)
		}
	}
}
