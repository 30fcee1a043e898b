package rtp

import (
	"testing"
	"time"
)

// TestPace: turns wait only while much comes in, and do not flutter around the bound.
func TestPace(t *testing.T) {
	var p pace
	now := int64(0)
	second := func(datagrams int) time.Duration {
		for range 10 {
			p.note(datagrams / 10)
			now += 100_000
			p.look(now)
		}
		return p.hold
	}
	for _, step := range []struct {
		datagrams int
		want      time.Duration
	}{{100, 0}, {900, 0}, {1100, holdTime}, {900, holdTime}, {700, 0}, {900, 0}, {50_000, holdTime}, {0, 0}} {
		if got := second(step.datagrams); got != step.want {
			t.Errorf("after a second of %d datagrams turns wait %v, want %v", step.datagrams, got, step.want)
		}
	}
}

// TestQuietTimers: without packets the timers come seldom; a packet brings them back.
func TestQuietTimers(t *testing.T) {
	b := newBench(t)
	p := b.join()
	b.turn()
	s := b.shard
	s.nextTick = s.clock
	b.turn()
	if wait := s.nextTick - s.clock; wait != quietTick.Microseconds() {
		t.Errorf("timers are due in %d µs, want %v", wait, quietTick)
	}
	b.feed(p, opus(1, 1, 0))
	b.turn()
	if wait := s.nextTick - s.clock; wait > tick.Microseconds() {
		t.Errorf("timers are due in %d µs after a packet, want %v", wait, tick)
	}
}
