//go:build linux

package transport

import (
	"net/netip"
	"testing"
	"time"
)

func socketForTest(t *testing.T) *udpSocket {
	t.Helper()
	s, err := openSocket(netip.MustParseAddrPort("127.0.0.1:0"), 4<<20, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return s
}

// TestRunsAreCut: what leaves in runs arrives as the datagrams it was made of, in order,
// however few buffers there are at a time.
func TestRunsAreCut(t *testing.T) {
	in, out := socketForTest(t), socketForTest(t)
	if in.joinRuns(); in.runsIn == nil {
		t.Skip("the kernel knows no UDP_GRO")
	}
	if !out.segments {
		t.Skip("the kernel knows no UDP_SEGMENT")
	}
	to := newDestination(out, in.local)
	var want [][]byte
	for run, size := range []int{1000, 40, 1200, 1, 900} {
		for i := range 3*run + 1 {
			b := make([]byte, size)
			b[0] = byte(len(want))
			if i == 3*run && size > 1 {
				b = b[:size-1] // the last one may be shorter
			}
			want = append(want, b)
		}
	}
	for _, b := range want {
		out.queue(b, to)
	}
	if n := out.flush(); n != len(want) {
		t.Fatalf("%d of %d left", n, len(want))
	}
	buffers, sizes, ages := make([][]byte, 4), make([]int, 4), make([]int64, 4)
	for i := range buffers {
		buffers[i] = make([]byte, 1952)
	}
	next := 0
	for deadline := time.Now().Add(45 * time.Second); next < len(want) && time.Now().Before(deadline); {
		n := in.receive(buffers, sizes, ages)
		for i := range n {
			if sizes[i] != len(want[next]) || buffers[i][0] != byte(next) || in.from(i) != out.local || ages[i] < 0 {
				t.Fatalf("datagram %d: %d bytes beginning with %d from %v", next, sizes[i], buffers[i][0], in.from(i))
			}
			next++
		}
	}
	if next != len(want) {
		t.Fatalf("%d of %d came", next, len(want))
	}
	if in.runsIn.joined == 0 {
		t.Error("nothing came in a run")
	}
}

// TestSinglesEndTheRuns: where the network joins nothing, nothing is copied for it.
func TestSinglesEndTheRuns(t *testing.T) {
	in, out := socketForTest(t), socketForTest(t)
	if in.joinRuns(); in.runsIn == nil {
		t.Skip("the kernel knows no UDP_GRO")
	}
	to := newDestination(out, in.local)
	buffers, sizes, ages := make([][]byte, batchSize), make([]int, batchSize), make([]int64, batchSize)
	for i := range buffers {
		buffers[i] = make([]byte, 1952)
	}
	one := func(size int) {
		if !out.sendOne(make([]byte, size), to) {
			t.Fatal("not sent")
		}
		for deadline := time.Now().Add(45 * time.Second); ; {
			if n := in.receive(buffers, sizes, ages); n == 1 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("nothing came")
			}
		}
	}
	one(5000)
	if sizes[0] != 1 {
		t.Errorf("a datagram of 5000 bytes counts as %d", sizes[0])
	}
	for range runTrial {
		one(100)
	}
	if in.receive(buffers, sizes, ages) != 0 || in.runsIn != nil {
		t.Error("still looks for runs")
	}
	if one(100); sizes[0] != 100 {
		t.Errorf("%d bytes", sizes[0])
	}
	if n := testing.AllocsPerRun(100, func() { one(100) }); n > 2 { // of sending
		t.Errorf("%v allocations", n)
	}
}

// TestRunsAllocateNothing, neither read nor cut.
func TestRunsAllocateNothing(t *testing.T) {
	in, out := socketForTest(t), socketForTest(t)
	if in.joinRuns(); in.runsIn == nil {
		t.Skip("the kernel knows no UDP_GRO")
	}
	to := newDestination(out, in.local)
	packet := make([]byte, 800)
	buffers, sizes, ages := make([][]byte, batchSize), make([]int, batchSize), make([]int64, batchSize)
	for i := range buffers {
		buffers[i] = make([]byte, 1952)
	}
	turn := func() {
		for range 10 {
			out.queue(packet, to)
		}
		out.flush()
		for got := 0; got < 10; {
			got += in.receive(buffers, sizes, ages)
		}
	}
	turn()
	if n := testing.AllocsPerRun(50, turn); n != 0 {
		t.Errorf("%v allocations for ten datagrams", n)
	}
}
