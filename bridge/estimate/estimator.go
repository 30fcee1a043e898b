package estimate

import (
	"math"
	"time"
)

// Config bounds the estimate, in bits per second.
type Config struct {
	Initial, Min, Max int64
}

// Packet is the fate of one packet, as transport-wide feedback tells it.
type Packet struct {
	Sent    time.Time
	Arrived time.Duration // the receiver's clock; only differences mean something
	Lost    bool
	Late    bool // it arrived after all: an earlier message told it was lost
	Probe   bool // it was sent to probe
	Size    int  // bytes
}

// Usage is what the delay says about the path.
type Usage int

// The three answers of the detector.
const (
	Normal Usage = iota
	Overuse
	Underuse
)

// String names the usage for debugging output.
func (u Usage) String() string {
	switch u {
	case Overuse:
		return "overuse"
	case Underuse:
		return "underuse"
	}
	return "normal"
}

const (
	decreaseFactor  = 0.85
	gentleFactor    = 0.95
	decreasePause   = 100 * time.Millisecond // at least, between two steps back
	squeezedBelow   = 0.9                    // arrival slower than this share of the sending rate is a full path
	growthPerSecond = 1.08
	provedHeadroom  = 1.5
	provedOffset    = 10_000

	// Of receivers that only report loss.
	reportFree = 0.02
	reportHigh = 0.10
)

// Estimator holds the estimate for one receiver.
type Estimator struct {
	cfg Config

	delay *detector
	queue queue
	flow  flow
	loss  lossModel
	probe prober

	byDelay, byLoss float64
	remb            int64 // the receiver's own word, 0 if it gave none
	feedback        bool  // transport-wide feedback was seen: REMB is ignored

	rtt        time.Duration
	capacity   capacity
	lastChange time.Time
	lastLoss   time.Time
	lastTold   time.Time // when feedback came last
	overuse    time.Time // begin of the present overuse, zero if there is none
	lost       float64   // share of packets, lately
}

// New returns an estimator that knows nothing yet.
func New(cfg Config) *Estimator {
	return &Estimator{
		cfg: cfg, delay: newDetector(),
		byDelay: float64(cfg.Initial), byLoss: float64(cfg.Max),
		rtt: 100 * time.Millisecond,
	}
}

// Bitrate is the present estimate.
func (e *Estimator) Bitrate() int64 {
	b := math.Min(e.byDelay, e.byLoss)
	if !e.feedback && e.remb > 0 {
		b = math.Min(float64(e.remb), e.byLoss)
	}
	return int64(math.Max(float64(e.cfg.Min), math.Min(b*e.queue.relief(), float64(e.cfg.Max))))
}

// Known tells whether the receiver has said anything an estimate can stand on.
func (e *Estimator) Known() bool { return e.feedback || e.remb > 0 }

// Feedback takes in one transport-wide feedback message; packets are in the
// order they were sent.
func (e *Estimator) Feedback(packets []Packet, now time.Time) {
	if len(packets) == 0 {
		return
	}
	e.feedback, e.lastTold = true, now
	judged := false
	for _, p := range packets {
		if !p.Probe { // a receiver may not know the padding, and tell it all as lost
			judged = e.loss.add(p) || judged
		}
		if !p.Lost {
			e.delay.packet(p)
			e.queue.add(p)
		}
	}
	e.flow.add(packets)
	e.control(e.usage(), now)
	if judged {
		e.settleLoss(now)
	}
	e.settleProbe(now)
}

// usage is what the delay says. That it grows means nothing while there is no queue: then
// the receiver's machine was busy.
func (e *Estimator) usage() Usage {
	standing := e.queue.standing()
	switch {
	case standing >= chokesFrom && e.delay.state == Normal:
		return Overuse
	case standing < standsFrom && e.delay.state == Overuse:
		return Normal
	}
	return e.delay.state
}

// Report takes in the loss and round trip time of a receiver report. The loss is
// used only while there is no transport-wide feedback, which knows better.
func (e *Estimator) Report(loss float64, rtt time.Duration, now time.Time) {
	if rtt > 0 {
		e.rtt = rtt
	}
	if !e.feedback {
		e.reported(math.Max(0, math.Min(loss, 1)), now)
	}
}

// REMB takes in the receiver's own estimate.
func (e *Estimator) REMB(bitrate int64) {
	if bitrate > 0 {
		e.remb = bitrate
	}
}

