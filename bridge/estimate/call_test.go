package estimate_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"parley/bridge/estimate"
)

// machine is a computer whose programs do not always run when they would: for periods
// of random length the one that reads packets waits for the processor.
type machine struct {
	rng        *rand.Rand
	run, wait  time.Duration // mean lengths
	from, till time.Duration // the present or last time it waited
}

func newMachine(seed uint64, run, wait time.Duration) *machine {
	return &machine{rng: rand.New(rand.NewPCG(seed, 1)), run: run, wait: wait}
}

func (m *machine) draw(mean time.Duration) time.Duration {
	return min(time.Duration(m.rng.ExpFloat64()*float64(mean)), 4*mean)
}

// awake is the first moment from at on when the program runs; at must not go back by much.
func (m *machine) awake(at time.Duration) time.Duration {
	if m.wait == 0 {
		return at
	}
	for at >= m.till {
		m.from = m.till + m.draw(m.run)
		m.till = m.from + m.draw(m.wait)
	}
	if at >= m.from {
		return m.till
	}
	return at
}

// call is a loop: a camera in three layers, sent as the estimate allows with padding on
// top, a link, and a receiver on a machine.
type call struct {
	e        *estimate.Estimator
	link     *link
	receiver *machine
	reader   *machine // of the reports
	now      time.Duration
	sent     []estimate.Packet
	at       []time.Duration // when each was read
	nextFB   time.Duration
	probe    float64 // rate of the padding
	owed     float64 // bits of it
	probing  time.Duration
	heights  map[int]time.Duration
	low      int64
}

type link struct {
	rng    *rand.Rand
	rate   float64
	delay  time.Duration
	jitter time.Duration
	loss   float64
	free   time.Duration
	burst  float64 // bits a shaper lets through at once
	credit float64
	drops  bool // what exceeds rate and burst is dropped, not queued
	last   time.Duration
	room   time.Duration // how long packets may wait

	goodFor, badFor time.Duration // mean lengths of times when nothing and when all is lost
	turns           time.Duration // when the present one ends
	bad             bool

	cut bool // nothing comes back either

	// other is how many bits another flow has on the way. It takes what it can get, as TCP
	// does: one packet more per round trip until something is dropped, and half of all that
	// then. otherAt is how far it was followed.
	other   float64
	otherAt time.Duration
	halved  time.Duration
}

// beside lets the other flow send up to a moment.
func (l *link) beside(at time.Duration) {
	const tick, rtt, segment = time.Millisecond, 50 * time.Millisecond, 1200 * 8
	if l.other == 0 || l.otherAt == 0 {
		l.otherAt = at
		return
	}
	for ; l.otherAt < at; l.otherAt += tick {
		l.free = max(l.free, l.otherAt)
		waits := l.free - l.otherAt
		if waits > l.room {
			if l.otherAt-l.halved > rtt+waits {
				l.other, l.halved = max(l.other/2, 2*segment), l.otherAt
			}
			continue
		}
		rounds := float64(tick) / float64(rtt+waits)
		l.free += time.Duration(rounds * l.other / l.rate * float64(time.Second))
		l.other += rounds * segment
	}
}

// fades tells whether all is lost at a moment.
func (l *link) fades(at time.Duration) bool {
	for l.badFor > 0 && at >= l.turns {
		l.bad = !l.bad
		mean := l.goodFor
		if l.bad {
			mean = l.badFor
		}
		l.turns = at + time.Duration(l.rng.ExpFloat64()*float64(mean))
	}
	return l.bad
}

func (l *link) carry(at time.Duration, size int) (time.Duration, bool) {
	l.beside(at)
	if l.cut {
		return 0, false
	}
	if l.rng.Float64() < l.loss || l.fades(at) {
		return 0, false
	}
	l.credit = min(l.burst, l.credit+max(0, (at-max(l.last, l.free)).Seconds())*l.rate)
	l.last = at
	if bits := float64(size * 8); l.burst > 0 && l.free <= at && l.credit >= bits {
		l.credit -= bits
		return at + l.delay, true
	}
	if l.drops {
		return 0, false
	}
	begin := max(at, l.free)
	if begin-at > l.room {
		return 0, false
	}
	l.free = begin + time.Duration(float64(size*8)/l.rate*float64(time.Second))
	arrives := l.free + l.delay
	if l.jitter > 0 {
		arrives += time.Duration(l.rng.Int64N(int64(l.jitter)))
	}
	return arrives, true
}

