package rtp

const (
	// sendBatch is the number of datagrams that wait to be sent at most, sendStore the
	// bytes. A batch that is taken in at once may come to more; it leaves in several parts.
	sendBatch = 1024
	sendStore = 1 << 20
	// From earlyBatch datagrams on, they leave at once when each receiver has longRun of them:
	// the kernel's walk is then shared well enough, and what came first need not wait for what
	// is still being encrypted.
	earlyBatch = 256
	longRun    = 12
)

// What goes to one receiver in one flush is sorted into classes, so that packets of like
// size stand together. Nothing is overtaken that would be missed: all packets with a
// transport-wide sequence number are of one class, and so are all of one SSRC.
const (
	classStamped = iota
	classOther
	classCount
)

// sendQueue holds encrypted datagrams until the end of the turn, by receiver: the kernel
// walks its send path once for a run of datagrams to one address, and that walk is most
// of what forwarding costs.
type sendQueue struct {
	// store is filled from the start; used is how far.
	store []byte
	used  int
	items [sendBatch]queued
	count int
	// receivers lists the endpoints something waits for, in the order of their first one.
	receivers []*Endpoint

	// What is handed to the link.
	peers     [sendBatch]uint32
	datagrams [sendBatch][]byte
}

// queued is a datagram and the index of the next one for the same receiver and class.
type queued struct {
	datagram []byte
	next     int
}

// chain is a list of items: one more than the index of the first and of the last, zero
// if there is none.
type chain struct{ first, last int }

func newSendQueue() sendQueue {
	return sendQueue{store: make([]byte, sendStore), receivers: make([]*Endpoint, 0, sendBatch)}
}

// full says that nothing is to be gained by waiting for more.
func (q *sendQueue) full() bool {
	return q.count == sendBatch || len(q.store)-q.used < slotSize ||
		q.count >= earlyBatch && q.count >= longRun*len(q.receivers)
}

// room returns space for one datagram at the end of the queue, which it empties if it is
// full.
func (s *Shard) room() []byte {
	q := &s.out
	if q.full() {
		s.flush()
	}
	return q.store[q.used : q.used : q.used+slotSize]
}

// enqueue adds a datagram that was written into room.
func (s *Shard) enqueue(r *Endpoint, sealed []byte, class int) {
	q := &s.out
	l := &r.leg
	if l.waiting == [classCount]chain{} {
		q.receivers = append(q.receivers, r)
	}
	c := &l.waiting[class]
	q.items[q.count] = queued{datagram: sealed}
	q.count++
	if c.first == 0 {
		c.first = q.count
	} else {
		q.items[c.last-1].next = q.count
	}
	c.last = q.count
	// Whole cache lines, so that packets do not share one.
	q.used += (len(sealed) + 63) &^ 63

	l.stats.BytesSent += uint64(len(sealed))
	l.down.add(len(sealed))
	s.stats.now.PacketsSent++
	s.stats.now.BytesSent += uint64(len(sealed))
}

// flush hands what is queued to the link, one receiver after the other.
func (s *Shard) flush() {
	q := &s.out
	if q.count == 0 {
		return
	}
	n := 0
	for _, r := range q.receivers {
		for class := range r.leg.waiting {
			for i := r.leg.waiting[class].first; i != 0; n++ {
				q.peers[n], q.datagrams[n] = r.peer, q.items[i-1].datagram
				i = q.items[i-1].next
			}
		}
		r.leg.waiting = [classCount]chain{}
	}
	sent := s.link.Send(q.peers[:n], q.datagrams[:n])
	s.stats.now.Stages[StageSend].Dropped += uint64(n - sent)
	clear(q.receivers)
	q.receivers, q.count, q.used = q.receivers[:0], 0, 0
}
