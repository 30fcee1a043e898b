//go:build linux

package main

import (
	"encoding/binary"
	"math/rand/v2"
)

// sampleEvery: of a stream one packet of so many is opened.
const sampleEvery = 32

// stream is what a client gets under one SSRC. It belongs to the engine.
type stream struct {
	video   bool
	started bool
	highest int64
	// first is the number before the first one counted, got how many came since.
	first, got int64
	unopened   int
	// wanted are the numbers to ask for.
	wanted []uint16
	// shift is the difference to the sender's own numbers, known once a packet was opened.
	shift   int64
	shifted bool
}

// lost is how many packets since the count began did not come.
func (s *stream) lost() int64 { return s.highest - s.first - s.got }

// begin starts the count anew.
func (s *stream) begin() { s.first, s.got = s.highest, 0 }

// receive takes in what a socket has.
func (c *client) receive() {
	r := c.e.heads
	if !c.ready {
		r = c.e.whole
	}
	n := r.read(c.udp.fd)
	if n == 0 {
		return
	}
	now := c.e.now()
	for i := range n {
		b, size := r.datagram(i)
		switch {
		case len(b) < 12:
		case b[0] < 4:
			c.stun(b)
		case b[0] >= 20 && b[0] <= 63:
			select {
			case c.incoming <- append([]byte(nil), b...):
			default:
			}
		case b[0]>>6 != 2 || !c.ready:
		case b[1] >= 192 && b[1] <= 223:
			if len(b) == size {
				c.rtcp(b)
			}
		default:
			c.rtp(b, size, now)
		}
	}
}

// rtp counts a packet; one of some is opened.
func (c *client) rtp(b []byte, size int, now int64) {
	if t := b[1] & 0x7F; t != audioType && t != videoType {
		c.feedback.note(b, now) // padding that probes, or a repair
		if c.lossy > 0 && len(b) == size && t == rtxType {
			c.repaired(b)
		}
		return
	}
	ssrc := binary.BigEndian.Uint32(b[8:])
	s := c.streams[ssrc]
	if s == nil {
		s = &stream{video: b[1]&0x7F == videoType}
		c.streams[ssrc] = s
	}
	if s.video && c.lossy > 0 && s.started && rand.IntN(c.lossy) == 0 {
		s.wanted = append(s.wanted, binary.BigEndian.Uint16(b[2:]))
		return
	}
	if s.video {
		c.feedback.note(b, now)
	}
	ext := s.note(binary.BigEndian.Uint16(b[2:]), &c.e.faults)
	c.got++
	if s.unopened++; s.unopened >= sampleEvery && len(b) == size {
		s.unopened = 0
		c.open(s, b, ext, now)
	}
}

// repaired counts a packet that came again (RFC 4588).
func (c *client) repaired(b []byte) {
	e := c.e
	p, err := c.opener.DecryptRTP(e.opened[:0], b, &e.header)
	if err != nil {
		e.faults.forged++
		return
	}
	s := c.streams[binary.BigEndian.Uint32(b[8:])^repairBit]
	if payload := p[e.header.MarshalSize():]; s != nil && len(payload) > 2 {
		s.got++
		c.got++
	}
}

// note counts a sequence number and returns it extended.
func (s *stream) note(seq uint16, f *faults) int64 {
	if !s.started {
		s.started = true
		s.highest = int64(seq) - 1 + 1<<16
		s.first = s.highest
	}
	ext := s.highest + int64(int16(seq-uint16(s.highest)))
	if ext <= s.highest {
		f.disorder++
	}
	s.highest = max(s.highest, ext)
	s.got++
	return ext
}

// open looks whether the packet is the one that was sent, and how long ago.
func (c *client) open(s *stream, b []byte, ext, now int64) {
	e := c.e
	p, err := c.opener.DecryptRTP(e.opened[:0], b, &e.header)
	if err != nil {
		e.faults.forged++
		return
	}
	payload := p[e.header.MarshalSize():]
	if len(payload) < markAt+12 {
		e.faults.wrong++
		return
	}
	shift := ext - int64(binary.BigEndian.Uint32(payload[markAt+8:]))
	if s.shifted && shift != s.shift {
		e.faults.wrong++
	}
	s.shift, s.shifted = shift, true
	if e.measuring && len(e.delays) < cap(e.delays) {
		e.delays = append(e.delays, now-int64(binary.BigEndian.Uint64(payload[markAt:])))
	}
}

// rtcp looks for requests of key frames.
func (c *client) rtcp(b []byte) {
	if len(c.sources) == 0 {
		return
	}
	p, err := c.opener.DecryptRTCP(c.e.opened[:0], b, nil)
	if err != nil {
		c.e.faults.forged++
		return
	}
	for len(p) >= 4 {
		size := 4 * (int(binary.BigEndian.Uint16(p[2:])) + 1)
		if size > len(p) {
			return
		}
		if p[1] == 206 && size >= 12 && (p[0]&31 == 1 || p[0]&31 == 4) {
			for _, s := range c.sources {
				s.wantKey = s.wantKey || s.video
			}
		}
		p = p[size:]
	}
}
