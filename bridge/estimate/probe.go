package estimate

import "time"

const (
	// A probe lasts for quickProbe. Where the path has been full lately it lasts for
	// carefulProbe, since a shaper lets a burst through that a stream would not pass, and ends
	// as soon as a queue stands.
	quickProbe   = 200 * time.Millisecond
	carefulProbe = time.Second
	carefulFor   = time.Minute // after a step back
	carefulUpTo  = 2_000_000   // bit/s; bursts are a small part of more

	probeStep    = 2.0 // times the estimate
	probeBeyond  = 1.1 // times what is wanted
	probeSettle  = 2 * time.Second
	probeFirst   = time.Second
	probeLongest = 8 * time.Second
	probeTrial   = 5 * time.Second // a step back so soon after a success tells that it was none
	probePatient = 2 * time.Second // an unanswered probe is given up
	probeBlind   = 1.5             // what is dared after each where nothing else is told either
	// probeAfter is how much later than asked for a probe may begin.
	probeAfter = 100 * time.Millisecond

	probePackets = 5    // fewer tell nothing
	probeCarried = 0.9  // arriving at this share of the rate it was sent at, a probe went through
	probeBelow   = 0.95 // of what arrived of a probe that did not
	probeSpan    = quickProbe / 2
	probeWaits   = 2 * standsFrom // a queue so long ends a careful probe
)

// prober knows when it is time to see whether the path carries more than it is given.
type prober struct {
	from   time.Time // when the present probe began, zero if there is none
	length time.Duration
	next   time.Time     // not before
	pause  time.Duration // after a probe that failed
	raised time.Time     // when a probe succeeded last
	fell   time.Time     // when the estimate stepped back last
	told   ProbeSnapshot
}

// ProbeSnapshot is what became of probes, for debugging output. The rates are those of the
// last one that was sent as it should have been.
type ProbeSnapshot struct {
	Sent    int64 `json:"sent"`
	Arrived int64 `json:"arrived"`
	Begun   int   `json:"begun"`
	Passed  int   `json:"passed"`
	Failed  int   `json:"failed"`
	Cut     int   `json:"cut_short"`
}

// Probe is padding to be sent.
type Probe struct {
	Rate int64 // bit/s in all, media included
	Time time.Duration
}

// Try says whether now is the time for a probe. wanted is the rate that could be made use of.
func (e *Estimator) Try(wanted int64, now time.Time) (probe Probe, ok bool) {
	p := &e.probe
	have := e.Bitrate()
	wanted = min(int64(probeBeyond*float64(wanted)), e.cfg.Max)
	if !p.from.IsZero() {
		if now.Sub(p.from) < p.length+probePatient {
			return Probe{}, false
		}
		p.failed(now)
		if e.lastTold.Before(now.Add(-probePatient)) {
			// Nothing is sent that the receiver tells about, and it does not know the padding
			// either: only media will show what the path carries.
			dare := func(rate float64) float64 {
				return max(rate, min(rate*probeBlind, float64(max(wanted, have))))
			}
			e.byDelay, e.byLoss = dare(e.byDelay), dare(e.byLoss)
			p.pause, p.next = 0, now.Add(probeFirst)
		}
	}
	if !e.feedback || wanted <= have || now.Before(p.next) || e.congested(now) {
		return Probe{}, false
	}
	p.from, p.length = now, quickProbe
	if !p.fell.IsZero() && now.Sub(p.fell) < carefulFor && have < carefulUpTo {
		p.length = carefulProbe
	}
	p.told.Begun++
	return Probe{min(int64(probeStep*float64(have)), wanted), p.length}, true
}

// congested tells whether the path was full when something was heard of it last. Where nothing
// is sent that a receiver tells about, any queue has gone meanwhile.
func (e *Estimator) congested(now time.Time) bool {
	if now.Sub(e.lastTold) > probeSettle {
		return false
	}
	return !e.overuse.IsZero() || e.queue.standing() >= standsFrom
}

// Probing tells whether a probe is under way. When it no longer is, padding is of no use.
func (e *Estimator) Probing() bool { return !e.probe.from.IsZero() }

// settleProbe judges the present probe once its fate is known.
func (e *Estimator) settleProbe(now time.Time) {
	p := &e.probe
	if p.from.IsZero() {
		return
	}
	if p.length == carefulProbe && e.queue.standing() >= probeWaits && !e.flow.newest().Before(p.from) {
		p.told.Cut++
		p.failed(now)
		return
	}
	if e.flow.newest().Before(p.from.Add(p.length + probeAfter)) {
		return
	}
	sent, arrived, ok := e.flow.rates(p.from)
	before := float64(e.Bitrate())
	p.told.Sent, p.told.Arrived = int64(sent), int64(arrived)
	switch {
	case !ok || sent <= before:
		// It was not sent as it should have been.
		p.from, p.next = time.Time{}, now.Add(probeFirst)
		return
	case arrived >= probeCarried*sent:
		p.told.Passed++
		p.from, p.raised = time.Time{}, now
		arrived = min(arrived, sent)
	default:
		p.failed(now)
		arrived *= probeBelow
	}
	e.byDelay = min(max(e.byDelay, arrived), float64(e.cfg.Max))
	e.byLoss = min(max(e.byLoss, arrived), float64(e.cfg.Max))
}

func (p *prober) failed(now time.Time) {
	p.told.Failed++
	p.from = time.Time{}
	p.pause = min(max(probeFirst, 2*p.pause), probeLongest)
	p.next = now.Add(p.pause)
}

// steppedBack puts the next probe off until the path has settled.
func (p *prober) steppedBack(now time.Time) {
	switch {
	case !p.from.IsZero():
		p.failed(now)
	case !p.raised.IsZero() && now.Sub(p.raised) < probeTrial:
		p.failed(now)
		p.raised = time.Time{}
	case now.Sub(p.fell) > probeLongest:
		p.pause = 0
	}
	p.fell = now
	if at := now.Add(probeSettle); at.After(p.next) {
		p.next = at
	}
}
