package rtp

import (
	"encoding/binary"
	"time"

	"parley/bridge/media"
)

// maxNackAnswers bounds the packets sent again for one compound.
const maxNackAnswers = 200

// rtcp opens a compound and hands its packets to their handlers. What arrives is
// terminated here; only sender reports and keyframe requests have consequences for
// others.
func (s *Shard) rtcp(e *Endpoint, sealed []byte) {
	if len(sealed) < 8 {
		s.drop(StageDecrypt)
		return
	}
	sender := binary.BigEndian.Uint32(sealed[4:])
	if _, known := e.leg.rtcpSenders[sender]; !known && len(e.leg.rtcpSenders) >= e.maxStreams() {
		s.drop(StageDecrypt)
		return
	}
	b, err := e.leg.receive.DecryptRTCP(s.rtcpIn[:0], sealed, nil)
	if err != nil {
		s.drop(StageDecrypt)
		return
	}
	e.leg.rtcpSenders[sender] = struct{}{}
	e.leg.lastPacket = s.clock
	s.compound(e, b)
}

// compound dispatches the packets of a decrypted compound.
func (s *Shard) compound(e *Endpoint, b []byte) {
	answers := maxNackAnswers
	for len(b) > 0 {
		part, rest, ok := nextRTCP(b)
		if !ok {
			return
		}
		b = rest
		switch part.kind {
		case rtcpSR:
			s.senderReport(e, part)
		case rtcpRR:
			if len(part.body) >= 4 {
				s.reportBlocks(e, part.body[4:], int(part.count))
			}
		case rtcpRTPFB:
			switch part.count {
			case fbNACK:
				answers = s.nack(e, part.body, answers)
			case fbTWCC:
				s.feedback(e, part.body)
			}
		case rtcpPSFB:
			s.payloadFeedback(e, part)
		}
	}
}

func (s *Shard) payloadFeedback(e *Endpoint, part rtcpPart) {
	if len(part.body) < 8 {
		return
	}
	switch part.count {
	case fbPLI:
		s.keyframeFor(e, binary.BigEndian.Uint32(part.body[4:]))
	case fbFIR:
		for rest := part.body[8:]; len(rest) >= 8; rest = rest[8:] {
			s.keyframeFor(e, binary.BigEndian.Uint32(rest))
		}
	case fbAFB:
		if bitrate, ok := parseREMB(part.body); ok && e.leg.allowed.remb.take(s.clock, 1, e.scaled(rembLimit)) {
			s.event(e, Event{Kind: EventREMB, Bitrate: bitrate})
		}
	}
}

// senderReport notes the report for our own reports and forwards it, translated, to
// everybody who gets the stream.
func (s *Shard) senderReport(e *Endpoint, part rtcpPart) {
	b := part.body
	if len(b) < 24 {
		return
	}
	u := e.leg.streams[binary.BigEndian.Uint32(b)]
	if u != nil && u.repairs == nil {
		ntp, ts := binary.BigEndian.Uint64(b[4:]), binary.BigEndian.Uint32(b[12:])
		again := u.reportAt != 0 && s.clock-u.reportAt < reportPause
		u.reportNTP, u.reportAt = ntpMiddle(ntp), s.clock
		if again {
			s.reportBlocks(e, b[24:], int(part.count))
			return
		}
		for _, d := range u.source.up.downs {
			if d.encoding == u.encoding && d.out.started && d.receiver.leg.send != nil {
				s.forwardReport(d, ntp, ts)
			}
		}
	}
	s.reportBlocks(e, b[24:], int(part.count))
}

