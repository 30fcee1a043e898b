package rtp

import (
	"encoding/binary"

	"parley/bridge/media"
)

const (
	// reportInterval is the time in microseconds between receiver reports to an endpoint.
	reportInterval = 500_000
	// lossyPackets is how many packets of video between two reports tell something about loss.
	lossyPackets = 10
	// reportBlocksMax is what the count field of a report can say.
	reportBlocksMax = 31
)

// sendRTCP encrypts a compound for an endpoint and queues it.
func (s *Shard) sendRTCP(e *Endpoint, b []byte) {
	if e.leg.send == nil {
		return
	}
	sealed, err := e.leg.send.EncryptRTCP(s.room(), b, nil)
	if err != nil {
		s.drop(StageSend)
		return
	}
	s.enqueue(e, sealed, classOther)
}

// reports tells an endpoint how its streams arrive.
func (s *Shard) reports(e *Endpoint) {
	l := &e.leg
	own := e.opts.VideoFeedbackSSRC
	var worst float64
	l.noteLoss()
	for at := 0; at == 0 || at < len(l.order); {
		b := appendRTCPHeader(s.rtcpOut[:0], 0, rtcpRR)
		b = binary.BigEndian.AppendUint32(b, own)
		blocks := byte(0)
		for ; at < len(l.order) && blocks < reportBlocksMax; at++ {
			u := l.order[at]
			if !u.started {
				continue
			}
			block := u.report(s.clock)
			worst = max(worst, u.lossFraction)
			b = block.append(b)
			blocks++
		}
		b[0] |= blocks
		b = endRTCP(b, 0)
		b = appendSDES(b, own)
		if at >= len(l.order) {
			b = s.appendEstimate(e, b, worst)
		}
		s.sendRTCP(e, b)
		if len(l.order) == 0 {
			break
		}
	}
	l.upLoss = worst
}

// noteLoss sums up which share of the endpoint's video had to be asked for.
func (l *leg) noteLoss() {
	var asked, received uint64
	for _, u := range l.order {
		if u.source.cfg.Kind == media.Video {
			asked += u.missing.told - u.toldBefore
			received += u.received - min(u.receivedBefore, u.received)
			u.toldBefore = u.missing.told
		}
	}
	if asked+received >= lossyPackets {
		l.lossy += (float64(asked)/float64(asked+received) - l.lossy) / 4
	}
	l.disorder.fade()
}

// report makes the block about a stream (RFC 3550, appendix A.3).
func (u *upStream) report(now int64) reportBlock {
	expected := uint64(u.highest-u.base) + 1
	lost := int64(expected) - int64(u.received)
	newExpected := int64(expected - u.expectedBefore)
	newLost := newExpected - int64(u.received-u.receivedBefore)
	u.expectedBefore, u.receivedBefore = expected, u.received
	r := reportBlock{
		ssrc: u.ssrc, highest: uint32(u.highest - 1<<16), jitter: uint32(u.jitter), lastSR: u.reportNTP,
		lost: int32(min(max(lost, -1<<23), 1<<23-1)),
	}
	u.lossFraction = 0
	if newExpected > 0 && newLost > 0 {
		u.lossFraction = float64(newLost) / float64(newExpected)
		r.fraction = uint8(min(255, newLost*256/newExpected))
	}
	if u.reportNTP != 0 {
		r.delay = uint32((now - u.reportAt) * 65536 / 1_000_000)
	}
	return r
}

// askMissing asks an endpoint for the packets its streams lack.
func (s *Shard) askMissing(e *Endpoint) {
	for _, u := range e.leg.order {
		if u.missing.count == 0 {
			continue
		}
		asks, givenUp := u.missing.collect(s.lost[:0], s.clock, e.leg.askRule())
		if givenUp {
			s.giveUp(u)
		}
		s.lost = asks
		if len(asks) == 0 {
			continue
		}
		own := e.opts.VideoFeedbackSSRC
		b := appendEmptyRR(s.rtcpOut[:0], own)
		b = appendSDES(b, own)
		b = appendNACK(b, own, u.ssrc, asks)
		s.sendRTCP(e, b)
	}
}

// giveUp asks for a keyframe where packets will not be repaired any more and somebody may
// wait for them: a receiver would wait for seconds before it asks by itself.
func (s *Shard) giveUp(u *upStream) {
	for _, d := range u.source.up.downs {
		if d.encoding == u.encoding {
			s.askKeyframe(u.source, u.encoding, true)
			return
		}
	}
}

// rembState estimates what an endpoint may send when it does not know transport-wide
// feedback: up while little is lost, down with the loss.
type rembState struct{ bitrate float64 }

const (
	rembStart = 2_500_000
	rembMin   = 100_000
	rembMax   = 20_000_000
)

// appendEstimate adds a REMB for endpoints that need one.
func (s *Shard) appendEstimate(e *Endpoint, b []byte, loss float64) []byte {
	l := &e.leg
	wanted := false
	for i := range l.types {
		t := &l.types[i]
		if t.Kind == media.Video && t.TransportCC {
			return b
		}
		wanted = wanted || t.Kind == media.Video && t.REMB
	}
	if !wanted || len(l.order) == 0 {
		return b
	}
	r := &l.remb
	if r.bitrate == 0 {
		r.bitrate = rembStart
	}
	switch {
	case loss > 0.10:
		r.bitrate *= 1 - loss/2
	case loss < 0.02:
		// Not far beyond what is known to arrive.
		if r.bitrate < 1.5*float64(l.stats.BitrateReceived)+500_000 {
			r.bitrate *= 1.08
		}
	}
	r.bitrate = min(max(r.bitrate, rembMin), rembMax)
	var ssrcs [reportBlocksMax]uint32
	n := 0
	for _, u := range l.order {
		if u.source.cfg.Kind == media.Video && n < len(ssrcs) {
			ssrcs[n] = u.ssrc
			n++
		}
	}
	if n == 0 {
		return b
	}
	return appendREMB(b, e.opts.VideoFeedbackSSRC, uint64(r.bitrate), ssrcs[:n])
}
