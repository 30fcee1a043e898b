package rtp

import (
	"encoding/binary"
	"time"
)

const (
	// probeBurst bounds the packets of one tick of probing.
	probeBurst = 40
	// paddingSize is the padding of a packet that carries nothing else.
	paddingSize = 255
)

// probeState is the padding sent on top of the media.
type probeState struct {
	// rate in bit/s until a moment of the shard's clock; 0 if there is none.
	rate  int
	until int64
	// owed is what has not been sent yet, in bits; last when it was counted.
	owed float64
	last int64
	seq  uint16
	next int64
}

// probe sends what is due: packets of lately again, which may even be of use, else
// padding on the bridge's own stream.
func (s *Shard) probe(e *Endpoint) {
	pr := &e.leg.probe
	now := min(s.clock, pr.until)
	pr.owed += float64(pr.rate) * float64(now-pr.last) / 1e6
	pr.last = now
	pr.owed = min(pr.owed, probeBurst*8*1200)
	for n := 0; n < probeBurst && pr.owed >= 8*paddingSize; n++ {
		before := s.queuedBytes()
		if !s.probeMedia(e) && !s.probePadding(e) {
			pr.owed = 0
			break
		}
		pr.owed -= 8 * float64(max(paddingSize, s.queuedBytes()-before))
	}
	if now == pr.until {
		pr.rate = 0
	}
}

// startProbe begins to send padding.
func (s *Shard) startProbe(e *Endpoint, rate int, d time.Duration) {
	pr := &e.leg.probe
	pr.rate, pr.until = max(0, rate), s.clock+d.Microseconds()
	pr.owed, pr.last = 0, s.clock
}

func (s *Shard) queuedBytes() int { return int(s.stats.now.BytesSent) }

// probeMedia repeats one recent packet as RTX.
func (s *Shard) probeMedia(e *Endpoint) bool {
	pr := &e.leg.probe
	for _, d := range e.leg.downs {
		if o := d.out; o.history != nil && o.started {
			pr.next = (pr.next + 1) % 64
			if s.resend(e, o, uint16(o.lastExt-pr.next), true) {
				return true
			}
		}
	}
	return false
}

// probePadding sends a packet with nothing but padding.
func (s *Shard) probePadding(e *Endpoint) bool {
	ids := &e.leg.extensions
	pt, ok := e.leg.videoType()
	if !ok || ids.transport == 0 || ids.transport > 14 {
		return false
	}
	pr := &e.leg.probe
	if pr.seq == 0 {
		pr.seq = s.lowRandom()
	}
	pr.seq++
	const head = rtpHeaderSize + 8
	b := s.plain[:head+paddingSize]
	clear(b)
	b[0], b[1] = 2<<6|0x20|0x10, pt
	binary.BigEndian.PutUint16(b[2:], pr.seq)
	binary.BigEndian.PutUint32(b[4:], uint32(s.clock*90/1000))
	binary.BigEndian.PutUint32(b[8:], e.opts.VideoFeedbackSSRC)
	binary.BigEndian.PutUint16(b[12:], profileOneByte)
	binary.BigEndian.PutUint16(b[14:], 1)
	b[len(b)-1] = paddingSize
	p := &s.repair
	*p = packet{payload: head, end: len(b), congestion: rtpHeaderSize + 4}
	return s.send(e, b, p, true)
}
