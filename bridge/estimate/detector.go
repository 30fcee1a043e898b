package estimate

import (
	"math"
	"time"
)

const (
	groupLength = 5 * time.Millisecond

	trendWindow    = 20
	trendSmoothing = 0.9
	trendGain      = 4.0
	trendMaxCount  = 60

	thresholdStart = 12.5 // ms
	thresholdMin   = 6.0
	thresholdMax   = 600.0
	thresholdUp    = 0.0087
	thresholdDown  = 0.039
	thresholdJump  = 15.0 // further away than this is an outlier

	overuseTime = 10.0 // ms
)

// group is a burst of packets sent within groupLength.
type group struct {
	first, last time.Time     // when they were sent
	arrived     time.Duration // when the last of them arrived
	begun       time.Duration // when the first of them arrived
}

// detector watches how the delay between groups of packets develops.
type detector struct {
	current, previous group
	have, havePrev    bool

	start       time.Duration
	accumulated float64 // ms of delay since the beginning
	smoothed    float64
	points      [trendWindow]point
	count       int // deltas seen

	threshold  float64
	lastUpdate time.Duration
	prevTrend  float64
	overFor    float64 // ms spent above the threshold
	overCount  int
	state      Usage
}

type point struct{ at, delay float64 }

func newDetector() *detector { return &detector{threshold: thresholdStart} }

// packet takes in one packet that arrived and returns the state after it.
func (d *detector) packet(p Packet) Usage {
	if !d.have {
		d.begin(p)
		d.start = p.Arrived
		return d.state
	}
	if p.Sent.Before(d.current.first) {
		return d.state // reordered on our side of the report: no news
	}
	if p.Sent.Sub(d.current.first) <= groupLength || d.burst(p) {
		d.current.last = p.Sent
		d.current.arrived = max(d.current.arrived, p.Arrived)
		return d.state
	}
	if d.havePrev {
		d.delta()
	}
	d.previous, d.havePrev = d.current, true
	d.begin(p)
	return d.state
}

func (d *detector) begin(p Packet) {
	d.current = group{first: p.Sent, last: p.Sent, arrived: p.Arrived, begun: p.Arrived}
	d.have = true
}

// burst recognises packets that were sent later but arrived together with the group,
// as they do behind a link that sends in bursts.
func (d *detector) burst(p Packet) bool {
	sent := p.Sent.Sub(d.current.last)
	arrived := p.Arrived - d.current.arrived
	return arrived-sent < 0 && arrived <= groupLength && p.Arrived-d.current.begun < 100*time.Millisecond
}

// delta compares the finished group with the one before.
func (d *detector) delta() {
	sent := d.current.last.Sub(d.previous.last)
	arrived := d.current.arrived - d.previous.arrived
	if arrived < 0 || arrived > 3*time.Second || sent > 3*time.Second {
		d.reset() // the receiver's clock jumped, or nothing was sent for long
		return
	}
	d.trend(ms(arrived-sent), ms(d.current.arrived-d.start), ms(sent))
}

func (d *detector) reset() {
	threshold := d.threshold
	*d = *newDetector()
	d.threshold = threshold
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (d *detector) trend(delta, at, sent float64) {
	d.count++
	d.accumulated += delta
	d.smoothed = trendSmoothing*d.smoothed + (1-trendSmoothing)*d.accumulated
	copy(d.points[:], d.points[1:])
	d.points[trendWindow-1] = point{at, d.smoothed}
	slope := d.prevTrend
	if d.count >= trendWindow {
		slope = d.slope()
	}
	d.detect(slope, at, sent)
}

// slope is the linear regression over the window.
func (d *detector) slope() float64 {
	var sumX, sumY float64
	for _, p := range d.points {
		sumX += p.at
		sumY += p.delay
	}
	meanX, meanY := sumX/trendWindow, sumY/trendWindow
	var num, den float64
	for _, p := range d.points {
		num += (p.at - meanX) * (p.delay - meanY)
		den += (p.at - meanX) * (p.at - meanX)
	}
	if den == 0 {
		return d.prevTrend
	}
	return num / den
}

func (d *detector) detect(slope, at, sent float64) {
	if d.count < 2 {
		d.state = Normal
		return
	}
	value := math.Min(float64(d.count), trendMaxCount) * slope * trendGain
	switch {
	case value > d.threshold:
		if d.overFor < 0 {
			d.overFor = sent / 2
		} else {
			d.overFor += sent
		}
		d.overCount++
		if d.overFor > overuseTime && d.overCount > 1 && slope >= d.prevTrend {
			d.overFor, d.overCount = 0, 0
			d.state = Overuse
		}
	case value < -d.threshold:
		d.overFor, d.overCount, d.state = -1, 0, Underuse
	default:
		d.overFor, d.overCount, d.state = -1, 0, Normal
	}
	d.prevTrend = slope
	d.adapt(value, time.Duration(at*float64(time.Millisecond)))
}

// adapt moves the threshold towards the values seen, so that competing traffic
// that keeps a queue standing does not starve us.
func (d *detector) adapt(value float64, at time.Duration) {
	size := math.Abs(value)
	since := math.Min(ms(at-d.lastUpdate), 100)
	d.lastUpdate = at
	if size > d.threshold+thresholdJump {
		return
	}
	k := thresholdDown
	if size > d.threshold {
		k = thresholdUp
	}
	d.threshold += k * (size - d.threshold) * since
	d.threshold = math.Max(thresholdMin, math.Min(d.threshold, thresholdMax))
}
