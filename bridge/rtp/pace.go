package rtp

import "time"

// pace decides whether a turn of the shard waits a moment before it looks for packets.
//
// Being woken costs as much as forwarding ten packets, and a message to the kernel costs
// nearly the same for one packet as for several to one receiver. But a wait of a
// millisecond is a wake-up, too, and since the shard looks again before it sends, a burst
// comes together without it: up to 12,000 packets a second not waiting was measured to be
// cheaper by a tenth, and faster by a millisecond. Nor does a shard wait that has a
// backlog: it finds enough each time.
type pace struct {
	hold time.Duration
	// last is what the last turn found, count what all did since the last look.
	last, count int
	looked      int64
	rate        float64
}

const (
	// holdFrom is the number of datagrams a second from which turns wait, holdTo below which
	// they no longer do.
	holdFrom, holdTo = 20_000, 16_000
	holdTime         = time.Millisecond
)

// note counts what a turn found.
func (p *pace) note(n int) {
	p.last = n
	p.count += n
}

// look is called with every tick, on the shard's clock.
func (p *pace) look(now int64) {
	elapsed := now - p.looked
	if elapsed < 100_000 {
		return
	}
	p.rate = float64(p.count) * 1e6 / float64(elapsed)
	p.count, p.looked = 0, now
	switch {
	case p.rate >= holdFrom:
		p.hold = holdTime
	case p.rate < holdTo:
		p.hold = 0
	}
}