func newCall(seed uint64) *call {
	return &call{
		e:        estimate.New(estimate.Config{Initial: 2_500_000, Min: 30_000, Max: 20_000_000}),
		link:     &link{rng: rand.New(rand.NewPCG(seed, 2)), rate: 100e6, delay: 200 * time.Microsecond, room: 300 * time.Millisecond},
		receiver: newMachine(seed, time.Hour, 0), reader: newMachine(seed, time.Hour, 0),
		heights: map[int]time.Duration{}, low: 1 << 40, now: time.Hour,
	}
}

var cameraLayers = []struct {
	height int
	rate   float64
}{{180, 150e3}, {360, 370e3}, {720, 1400e3}}

func (c *call) run(d time.Duration) {
	for end := c.now + d; c.now < end; {
		have := float64(c.e.Bitrate())
		c.low = min(c.low, c.e.Bitrate())
		height, rate := 0, 0.0
		for _, l := range cameraLayers {
			if l.rate < have {
				height, rate = l.height, l.rate
			}
		}
		if p, ok := c.e.Try(int64(cameraLayers[len(cameraLayers)-1].rate), time.Unix(0, 0).Add(c.now)); ok {
			c.probe, c.probing = max(float64(p.Rate)-rate, 0.2*float64(p.Rate)), c.now+p.Time
		}
		c.heights[height] += 40 * time.Millisecond
		c.frame(rate / 25)
		for i := range 4 { // padding every 10 ms
			if at := c.now + time.Duration(i)*10*time.Millisecond; at < c.probing && c.e.Probing() {
				c.pad(c.probe/100, at)
			}
		}
		c.send(100, c.now+3*time.Millisecond)
		c.send(100, c.now+23*time.Millisecond)
		c.now += 40 * time.Millisecond
		c.feedback()
	}
}

func (c *call) frame(bits float64) {
	at := c.now
	for bits > 0 {
		size := min(1150, int(bits/8)+50)
		bits -= float64(size * 8)
		c.send(size, at)
	}
}

func (c *call) pad(bits float64, at time.Duration) {
	for c.owed += bits; c.owed > 8*280; c.owed -= 8 * 280 {
		c.send(280, at)
		c.sent[len(c.sent)-1].Probe = true
	}
}

func (c *call) send(size int, at time.Duration) {
	arrives, ok := c.link.carry(at, size)
	p := estimate.Packet{Sent: time.Unix(0, 0).Add(at), Size: size, Lost: !ok}
	if ok {
		p.Arrived = c.receiver.awake(arrives)
	}
	c.sent = append(c.sent, p)
	c.at = append(c.at, p.Arrived)
}

// feedback hands over what was read, each report when the reader's machine runs.
func (c *call) feedback() {
	if c.now < c.nextFB || c.link.cut {
		return
	}
	n := 0
	for n < len(c.sent) && c.at[n] <= c.now {
		n++
	}
	if n == 0 {
		return
	}
	c.nextFB = c.now + 60*time.Millisecond
	c.e.Feedback(c.sent[:n:n], time.Unix(0, 0).Add(c.reader.awake(c.now)))
	c.sent, c.at = c.sent[n:], c.at[n:]
}

func TestBusyReceiverDoesNotSinkTheEstimate(t *testing.T) {
	for _, wait := range []time.Duration{10, 30, 100, 300, 1000} {
		for _, run := range []time.Duration{20, 100, 500, 3000} {
			for seed := range uint64(5) {
				c := newCall(seed)
				c.receiver.run, c.receiver.wait = run*time.Millisecond, wait*time.Millisecond
				c.run(time.Minute)
				if c.low < 1_400_000 || len(c.heights) != 1 {
					t.Errorf("a receiver that waits %d ms and runs %d ms, seed %d: lowest estimate %d, heights %v", wait, run, seed, c.low, c.heights)
				}
			}
		}
	}
}

func TestBusyMachineThatReadsReportsLate(t *testing.T) {
	for _, wait := range []time.Duration{30, 100, 300, 1000} {
		for seed := range uint64(5) {
			c := newCall(seed)
			c.reader.run, c.reader.wait = 100*time.Millisecond, wait*time.Millisecond
			c.receiver.run, c.receiver.wait = 100*time.Millisecond, wait*time.Millisecond
			c.run(time.Minute)
			if c.low < 1_400_000 {
				t.Errorf("waits of %d ms, seed %d: lowest estimate %d", wait, seed, c.low)
			}
		}
	}
}

