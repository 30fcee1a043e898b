//go:build linux

package transport

import (
	"net/netip"
	"testing"
	"time"
)

// TestArrivalTimes: a datagram that waited in the kernel says so.
func TestArrivalTimes(t *testing.T) {
	s, err := openSocket(netip.MustParseAddrPort("127.0.0.1:0"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	p, err := newPoller([]*udpSocket{s})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	start := time.Now()
	if !s.sendOne(make([]byte, 100), newDestination(s, s.local)) {
		t.Fatal("not sent")
	}
	buffers, sizes, ages := [][]byte{make([]byte, 2000), make([]byte, 2000)}, make([]int, 2), make([]int64, 2)
	n := 0
	p.wait(start.Add(10*time.Second), func(uintptr) bool { n = s.receive(buffers, sizes, ages); return n > 0 })
	if n != 1 || sizes[0] != 100 || s.from(0) != s.local {
		t.Fatalf("received %d, size %d, from %v", n, sizes[0], s.from(0))
	}
	if ages[0] < 1 || ages[0] > time.Since(start).Microseconds() {
		t.Errorf("age is %d µs", ages[0])
	}
}
