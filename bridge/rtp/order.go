package rtp

import "parley/bridge/media"

// A packet of video that overtook others, or came after one that was lost, waits until
// those are there. A receiver cannot do anything with it before, and would ask us for what
// we do not have. More than that: it plans the delay of its pictures by how late they come,
// and leaves those out of the plan for which it has asked for packets itself. So what is
// repaired on the way to us must look to it like a path with some more jitter, or its
// pictures stand still at every repair.

const (
	// maxHeld bounds the packets of a stream that wait for one before them.
	maxHeld = 160
	// maxSpare is for how many streams room is kept that have no use for it now.
	maxSpare = 64
	// A packet waits for the ones before it for some round trips of the sender, between these
	// bounds in microseconds; heldUnknown where the round trip is not known. After that it is
	// the receivers' business, who can do without some.
	heldRounds  = 4
	heldMin     = 100_000
	heldUnknown = 250_000
	heldMax     = 400_000

	// disorderMax bounds how long a packet is taken to be late rather than lost.
	disorderMax = 80_000
	// disorderStep is by how much one late packet changes that, in microseconds.
	disorderStep = 1_000
)

// disorder is how late packets come that others have overtaken, in microseconds: nine of
// ten come within it.
type disorder int64

// late takes in that a packet came so long after one that was sent later.
func (d *disorder) late(by int64) {
	if by > int64(*d) {
		*d = min(*d+9*disorderStep, disorder(by), disorderMax)
	} else {
		*d = max(*d-disorderStep, 0)
	}
}

// fade forgets slowly, for paths on which packets stopped to overtake each other.
func (d *disorder) fade() { *d -= *d / 32 }

// heldPackets are the packets of a stream that wait, by their extended numbers; where none
// waits the number is 0.
type heldPackets struct {
	packets *heldRoom // lent by the shard while any wait
	// next is the number that all of them wait for.
	next  int64
	count int
}

// heldRoom is room for the packets of one stream.
type heldRoom [maxHeld]packet

// lend gives a stream room for packets that wait. It is large, and gaps are short.
func (s *Shard) lend() *heldRoom {
	n := len(s.heldSpare)
	if n == 0 {
		return new(heldRoom)
	}
	r := s.heldSpare[n-1]
	s.heldSpare = s.heldSpare[:n-1]
	return r
}

// inOrder says whether a packet may go on now. Else it is held.
func (s *Shard) inOrder(e *Endpoint, u *upStream, p *packet, skipped int) bool {
	h := &u.held
	switch {
	case h.count > 0:
		if p.ext < h.next {
			return true // nobody waited for it any more
		}
		if p.ext >= h.next+maxHeld {
			s.passHeld(e, u, p.ext)
			return true
		}
	case skipped == 0 || skipped >= maxMissing || s.arena.scarce() || !e.leg.types[p.pt].NACK || p.kind != media.Video:
		return true
	default:
		h.next = p.ext - int64(skipped)
	}
	if h.packets == nil {
		h.packets = s.lend()
	}
	s.arena.hold(p.slot)
	h.packets[p.ext%maxHeld] = *p
	h.count++
	s.passHeld(e, u, h.next)
	return false
}

// passHeld lets go on what waits for numbers below one that is not waited for any more, and
// what follows in order.
func (s *Shard) passHeld(e *Endpoint, u *upStream, below int64) {
	h := &u.held // holds something
	for h.count > 0 {
		p := &h.packets[h.next%maxHeld]
		there := p.ext == h.next
		if !there && h.next >= below {
			return
		}
		h.next++
		if there {
			h.count--
			s.release(e, u, p)
		}
	}
	if len(s.heldSpare) < maxSpare {
		s.heldSpare = append(s.heldSpare, h.packets)
	}
	h.packets = nil
}

// release lets a packet that was held go on. Its slot is given back even if that panics.
func (s *Shard) release(e *Endpoint, u *upStream, p *packet) {
	defer func() {
		s.arena.release(p.slot)
		p.ext = 0
	}()
	s.onward(e, u, p, s.arena.bytes(p.slot))
}

// holdNoLonger lets go on what has waited for too long.
func (s *Shard) holdNoLonger(e *Endpoint, u *upStream) {
	h := &u.held
	for h.count > 0 {
		if since, missed := u.missing.since(h.next); missed && s.clock-since < e.leg.patience() {
			return
		}
		s.passHeld(e, u, h.next+1)
	}
}

// clear lets go of what waits.
func (h *heldPackets) clear(a *arena) {
	for i := 0; h.count > 0 && i < maxHeld; i++ {
		if p := &h.packets[i]; p.ext != 0 {
			a.release(p.slot)
			p.ext = 0
			h.count--
		}
	}
}

// patience is for how long packets of an endpoint are held, in microseconds.
func (l *leg) patience() int64 {
	if l.rtt == 0 {
		return heldUnknown
	}
	return min(max(heldMin, heldRounds*l.rtt+int64(l.disorder)), heldMax)
}

// askRule says how to ask an endpoint for what is missing.
func (l *leg) askRule() askRule {
	r := askRule{wait: int64(l.disorder), repeat: nackRepeat, limit: max(nackFor, 3*l.rtt)}
	if l.rtt > 0 {
		// A request that gets lost, or whose answer does, costs a picture its time. A client
		// takes the second within a round trip for the same.
		r.repeat = l.rtt + int64(l.disorder)
		if l.lossy > lossyFrom {
			r.repeat = l.rtt / 2
		}
		r.repeat = min(max(r.repeat, nackRepeatMin), nackRepeatMax)
	}
	return r
}
