package selector

import (
	"math"
	"strconv"
	"time"
)

// defaultParticipantStress is what one more participant is expected to cost on a
// bridge that does not say.
const defaultParticipantStress = 0.01

// maxRecent bounds the placements remembered per bridge; older ones fall out
// first, which under-counts only on a bridge that is far beyond any threshold.
const maxRecent = 1024

// Bridge is what we know of one bridge. A value of it is a copy, good for
// deciding and showing; the pool keeps the original.
type Bridge struct {
	Addr    string // where COLIBRI requests go: an occupant address or a plain one
	Static  bool   // configured rather than seen in the brewery
	Version string // version and release; conferences do not mix them
	Region  string
	RelayID string

	Stress            float64 // as reported, 1.0 = full
	ParticipantStress float64
	Drain             bool // wants no new conferences
	Graceful          bool // finishing; once true stays true
	ShuttingDown      bool // leaving now; once true stays true
	Healthy           bool

	LastSeen    time.Time // last presence
	failedUntil time.Time
	announced   bool        // conferences were told that it can be used
	recent      []time.Time // our placements, oldest first
}

// newBridge starts from what Jitsi assumes of a bridge that has said nothing: it
// drains, so that it is used only if all others drain too.
func newBridge(addr string, now time.Time) *Bridge {
	return &Bridge{Addr: addr, Drain: true, Healthy: true, ParticipantStress: defaultParticipantStress, LastSeen: now}
}

// apply folds a report in. Statistics that are missing or unreadable keep their
// last value.
func (b *Bridge) apply(stat func(name string) (string, bool), now time.Time) {
	b.LastSeen = now
	number(stat, "stress_level", &b.Stress)
	number(stat, "average_participant_stress", &b.ParticipantStress)
	flag(stat, "drain", &b.Drain)
	flag(stat, "healthy", &b.Healthy)
	text(stat, "region", &b.Region)
	text(stat, "relay_id", &b.RelayID)
	if v, ok := stat("version"); ok {
		b.Version = v
		if r, ok := stat("release"); ok && r != "" {
			b.Version += "-" + r
		}
	}
	var graceful, down bool
	flag(stat, "graceful_shutdown", &graceful)
	flag(stat, "shutting_down", &down)
	b.Graceful = b.Graceful || graceful
	b.ShuttingDown = b.ShuttingDown || down
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
	return b.Stress + float64(n)*b.ParticipantStress
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

func number(stat func(string) (string, bool), name string, dst *float64) {
	if v, ok := stat(name); ok {
		if f, err := strconv.ParseFloat(v, 64); err == nil && f >= 0 && !math.IsInf(f, 0) {
			*dst = f
		}
	}
}

func flag(stat func(string) (string, bool), name string, dst *bool) {
	switch v, _ := stat(name); v {
	case "true":
		*dst = true
	case "false":
		*dst = false
	}
}

func text(stat func(string) (string, bool), name string, dst *string) {
	if v, ok := stat(name); ok {
		*dst = v
	}
}
