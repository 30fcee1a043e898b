package rtp

import "time"

// pace decides whether the shard is woken by packets or looks for them once a millisecond.
//
// Being woken costs as much as forwarding ten packets. Where bursts come in quick succession
// it is cheaper not to be woken at all: the link rests, and what has come meanwhile is found
// together. A shard that has a backlog does not rest: it finds enough each time.
type pace struct {
	hold bool
	// last is what the last turn found; turns counts those since the last look, found the
	// ones of them that found anything.
	last, turns, found int
	looked             int64
}

const (
	holdTime = time.Millisecond
	// holdFrom is the number of turns a second with packets from which the shard rests
	// between them. A thousand rests cost about as much as six hundred wake-ups.
	holdFrom = 900
	// holdShare is the share of turns that must find something, else resting ends: where
	// bursts come by chance, that is at 650 a second.
	holdShare = 0.5
)

// note counts what a turn found.
func (p *pace) note(n int) {
	p.last = n
	p.turns++
	if n > 0 {
		p.found++
	}
}

// look is called with every tick, on the shard's clock.
func (p *pace) look(now int64) {
	elapsed := now - p.looked
	if elapsed < 100_000 {
		return
	}
	if p.hold {
		p.hold = float64(p.found) >= holdShare*float64(p.turns)
	} else {
		p.hold = float64(p.found)*1e6 >= holdFrom*float64(elapsed)
	}
	p.turns, p.found, p.looked = 0, 0, now
}
