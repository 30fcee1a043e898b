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
	Size    int // bytes
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

	lossFree = 0.02
	lossHigh = 0.10
)

// Estimator holds the estimate for one receiver.
type Estimator struct {
	cfg Config

	delay *detector
	flow  flow

	byDelay, byLoss float64
	remb            int64 // the receiver's own word, 0 if it gave none
	feedback        bool  // transport-wide feedback was seen: REMB is ignored

	rtt        time.Duration
	capacity   capacity
	lastChange time.Time
	lastLoss   time.Time
	overuse    time.Time // begin of the present overuse, zero if there is none

	lossPackets, lossLost int
	loss                  float64
	lossSince             time.Time
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
	return int64(math.Max(float64(e.cfg.Min), math.Min(b, float64(e.cfg.Max))))
}

// Known tells whether the receiver has said anything an estimate can stand on.
func (e *Estimator) Known() bool { return e.feedback || e.remb > 0 }

// Feedback takes in one transport-wide feedback message; packets are in the
// order they were sent.
func (e *Estimator) Feedback(packets []Packet, now time.Time) {
	if len(packets) == 0 {
		return
	}
	e.feedback = true
	usage := e.delay.state
	for _, p := range packets {
		e.lossPackets++
		if p.Lost {
			e.lossLost++
			continue
		}
		usage = e.delay.packet(p)
	}
	e.flow.add(packets)
	e.control(usage, now)
	e.settleLoss(now)
}

// Report takes in the loss and round trip time of a receiver report. The loss is
// used only while there is no transport-wide feedback, which knows better.
func (e *Estimator) Report(loss float64, rtt time.Duration, now time.Time) {
	if rtt > 0 {
		e.rtt = rtt
	}
	if !e.feedback {
		e.lossBased(math.Max(0, math.Min(loss, 1)), now)
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
	proved := e.flow.arrivalRate()
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

// settleLoss judges the loss of the last half second of feedback.
func (e *Estimator) settleLoss(now time.Time) {
	if e.lossSince.IsZero() {
		e.lossSince = now
	}
	if now.Sub(e.lossSince) < 500*time.Millisecond || e.lossPackets < 20 {
		return
	}
	e.lossBased(float64(e.lossLost)/float64(e.lossPackets), now)
	e.lossPackets, e.lossLost, e.lossSince = 0, 0, now
}

func (e *Estimator) lossBased(loss float64, now time.Time) {
	since := min(now.Sub(e.lastLoss), time.Second)
	e.lastLoss, e.loss = now, loss
	switch {
	case loss > lossHigh:
		e.byLoss = math.Min(e.byLoss, float64(e.Bitrate())) * (1 - 0.5*loss)
		if proved := e.flow.arrivalRate(); proved > 0 {
			e.byLoss = math.Max(e.byLoss, proved*decreaseFactor)
		}
		e.byLoss = math.Max(e.byLoss, float64(e.cfg.Min))
	case loss < lossFree:
		e.byLoss = math.Min(e.byLoss*math.Pow(growthPerSecond, since.Seconds())+1000, float64(e.cfg.Max))
	}
}

// Snapshot is the state of an estimator, for debugging output.
type Snapshot struct {
	Bitrate int64   `json:"bitrate"`
	Delay   int64   `json:"delay_based"`
	Loss    int64   `json:"loss_based"`
	REMB    int64   `json:"remb,omitempty"`
	Proved  int64   `json:"arrival_rate"`
	Lost    float64 `json:"loss"`
	Usage   string  `json:"usage"`
	RTT     float64 `json:"rtt_ms"`
}

// Snapshot shows the state.
func (e *Estimator) Snapshot() Snapshot {
	return Snapshot{
		Bitrate: e.Bitrate(), Delay: int64(e.byDelay), Loss: int64(e.byLoss), REMB: e.remb,
		Proved: int64(e.flow.arrivalRate()), Lost: e.loss, Usage: e.delay.state.String(),
		RTT: float64(e.rtt) / float64(time.Millisecond),
	}
}
