package rtp

// shiftHistory bounds how many changes a shift remembers. Packets from before the oldest
// are not mapped any more.
const shiftHistory = 64

// shift maps sequence numbers of what comes in to those of what goes out, closing the
// gaps of what was left out on purpose. True losses stay gaps. Late packets find the
// offset that was in force at their place.
//
// It works on extended numbers, so nothing wraps. The zero value maps nothing.
type shift struct {
	steps [shiftHistory]shiftStep
	// first and count delimit the steps in use; the array is a ring.
	first, count int
	highest      int64
}

// shiftStep says that numbers from from on move down by offset.
type shiftStep struct{ from, offset int64 }

// restart forgets everything; in goes out as out from here on.
func (s *shift) restart(in, out int64) {
	s.first, s.count = 0, 1
	s.steps[0] = shiftStep{in, in - out}
	s.highest = in - 1
}

func (s *shift) at(i int) *shiftStep { return &s.steps[(s.first+i)%shiftHistory] }

// drop leaves in out: all that follow move up by one. A number that is late leaves a
// hole instead, because its followers are gone already.
func (s *shift) drop(in int64) {
	if s.count == 0 || in <= s.highest {
		return
	}
	s.highest = in
	last := s.at(s.count - 1)
	if last.from == in {
		last.from, last.offset = in+1, last.offset+1
		return
	}
	next := shiftStep{in + 1, last.offset + 1}
	if s.count == shiftHistory {
		s.first = (s.first + 1) % shiftHistory
		s.count--
	}
	s.count++
	*s.at(s.count - 1) = next
}

// apply returns where in goes out.
func (s *shift) apply(in int64) (int64, bool) {
	if in > s.highest {
		s.highest = in
	}
	for i := s.count - 1; i >= 0; i-- {
		if step := s.at(i); in >= step.from {
			return in - step.offset, true
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
