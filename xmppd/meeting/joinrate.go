package meeting

import (
	"time"

	"parley/xmppd/muc"
)

const joinRateRule = "join rate"

// joinRate spreads the joins of a room over time.
type joinRate struct {
	free    int // joins that may pass at once
	since   time.Time
	serving bool // a timer lets in who waits
}

// installJoinRate lets only so many people in per second, and the others wait their
// turn (mod_muc_rate_limit).
func (m *Rules) installJoinRate(h *muc.Hooks) {
	rate := m.cfg.JoinsPerSecond
	if rate == 0 {
		return
	}
	h.OnJoin(9, joinRateRule, func(j *muc.Join) muc.Outcome {
		r := j.Room
		s, now := stateOf[joinRate](r), time.Now()
		if now.Sub(s.since) >= time.Second {
			s.free, s.since = rate, now
		}
		switch {
		case j.Admin || isHealthRoom(r):
			return muc.Continue
		case s.free > 0 && len(r.Held(joinRateRule)) == 0:
			s.free--
			return muc.Continue
		}
		m.serveJoins(r, s)
		return muc.Hold
	})
}

// serveJoins lets the next ones in when their second comes.
func (m *Rules) serveJoins(r *muc.Room, s *joinRate) {
	if s.serving {
		return
	}
	s.serving = true
	r.After(time.Second, func() {
		s.serving = false
		s.free, s.since = 0, time.Now()
		held := r.Held(joinRateRule)
		for _, j := range held[:min(len(held), m.cfg.JoinsPerSecond)] {
			r.Resume(j)
		}
		if len(r.Held(joinRateRule)) > 0 {
			m.serveJoins(r, s)
		}
	})
}
