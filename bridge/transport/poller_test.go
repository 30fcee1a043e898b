//go:build linux

package transport

import (
	"net/netip"
	"testing"
	"time"
)

// TestRest: what comes while the gate is shut is there for the wait that follows, and wakes
// that one as ever.
func TestRest(t *testing.T) {
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		s, err := openSocket(netip.MustParseAddrPort(host), 1<<20, false)
		if err != nil {
			t.Logf("no socket on %s: %v", host, err)
			continue
		}
		defer s.close()
		p, err := newPoller([]*udpSocket{s})
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		to := newDestination(s, s.local)
		buffers, sizes, ages := [][]byte{make([]byte, 2000), make([]byte, 2000)}, make([]int, 2), make([]int64, 2)
		limit := time.Now().Add(30 * time.Second)
		got := 0
		read := func(uintptr) bool { n := s.receive(buffers, sizes, ages); got += n; return n > 0 }
		for i, spare := range []bool{true, false, true} {
			p.rest(time.Millisecond, spare)
			if !p.shut {
				t.Fatal("resting leaves the gate open")
			}
			s.sendOne(make([]byte, 100), to) // while nobody looks
			p.rest(time.Millisecond, spare)
			p.wait(limit, read)
			if got != 2*i+1 || p.shut {
				t.Fatalf("%d datagrams after a rest, want %d", got, 2*i+1)
			}
			later := make(chan bool)
			go func() { later <- s.sendOne(make([]byte, 100), to) }()
			p.wait(limit, read)
			<-later
			if got != 2*i+2 {
				t.Fatalf("%d datagrams after a wait, want %d", got, 2*i+2)
			}
		}
		// A wake-up during a rest ends the wait that follows it.
		p.rest(time.Microsecond, true)
		p.wake()
		p.wait(limit, read)
		if time.Now().After(limit) {
			t.Error("a wake-up got lost in a rest")
		}
	}
}

// TestRestAllocatesNothing, as it comes a thousand times a second.
func TestRestAllocatesNothing(t *testing.T) {
	p, err := newPoller(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if n := testing.AllocsPerRun(20, func() { p.rest(time.Microsecond, true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
