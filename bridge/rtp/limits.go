package rtp

// Limits on what one endpoint may cost. Whoever holds keys may send anything under them;
// what goes beyond these bounds is dropped and counted, and costs the others nothing. A
// relay carries many participants and has relayFactor times as much.
const (
	// limitSpan is the time in microseconds limits are counted over.
	limitSpan = 100_000
	// resendLimit bounds the packets sent again to an endpoint in a span: two thousand a
	// second are more than any call loses.
	resendLimit = 200
	// rembLimit bounds the bandwidth estimates taken from an endpoint in a span.
	rembLimit = 10
	// reportPause is the least time in microseconds between two sender reports of a stream
	// that are passed on to its receivers.
	reportPause = 50_000
	// requesterBudget keyframe requests of one receiver for one source may pass within
	// keyframeWindow: who asks all the time must not use up what all may ask.
	requesterBudget = 5
)

// allowance lets so much through in each span. The zero value is ready.
type allowance struct{ since, used int64 }

// take says whether n more fit.
func (a *allowance) take(now, n, limit int64) bool {
	if now-a.since >= limitSpan {
		a.since, a.used = now, 0
	}
	if a.used+n > limit {
		return false
	}
	a.used += n
	return true
}

// allowances are those of one endpoint.
type allowances struct {
	bytes, packets, resent, remb allowance
}

// scaled is a limit for an endpoint.
func (e *Endpoint) scaled(limit int64) int64 {
	if e.opts.Relay {
		return relayFactor * limit
	}
	return limit
}

// excess says whether a datagram is more than its sender may send, and counts it.
func (s *Shard) excess(e *Endpoint, size int) bool {
	a := &e.leg.allowed
	const spans = 1_000_000 / limitSpan
	if (s.cfg.EndpointPackets == 0 || a.packets.take(s.clock, 1, e.scaled(int64(s.cfg.EndpointPackets/spans)))) &&
		(s.cfg.EndpointBitrate == 0 || a.bytes.take(s.clock, int64(size), e.scaled(int64(s.cfg.EndpointBitrate/8/spans)))) {
		return false
	}
	s.stats.now.Excess++
	e.leg.stats.Excess++
	return true
}

// begs says whether a receiver may ask for a keyframe of a source once more.
func (d *downStream) begs(now int64) bool {
	switch {
	case d.receiver.opts.Relay:
		// It asks for many, and has limited each of them.
		return true
	case d.begged > 0 && now-d.beggedAt < keyframePause:
		return false
	}
	if d.begged == 0 || now-d.beggedSince > keyframeWindow {
		d.begged, d.beggedSince = 0, now
	}
	if d.begged >= requesterBudget {
		return false
	}
	d.begged++
	d.beggedAt = now
	return true
}
