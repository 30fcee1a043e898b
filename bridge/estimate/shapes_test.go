package estimate_test

import (
	"slices"
	"testing"
	"time"
)

// shape is a network, step by step, and what must come of it.
type shape struct {
	name  string
	begin func(*link) // the network at first
	steps []step
	// least is the share of the time in the last half minute that the picture has height
	// lines or more, changes how often it changes in that time at the most.
	height  int
	least   float64
	changes int
	// back is how long the picture may take to have that height again after the last step,
	// 0 if there is nothing to come back from.
	back time.Duration
	// queue bounds how long packets waited, nine of ten times in the last half minute.
	queue time.Duration
}

// step lets the network be so for a while.
type step struct {
	then  func(*link)
	lasts time.Duration
}

func rate(bits float64) func(*link)   { return func(l *link) { l.rate = bits } }
func losing(part float64) func(*link) { return func(l *link) { l.loss = part } }

// outage is one in which what comes back goes on, or ends, too.
func outage(d time.Duration, cut bool) []step {
	begin := func(l *link) { l.cut, l.loss = cut, 1 }
	return []step{{begin, d}, {func(l *link) { l.cut, l.loss = false, 0 }, 40 * time.Second}}
}

func steady(l func(*link)) []step { return []step{{l, 70 * time.Second}} }

var shapes = []shape{
	{name: "outage of 3 s", begin: rate(5e6), steps: outage(3*time.Second, true), height: 720, least: 1, back: 6 * time.Second},
	{name: "outage of 3 s, one way", begin: rate(5e6), steps: outage(3*time.Second, false), height: 720, least: 1, back: 6 * time.Second},
	{name: "outage of 8 s", begin: rate(5e6), steps: outage(8*time.Second, true), height: 720, least: 1, back: 6 * time.Second},
	{name: "outage of 8 s, one way", begin: rate(5e6), steps: outage(8*time.Second, false), height: 720, least: 1, back: 6 * time.Second},
	{name: "outage of 20 s", begin: rate(5e6), steps: outage(20*time.Second, true), height: 720, least: 1, back: 6 * time.Second},
	{name: "outage of 20 s, one way", begin: rate(5e6), steps: outage(20*time.Second, false), height: 720, least: 1, back: 6 * time.Second},
	{name: "outage of 8 s on 600 kbit/s", begin: rate(600e3), steps: outage(8*time.Second, true), height: 360, least: 0.95, changes: 2, back: 12 * time.Second},
	{name: "outage of 3 s at 10 % loss", begin: func(l *link) { l.rate, l.loss = 5e6, 0.1 },
		steps: []step{{losing(1), 3 * time.Second}, {losing(0.1), 40 * time.Second}}, height: 720, least: 0.95, changes: 2, back: 10 * time.Second},
	{name: "5 M, 300 k for 20 s, 5 M", begin: rate(5e6), steps: []step{{rate(300e3), 20 * time.Second}, {rate(5e6), 50 * time.Second}},
		height: 720, least: 1, back: 15 * time.Second},
	{name: "300 kbit/s", begin: rate(300e3), steps: steady(rate(300e3)), height: 180, least: 0.9, changes: 4},
	{name: "2 % loss", begin: rate(5e6), steps: steady(losing(0.02)), height: 720, least: 1},
	{name: "5 % loss", begin: rate(5e6), steps: steady(losing(0.05)), height: 720, least: 1},
	{name: "10 % loss", begin: rate(5e6), steps: steady(losing(0.1)), height: 720, least: 0.95, changes: 2},
	{name: "20 % loss", begin: rate(5e6), steps: steady(losing(0.2)), height: 720, least: 0.8, changes: 4},
	{name: "25 % loss", begin: rate(5e6), steps: steady(losing(0.25)), height: 360, least: 0.8, changes: 8},
	{name: "bursts of loss, 5 % in all", begin: rate(5e6), steps: steady(func(l *link) { l.goodFor, l.badFor = 1900*time.Millisecond, 100*time.Millisecond }),
		height: 720, least: 0.9, changes: 4},
	{name: "bursts of 400 ms, 5 % in all", begin: rate(5e6), steps: steady(func(l *link) { l.goodFor, l.badFor = 7600*time.Millisecond, 400*time.Millisecond }),
		height: 720, least: 0.9, changes: 4},
	{name: "bufferbloat of 1 s at 1 Mbit/s", begin: func(l *link) { l.rate, l.room = 1e6, time.Second }, steps: steady(rate(1e6)),
		height: 360, least: 0.9, changes: 4, queue: 300 * time.Millisecond},
	{name: "another flow on 3 Mbit/s", begin: rate(3e6), steps: []step{{func(l *link) { l.other = 1e5 }, 3 * time.Minute}},
		height: 360, least: 0.95, changes: 4},
	{name: "another flow that ends", begin: rate(3e6), steps: []step{{func(l *link) { l.other = 1e5 }, time.Minute}, {func(l *link) { l.other = 0 }, 50 * time.Second}},
		height: 720, least: 0.95, changes: 2, back: 20 * time.Second},
	{name: "jitter of 80 ms", begin: rate(5e6), steps: steady(func(l *link) { l.jitter = 80 * time.Millisecond }), height: 720, least: 1},
}

