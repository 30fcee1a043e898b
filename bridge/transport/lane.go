package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"
)

// Lane is one shard's share of the sockets: one of its own on each local address, all
// with the same port (SO_REUSEPORT). It satisfies rtp.Link.
//
// A session belongs to one lane. The kernel picks the socket a datagram arrives at by the
// addresses at both ends and knows nothing of that, so media of a session of another lane
// is handed over, into that lane's inbox. What a lane sends leaves by its own sockets: all
// have the same address, and peers see no difference.
//
// All fields but the inbox belong to the goroutine in Receive and Send.
type Lane struct {
	t       *Transport
	sockets []*udpSocket
	poll    *poller
	inbox   inbox
	owned   ownedSockets
	// offered are the sockets on the addresses there are now, for new sessions. Those of
	// addresses that came up later are watched like the sockets of single sessions.
	offered atomic.Pointer[[]*udpSocket]
	// filled are the sockets Send has to flush.
	filled []*udpSocket

	// reading is what Receive was given; read is receiveNow as a value, made once.
	reading reading
	read    func(uintptr) bool
}

func newLane(t *Transport) *Lane {
	l := &Lane{t: t}
	l.read = l.receiveNow
	return l
}

// openLanes binds the lanes' sockets.
func (t *Transport) openLanes(addrs []netip.Addr) error {
	for i, l := range t.lanes {
		for j, addr := range addrs {
			at := netip.AddrPortFrom(addr, uint16(t.cfg.Port))
			if i > 0 {
				at = t.sockets[j].local
			}
			s, err := t.openShared(at, len(t.lanes), i)
			if err != nil {
				return fmt.Errorf("port: cannot listen on %s/udp: %w", at, err)
			}
			s.joinRuns()
			l.sockets = append(l.sockets, s)
			if i == 0 {
				t.sockets = append(t.sockets, s)
				t.logSocket(s)
			}
		}
		poll, err := newPoller(l.sockets)
		if err != nil {
			return fmt.Errorf("wait for sockets: %w", err)
		}
		t.mu.Lock()
		l.poll = poll
		t.mu.Unlock()
	}
	return nil
}

// openShared opens the i-th of several sockets on one address. A port that another
// process has must be an error, and sharing would hide it: the first one is opened alone
// before.
func (t *Transport) openShared(at netip.AddrPort, of, i int) (*udpSocket, error) {
	if of > 1 && i == 0 {
		alone, err := openSocket(at, 0, false)
		if err != nil {
			return nil, err
		}
		at = alone.local
		if err := alone.close(); err != nil {
			return nil, err
		}
	}
	return openSocket(at, t.cfg.SocketBuffer, of > 1)
}

// Lanes is how many lanes there are.
func (t *Transport) Lanes() int { return len(t.lanes) }

// Lane returns one of them.
func (t *Transport) Lane(i int) *Lane { return t.lanes[i] }

// closeSockets ends the lane's reading; its poller is closed when nobody waits any more.
func (l *Lane) closeSockets() {
	for _, s := range l.sockets {
		_ = s.close()
	}
	l.closeRetired()
}

// errNoLane is returned for a session on a lane that does not exist.
var errNoLane = errors.New("no such lane")

// Receive waits for media, see rtp.Link. One goroutine only. A datagram that was not
// media has been dealt with and leaves a size of 0 in its place.
func (l *Lane) Receive(buffers [][]byte, sizes []int, peers []uint32, ages []int64, until time.Time) int {
	l.reading = reading{buffers: buffers, sizes: sizes, peers: peers, ages: ages}
	if until.IsZero() {
		l.receiveNow(0)
	} else {
		l.poll.wait(until, l.read)
	}
	return l.reading.n
}

// Rest lets some time pass in which packets wake nobody, see rtp.Link. One goroutine only.
func (l *Lane) Rest(d time.Duration) {
	l.poll.rest(d, len(l.t.lanes) < runtime.GOMAXPROCS(0))
}

// reading is what Receive was given and how much of it is filled.
type reading struct {
	buffers [][]byte
	sizes   []int
	peers   []uint32
	ages    []int64
	n       int
}

// receiveNow reads what is there and says whether that was anything.
func (l *Lane) receiveNow(uintptr) bool {
	r := &l.reading
	r.n = l.inbox.drain(r.buffers, r.sizes, r.peers, r.ages)
	r.n = l.receiveSockets(r.buffers, r.sizes, r.peers, r.ages, r.n)
	return r.n > 0
}

