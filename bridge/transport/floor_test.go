//go:build linux

package transport

import (
	"net/netip"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// BindPeer makes an address a peer as ICE does, for benchmarks without handshakes.
func (t *Transport) BindPeer(a netip.AddrPort) uint32 {
	t.mu.Lock()
	index := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	t.mu.Unlock()
	slot := &peerSlot{peer: 1<<peerIndexBits | index}
	slot.dest.Store(newDestination(t.sockets[0], a))
	t.peers[index].Store(slot)
	t.mux.mu.Lock()
	defer t.mux.mu.Unlock()
	t.mux.routes[a] = route{peer: slot.peer}
	return slot.peer
}

// SetRuns lets a message carry several datagrams, or not.
func (t *Transport) SetRuns(on bool) {
	for _, s := range t.sockets {
		s.segments = on
	}
}

// Floor is the least that forwarding can cost here: it receives, opens, seals for each
// receiver and sends, with the system calls and the SRTP library of the bridge and
// nothing else: no RTP, no feedback, no repair.
type Floor struct {
	t         *Transport
	index     map[netip.AddrPort]int
	dests     []*destination
	fan       [][]int
	send      []*srtp.Context
	receive   []*srtp.Context
	Forwarded uint64
}

// NewFloor sends what comes from addrs[i] to all addrs[j], j in fan[i].
func NewFloor(t *Transport, addrs []netip.AddrPort, fan [][]int, context func() *srtp.Context) *Floor {
	f := &Floor{t: t, index: map[netip.AddrPort]int{}, fan: fan}
	for i, a := range addrs {
		f.index[a] = i
		f.dests = append(f.dests, newDestination(t.sockets[0], a))
		f.send, f.receive = append(f.send, context()), append(f.receive, context())
	}
	return f
}

// Run forwards until stop is closed and the transport woken.
func (f *Floor) Run(stop <-chan struct{}) {
	s := f.t.sockets[0]
	buffers, sizes, ages := make([][]byte, batchSize), make([]int, batchSize), make([]int64, batchSize)
	for i := range buffers {
		buffers[i] = make([]byte, slotSize)
	}
	toward := make([][][]byte, len(f.dests)) // plain packets by receiver
	store := make([]byte, outVectors*slotSize)
	var h rtp.Header
	n := 0
	never := time.Now().Add(time.Hour)
	read := func(uintptr) bool { n = s.receive(buffers, sizes, ages); return n > 0 }
	for {
		n = 0
		f.t.lanes[0].poll.wait(never, read)
		select {
		case <-stop:
			return
		default:
		}
		for i := range n {
			from, known := f.index[s.from(i)]
			if !known {
				continue
			}
			plain, err := f.receive[from].DecryptRTP(buffers[i][:0], buffers[i][:sizes[i]], &h)
			if err != nil {
				continue
			}
			for _, r := range f.fan[from] {
				toward[r] = append(toward[r], plain)
			}
		}
		used := 0
		for r, packets := range toward {
			for _, p := range packets {
				sealed, err := f.send[r].EncryptRTP(store[used:used:used+slotSize], p, &h)
				if err != nil {
					continue
				}
				used += (len(sealed) + 63) &^ 63
				f.Forwarded++
				if s.queue(sealed, f.dests[r]) || used > len(store)-slotSize {
					s.flush()
					used = 0
				}
			}
			toward[r] = packets[:0]
		}
		s.flush()
	}
}
