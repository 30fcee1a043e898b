package endpoint

import (
	"crypto/rand"
	"encoding/binary"
)

// Slot is one pair of SSRCs the bridge owns towards a receiver.
type Slot struct {
	SSRC, RTX uint32

	source *Source // nil while free
	used   uint64
}

// Source is what the slot carries now, nil if nothing.
func (s *Slot) Source() *Source { return s.source }

// Slots maps the sources a receiver gets to a bounded number of its own SSRCs (SSRC
// rewriting). MIDs for demultiplexing are left out. The least recently used slot is given away when all are taken. It
// belongs to the goroutine of the conference.
type Slots struct {
	limit int
	rtx   bool
	clock uint64
	slots []*Slot
	by    map[*Source]*Slot
}

// NewSlots makes an empty set of at most limit slots, with SSRCs for repair if rtx.
func NewSlots(limit int, rtx bool) *Slots {
	return &Slots{limit: limit, rtx: rtx, by: make(map[*Source]*Slot)}
}

// Get is the slot of a source, nil if it has none.
func (m *Slots) Get(s *Source) *Slot { return m.by[s] }

// Touch marks the source's slot as used now; false if it has none.
func (m *Slots) Touch(s *Source) bool {
	slot := m.by[s]
	if slot == nil {
		return false
	}
	m.clock++
	slot.used = m.clock
	return true
}

// Assign gives the source a slot and returns it, with the source that lost it, if any.
func (m *Slots) Assign(s *Source) (slot *Slot, evicted *Source) {
	if m.Touch(s) {
		return m.by[s], nil
	}
	slot = m.pick()
	evicted = slot.source
	if evicted != nil {
		delete(m.by, evicted)
	}
	m.clock++
	slot.source, slot.used = s, m.clock
	m.by[s] = slot
	return slot, evicted
}

// pick prefers a free slot (the client has a decoder for it), then a new one, then
// the least recently used.
func (m *Slots) pick() *Slot {
	var oldest *Slot
	for _, slot := range m.slots {
		if slot.source == nil {
			return slot
		}
		if oldest == nil || slot.used < oldest.used {
			oldest = slot
		}
	}
	if len(m.slots) < m.limit || oldest == nil {
		slot := &Slot{SSRC: randomSSRC()}
		if m.rtx {
			slot.RTX = randomSSRC()
		}
		m.slots = append(m.slots, slot)
		return slot
	}
	return oldest
}

// Free takes the slot from a source that is gone.
func (m *Slots) Free(s *Source) {
	if slot := m.by[s]; slot != nil {
		slot.source = nil
		delete(m.by, s)
	}
}

// Mapped lists the slots in use.
func (m *Slots) Mapped() []*Slot {
	var used []*Slot
	for _, slot := range m.slots {
		if slot.source != nil {
			used = append(used, slot)
		}
	}
	return used
}

func randomSSRC() uint32 {
	var b [4]byte
	for {
		_, _ = rand.Read(b[:]) // never fails since Go 1.24
		if v := binary.BigEndian.Uint32(b[:]); v != 0 {
			return v
		}
	}
}