// TestShapes: on no network the estimate collapses, gets stuck, or wavers so that it is seen.
func TestShapes(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			for seed := range uint64(5) {
				s.run(t, seed)
			}
		})
	}
}

func (s *shape) run(t *testing.T, seed uint64) {
	c := newCall(seed)
	c.link.delay = 20 * time.Millisecond
	s.begin(c.link)
	c.run(20 * time.Second)
	for _, step := range s.steps[:len(s.steps)-1] {
		step.then(c.link)
		c.run(step.lasts)
	}
	last := s.steps[len(s.steps)-1]
	last.then(c.link)
	begun, back, changes, before, good, counted := c.now, time.Duration(-1), 0, -1, 0, 0
	low, high := int64(1<<40), int64(0)
	var queues []time.Duration
	for c.now < begun+last.lasts {
		clear(c.heights)
		c.run(40 * time.Millisecond)
		height := 0
		for h := range c.heights {
			height = h
		}
		if back < 0 && height >= s.height {
			back = c.now - begun
		}
		if c.now < begun+last.lasts-30*time.Second {
			before = height
			continue
		}
		counted++
		if height >= s.height {
			good++
		}
		if height != before {
			changes++
		}
		before = height
		low, high = min(low, c.e.Bitrate()), max(high, c.e.Bitrate())
		queues = append(queues, max(0, c.link.free-c.now))
	}
	slices.Sort(queues)
	share, queue := float64(good)/float64(counted), queues[len(queues)*9/10]
	t.Logf("seed %d: %d lines after %.1f s; last half minute: %.0f %% of it, %d changes, estimate %d to %d kbit/s, queue %d ms",
		seed, s.height, back.Seconds(), 100*share, changes, low/1000, high/1000, queue.Milliseconds())
	if share < s.least || changes > s.changes || s.queue > 0 && queue > s.queue || s.back > 0 && (back < 0 || back > s.back) {
		t.Errorf("seed %d: wanted %.0f %%, %d changes, a queue of %v, back within %v; %+v", seed, 100*s.least, s.changes, s.queue, s.back, c.e.Snapshot())
	}
}

// TestOwnLossIsAskedAgain: a path that loses a fifth of everything becomes one that drops about
// as much of what exceeds its rate. That comes out, although it looks the same as before.
func TestOwnLossIsAskedAgain(t *testing.T) {
	for seed := range uint64(5) {
		c := newCall(seed)
		c.link.delay, c.link.rate, c.link.loss = 20*time.Millisecond, 5e6, 0.2
		c.run(time.Minute)
		c.link.rate, c.link.loss, c.link.burst, c.link.drops = 1e6, 0, 40e3, true
		c.run(4 * time.Minute)
		const looks = 300
		sum := int64(0)
		for range looks {
			c.run(100 * time.Millisecond)
			sum += c.e.Bitrate()
		}
		t.Logf("seed %d: %d kbit/s on average", seed, sum/looks/1000)
		if sum/looks > 1_500_000 {
			t.Errorf("seed %d: the estimate stays at %d kbit/s on 1 Mbit/s", seed, sum/looks/1000)
		}
	}
}
