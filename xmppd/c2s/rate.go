package c2s

import "time"

// rate slows a session that sends too much: its stream is not read while it is
// ahead of what it may send. It is confined to the carrier's reading goroutine.
type rate struct {
	stanzas, bytes bucket
}

// bucket holds burst seconds' worth of allowance.
type bucket struct {
	left float64
	last time.Time
}

const (
	burst   = 10 // seconds
	maxNap  = time.Second
	minStay = 64 // bytes a stanza counts at least
)

// take uses up n of an allowance of perSecond and returns how long to wait.
func (b *bucket) take(now time.Time, n, perSecond int) time.Duration {
	if perSecond <= 0 {
		return 0
	}
	full := float64(perSecond) * burst
	if b.last.IsZero() {
		b.left = full
	} else {
		b.left = min(full, b.left+now.Sub(b.last).Seconds()*float64(perSecond))
	}
	b.last = now
	b.left -= float64(n)
	if b.left >= 0 {
		return 0
	}
	return time.Duration(-b.left / float64(perSecond) * float64(time.Second))
}

// take counts one stanza.
func (r *rate) take(now time.Time, size int, cfg *Config) time.Duration {
	return min(maxNap, max(r.stanzas.take(now, 1, cfg.StanzasPerSecond), r.bytes.take(now, size+minStay, cfg.BytesPerSecond)))
}