func (s *Shard) forwardReport(d *downStream, ntp uint64, ts uint32) {
	o := d.out
	b := appendRTCPHeader(s.rtcpOut[:0], 0, rtcpSR)
	b = binary.BigEndian.AppendUint32(b, o.ssrc)
	b = binary.BigEndian.AppendUint64(b, ntp)
	b = binary.BigEndian.AppendUint32(b, ts+d.tsDelta)
	b = binary.BigEndian.AppendUint32(b, o.packets)
	b = binary.BigEndian.AppendUint32(b, o.octets)
	b = endRTCP(b, 0)
	b = appendSDES(b, o.ssrc)
	o.report = (o.report + 1) % len(o.reports)
	o.reports[o.report] = sentReport{ntpMiddle(ntp), s.clock}
	s.sendRTCP(d.receiver, b)
}

// lossInterval is the time in microseconds over which a receiver's losses are summed up.
// Single reports are no measure: clients send one with each request for a lost packet.
const lossInterval = 1_000_000

// reportBlocks takes what a receiver says about what we sent it.
func (s *Shard) reportBlocks(e *Endpoint, b []byte, count int) {
	l := &e.leg
	for ; count > 0 && len(b) >= reportBlockSize; count, b = count-1, b[reportBlockSize:] {
		r := parseReportBlock(b)
		o := l.outs[r.ssrc]
		if o == nil {
			continue
		}
		if expected := int32(r.highest - o.highestTold); o.told && expected > 0 && expected < 1<<16 {
			l.lossExpected += int64(expected)
			l.lossLost += int64(min(max(r.lost-o.lostTold, 0), expected))
		}
		o.told, o.highestTold, o.lostTold = true, r.highest, r.lost
		for _, sent := range o.reports {
			if r.lastSR != 0 && sent.at != 0 && sent.ntp == r.lastSR {
				rtt := s.clock - sent.at - int64(r.delay)*1_000_000/65536
				if rtt >= 0 && rtt < 10_000_000 {
					l.rtt = smooth(l.rtt, rtt)
				}
			}
		}
	}
	if l.lossExpected == 0 || s.clock-l.lossSince < lossInterval {
		return
	}
	l.downLoss = float64(l.lossLost) / float64(l.lossExpected)
	l.lossExpected, l.lossLost, l.lossSince = 0, 0, s.clock
	s.event(e, Event{Kind: EventReport, Loss: l.downLoss, RTT: time.Duration(l.rtt) * time.Microsecond})
}

// smooth takes a measured round trip into the one known, as RFC 6298 does.
func smooth(known, rtt int64) int64 {
	if known == 0 {
		return max(1, rtt)
	}
	return max(1, known+(rtt-known)/8)
}

// keyframeFor routes a receiver's request to the encoding it should be getting.
func (s *Shard) keyframeFor(e *Endpoint, ssrc uint32) {
	o := e.leg.outs[ssrc]
	if o == nil || o.down == nil || o.down.source.cfg.Kind != media.Video {
		return
	}
	d := o.down
	if !d.begs(s.clock) {
		s.refuse(e)
		return
	}
	s.askKeyframe(d.source, d.wanted(s.clock), false)
}

// refuse counts what an endpoint asked for beyond what one may.
func (s *Shard) refuse(e *Endpoint) {
	s.stats.now.Refused++
	e.leg.stats.Refused++
}

// nack answers a receiver's request for packets.
func (s *Shard) nack(e *Endpoint, b []byte, answers int) int {
	if len(b) < 8 || e.leg.send == nil {
		return answers
	}
	o := e.leg.outs[binary.BigEndian.Uint32(b[4:])]
	if o == nil {
		return answers
	}
	hopeless := false
	for b = b[8:]; len(b) >= 4; b = b[4:] {
		first, mask := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		for i := range uint16(17) {
			if i > 0 && mask&(1<<(i-1)) == 0 {
				continue
			}
			if answers == 0 {
				return 0
			}
			if s.resend(e, o, first+i, false) {
				answers--
			} else if o.forgotten(s.arena, first+i) {
				hopeless = true
			}
		}
	}
	if d := o.down; hopeless && d != nil && d.begs(s.clock) {
		// The receiver would ask for what is gone for long before it asks for a keyframe.
		s.askKeyframe(d.source, d.wanted(s.clock), false)
	}
	return answers
}
