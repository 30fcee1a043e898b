package rtp

import (
	"runtime/debug"
	"slices"
)

const (
	// maxBroken is how many panics an endpoint may cause before it is closed.
	maxBroken = 3
	// maxBrokenTurns is how many turns in a row may panic before the process ends: a shard
	// that does nothing else is of no use to anybody.
	maxBrokenTurns = 100
)

// Panicked hears of a panic on the shard's goroutine. e is the endpoint whose packet or
// timer it was, nil if it was nobody's; closed says that it was the last one e was allowed:
// the shard has forgotten e. It must not block.
type Panicked func(e *Endpoint, closed bool, p any, stack []byte)

// OnPanic sets who hears of panics; to be called before Run. See docs/decisions/005.
//
// A mistake of ours in one packet costs that packet; where it was on its way to one
// receiver, it costs that receiver the source. Nobody else's call is touched.
func (s *Shard) OnPanic(f Panicked) { s.panicked = f }

// datagramsFrom takes in a batch from i on. What panics is left out; next is where to go on.
func (s *Shard) datagramsFrom(i, n int) (next int) {
	defer func() {
		if p := recover(); p != nil {
			next = i + 1
			s.rescuePacket(i, p)
		}
	}()
	for ; i < n; i++ {
		if s.sizes[i] > 0 {
			s.datagram(i)
		}
	}
	return n
}

// rescuePacket cleans up after the i-th datagram of a batch.
func (s *Shard) rescuePacket(i int, p any) {
	if slot := s.slots[i]; slot != noSlot && s.arena.refs[slot] > 1 {
		s.arena.release(slot)
		s.slots[i] = noSlot
	}
	s.rescue(s.endpoints[s.peers[i]], p)
}

// rescue cleans up after a packet of e, or its timers, which let go on what was held.
func (s *Shard) rescue(e *Endpoint, p any) {
	d := s.serving
	if d == nil {
		s.blame(e, p)
		return
	}
	// The sender's packet may be to blame, or what is kept of the receiver: neither shall
	// cost the other more than this.
	s.serving = nil
	s.attempt(func() { d.receiver.removeDown(d) })
	delete(d.receiver.leg.downs, downKey{d.source, d.only}) // whatever that got to
	d.source.up.downs = slices.DeleteFunc(d.source.up.downs, func(o *downStream) bool { return o == d })
	s.tellPanic(e, false, p, debug.Stack())
}

// blame counts a panic against an endpoint, and closes it if it was not the first one.
func (s *Shard) blame(e *Endpoint, p any) {
	if e == nil || !e.leg.open {
		s.tellPanic(nil, false, p, debug.Stack())
		return
	}
	e.leg.broken++
	closed := e.leg.broken >= maxBroken
	if closed {
		s.attempt(func() { s.removeEndpoint(e) })
		// Whatever that got to: nothing of it is looked at any more.
		e.leg.open, e.leg.send, e.leg.receive = false, nil, nil
		delete(s.endpoints, e.peer)
		s.list = slices.DeleteFunc(s.list, func(o *Endpoint) bool { return o == e })
	}
	s.tellPanic(e, closed, p, debug.Stack())
}

func (s *Shard) tellPanic(e *Endpoint, closed bool, p any, stack []byte) {
	s.stats.now.Panics++
	if s.panicked != nil {
		s.panicked(e, closed, p, stack)
	}
}

// attempt runs f, and says what it panicked with and where, nil if it did not.
func (s *Shard) attempt(f func()) (p any, stack []byte) {
	defer func() {
		if p = recover(); p != nil {
			stack = debug.Stack()
		}
	}()
	f()
	return nil, nil
}

// timersFrom runs the timers of the endpoints from the i-th on. One whose timers panic is
// left out; next is where to go on.
func (s *Shard) timersFrom(i int, publish bool) (next int, waiting bool) {
	defer func() {
		if p := recover(); p != nil {
			before := len(s.list)
			s.rescue(s.list[i], p)
			next = i + 1 - (before - len(s.list))
		}
	}()
	for ; i < len(s.list); i++ {
		e := s.list[i]
		if e.leg.send != nil {
			waiting = s.endpointTimers(e) || waiting
		}
		if publish {
			s.publishEndpoint(e)
		}
	}
	return i, waiting
}

// rescueTurn cleans up after a turn that panicked elsewhere: what was to be sent is lost.
func (s *Shard) rescueTurn(p any, stack []byte) {
	if s.brokenTurns++; s.brokenTurns >= maxBrokenTurns {
		panic(p)
	}
	q := &s.out
	for _, e := range q.receivers {
		e.leg.waiting = [classCount]chain{}
	}
	clear(q.receivers)
	q.receivers, q.count, q.used = q.receivers[:0], 0, 0
	s.serving = nil
	s.tellPanic(nil, false, p, stack)
}