// Wake ends a waiting Receive.
func (l *Lane) Wake() {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	if l.poll != nil && !l.t.closed {
		l.poll.wake()
	}
}

// Send sends media, see rtp.Link. One goroutine only.
func (l *Lane) Send(peers []uint32, datagrams [][]byte) int {
	t := l.t
	var sent, bytes int
	var slot *peerSlot
	var d *destination
	for i, b := range datagrams {
		if slot == nil || slot.peer != peers[i] {
			d = nil
			if slot = t.peers[peers[i]&peerIndexMask].Load(); slot != nil && slot.peer == peers[i] {
				d = slot.dest.Load()
			}
		}
		if d == nil || len(b) == 0 {
			continue
		}
		bytes += len(b)
		if d.tcp != nil {
			if d.tcp.send(b) {
				sent++
			}
			continue
		}
		if d.sock.queued == 0 {
			l.filled = append(l.filled, d.sock)
		}
		if d.sock.queue(b, d) {
			sent += t.flush(d.sock)
		}
	}
	for _, s := range l.filled {
		if s.queued > 0 {
			sent += t.flush(s)
		}
	}
	clear(l.filled)
	l.filled = l.filled[:0]
	t.stats.sent.Add(uint64(sent))
	t.stats.sentBytes.Add(uint64(bytes))
	t.stats.sendDropped.Add(uint64(len(datagrams) - sent))
	return sent
}

// flush sends what is queued at a socket.
func (t *Transport) flush(s *udpSocket) int {
	before := s.messages
	sent := s.flush()
	t.stats.messages.Add(s.messages - before)
	return sent
}

// sortDatagrams deals with what one socket received: media of known addresses stays,
// that of other lanes is handed over, the rest goes to its session or is dropped. What
// does not stay leaves a size of 0.
func (l *Lane) sortDatagrams(s *udpSocket, buffers [][]byte, sizes []int, peers []uint32, ages []int64) {
	t := l.t
	var bytes, garbage, foreign int
	t.mux.mu.RLock()
	for i, size := range sizes {
		bytes += size
		s.strangers[i] = nil
		if classify(buffers[i][:size]) != classMedia {
			peers[i] = 0
			continue
		}
		peer, lane := t.mux.mediaFrom(s, s.from(i))
		if peer == 0 {
			sizes[i] = 0
			garbage++
		}
		if lane != nil && lane != l {
			s.strangers[i] = lane
			foreign++
		}
		peers[i] = peer
	}
	t.mux.mu.RUnlock()
	if foreign > 0 {
		l.handOver(s, buffers, sizes, peers, ages)
	}
	for i, size := range sizes {
		if size == 0 {
			continue
		}
		b := buffers[i][:size]
		switch classify(b) {
		case classMedia:
			continue
		case classSTUN:
			t.handleSTUN(b, s, s.from(i))
		case classDTLS:
			t.handleDTLS(b, s, s.from(i))
		default:
			garbage++
		}
		sizes[i] = 0
	}
	t.stats.received.Add(uint64(len(sizes)))
	t.stats.receivedBytes.Add(uint64(bytes))
	if garbage > 0 {
		t.stats.garbage.Add(uint64(garbage))
	}
}

// handOver gives media of other lanes to those, each lane's at once.
func (l *Lane) handOver(s *udpSocket, buffers [][]byte, sizes []int, peers []uint32, ages []int64) {
	now := time.Now()
	for i := range sizes {
		to := s.strangers[i]
		if to == nil {
			continue
		}
		dropped := 0
		empty := to.inbox.begin()
		for j := i; j < len(sizes); j++ {
			if s.strangers[j] != to {
				continue
			}
			if !to.inbox.add(peers[j], buffers[j][:sizes[j]], now.UnixMicro()-ages[j]) {
				dropped++
			}
			sizes[j], s.strangers[j] = 0, nil
		}
		to.inbox.end()
		l.t.stats.queueDropped.Add(uint64(dropped))
		if empty {
			to.poll.wake()
		}
	}
}

// deliver hands a media packet that came another way than UDP to Receive.
func (l *Lane) deliver(peer uint32, b []byte) {
	empty := l.inbox.begin()
	ok := l.inbox.add(peer, b, time.Now().UnixMicro())
	l.inbox.end()
	if !ok {
		l.t.stats.queueDropped.Add(1)
		return
	}
	if empty {
		l.poll.wake()
	}
}
