package estimate

import "time"

const (
	// ProbeTime is how long a probe is to be sent: longer than the bursts that shapers let
	// through.
	ProbeTime = 200 * time.Millisecond

	probeStep    = 2.0 // times the estimate
	probeBeyond  = 1.1 // times what is wanted
	probeSettle  = 2 * time.Second
	probeFirst   = time.Second
	probeLongest = 8 * time.Second
	probePatient = 2 * time.Second // an unanswered probe is given up

	// probeAfter is how much later than asked for a probe may begin.
	probeAfter = 100 * time.Millisecond

	probePackets = 5    // fewer tell nothing
	probeCarried = 0.9  // arriving at this share of the rate it was sent at, a probe went through
	probeBelow   = 0.95 // of what arrived of a probe that did not
	probeSpan    = ProbeTime / 2
)

// prober knows when it is time to see whether the path carries more than it is given.
type prober struct {
	from  time.Time     // when the present probe began, zero if there is none
	next  time.Time     // not before
	pause time.Duration // after a probe that failed
}

// Try says that now is the time for a probe: rate bit/s in all, media included, to be sent
// for ProbeTime. wanted is the rate that could be made use of.
func (e *Estimator) Try(wanted int64, now time.Time) (rate int64, ok bool) {
	p := &e.probe
	have := e.Bitrate()
	wanted = min(int64(probeBeyond*float64(wanted)), e.cfg.Max)
	if !p.from.IsZero() {
		if now.Sub(p.from) < probePatient {
			return 0, false
		}
		p.failed(now)
	}
	if !e.feedback || wanted <= have || now.Before(p.next) || !e.overuse.IsZero() || e.queue.standing() >= standsFrom {
		return 0, false
	}
	p.from = now
	return min(int64(probeStep*float64(have)), wanted), true
}

// settleProbe judges the present probe once its fate is known.
func (e *Estimator) settleProbe(now time.Time) {
	p := &e.probe
	if p.from.IsZero() || e.flow.newest().Before(p.from.Add(ProbeTime+probeAfter)) {
		return
	}
	sent, arrived, ok := e.flow.rates(p.from)
	before := float64(e.Bitrate())
	switch {
	case !ok || sent <= before:
		// It was not sent as it should have been.
		p.from, p.next = time.Time{}, now.Add(probeFirst)
		return
	case arrived >= probeCarried*sent:
		p.succeeded()
		arrived = min(arrived, sent)
	default:
		p.failed(now)
		arrived *= probeBelow
	}
	e.byDelay = min(max(e.byDelay, arrived), float64(e.cfg.Max))
	e.byLoss = min(max(e.byLoss, arrived), float64(e.cfg.Max))
}

func (p *prober) succeeded() { *p = prober{} }

func (p *prober) failed(now time.Time) {
	p.from = time.Time{}
	p.pause = min(max(probeFirst, 2*p.pause), probeLongest)
	p.next = now.Add(p.pause)
}

// steppedBack puts the next probe off until the path has settled.
func (p *prober) steppedBack(now time.Time) {
	if at := now.Add(probeSettle); at.After(p.next) {
		p.next = at
	}
}
