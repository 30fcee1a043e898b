package allocate

import "time"

const (
	// redundancyCost is what sound that repeats itself costs for each who talks, in bits per
	// second; heardAtOnce is how many are expected to talk at once.
	redundancyCost = 32_000
	heardAtOnce    = 3

	lossRepeats = 0.01  // from this share lost on, sound is repeated
	lossCalm    = 0.005 // below this one it need not be
	lossSmooth  = 0.25  // weight of the last report; the first ones all weigh the same

	// Pictures need narrow paths more. Two thresholds each, so that an estimate that wavers
	// does not make the sound waver.
	repeatsFrom   = 500_000 // bit/s
	repeatsUntil  = 350_000
	repeatsAnyhow = 1_000_000 // bit/s, of which the cost is next to nothing
	ampleFrom     = 1_000_000 // bit/s beyond what is sent, if nothing wanted is left out
	ampleUntil    = 500_000

	redundancyCalm  = 30 * time.Second // without loss, after which it ends
	redundancyPause = 10 * time.Second // after the path was too narrow
	// Where there is no estimate, a trial that made the loss so much greater shows that the
	// path is full.
	redundancyTrial = 10 * time.Second
	trialFactor     = 2
	trialMargin     = 0.1
	trialPause      = time.Minute
)

// Path is what is known of the way to a receiver when it is decided about redundancy.
type Path struct {
	Bitrate int64 // it carries, in bits per second; Unlimited if nobody knows
	Target  int64 // sent of pictures
	Ideal   int64 // there would be to send
	Talkers int   // it may hear
}

// Redundancy decides whether a receiver gets sound that repeats itself (RED, RFC 2198) or
// plain: repeated where packets get lost and there is room for it, or where there is ample
// room. The zero value is plain.
type Redundancy struct {
	on     bool
	loss   float64   // smoothed share
	told   float64   // reports
	since  time.Time // it is on
	before float64   // loss when it began
	heard  time.Time // of loss last
	not    time.Time // before this moment
}

// On tells what was decided last.
func (r *Redundancy) On() bool { return r.on }

// Report takes in the share of packets a receiver lost since its last report.
func (r *Redundancy) Report(loss float64) {
	r.told++
	r.loss += max(lossSmooth, 1/r.told) * (min(max(loss, 0), 1) - r.loss)
}

// Decide says whether the sound is to be repeated from now on.
func (r *Redundancy) Decide(p Path, now time.Time) bool {
	if r.loss >= lossCalm {
		r.heard = now
	}
	switch ample := p.ample(r.on); {
	case !p.carries(true):
		r.end(now.Add(redundancyPause)) // from the last moment on at which it was too narrow
	case r.on && p.Bitrate == Unlimited && now.Sub(r.since) < redundancyTrial && r.loss > trialFactor*r.before+trialMargin:
		r.end(now.Add(trialPause))
	case r.on && !ample && now.Sub(r.heard) >= redundancyCalm:
		r.end(now)
	case !r.on && !now.Before(r.not) && p.carries(false) && (ample || r.loss >= lossRepeats):
		r.on, r.since, r.before = true, now, r.loss
	}
	return r.on
}

func (r *Redundancy) end(not time.Time) {
	r.on = false
	if not.After(r.not) {
		r.not = not
	}
}

// cost is what redundancy adds to the path.
func (p *Path) cost() int64 { return int64(min(p.Talkers, heardAtOnce)) * redundancyCost }

// carries tells whether the path has room for redundancy, or still has it.
func (p *Path) carries(on bool) bool {
	switch {
	case p.Bitrate == Unlimited:
		return true
	case on:
		return p.Bitrate >= repeatsUntil
	}
	return p.Bitrate >= repeatsFrom && (p.Bitrate >= repeatsAnyhow || p.Bitrate-p.Target >= p.cost())
}

// ample tells whether the path has so much room that redundancy costs nothing.
func (p *Path) ample(on bool) bool {
	room := int64(ampleFrom)
	if on {
		room = ampleUntil
	}
	return p.Bitrate != Unlimited && p.Target >= p.Ideal && p.Bitrate-p.Target >= room
}
