package bridge

import (
	"math"
	"runtime"
	"testing"
	"time"

	"parley/bridge/allocate"
)

func TestStress(t *testing.T) {
	c := defaultLoad()
	for name, x := range map[string]struct {
		used    usage
		packets int
		want    float64
	}{
		"idle":                    {usage{}, 0, 0},
		"busy machine":            {usage{machine: 0.45, process: 0.1}, 0, 0.5},
		"machine does not tell":   {usage{machine: -1, process: 0.09}, 0, 0.1},
		"busy packet path":        {usage{machine: 0.3, path: 0.9}, 0, 1},
		"packets are not counted": {usage{packets: 1e6}, 0, 0},
		"many packets":            {usage{packets: 25000, machine: 0.1}, 50000, 0.5},
	} {
		c.PacketLimit = x.packets
		if got := c.stress(x.used); math.Abs(got-x.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, x.want)
		}
	}
}

// TestBusyNeighboursTakeNoPictures: a packet path that waits for processors others use is
// not overloaded itself.
func TestBusyNeighboursTakeNoPictures(t *testing.T) {
	cores := float64(runtime.GOMAXPROCS(0))
	if got := (usage{machine: 1, process: 0.3 / cores, path: 1}).ownPath(); math.Abs(got-0.3) > 1e-9 {
		t.Errorf("starved: %v", got)
	}
	if got := (usage{machine: 1, process: 1, path: 0.97}).ownPath(); got != 0.97 {
		t.Errorf("overloaded: %v", got)
	}
}

func TestParticipantLoad(t *testing.T) {
	var p participantLoad
	if got := p.add(5, 2); got != defaultParticipant {
		t.Errorf("two participants tell nothing, but it is %v", got)
	}
	var got float64
	for range 1000 {
		got = p.add(0.5, 100)
	}
	if math.Abs(got-0.005) > 1e-4 {
		t.Errorf("learnt %v", got)
	}
	for range 1000 {
		got = p.add(1e9, 10)
	}
	if got > maxParticipant {
		t.Errorf("learnt %v", got)
	}
}

// TestReducer: pictures are taken away only when the packet path has had no time left for
// long, a quarter at a time, and come back when it has.
func TestReducer(t *testing.T) {
	r := newReducer(defaultLoad())
	now := time.Now()
	run := func(d time.Duration, path float64, forwarded int) int {
		for range int(d / time.Second) {
			now = now.Add(time.Second)
			r.next(path, forwarded, now)
		}
		return r.limit
	}
	if got := run(9*time.Second, 1, 20); got != allocate.Unlimited {
		t.Fatalf("limited to %d at once", got)
	}
	run(time.Second, 0.5, 20)
	if got := run(9*time.Second, 1, 20); got != allocate.Unlimited {
		t.Fatalf("limited to %d after a pause", got)
	}
	if got := run(5*time.Second, 1, 20); got != 15 {
		t.Fatalf("limited to %d, want three quarters", got)
	}
	if got := run(50*time.Second, 1, 15); got != 15 {
		t.Fatalf("limited to %d before that showed its effect", got)
	}
	if got := run(time.Minute, 1, 15); got != 11 {
		t.Fatalf("limited to %d", got)
	}
	if got := run(30*time.Minute, 1, 11); got != 1 {
		t.Fatalf("limited to %d, want one at last", got)
	}
	if got := run(time.Hour, 0.8, 1); got != 1 {
		t.Fatalf("given back although it is still busy: %d", got)
	}
	if got := run(2*time.Minute, 0.3, 1); got != 3 {
		t.Fatalf("gave back up to %d", got)
	}
	if got := run(time.Hour, 0.3, 10); got != allocate.Unlimited {
		t.Fatalf("still limited to %d", got)
	}
	off := defaultLoad()
	off.Reduce = false
	r = newReducer(off)
	if got := run(time.Hour, 1, 50); got != allocate.Unlimited {
		t.Fatalf("limited to %d although that is off", got)
	}
}

func TestLastNLimits(t *testing.T) {
	c := LoadConfig{LastNLimits: []LastNLimit{{30, 15}, {20, 20}, {90, 2}, {50, 10}}}
	for size, want := range map[int]int{1: -1, 19: -1, 20: 20, 29: 20, 30: 15, 60: 10, 90: 2, 1000: 2} {
		if got := c.lastNOf(size); got != want {
			t.Errorf("%d sources: %d, want %d", size, got, want)
		}
	}
}
