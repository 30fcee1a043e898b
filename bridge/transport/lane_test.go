//go:build linux

package transport

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/logx"
)

func openLanesForTest(t *testing.T, lanes, port int) (*Transport, error) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Port, cfg.Addresses, cfg.TCP.Enabled, cfg.Lanes = port, []string{"127.0.0.1"}, false, lanes
	tr, err := New(cfg, logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Listen(); err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr, nil
}

// TestMediaReachesItsLane: wherever the kernel puts a datagram, the lane of its session
// gets it, once, and no other does.
func TestMediaReachesItsLane(t *testing.T) {
	const people = 48
	tr, err := openLanesForTest(t, 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	var clients []*net.UDPConn
	for i := range people {
		c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(tr.Addresses()[0]))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
		tr.mux.routes[c.LocalAddr().(*net.UDPAddr).AddrPort()] = route{peer: uint32(i + 1), lane: tr.lanes[i%3]}
	}
	var mu sync.Mutex
	got := map[uint32]int{} // lane of a peer
	var work sync.WaitGroup
	all := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) == people
	}
	deadline := time.Now().Add(30 * time.Second)
	for i, l := range tr.lanes {
		work.Go(func() {
			// All read until the last has come: it may be in the socket of another lane.
			defer func() {
				for _, other := range tr.lanes {
					other.Wake()
				}
			}()
			buffers, sizes, peers, ages := make([][]byte, batchSize), make([]int, batchSize), make([]uint32, batchSize), make([]int64, batchSize)
			for j := range buffers {
				buffers[j] = make([]byte, slotSize)
			}
			for !all() && time.Now().Before(deadline) {
				n := l.Receive(buffers, sizes, peers, ages, deadline)
				for j := range n {
					if sizes[j] == 0 {
						continue
					}
					mu.Lock()
					if _, twice := got[peers[j]]; twice || sizes[j] != 100 || int(buffers[j][50]) != int(peers[j]) || ages[j] < 0 || ages[j] > maxAge {
						t.Errorf("peer %d: %d bytes of %d, %d µs old, twice: %v", peers[j], sizes[j], buffers[j][50], ages[j], twice)
					}
					got[peers[j]] = i
					mu.Unlock()
				}
			}
		})
	}
	for i, c := range clients {
		b := make([]byte, 100)
		b[0], b[1], b[50] = 0x80, 100, byte(i+1)
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	// A lane that waits for the others to hand over must be woken by them.
	work.Wait()
	if len(got) != people {
		t.Fatalf("%d of %d arrived", len(got), people)
	}
	for peer, lane := range got {
		if lane != int(peer-1)%3 {
			t.Errorf("peer %d came to lane %d", peer, lane)
		}
	}
}

// TestFullInboxDrops: a lane that does not read costs the others nothing.
func TestFullInboxDrops(t *testing.T) {
	tr, err := openLanesForTest(t, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range inboxSlots + 7 {
		tr.lanes[1].deliver(1, []byte{0x80, 100, 0})
	}
	if n := tr.Stats().QueueDropped; n != 7 {
		t.Errorf("%d were dropped", n)
	}
}

// TestTakenPortIsAnError, although sockets of one bridge share theirs.
func TestTakenPortIsAnError(t *testing.T) {
	tr, err := openLanesForTest(t, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, lanes := range []int{1, 2} {
		_, err := openLanesForTest(t, lanes, int(tr.Addresses()[0].Port()))
		if err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("%d lanes: %v", lanes, err)
		}
	}
}

// TestHandOverAllocatesNothing, however many lanes there are.
func TestHandOverAllocatesNothing(t *testing.T) {
	tr, err := openLanesForTest(t, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	from := netip.MustParseAddrPort("127.0.0.1:9")
	tr.mux.routes[from] = route{peer: 1, lane: tr.lanes[1]}
	s := tr.lanes[0].sockets[0]
	buffers, sizes, peers, ages := make([][]byte, batchSize), make([]int, batchSize), make([]uint32, batchSize), make([]int64, batchSize)
	for i := range buffers {
		buffers[i] = make([]byte, slotSize)
		buffers[i][0], buffers[i][1] = 0x80, 100
		s.inNames[i] = newRawAddr(from)
	}
	turn := func() {
		for i := range sizes {
			sizes[i] = 200
		}
		tr.lanes[0].sortDatagrams(s, buffers, sizes, peers, ages)
		if n := tr.lanes[1].inbox.drain(buffers, sizes, peers, ages); n != batchSize {
			t.Fatalf("%d were handed over", n)
		}
	}
	turn()
	if n := testing.AllocsPerRun(100, turn); n != 0 {
		t.Errorf("%v allocations for %d datagrams", n, batchSize)
	}
}
