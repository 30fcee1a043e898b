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

	// lossMargin is how much likelier (as a logarithm) a limit must make what was seen than
	// no limit does.
	lossMargin = 3.0
)

// lossModel asks what explains the losses better: that the path drops what exceeds some
// rate, or that it loses packets at any rate, as radio does. Only the first is a reason to
// send less.
type lossModel struct {
	seen  [lossMemory]lossSample
	count int // of seen, ever

	now   lossSample
	first time.Time // sending of the first packet of now
}

// lossSample is what became of the packets of one span.
type lossSample struct {
	rate      float64 // at which they were sent, bit/s
	bytes     int
	got, lost float64
}

// add takes in a packet's fate; true when that completes an observation.
func (m *lossModel) add(p Packet) bool {
	s := &m.now
	if p.Late {
		// It was counted as lost, maybe in the observation before.
		if s.lost < 1 && m.count > 0 {
			s = m.at(0)
		}
		if s.lost >= 1 {
			s.lost--
			s.got++
		}
		return false
	}
	if s.got+s.lost == 0 {
		m.first = p.Sent
	}
	if p.Lost {
		s.lost++
	} else {
		s.got++
	}
	span := p.Sent.Sub(m.first)
	if span < lossSpan || s.got+s.lost < lossPackets {
		s.bytes += p.Size
		return false
	}
	s.rate = float64(s.bytes*8) / span.Seconds()
	m.seen[m.count%lossMemory] = *s
	m.count++
	m.now = lossSample{}
	return true
}

// at is the observation age steps back.
func (m *lossModel) at(age int) *lossSample { return &m.seen[(m.count-1-age)%lossMemory] }

func (m *lossModel) len() int { return min(m.count, lossMemory) }

// loss is the share of packets lost in the last observation.
func (m *lossModel) loss() float64 {
	if m.count == 0 {
		return 0
	}
	s := m.at(0)
	return s.lost / (s.got + s.lost)
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
	most := ownLoss
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
