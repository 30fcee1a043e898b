//go:build linux

package transport

import (
	"bytes"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestArrivalTimes: a datagram that waited in the kernel says so.
func TestArrivalTimes(t *testing.T) {
	s, err := openSocket(netip.MustParseAddrPort("127.0.0.1:0"), 1<<20, false)
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
	p.wait(start.Add(45*time.Second), func(uintptr) bool { n = s.receive(buffers, sizes, ages); return n > 0 })
	if n != 1 || sizes[0] != 100 || s.from(0) != s.local {
		t.Fatalf("received %d, size %d, from %v", n, sizes[0], s.from(0))
	}
	if ages[0] < 1 || ages[0] > time.Since(start).Microseconds() {
		t.Errorf("age is %d µs", ages[0])
	}
}

// socketPair is a socket to send with and one to receive with.
func socketPair(t *testing.T) (from, to *udpSocket, d *destination) {
	t.Helper()
	for _, s := range []**udpSocket{&from, &to} {
		var err error
		if *s, err = openSocket(netip.MustParseAddrPort("127.0.0.1:0"), 1<<20, false); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = (*s).close() })
	}
	return from, to, newDestination(from, to.local)
}

// drained returns the sizes of what a socket received; the i-th datagram must be full of
// the byte i.
func drained(t *testing.T, s *udpSocket, want int) (sizes []int) {
	t.Helper()
	p, err := newPoller([]*udpSocket{s})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	buffers, n, ages := make([][]byte, batchSize), make([]int, batchSize), make([]int64, batchSize)
	for i := range buffers {
		buffers[i] = make([]byte, slotSize)
	}
	for deadline := time.Now().Add(45 * time.Second); len(sizes) < want && time.Now().Before(deadline); {
		p.wait(deadline, func(uintptr) bool {
			got := s.receive(buffers, n, ages)
			for i := range got {
				if b := buffers[i][:n[i]]; bytes.Count(b, []byte{byte(len(sizes))}) != len(b) {
					t.Errorf("datagram %d begins with % x", len(sizes), b[:min(8, len(b))])
				}
				sizes = append(sizes, n[i])
			}
			return got > 0
		})
	}
	return sizes
}

// queueSizes queues datagrams of these sizes, the i-th full of the byte i.
func queueSizes(s *udpSocket, d *destination, sizes []int) {
	for i, size := range sizes {
		s.queue(bytes.Repeat([]byte{byte(i)}, size), d)
	}
}

// TestRuns: datagrams of one size, the last perhaps smaller, are one message, and arrive
// as they were.
func TestRuns(t *testing.T) {
	from, to, d := socketPair(t)
	if !from.segments {
		t.Skip("this kernel has no UDP segmentation")
	}
	sizes := []int{1000, 1000, 1000, 900, 1000, 1100, 1100, 60, 60, 60, 10}
	queueSizes(from, d, sizes)
	// 1000 1000 1000 900 | 1000 | 1100 1100 60 | 60 60 10
	if from.queued != 4 {
		t.Errorf("%d messages, want 4", from.queued)
	}
	if sent := from.flush(); sent != len(sizes) {
		t.Errorf("sent %d of %d", sent, len(sizes))
	}
	if got := drained(t, to, len(sizes)); !slices.Equal(got, sizes) {
		t.Errorf("got %v, want %v", got, sizes)
	}
}

// TestRunsAreBounded: a run ends before the kernel would refuse it.
func TestRunsAreBounded(t *testing.T) {
	from, to, d := socketPair(t)
	for _, size := range []int{1200, 20} {
		sizes := slices.Repeat([]int{size}, 150)
		queueSizes(from, d, sizes)
		if sent := from.flush(); sent != len(sizes) || d.plain.Load() {
			t.Errorf("sent %d of %d; gave up on runs: %v", sent, len(sizes), d.plain.Load())
		}
		if got := drained(t, to, len(sizes)); !slices.Equal(got, sizes) {
			t.Errorf("got %d datagrams, want %d", len(got), len(sizes))
		}
	}
}

// TestRunRefused: when the way to a receiver takes no runs, its datagrams go one by one,
// these and all that follow.
func TestRunRefused(t *testing.T) {
	from, to, d := socketPair(t)
	sizes := []int{500, 500, 200}
	queueSizes(from, d, sizes)
	if sent := from.refused(0, syscall.EIO); from.segments && sent != len(sizes) {
		t.Errorf("sent %d of %d", sent, len(sizes))
	}
	from.queued, from.vectors, from.run = 0, 0, run{}
	if got := drained(t, to, len(sizes)); !slices.Equal(got, sizes) {
		t.Errorf("got %v, want %v", got, sizes)
	}
	queueSizes(from, d, sizes)
	if from.queued != len(sizes) {
		t.Errorf("%d messages for %d datagrams", from.queued, len(sizes))
	}
	from.flush()
	if got := drained(t, to, len(sizes)); !slices.Equal(got, sizes) {
		t.Errorf("got %v afterwards, want %v", got, sizes)
	}
}

// TestWake: a wake-up ends a wait, also when it comes before, and none is left over.
func TestWake(t *testing.T) {
	_, to, _ := socketPair(t)
	p, err := newPoller([]*udpSocket{to})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	nothing := func(uintptr) bool { return false }
	far := time.Now().Add(time.Hour)
	for range 100 {
		p.wake()
		p.wait(far, nothing)
		done := make(chan struct{})
		go func() {
			p.wait(far, nothing)
			close(done)
		}()
		p.wake()
		<-done
	}
	soon := time.Now().Add(20 * time.Millisecond)
	for time.Now().Before(soon) {
		p.wait(soon, nothing)
	}
}
