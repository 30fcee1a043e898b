package estimate_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"parley/bridge/estimate"
)

// path is a simulated bottleneck: a queue drained at rate, with random jitter and
// loss, whose receiver reports every 50 ms.
type path struct {
	e    *estimate.Estimator
	rng  *rand.Rand
	now  time.Time
	base time.Time

	rate   float64 // bit/s
	jitter time.Duration
	loss   float64
	// stall is how long the receiver's machine does not read, every other second.
	stall time.Duration

	free    time.Time // when the bottleneck is idle again
	pending []estimate.Packet
	arrives []time.Time
}

func newPath(rate float64) *path {
	base := time.Unix(1000, 0)
	return &path{
		e:   estimate.New(estimate.Config{Initial: 2_500_000, Min: 30_000, Max: 20_000_000}),
		rng: rand.New(rand.NewPCG(7, 7)), now: base, base: base, free: base, rate: rate,
	}
}

// run sends at what want returns (30 frames a second) and feeds back.
func (p *path) run(d time.Duration, want func(estimate int64) float64) {
	end := p.now.Add(d)
	nextFeedback := p.now.Add(50 * time.Millisecond)
	for p.now.Before(end) {
		bits := want(p.e.Bitrate()) / 30
		at := p.now
		for bits > 0 {
			size := min(1200, int(bits/8)+1)
			bits -= float64(size * 8)
			p.send(size, at)
			at = at.Add(time.Duration(200) * time.Microsecond)
		}
		p.now = p.now.Add(33333 * time.Microsecond)
		for !p.now.Before(nextFeedback) {
			p.feedback(nextFeedback)
			nextFeedback = nextFeedback.Add(50 * time.Millisecond)
		}
	}
}

func (p *path) send(size int, at time.Time) {
	start := p.free
	if start.Before(at) {
		start = at
	}
	queued := start.Sub(at)
	lost := p.rng.Float64() < p.loss || queued > 500*time.Millisecond
	if !lost {
		p.free = start.Add(time.Duration(float64(size*8) / p.rate * float64(time.Second)))
	}
	arrive := p.free.Add(20 * time.Millisecond)
	if p.jitter > 0 {
		arrive = arrive.Add(time.Duration(p.rng.Int64N(int64(p.jitter))))
	}
	if into := arrive.Sub(p.base) % (2 * time.Second); into < p.stall {
		arrive = arrive.Add(p.stall - into)
	}
	p.pending = append(p.pending, estimate.Packet{Sent: at, Arrived: arrive.Sub(p.base), Lost: lost, Size: size})
	p.arrives = append(p.arrives, arrive)
}

func (p *path) feedback(at time.Time) {
	n := 0
	for n < len(p.pending) && p.arrives[n].Before(at) {
		n++
	}
	p.e.Feedback(p.pending[:n], at)
	p.pending, p.arrives = p.pending[n:], p.arrives[n:]
}

// padded is a sender with enough to send (video or padding) to fill the estimate.
func padded(limit float64) func(int64) float64 {
	return func(e int64) float64 { return min(float64(e), limit) }
}

func fixed(rate float64) func(int64) float64 { return func(int64) float64 { return rate } }

func TestSteadyOnAGoodPath(t *testing.T) {
	p := newPath(50_000_000)
	p.jitter = 3 * time.Millisecond
	p.run(20*time.Second, fixed(1_600_000))
	if b := p.e.Bitrate(); b < 2_000_000 {
		t.Fatalf("estimate fell to %d on a good path", b)
	}
}

func TestJitterOfABusyMachineDoesNotSinkTheEstimate(t *testing.T) {
	p := newPath(50_000_000)
	p.jitter = 25 * time.Millisecond
	for range 60 {
		p.run(time.Second, fixed(1_600_000))
		if b := p.e.Bitrate(); b < 1_500_000 {
			t.Fatalf("estimate fell to %d", b)
		}
	}
}

func TestStallsOfABusyMachineDoNotSinkTheEstimate(t *testing.T) {
	for _, stall := range []time.Duration{50, 100, 200, 400} {
		p := newPath(50_000_000)
		p.jitter = 5 * time.Millisecond
		p.stall = stall * time.Millisecond
		p.e.Report(0, 2*time.Millisecond, p.now)
		low := int64(1 << 40)
		for range 300 {
			p.run(200*time.Millisecond, fixed(1_600_000))
			low = min(low, p.e.Bitrate())
		}
		t.Logf("stalls of %v: lowest estimate %d, last %d", p.stall, low, p.e.Bitrate())
		if low < 1_700_000 {
			t.Errorf("stalls of %v: estimate fell to %d", p.stall, low)
		}
	}
}

func TestLittleTrafficDoesNotSinkTheEstimate(t *testing.T) {
	p := newPath(50_000_000)
	p.jitter = 10 * time.Millisecond
	p.run(30*time.Second, fixed(150_000))
	if b := p.e.Bitrate(); b < 1_500_000 {
		t.Fatalf("estimate fell to %d", b)
	}
}

