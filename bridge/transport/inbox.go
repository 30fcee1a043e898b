package transport

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slotSize is the greatest datagram taken in.
	slotSize = 2048
	// inboxSlots bounds the media packets that came over TCP or at another lane and wait
	// for Receive; what comes on top is dropped.
	inboxSlots = 512
)

// inbox hands packets of other goroutines to the one that calls Receive. mu guards the
// ring; used is also read without it, to make an empty inbox cost nothing.
type inbox struct {
	mu    sync.Mutex
	slots []inboxSlot
	head  int
	used  atomic.Int32
}

type inboxSlot struct {
	peer uint32
	size int
	// arrived is the wall clock in microseconds.
	arrived int64
	data    [slotSize]byte
}

// begin locks the inbox for some calls of add, and says whether it is empty: then the
// reader may be asleep.
func (q *inbox) begin() (empty bool) {
	q.mu.Lock()
	return q.used.Load() == 0
}

func (q *inbox) end() { q.mu.Unlock() }

// add copies a packet into the inbox unless it is full.
func (q *inbox) add(peer uint32, b []byte, arrived int64) bool {
	if q.slots == nil {
		q.slots = make([]inboxSlot, inboxSlots)
	}
	used := int(q.used.Load())
	if used == inboxSlots || len(b) > slotSize {
		return false
	}
	s := &q.slots[(q.head+used)%inboxSlots]
	s.peer, s.size, s.arrived = peer, copy(s.data[:], b), arrived
	q.used.Add(1)
	return true
}

// drain moves packets to the front of buffers and returns how many.
func (q *inbox) drain(buffers [][]byte, sizes []int, peers []uint32, ages []int64) int {
	if q.used.Load() == 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(int(q.used.Load()), len(buffers))
	now := time.Now().UnixMicro()
	for i := range n {
		s := &q.slots[q.head]
		sizes[i], peers[i] = copy(buffers[i], s.data[:s.size]), s.peer
		if ages[i] = now - s.arrived; ages[i] < 0 || ages[i] > maxAge {
			ages[i] = 0 // the clock was set
		}
		q.head = (q.head + 1) % inboxSlots
	}
	q.used.Add(int32(-n))
	return n
}

// maxAge bounds the age of a datagram that is believed, in microseconds; more means that
// the clock was set.
const maxAge = 2_000_000
