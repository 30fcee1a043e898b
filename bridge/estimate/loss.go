package estimate

import (
	"math"
	"time"
)

const (
	lossSpan    = 250 * time.Millisecond // of one observation, at least
	lossPackets = 20                     // in it, at least
	lossMemory  = 20                     // observations
	lossFade    = 0.9                    // weight of an observation against the one after it

	// A path may lose packets whatever we send, up to ownLoss, and more where little is sent.
	ownLoss     = 0.15
	ownLossRate = 50_000 // bit/s

	// What is lost at most of lowRate, where more than that was sent lately, is the path's
	// own loss if about the same share was lost then: less would not help. That many
	// observations of each tell, and no more than mostOwnLoss is taken for it.
	lowRate     = 0.6
	lowSeen     = 6
	highRate    = 0.8
	highSeen    = 2
	alike       = 0.7
	mostOwnLoss = 0.27
	ownLossMore = 1.25 // may be lost at times
	// That holds for so many observations, two minutes of them, and for twice as many each time
	// it is confirmed: the path may have become one that drops what exceeds some rate, and loses
	// as much. Only sending less tells.
	ownHolds     = 480
	mostOwnHolds = 4 * ownHolds

	// lossMargin is how much likelier (as a logarithm) a limit must make what was seen than
	// no limit does.
	lossMargin = 3.0

	// An outage is when nothing at all arrives for so long, of at least so many packets: a
	// path that is too narrow would let some through.
	outageSpan    = 150 * time.Millisecond
	outagePackets = 10
)

// lossModel asks what explains the losses better: that the path drops what exceeds some
// rate, or that it loses packets at any rate, as radio does. Only the first is a reason to
// send less.
type lossModel struct {
	seen  [lossMemory]lossSample
	count int // of seen, ever

	now   lossSample
	first time.Time // sending of the first packet of now

	// own is the share the path was seen to lose whatever is sent, 0 if it never was or
	// has lost clearly more or next to nothing since.
	own float64
	// ownUntil is the observation at which that is asked again, ownHeld for how many it held.
	ownUntil, ownHeld int

	// gap is the losses since the last packet that arrived, from gapFrom on. Only the next
	// one to arrive tells whether they count.
	gap     lossSample
	gapFrom time.Time
}

// lossSample is what became of the packets of one span.
type lossSample struct {
	rate      float64 // at which they were sent, bit/s
	bytes     int
	got, lost float64
}

func (s *lossSample) packets() float64 { return s.got + s.lost }

func (s *lossSample) share() float64 { return s.lost / math.Max(s.packets(), 1) }

// add takes in a packet's fate; true when that completes an observation.
func (m *lossModel) add(p Packet) bool {
	switch {
	case p.Late:
		m.correct()
		return false
	case p.Lost:
		if m.gap.packets() == 0 {
			m.gapFrom = p.Sent
		}
		m.gap.lost++
		m.gap.bytes += p.Size
		return false
	}
	m.closeGap(p.Sent)
	s := &m.now
	if s.packets() == 0 {
		m.first = p.Sent
	}
	s.got++
	span := p.Sent.Sub(m.first)
	if span < lossSpan || s.packets() < lossPackets {
		s.bytes += p.Size
		return false
	}
	s.rate = float64(s.bytes*8) / span.Seconds()
	m.seen[m.count%lossMemory] = *s
	m.count++
	m.now = lossSample{}
	m.learn()
	return true
}

// learn compares what was lost of much and of little.
func (m *lossModel) learn() {
	most := 0.0
	for age := range m.len() {
		most = math.Max(most, m.at(age).rate)
	}
	var high, low, all lossSample
	highs, lows := 0, 0
	for age := range m.len() {
		s := m.at(age)
		all.got, all.lost = all.got+s.got, all.lost+s.lost
		switch {
		case s.rate >= highRate*most:
			high.got, high.lost = high.got+s.got, high.lost+s.lost
			highs++
		case s.rate <= lowRate*most:
			low.got, low.lost = low.got+s.got, low.lost+s.lost
			lows++
		}
	}
	switch share := low.share(); {
	case highs >= highSeen && lows >= lowSeen && share >= alike*high.share() && share <= mostOwnLoss:
		if m.own == 0 {
			m.ownHeld = min(max(2*m.ownHeld, ownHolds), mostOwnHolds)
		}
		m.own, m.ownUntil = share, m.count+m.ownHeld
	case m.len() == lossMemory && (all.share() < m.own/2 || all.share() > m.own*ownLossMore):
		m.own, m.ownHeld = 0, 0
	case m.count >= m.ownUntil:
		m.own = 0
	}
}

// correct takes back one loss, of a packet that arrived after all. It was counted last, or in
// the observation before.
func (m *lossModel) correct() {
	s := &m.now
	switch {
	case m.gap.lost >= 1:
		s = &m.gap
	case s.lost < 1 && m.count > 0:
		s = m.at(0)
	}
	if s.lost >= 1 {
		s.lost--
		s.got++
	}
}

// closeGap counts the losses before a packet that arrived, or begins anew after an outage,
// which says nothing about how much the path carries.
func (m *lossModel) closeGap(sent time.Time) {
	g := m.gap
	if g.packets() == 0 {
		return
	}
	m.gap = lossSample{}
	if g.got == 0 && g.lost >= outagePackets && sent.Sub(m.gapFrom) >= outageSpan {
		m.now = lossSample{}
		return
	}
	if m.now.packets() == 0 {
		m.first = m.gapFrom
	}
	m.now.got += g.got
	m.now.lost += g.lost
	m.now.bytes += g.bytes
}

// at is the observation age steps back.
func (m *lossModel) at(age int) *lossSample { return &m.seen[(m.count-1-age)%lossMemory] }

func (m *lossModel) len() int { return min(m.count, lossMemory) }

// loss is the share of packets lost in the last observation.
func (m *lossModel) loss() float64 {
	if m.count == 0 {
		return 0
	}
	return m.at(0).share()
}

// limit is the rate beyond which the path seems to drop packets, +Inf if it does not.
func (m *lossModel) limit() float64 {
	if m.count == 0 || m.loss() == 0 {
		return math.Inf(1)
	}
	best, bestFit := math.Inf(1), m.fit(math.Inf(1))+lossMargin
	for age := range min(m.len(), 5) {
		s := m.at(age)
		rate := s.rate * s.got / (s.got + s.lost)
		if fit := m.fit(rate); s.lost > 0 && fit > bestFit {
			best, bestFit = rate, fit
		}
	}
	return best
}

// fit is how likely the observations are, as a logarithm, if the path drops what exceeds
// the rate, with the share lost at any rate that fits best.
func (m *lossModel) fit(rate float64) float64 {
	most := math.Max(ownLoss, ownLossMore*m.own)
	if !math.IsInf(rate, 1) {
		most += ownLossRate / math.Max(rate, 1)
	}
	best := math.Inf(-1)
	for own := 0.002; own <= most; own = own*1.5 + 0.002 {
		sum, weight := 0.0, 1.0
		for age := range m.len() {
			s := m.at(age)
			p := own + (1-own)*math.Max(0, (s.rate-rate)/math.Max(s.rate, 1))
			p = math.Min(p, 0.99)
			sum += weight * (s.lost*math.Log(p) + s.got*math.Log(1-p))
			weight *= lossFade
		}
		best = math.Max(best, sum)
	}
	return best
}