// control moves the delay-based estimate by one step.
func (e *Estimator) control(usage Usage, now time.Time) {
	since := now.Sub(e.lastChange)
	if e.lastChange.IsZero() || since < 0 {
		since = 0
	}
	switch usage {
	case Overuse:
		if e.overuse.IsZero() {
			e.overuse = now
		}
		// One step back per round trip: what was in flight must drain first.
		if e.lastChange.IsZero() || since >= max(e.rtt, decreasePause) || e.overuse.Equal(now) {
			e.decrease(now)
			e.lastChange = now
			e.probe.steppedBack(now)
		}
	case Underuse:
		e.overuse = time.Time{}
		e.lastChange = now // the queue empties: hold
	default:
		e.overuse = time.Time{}
		e.increase(min(since, time.Second))
		e.lastChange = now
	}
}

func (e *Estimator) decrease(now time.Time) {
	proved := e.flow.fastest()
	switch {
	case proved <= 0:
		e.byDelay *= decreaseFactor
	case e.flow.squeezed() || now.Sub(e.overuse) > 500*time.Millisecond:
		e.capacity.observe(proved)
		e.byDelay = math.Min(e.byDelay, decreaseFactor*proved)
	default:
		// Jitter on a path we do not fill says little about its capacity.
		e.byDelay *= gentleFactor
	}
	e.byDelay = math.Max(e.byDelay, float64(e.cfg.Min))
}

func (e *Estimator) increase(since time.Duration) {
	proved := e.flow.arrivalRate()
	limit := math.Max(e.byDelay, provedHeadroom*proved+provedOffset)
	next := e.byDelay * math.Pow(growthPerSecond, since.Seconds())
	if e.capacity.near(e.byDelay) {
		// Close to where it broke before: about one packet per response time.
		perSecond := 1200 * 8 / (e.rtt + 100*time.Millisecond).Seconds()
		next = e.byDelay + math.Max(4000, perSecond)*since.Seconds()
	} else if e.byDelay > e.capacity.upper() {
		e.capacity.reset()
	}
	e.byDelay = math.Min(math.Min(next, limit), float64(e.cfg.Max))
}

// settleLoss moves the loss-based estimate after an observation.
func (e *Estimator) settleLoss(now time.Time) {
	since := e.sinceLoss(now)
	e.lost = e.loss.loss()
	if limit := e.loss.limit(); limit < e.byLoss {
		if limit < float64(e.Bitrate()) {
			e.probe.steppedBack(now)
		}
		e.byLoss = math.Max(limit, float64(e.cfg.Min))
		return
	}
	e.relax(since)
}

// reported is the same for receivers that tell nothing but the share they lost.
func (e *Estimator) reported(loss float64, now time.Time) {
	since := e.sinceLoss(now)
	e.lost = loss
	switch {
	case loss > reportHigh:
		e.byLoss = math.Max(float64(e.Bitrate())*(1-0.5*loss), float64(e.cfg.Min))
	case loss < reportFree:
		e.relax(since)
	}
}

func (e *Estimator) sinceLoss(now time.Time) time.Duration {
	since := min(now.Sub(e.lastLoss), time.Second)
	e.lastLoss = now
	return since
}

// relax lets the loss-based estimate grow.
func (e *Estimator) relax(since time.Duration) {
	e.byLoss = math.Min(e.byLoss*math.Pow(growthPerSecond, since.Seconds())+1000, float64(e.cfg.Max))
}

// Snapshot is the state of an estimator, for debugging output.
type Snapshot struct {
	Bitrate int64   `json:"bitrate"`
	Delay   int64   `json:"delay_based"`
	Loss    int64   `json:"loss_based"`
	REMB    int64   `json:"remb,omitempty"`
	Proved  int64   `json:"arrival_rate"`
	Lost    float64 `json:"loss"`
	Queue   float64 `json:"queue_ms"`
	Usage   string  `json:"usage"`
	RTT     float64 `json:"rtt_ms"`

	Probes ProbeSnapshot `json:"probes"`
}

// Snapshot shows the state.
func (e *Estimator) Snapshot() Snapshot {
	return Snapshot{
		Bitrate: e.Bitrate(), Delay: int64(e.byDelay), Loss: int64(e.byLoss), REMB: e.remb,
		Proved: int64(e.flow.arrivalRate()), Lost: e.lost, Usage: e.usage().String(),
		Queue: ms(e.queue.standing()),
		RTT:   ms(e.rtt), Probes: e.probe.told,
	}
}
