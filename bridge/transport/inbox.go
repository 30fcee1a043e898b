package transport

import (
	"sync"
	"sync/atomic"
)

const (
	// slotSize is the greatest datagram taken in.
	slotSize = 2048
	// inboxSlots bounds the media packets that came over TCP and wait for Receive; what
	// comes on top is dropped.
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
	data [slotSize]byte
}

// deliver hands a media packet of a peer to Receive.
func (t *Transport) deliver(peer uint32, b []byte) {
	if len(b) > slotSize || !t.inbox.push(peer, b) {
		t.stats.queueDropped.Add(1)
		return
	}
	t.poll.wake()
}

func (q *inbox) push(peer uint32, b []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.slots == nil {
		q.slots = make([]inboxSlot, inboxSlots)
	}
	used := int(q.used.Load())
	if used == inboxSlots {
		return false
	}
	s := &q.slots[(q.head+used)%inboxSlots]
	s.peer, s.size = peer, copy(s.data[:], b)
	q.used.Add(1)
	return true
}

// drain moves packets to the front of buffers and returns how many.
func (q *inbox) drain(buffers [][]byte, sizes []int, peers []uint32) int {
	if q.used.Load() == 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(int(q.used.Load()), len(buffers))
	for i := range n {
		s := &q.slots[q.head]
		sizes[i], peers[i] = copy(buffers[i], s.data[:s.size]), s.peer
		q.head = (q.head + 1) % inboxSlots
	}
	q.used.Add(int32(-n))
	return n
}