// What the page of a bad network feels like: the picture that fits is chosen, and kept.
func TestPicturesOnBadNetworks(t *testing.T) {
	for _, c := range []struct {
		name   string
		rate   float64
		jitter time.Duration
		loss   float64
		height int // at least most of the time
	}{
		{"good", 100e6, 0, 0, 720},
		{"2 Mbit/s", 2e6, 0, 0, 720},
		{"600 kbit/s", 600e3, 0, 0, 360},
		{"300 kbit/s", 300e3, 0, 0, 180},
		{"jitter of 50 ms", 100e6, 50 * time.Millisecond, 0, 720},
		{"5 % loss", 100e6, 0, 0.05, 720},
		{"10 % loss", 100e6, 0, 0.1, 720},
		{"10 % loss and jitter", 100e6, 50 * time.Millisecond, 0.1, 720},
		{"600 kbit/s, 10 % loss and jitter", 600e3, 50 * time.Millisecond, 0.1, 180},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(5) {
				call := newCall(seed)
				call.link.rate, call.link.jitter, call.link.loss = c.rate, c.jitter, c.loss
				call.run(20 * time.Second)
				clear(call.heights)
				call.low = 1 << 40
				call.run(time.Minute)
				good := time.Duration(0)
				for height, d := range call.heights {
					if height >= c.height {
						good += d
					}
				}
				t.Logf("seed %d: heights %v, lowest estimate %d, last %d", seed, call.heights, call.low, call.e.Bitrate())
				if good < 48*time.Second {
					t.Errorf("seed %d: only %v of a minute at %d lines", seed, good, c.height)
				}
			}
		})
	}
}

// A path that narrows to 300 kbit/s for half a minute and widens again.
func TestThrottledAndLifted(t *testing.T) {
	for seed := range uint64(10) {
		call := newCall(seed)
		call.link.jitter = 3 * time.Millisecond
		until := func(height int, most time.Duration) time.Duration {
			begin := call.now
			for call.now-begin < most {
				clear(call.heights)
				if call.run(40 * time.Millisecond); call.heights[height] > 0 {
					break
				}
			}
			return call.now - begin
		}
		call.run(10 * time.Second)
		call.link.rate, call.link.burst = 300e3, 80e3
		down := until(180, 20*time.Second)
		clear(call.heights)
		call.run(30*time.Second - down)
		kept := call.heights[180]
		call.link.rate = 5e6
		up := until(720, 60*time.Second)
		clear(call.heights)
		call.run(30 * time.Second)
		t.Logf("seed %d: down after %v, %v of %v there, up after %v, then %v", seed, down, kept, 30*time.Second-down, up, call.heights)
		if down > 3*time.Second || up > 15*time.Second || kept < 28*time.Second-down || len(call.heights) != 1 {
			t.Errorf("seed %d: down after %v, up after %v; pictures afterwards %v", seed, down, up, call.heights)
		}
	}
}

// A policer drops what exceeds its rate: no delay tells of it, only loss.
func TestPolicer(t *testing.T) {
	for seed := range uint64(5) {
		call := newCall(seed)
		call.run(5 * time.Second)
		call.link.rate, call.link.burst, call.link.drops = 600e3, 40e3, true
		call.run(10 * time.Second)
		clear(call.heights)
		call.run(time.Minute)
		t.Logf("seed %d: %v, estimate %d", seed, call.heights, call.e.Bitrate())
		if call.heights[720] > 6*time.Second || call.heights[360] < 30*time.Second {
			t.Errorf("seed %d: %v behind a policer of 600 kbit/s", seed, call.heights)
		}
	}
}

// A box that keeps seconds of packets: the queue is let go before pictures come back.
func TestLongQueueEmpties(t *testing.T) {
	for seed := range uint64(5) {
		call := newCall(seed)
		call.run(10 * time.Second)
		call.link.rate = 500e3
		call.link.free = call.now + 5*time.Second
		begin := call.now
		for call.link.free-call.now > 300*time.Millisecond && call.now-begin < time.Minute {
			call.run(40 * time.Millisecond)
		}
		took := call.now - begin
		clear(call.heights)
		call.run(30 * time.Second)
		t.Logf("seed %d: five seconds of packets were gone after %v; pictures of the next 30 s %v", seed, took, call.heights)
		if took > 12*time.Second || call.heights[360]+call.heights[180] < 20*time.Second {
			t.Errorf("seed %d: five seconds of packets were gone after %v; pictures afterwards %v", seed, took, call.heights)
		}
	}
}
