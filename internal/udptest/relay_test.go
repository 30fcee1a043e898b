package udptest

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// pass sends numbered packets of 100 bytes through a relay and returns the numbers in the
// order of their arrival.
func pass(t *testing.T, cfg Config, n int) (got []uint32, took time.Duration) {
	t.Helper()
	sink, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	r, err := Listen(loopback, sink.LocalAddr().(*net.UDPAddr).AddrPort(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Error(err)
		}
	}()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begin := time.Now()
	for i := range n {
		if _, err := c.Write(binary.BigEndian.AppendUint32(make([]byte, 96), uint32(i))); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, maxSize)
	for end := begin.Add(30 * time.Second); ; {
		carried, lost := r.Counts()
		if int(carried+lost) == n && len(got) == int(carried) {
			return got, time.Since(begin)
		}
		if time.Now().After(end) {
			t.Fatalf("of %d packets %d were carried, %d lost, and %d arrived", n, carried, lost, len(got))
		}
		_ = sink.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if size, _, err := sink.ReadFromUDP(buf); err == nil {
			got = append(got, binary.BigEndian.Uint32(buf[size-4:]))
		}
	}
}

func TestGoodNetworkCarriesEverything(t *testing.T) {
	if got, _ := pass(t, Config{}, 50); len(got) != 50 {
		t.Fatalf("%d packets of 50 arrived", len(got))
	}
}

func TestLossIsTheSameEveryTime(t *testing.T) {
	first, _ := pass(t, Config{Loss: 0.2, Seed: 3}, 200)
	again, _ := pass(t, Config{Loss: 0.2, Seed: 3}, 200)
	slices.Sort(first)
	slices.Sort(again)
	if len(first) < 140 || len(first) > 180 || !slices.Equal(first, again) {
		t.Fatalf("%d packets of 200 arrived, then %d", len(first), len(again))
	}
}

func TestJitterReordersAndDelayDelays(t *testing.T) {
	got, took := pass(t, Config{Delay: 60 * time.Millisecond, Jitter: 50 * time.Millisecond, Seed: 1}, 100)
	if len(got) != 100 || slices.IsSorted(got) || took < 60*time.Millisecond {
		t.Fatalf("%d packets of 100 arrived within %v, in order: %v", len(got), took, slices.IsSorted(got))
	}
}

func TestRateSpreadsAndItsQueueOverflows(t *testing.T) {
	// 128 bytes with their headers at 100 kbit/s: 10 ms each, 20 in the queue. So many that
	// even a machine that takes a second to send them sends too fast.
	const n = 200
	got, took := pass(t, Config{Rate: 100_000, Queue: 200 * time.Millisecond}, n)
	if len(got) < 18 || len(got) == n || took < 150*time.Millisecond {
		t.Fatalf("%d packets of %d arrived within %v", len(got), n, took)
	}
}
