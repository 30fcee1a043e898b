package focus

import "time"

// quota bounds how many conferences one person begins: whoever holds a link for one
// room could otherwise fill the server with empty ones. Its owner guards it.
type quota struct {
	max   int
	since time.Time
	begun map[string]int // in this minute, by bare address
}

// allow counts an attempt of who.
func (q *quota) allow(who string, now time.Time) bool {
	if now.Sub(q.since) >= time.Minute {
		q.since, q.begun = now, make(map[string]int)
	}
	if q.begun[who] >= q.max {
		return false
	}
	q.begun[who]++
	return true
}