func TestFallsOnABadPath(t *testing.T) {
	p := newPath(300_000)
	p.run(3*time.Second, padded(1_500_000))
	if b := p.e.Bitrate(); b > 400_000 {
		t.Fatalf("estimate is %d after 3 s on a path of 300 kbit/s", b)
	}
	p.run(20*time.Second, padded(1_500_000))
	if b := p.e.Bitrate(); b < 120_000 || b > 450_000 {
		t.Fatalf("estimate is %d on a path of 300 kbit/s", b)
	}
}

func TestRecovers(t *testing.T) {
	p := newPath(300_000)
	p.run(10*time.Second, padded(1_500_000))
	p.rate = 10_000_000
	p.run(20*time.Second, padded(3_000_000))
	if b := p.e.Bitrate(); b < 1_000_000 {
		t.Fatalf("estimate is %d after the path became good", b)
	}
}

func TestModerateLossHolds(t *testing.T) {
	p := newPath(50_000_000)
	p.loss = 0.05
	p.run(20*time.Second, fixed(1_600_000))
	if b := p.e.Bitrate(); b < 2_000_000 {
		t.Fatalf("estimate fell to %d with 5 %% loss", b)
	}
}

func TestHeavyLossLowers(t *testing.T) {
	p := newPath(50_000_000)
	p.loss = 0.3
	p.run(10*time.Second, padded(3_000_000))
	if b := p.e.Bitrate(); b > 1_500_000 {
		t.Fatalf("estimate is %d with 30 %% loss", b)
	}
}

// An outage says nothing about what the path carries, wherever in an observation it falls.
func TestOutageDoesNotSinkTheEstimate(t *testing.T) {
	for before := 2 * time.Second; before < 3*time.Second; before += 90 * time.Millisecond {
		p := newPath(10_000_000)
		want := func(estimate int64) float64 { return min(float64(estimate), 400_000) }
		p.run(before, want)
		had := p.e.Bitrate()
		p.loss = 1
		p.run(3*time.Second, want)
		p.loss = 0
		p.run(500*time.Millisecond, want)
		if have := p.e.Bitrate(); float64(have) < 0.8*float64(had) {
			t.Errorf("after %v and an outage the estimate is %d, it was %d: %+v", before, have, had, p.e.Snapshot())
		}
	}
}

// Where nothing is sent that the receiver tells about, and probes are not heard of either, the
// loss-based estimate must not keep the picture away for good.
func TestSilenceIsNoReasonToStayLow(t *testing.T) {
	p := newPath(10_000_000)
	p.run(2*time.Second, func(int64) float64 { return 400_000 })
	p.loss = 0.6
	p.run(3*time.Second, func(estimate int64) float64 { return min(float64(estimate), 400_000) })
	low := p.e.Bitrate()
	if low > 250_000 {
		t.Fatalf("six lost of ten leave %d", low)
	}
	var took time.Duration
	for ; p.e.Bitrate() < 270_000 && took < time.Minute; took += 100 * time.Millisecond {
		p.now = p.now.Add(100 * time.Millisecond)
		p.e.Try(270_000, p.now)
	}
	t.Logf("from %d to %d without feedback in %v", low, p.e.Bitrate(), took)
	if took >= time.Minute {
		t.Errorf("without feedback the estimate stays at %d", p.e.Bitrate())
	}
}

func TestWithoutFeedbackREMBRules(t *testing.T) {
	e := estimate.New(estimate.Config{Initial: 2_500_000, Min: 30_000, Max: 20_000_000})
	if e.Known() {
		t.Fatal("an estimate without any report")
	}
	e.REMB(800_000)
	if b := e.Bitrate(); b != 800_000 || !e.Known() {
		t.Fatalf("estimate %d", b)
	}
	e.Feedback([]estimate.Packet{{Sent: time.Unix(1, 0), Size: 1000}}, time.Unix(1, 0))
	if b := e.Bitrate(); b == 800_000 {
		t.Fatal("REMB of a receiver with transport-wide feedback was used")
	}
}

func FuzzFeedback(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 200, 100, 0, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		e := estimate.New(estimate.Config{Initial: 2_500_000, Min: 30_000, Max: 20_000_000})
		now := time.Unix(1000, 0)
		for len(data) >= 4 {
			var packets []estimate.Packet
			for n := int(data[0]%8) + 1; n > 0 && len(data) >= 4; n-- {
				packets = append(packets, estimate.Packet{
					Sent:    now.Add(time.Duration(data[0]) * time.Millisecond),
					Arrived: time.Duration(int(data[1])<<8|int(data[2])) * 10 * time.Millisecond,
					Lost:    data[3]&1 == 1, Late: data[3]&5 == 4, Probe: data[3]&2 == 2, Size: int(data[3]) * 6,
				})
				data = data[4:]
			}
			now = now.Add(100 * time.Millisecond)
			e.Feedback(packets, now)
			have := e.Bitrate()
			if p, ok := e.Try(2_000_000, now); ok && (p.Rate <= have || p.Rate > 2_200_000 || p.Time <= 0) {
				t.Fatalf("probe %+v at an estimate of %d", p, have)
			}
			if b := e.Bitrate(); b < 30_000 || b > 20_000_000 {
				t.Fatalf("estimate %d is out of bounds", b)
			}
		}
	})
}
