package rtp

import (
	"context"
	"testing"
	"time"

	"parley/bridge/media"
)

// TestPace: the shard rests between turns while they come in quick succession, and does not
// flutter around the bound.
func TestPace(t *testing.T) {
	var p pace
	now := int64(0)
	// A second of so many bursts, evenly spread: one that rests finds them once a millisecond.
	second := func(bursts int) bool {
		for range 10 {
			found, empty := bursts/10, 0
			if p.hold {
				found, empty = min(found, 100), max(0, 100-found)
			}
			for range found {
				p.note(3)
			}
			for range empty {
				p.note(0)
			}
			now += 100_000
			p.look(now)
		}
		return p.hold
	}
	for i, step := range []struct {
		bursts int
		want   bool
	}{{100, false}, {800, false}, {1000, true}, {800, true}, {600, true}, {400, false}, {800, false}, {50_000, true}, {0, false}} {
		if got := second(step.bursts); got != step.want {
			t.Errorf("step %d: after a second of %d bursts it rests: %v", i, step.bursts, got)
		}
	}
}

// TestQuietTimers: timers wake nobody unless something waits for them.
func TestQuietTimers(t *testing.T) {
	b := newBench(t)
	p := b.join()
	video := p.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	b.join().Forward(Forward{Source: video, Target: media.LayerAll})
	s := b.shard
	wait := func() time.Duration {
		s.nextTick = s.clock
		b.turn()
		return s.due().Sub(s.at(s.clock))
	}
	b.turn()
	b.feed(p, vp8(2000, 1, 0, 0, 0, 0, true, true, true))
	b.turn()
	if d := wait(); d < quietTick/2 || d > quietTick {
		t.Errorf("with nothing to do the next turn is due in %v", d)
	}
	b.feed(p, vp8(2000, 3, 3000, 1, 1, 0, false, true, true))
	b.turn()
	if d := s.due().Sub(s.at(s.clock)); d > tick {
		t.Errorf("with a packet missing the next turn is due in %v", d)
	}
	if d := wait(); d > tick {
		t.Errorf("with a packet still missing the next turn is due in %v", d)
	}
}

// restingLink counts rests and ends the run after some.
type restingLink struct {
	fakeLink
	rests, waits int
	enough       func()
}

func (l *restingLink) Rest(time.Duration) {
	if l.rests++; l.rests == 3 {
		l.enough()
	}
}

func (l *restingLink) Receive(buffers [][]byte, sizes []int, peers []uint32, ages []int64, until time.Time) int {
	if !until.IsZero() {
		l.waits++
	}
	return l.fakeLink.Receive(buffers, sizes, peers, ages, until)
}

// TestRestingShardDoesNotWait: it looks for packets after each rest, and is woken by none.
func TestRestingShardDoesNotWait(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	link := &restingLink{enough: cancel}
	s := NewShard(Config{ArenaSlots: 2048}, link)
	s.pace.hold = true
	s.pace.looked = time.Hour.Microseconds() // it is not asked whether that pays
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if link.rests < 3 || link.waits > 0 {
		t.Errorf("rested %d times and waited %d times", link.rests, link.waits)
	}
}
