package router

import (
	"runtime"
	"sync"
	"sync/atomic"

	"parley/xmppd/stanza"
)

// Gatherer is a Sink that can leave the writing to the end of a round.
type Gatherer interface {
	// DeliverIn is Deliver; what was queued is written when the round ends, at the latest.
	DeliverIn(r *Round, to stanza.Addr, e *stanza.Encoded) bool
}

// Round is one turn of somebody who delivers to many, such as a room. Streams that are
// given something in it, and that nobody else is writing to, are written to at its end:
// at once and by whoever ends it, without a goroutine for each, and all that has gathered
// for a stream in one write. It belongs to one goroutine; the zero Round is ready.
type Round struct {
	streams []interface{ Flush() }
	size    int // see roundSize
}

const (
	// roundSize is how many deliveries a round has at most: a fraction of a millisecond
	// of work, for which those who were served first wait. Any other event counts as
	// roundEvent of them.
	roundSize  = 1024
	roundEvent = 16
	// roundBlock is how many streams a goroutine takes at a time, where there are so many
	// that they are shared out, and that is from four of them. Blocks are small, so that
	// whoever has got hold of a processor takes what is left: on two of them, which those
	// who read want, too, halves of a hundred are finished later than by one goroutine.
	roundBlock = 16
)

// Add promises a stream that Flush will be called.
func (r *Round) Add(w interface{ Flush() }) { r.streams = append(r.streams, w) }

// Event counts something that was done in the round.
func (r *Round) Event() { r.size += roundEvent }

// Full says that the round should end before anything else is done.
func (r *Round) Full() bool { return r.size >= roundSize }

// End writes what was delivered. No write waits for a peer.
func (r *Round) End() {
	list := r.streams
	blocks := (len(list) + roundBlock - 1) / roundBlock
	helpers := min(runtime.GOMAXPROCS(0), blocks/2) - 1
	if helpers <= 0 {
		for _, w := range list {
			w.Flush()
		}
	} else {
		flushAll(list, blocks, helpers)
	}
	clear(list)
	r.streams, r.size = list[:0], 0
}

// flushAll shares the streams out to some goroutines. Helpers that come late find
// nothing left, and nobody waits for them.
func flushAll(list []interface{ Flush() }, blocks, helpers int) {
	var next atomic.Int64
	var left sync.WaitGroup
	left.Add(blocks)
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= blocks {
				return
			}
			for _, w := range list[i*roundBlock : min((i+1)*roundBlock, len(list))] {
				w.Flush()
			}
			left.Done()
		}
	}
	for range helpers {
		go work()
	}
	work()
	left.Wait()
}
