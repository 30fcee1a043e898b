package conference

import "time"

// limiter lets something happen not too soon after the last time and not too often
// in a minute. Refused attempts do not count.
type limiter struct {
	gap       time.Duration
	perMinute int
	times     []time.Time // at most perMinute
}

func (l *limiter) allow(now time.Time) bool {
	keep := l.times[:0]
	for _, t := range l.times {
		if now.Sub(t) < time.Minute {
			keep = append(keep, t)
		}
	}
	l.times = keep
	if n := len(keep); n >= l.perMinute || n > 0 && now.Sub(keep[n-1]) < l.gap {
		return false
	}
	l.times = append(l.times, now)
	return true
}
