package rtp

import (
	"time"

	"parley/bridge/media"
)

// runTimers does what is due. It says whether anything waits for the next tick, even if
// no packet comes.
func (s *Shard) runTimers() (waiting bool) {
	publish := s.clock >= s.nextPublish
	if publish {
		s.nextPublish = s.clock + publishInterval.Microseconds()
		s.stats.now.Busy = s.work.look(s.clock)
		s.stats.publish()
	}
	for i := 0; i < len(s.list); {
		next, more := s.timersFrom(i, publish)
		i, waiting = next, waiting || more
	}
	return waiting
}

func (s *Shard) endpointTimers(e *Endpoint) (waiting bool) {
	l := &e.leg
	waiting = l.probe.rate > 0
	if l.twcc.due(s.clock) {
		s.sendFeedback(e)
	}
	for _, u := range l.order {
		s.holdNoLonger(e, u)
	}
	s.askMissing(e)
	if s.clock >= l.nextRR {
		l.nextRR = s.clock + reportInterval
		s.reports(e)
	}
	for _, src := range l.sources {
		for i := range src.up.keyframe {
			if src.up.keyframe[i].pending {
				waiting = true
				s.askKeyframe(src, i, true)
			}
		}
		for _, d := range src.up.downs {
			s.wantKeyframe(d)
		}
	}
	for _, u := range l.order {
		waiting = waiting || u.missing.count > 0 || u.held.count > 0
	}
	if l.probe.rate > 0 {
		s.probe(e)
	}
	return waiting
}

// publishEndpoint makes an endpoint's numbers visible to others.
func (s *Shard) publishEndpoint(e *Endpoint) {
	l := &e.leg
	l.stats.BitrateReceived, l.stats.BitrateSent = l.up.roll(s.clock), l.down.roll(s.clock)
	l.stats.RTT = time.Duration(l.rtt) * time.Microsecond
	l.stats.FeedbackUnmatched = l.history.unmatched
	l.stats.UpLoss, l.stats.DownLoss = l.upLoss, l.downLoss
	if l.lastPacket != 0 {
		l.stats.LastPacket = s.at(l.lastPacket)
	}
	l.stats.PacketsLost = 0
	for _, u := range l.order {
		if lost := u.highest - u.base + 1 - int64(u.received); u.started && lost > 0 {
			l.stats.PacketsLost += uint64(lost)
		}
		u.history.expire(s.arena, s.clock)
	}
	snapshot := l.stats
	e.published.p.Store(&snapshot)
	for _, src := range l.sources {
		if src.cfg.Kind == media.Video && src.publishLayers(s.clock) {
			s.event(e, Event{Kind: EventLayers, Source: src})
		}
	}
}
