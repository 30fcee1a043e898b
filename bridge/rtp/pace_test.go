package rtp

import (
	"testing"
	"time"

	"parley/bridge/media"
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
	}{{100, 0}, {18_000, 0}, {21_000, holdTime}, {18_000, holdTime}, {15_000, 0}, {18_000, 0}, {50_000, holdTime}, {0, 0}} {
		if got := second(step.datagrams); got != step.want {
			t.Errorf("after a second of %d datagrams turns wait %v, want %v", step.datagrams, got, step.want)
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
