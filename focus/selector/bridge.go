package selector

import (
	"time"

	"parley/internal/wire/colibri"
)

// maxRecent bounds the placements remembered per bridge; older ones fall out
// first, which under-counts only on a bridge that is far beyond any threshold.
const maxRecent = 1024

// Bridge is what we know of one bridge. A value of it is a copy, good for
// deciding and showing; the pool keeps the original.
type Bridge struct {
	colibri.Status        // what it says about itself
	Addr           string // where COLIBRI requests go: an occupant address or a plain one
	Static         bool   // configured rather than seen in the brewery
	NoSCTP         bool   // refused data channels
	NoRelays       bool   // refused a link to another bridge

	failedUntil time.Time
	aloneUntil  time.Time   // it did not reach another bridge lately
	announced   bool        // conferences were told that it can be used
	recent      []time.Time // our placements, oldest first
}

func newBridge(addr string) *Bridge {
	return &Bridge{Status: colibri.NewStatus(), Addr: addr}
}

// Operational reports whether new participants may be sent there at all.
func (b *Bridge) Operational(now time.Time) bool {
	return b.Healthy && !now.Before(b.failedUntil)
}

// corrected is the reported stress plus what we placed too recently to be in it.
func (b *Bridge) corrected(now time.Time, rampUp time.Duration) float64 {
	n := 0
	for i := len(b.recent) - 1; i >= 0 && now.Sub(b.recent[i]) < rampUp; i-- {
		n++
	}
	return b.Stress + float64(n)*b.MeanStress
}

func (b *Bridge) placed(now time.Time, rampUp time.Duration) {
	keep := b.recent[:0]
	for _, t := range b.recent {
		if now.Sub(t) < rampUp {
			keep = append(keep, t)
		}
	}
	if len(keep) >= maxRecent {
		keep = append(keep[:0], keep[1:]...)
	}
	b.recent = append(keep, now)
}

// class orders bridges before load does: usable, finishing, broken.
func (b *Bridge) class(now time.Time) int {
	switch {
	case !b.Operational(now):
		return 2
	case b.Graceful:
		return 1
	}
	return 0
}

// announce says once per usable period that the bridge can be used.
func (b *Bridge) announce(now time.Time) Change {
	if b.announced || b.ShuttingDown || !b.Operational(now) {
		return Unchanged
	}
	b.announced = true
	return Added
}

// linkable reports whether the bridge can share a conference with others.
func (b *Bridge) linkable(now time.Time) bool {
	return b.RelayID != "" && !b.NoRelays && !now.Before(b.aloneUntil)
}

func (b *Bridge) snapshot() Bridge {
	c := *b
	c.recent = nil
	return c
}
