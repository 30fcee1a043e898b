package rtp

// shiftHistory bounds how many changes a shift remembers. Packets from before the oldest
// are not mapped any more.
const shiftHistory = 64

// shift maps sequence numbers of what comes in to those of what goes out, closing the
// gaps of what was left out on purpose. True losses stay gaps. Late packets find the
// offset that was in force at their place.
//
// It works on extended numbers, so nothing wraps. The zero value maps nothing. Most
// streams never leave anything out: the changes before the last one have memory of their
// own, made with the first.
type shift struct {
	set     bool
	last    shiftStep
	highest int64
	before  *shiftSteps
}

// shiftStep says that numbers from from on move down by offset.
type shiftStep struct{ from, offset int64 }

// shiftSteps are steps in a ring, oldest first; first and count delimit those in use.
type shiftSteps struct {
	first, count int
	steps        [shiftHistory]shiftStep
}

func (h *shiftSteps) at(i int) *shiftStep { return &h.steps[(h.first+i)%shiftHistory] }

func (h *shiftSteps) add(step shiftStep) {
	if h.count == shiftHistory {
		h.first = (h.first + 1) % shiftHistory
		h.count--
	}
	h.count++
	*h.at(h.count - 1) = step
}

// restart forgets everything; in goes out as out from here on.
func (s *shift) restart(in, out int64) {
	s.set, s.last, s.highest = true, shiftStep{in, in - out}, in-1
	if s.before != nil {
		s.before.count = 0
	}
}

// drop leaves in out: all that follow move up by one. A number that is late leaves a
// hole instead, because its followers are gone already.
func (s *shift) drop(in int64) {
	if !s.set || in <= s.highest {
		return
	}
	s.highest = in
	if s.last.from != in {
		if s.before == nil {
			s.before = new(shiftSteps)
		}
		s.before.add(s.last)
	}
	s.last = shiftStep{in + 1, s.last.offset + 1}
}

// apply returns where in goes out.
func (s *shift) apply(in int64) (int64, bool) {
	if !s.set {
		return 0, false
	}
	if in > s.highest {
		s.highest = in
	}
	if in >= s.last.from {
		return in - s.last.offset, true
	}
	if h := s.before; h != nil {
		for i := h.count - 1; i >= 0; i-- {
			if step := h.at(i); in >= step.from {
				return in - step.offset, true
			}
		}
	}
	return 0, false
}

// unwrap extends a number of the given bits to the nearest one to last.
func unwrap(last int64, n uint32, bits uint) int64 {
	span := int64(1) << bits
	v := last&^(span-1) | int64(n)
	switch d := v - last; {
	case d > span/2:
		v -= span
	case d < -span/2:
		v += span
	}
	return v
}
