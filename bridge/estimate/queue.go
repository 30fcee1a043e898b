package estimate

import "time"

const (
	baseSlots  = 10 // seconds the least delay is remembered
	baseSlot   = time.Second
	queueSpan  = 100 * time.Millisecond
	queueLimit = 64 // packets of queueSpan that are looked at
	clockJump  = time.Second

	// standsFrom is the delay beyond the path's own from which a queue counts as standing,
	// chokesFrom one that must shrink even if it no longer grows.
	standsFrom = 15 * time.Millisecond
	chokesFrom = 250 * time.Millisecond
	// drainsFrom is the delay from which less is sent than the path carries, drainsAll that at
	// which drainsMost of it is left out.
	drainsFrom = 700 * time.Millisecond
	drainsAll  = 2 * time.Second
	drainsMost = 0.8
)

// queue tells how long packets wait on the path: by how much even the luckiest of those
// sent lately were slower than the fastest of the last seconds.
//
// A path that is full delays all of them. A receiver whose machine is busy reads some
// late, but those sent just before it looked are not late at all.
type queue struct {
	epoch   time.Time // of the delays
	base    [baseSlots]time.Duration
	slot    int64 // number of the newest slot
	started bool

	recent []delayed // in order of sending, the oldest first
	last   time.Duration
}

type delayed struct {
	sent  time.Time
	delay time.Duration
}

// add takes in a packet that arrived.
func (q *queue) add(p Packet) {
	if !q.started || p.Arrived < q.last-clockJump {
		*q = queue{epoch: p.Sent, started: true, recent: q.recent[:0]}
	}
	q.last = p.Arrived
	since := p.Sent.Sub(q.epoch)
	delay := p.Arrived - since
	q.remember(int64(since/baseSlot), delay)
	q.recent = append(q.recent, delayed{p.Sent, delay})
	drop := 0
	for drop < len(q.recent)-1 && p.Sent.Sub(q.recent[drop].sent) > queueSpan {
		drop++
	}
	drop = max(drop, len(q.recent)-queueLimit)
	q.recent = append(q.recent[:0], q.recent[drop:]...)
}

// remember keeps the least delay of every second.
func (q *queue) remember(slot int64, delay time.Duration) {
	switch {
	case len(q.recent) == 0:
		for i := range q.base {
			q.base[i] = delay
		}
		q.slot = slot
		return
	case slot > q.slot:
		for n := max(q.slot+1, slot-baseSlots+1); n <= slot; n++ {
			q.base[n%baseSlots] = delay
		}
		q.slot = slot
	case slot <= q.slot-baseSlots || slot < 0:
		return
	}
	q.base[slot%baseSlots] = min(q.base[slot%baseSlots], delay)
}

// relief is the share of the rate a path carries that lets a long queue empty: none of it
// below drainsFrom, little at drainsAll. Sound that is late by seconds is worse than none of
// the pictures.
func (q *queue) relief() float64 {
	over := float64(q.standing()-drainsFrom) / float64(drainsAll-drainsFrom)
	return 1 - drainsMost*min(max(over, 0), 1)
}

// standing is how long the queue is, in time.
func (q *queue) standing() time.Duration {
	if len(q.recent) == 0 {
		return 0
	}
	base, least := q.base[0], q.recent[0].delay
	for _, b := range q.base {
		base = min(base, b)
	}
	for _, r := range q.recent {
		least = min(least, r.delay)
	}
	return least - base
}
