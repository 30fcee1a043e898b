package rtp

// Geometry of a slot. A datagram is received behind the head-room, so that its header
// can grow in place; the tail-room takes the authentication tag.
const (
	slotSize  = 2048
	slotHead  = 64
	slotTail  = 32
	slotFirst = slotHead
	slotLast  = slotSize - slotTail
)

// noSlot is the index of no slot.
const noSlot = ^uint32(0)

// arena is the memory of a shard's packets: one block of bytes cut into slots, with
// reference counts beside it. It holds no pointers, so the garbage collector never looks
// into it. The shard's goroutine owns it.
//
// The free list is a stack: slots used lately are used again first, and memory that was
// never needed is never touched.
type arena struct {
	data []byte
	refs []int32
	// generation of a slot changes when it is freed; whoever remembers a slot without
	// holding a reference compares it.
	generation []uint32
	free       []uint32
}

func newArena(slots int) *arena {
	a := &arena{
		refs:       make([]int32, slots),
		generation: make([]uint32, slots),
		free:       make([]uint32, slots),
	}
	a.data = pages(a, slots*slotSize)
	for i := range a.free {
		a.free[i] = uint32(slots - 1 - i)
	}
	return a
}

// take returns a slot with one reference, or noSlot.
func (a *arena) take() uint32 {
	n := len(a.free)
	if n == 0 {
		return noSlot
	}
	i := a.free[n-1]
	a.free = a.free[:n-1]
	a.refs[i] = 1
	return i
}

func (a *arena) hold(i uint32) { a.refs[i]++ }

// release gives one reference back; the last one frees the slot.
func (a *arena) release(i uint32) {
	a.refs[i]--
	if a.refs[i] == 0 {
		a.generation[i]++
		a.free = append(a.free, i)
	}
}

// bytes returns the whole slot.
func (a *arena) bytes(i uint32) []byte {
	at := int(i) * slotSize
	return a.data[at : at+slotSize : at+slotSize]
}

// scarce says that less than an eighth of the slots is free.
func (a *arena) scarce() bool { return len(a.free) < len(a.refs)/8 }
