package estimate

import (
	"math"
	"time"
)

const (
	flowWindow = 500 * time.Millisecond
	flowLimit  = 2048 // packets; half a second of 20 Mbit/s is about 1,000
)

// flow knows how fast packets were sent and how fast they arrived lately.
type flow struct {
	packets []Packet // in order of sending, within flowWindow of the newest
}

func (f *flow) add(packets []Packet) {
	for _, p := range packets {
		if p.Late {
			f.correct(p)
			continue
		}
		// A receiver's clock that jumps back makes older arrivals meaningless.
		if n := len(f.packets); n > 0 && !p.Lost && p.Arrived < f.packets[n-1].Arrived-time.Second {
			f.packets = f.packets[:0]
		}
		f.packets = append(f.packets, p)
	}
	newest := f.newest()
	drop := 0
	for drop < len(f.packets) && newest.Sub(f.packets[drop].Sent) > flowWindow {
		drop++
	}
	drop = max(drop, len(f.packets)-flowLimit)
	f.packets = append(f.packets[:0], f.packets[drop:]...)
}

// correct takes a packet for arrived that was reported as lost.
func (f *flow) correct(p Packet) {
	for i := range f.packets {
		if q := &f.packets[i]; q.Lost && q.Sent.Equal(p.Sent) && q.Size == p.Size {
			*q = p
			return
		}
	}
}

// spans returns the bytes and the time from the first to the last, once as sent
// and once as arrived. The first packet's bytes start the clock and do not count.
func (f *flow) spans() (sentBytes, arrivedBytes int, sent, arrived time.Duration) {
	var first, last time.Duration
	seen := false
	for i, p := range f.packets {
		if i > 0 {
			sentBytes += p.Size
		}
		if p.Lost {
			continue
		}
		if !seen {
			first, last, seen = p.Arrived, p.Arrived, true
			continue
		}
		first, last = min(first, p.Arrived), max(last, p.Arrived)
		arrivedBytes += p.Size
	}
	if n := len(f.packets); n > 0 {
		sent = f.packets[n-1].Sent.Sub(f.packets[0].Sent)
	}
	return sentBytes, arrivedBytes, sent, last - first
}

// arrivalRate is how many bits per second arrived, 0 if that cannot be told.
func (f *flow) arrivalRate() float64 {
	_, bytes, _, span := f.spans()
	if span < 50*time.Millisecond {
		return 0
	}
	// Sparse traffic is measured over the window it was sparse in.
	return float64(bytes*8) / math.Max(span.Seconds(), flowWindow.Seconds()/2)
}

// fastest is the same over those of the last moments that arrived fastest: where a queue
// stands, what the path carries.
func (f *flow) fastest() float64 {
	best := f.arrivalRate()
	newest := f.newest()
	for _, span := range []time.Duration{flowWindow / 2, flowWindow / 3} {
		first := len(f.packets)
		for first > 0 && newest.Sub(f.packets[first-1].Sent) <= span {
			first--
		}
		part := flow{packets: f.packets[first:]}
		if _, bytes, _, arriving := part.spans(); len(part.packets) >= probePackets && arriving >= span/2 {
			best = math.Max(best, float64(bytes*8)/arriving.Seconds())
		}
	}
	return best
}

// newest is when the last packet known of was sent.
func (f *flow) newest() time.Time {
	if len(f.packets) == 0 {
		return time.Time{}
	}
	return f.packets[len(f.packets)-1].Sent
}

// rates returns how fast everything was sent from the first to the last probing packet
// after a moment, and how fast it arrived; false if too little is known.
func (f *flow) rates(after time.Time) (sent, arrived float64, ok bool) {
	first, last := -1, -1
	for i, p := range f.packets {
		if p.Probe && !p.Sent.Before(after) {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if last-first+1 < probePackets || first < 0 {
		return 0, 0, false
	}
	part := flow{packets: f.packets[first : last+1]}
	sentBytes, arrivedBytes, sending, arriving := part.spans()
	if sending < probeSpan || arrivedBytes == 0 {
		return 0, 0, false
	}
	return float64(sentBytes*8) / sending.Seconds(), float64(arrivedBytes*8) / max(arriving, sending/2).Seconds(), true
}

// squeezed tells whether packets arrive markedly slower than they were sent.
func (f *flow) squeezed() bool {
	_, _, sent, arrived := f.spans()
	return sent >= 50*time.Millisecond && float64(sent) < squeezedBelow*float64(arrived)
}

// capacity remembers around which rate the path was full.
type capacity struct {
	mean, variance float64 // in kbit/s, variance relative to the mean
}

func (c *capacity) observe(rate float64) {
	kbps := rate / 1000
	if c.mean == 0 {
		c.mean, c.variance = kbps, 0.4
		return
	}
	c.mean = 0.95*c.mean + 0.05*kbps
	diff := c.mean - kbps
	c.variance = math.Max(0.4, math.Min(0.95*c.variance+0.05*diff*diff/math.Max(c.mean, 1), 2.5))
	if math.Abs(diff) > 3*c.deviation() {
		c.mean, c.variance = kbps, 0.4 // another path
	}
}

func (c *capacity) deviation() float64 { return math.Sqrt(c.variance * c.mean) }

// near tells whether a rate is within three deviations of the known capacity.
func (c *capacity) near(rate float64) bool {
	return c.mean > 0 && math.Abs(rate/1000-c.mean) <= 3*c.deviation()
}

// upper is the rate above which the known capacity has proved wrong.
func (c *capacity) upper() float64 {
	if c.mean == 0 {
		return math.Inf(1)
	}
	return (c.mean + 3*c.deviation()) * 1000
}

func (c *capacity) reset() { *c = capacity{} }
