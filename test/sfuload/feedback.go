//go:build linux

package main

import (
	"encoding/binary"
	"slices"
)

// feedback is what a client tells the bridge of what it got: transport-wide feedback
// (draft-holmer-rmcat-transport-wide-cc-extensions-01) every 100 ms, receiver reports
// every second.
type feedback struct {
	arrivals           []arrival
	highest            int64
	started            bool
	nextTWCC, nextRR   int64
	count              byte
	out, sealed, plain []byte
}

type arrival struct{ seq, at int64 }

// note remembers when a packet with a transport-wide number arrived. The bridge writes
// the number as the first extension of a packet.
func (f *feedback) note(b []byte, now int64) {
	if b[0]&0x10 == 0 || len(b) < 20 || b[16] != transportID<<4|1 {
		return
	}
	seq := binary.BigEndian.Uint16(b[17:])
	if !f.started {
		f.started = true
		f.highest = int64(seq) + 1<<16
	}
	ext := f.highest + int64(int16(seq-uint16(f.highest)))
	f.highest = max(f.highest, ext)
	if len(f.arrivals) < 2048 {
		f.arrivals = append(f.arrivals, arrival{ext, now})
	}
}

// keep does what is due from time to time.
func (c *client) keep(now int64) {
	f := &c.feedback
	if c.checks && now >= c.nextCheck {
		c.check(now)
	}
	if !c.ready || c.deaf || !c.checks {
		f.arrivals = f.arrivals[:0]
		return
	}
	if len(f.arrivals) > 0 && (now >= f.nextTWCC || len(f.arrivals) > 300) {
		f.nextTWCC = now + int64(feedbackEvery)
		slices.SortFunc(f.arrivals, func(a, b arrival) int { return int(a.seq - b.seq) })
		for rest := f.arrivals; len(rest) > 0; {
			var b []byte
			b, rest = f.twcc(header(f.out[:0], 0, 201, 1), rest) // an empty report goes ahead
			c.sendRTCP(b)
		}
		f.arrivals = f.arrivals[:0]
	}
	if c.lossy > 0 {
		for ssrc, s := range c.streams {
			if len(s.wanted) > 0 {
				c.sendRTCP(nack(header(f.out[:0], 0, 201, 1), ssrc, s.wanted))
				s.wanted = s.wanted[:0]
			}
		}
	}
	if now >= f.nextRR && len(c.streams) > 0 {
		f.nextRR = now + int64(reportEvery)
		c.sendRTCP(c.report(f.out[:0]))
	}
}

func (c *client) sendRTCP(b []byte) {
	c.feedback.out = b[:0]
	sealed, err := c.sender.EncryptRTCP(c.feedback.sealed[:0], b, nil)
	if err != nil {
		c.e.faults.wrong++
		return
	}
	c.feedback.sealed = sealed
	_ = c.udp.send(sealed)
}

// header appends a header with a sender's SSRC; the length is right for words more.
func header(b []byte, count, kind byte, words uint16) []byte {
	b = append(b, 0x80|count&31, kind)
	b = binary.BigEndian.AppendUint16(b, words)
	return binary.BigEndian.AppendUint32(b, 1)
}

// nack appends a request to send some packets again (RFC 4585, section 6.2.1).
func nack(b []byte, ssrc uint32, wanted []uint16) []byte {
	b = header(b, 1, 205, uint16(2+len(wanted)))
	b = binary.BigEndian.AppendUint32(b, ssrc)
	for _, seq := range wanted {
		b = binary.BigEndian.AppendUint16(b, seq)
		b = append(b, 0, 0)
	}
	return b
}

// report appends a receiver report about up to 31 streams.
func (c *client) report(b []byte) []byte {
	n := min(len(c.streams), 31)
	b = header(b, byte(n), 201, uint16(1+6*n))
	for ssrc, s := range c.streams {
		if n--; n < 0 {
			break
		}
		b = binary.BigEndian.AppendUint32(b, ssrc)
		b = binary.BigEndian.AppendUint32(b, 0)
		b = binary.BigEndian.AppendUint32(b, uint32(s.highest))
		b = append(b, make([]byte, 12)...)
	}
	return b
}

// maxStatuses bounds the packets of one message, whose end must not be too far.
const maxStatuses = 350

// twcc appends a message about the first arrivals and returns the others.
func (f *feedback) twcc(b []byte, arrivals []arrival) (message []byte, rest []arrival) {
	at := len(b)
	const tick, reference = 250_000, 64_000_000
	first := arrivals[0].seq
	ref := arrivals[0].at / reference
	b = header(b, 15, 205, 0)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint16(b, uint16(first))
	b = append(b, 0, 0, byte(ref>>16), byte(ref>>8), byte(ref), f.count)
	f.count++
	var symbols [maxStatuses]byte
	deltas := f.plain[:0]
	n, taken, before := 0, 0, ref*reference
	for taken < len(arrivals) {
		a := arrivals[taken]
		if a.seq-first >= maxStatuses {
			break
		}
		if a.seq-first < int64(n) {
			taken++ // twice
			continue
		}
		ticks := (a.at - before) / tick
		if ticks > 1<<15-1 || ticks < -1<<15 {
			break
		}
		before += ticks * tick
		n = int(a.seq-first) + 1
		if ticks >= 0 && ticks <= 255 {
			symbols[n-1] = 1
			deltas = append(deltas, byte(ticks))
		} else {
			symbols[n-1] = 2
			deltas = binary.BigEndian.AppendUint16(deltas, uint16(ticks))
		}
		taken++
	}
	f.plain = deltas
	for i := 0; i < n; i += 7 {
		chunk := uint16(0xC000)
		for j := range min(7, n-i) {
			chunk |= uint16(symbols[i+j]) << (12 - 2*j)
		}
		b = binary.BigEndian.AppendUint16(b, chunk)
	}
	b = append(b, deltas...)
	if pad := (4 - (len(b)-at)%4) % 4; pad > 0 {
		b = append(b, make([]byte, pad)...)
		b[len(b)-1] = byte(pad)
		b[at] |= 0x20
	}
	binary.BigEndian.PutUint16(b[at+2:], uint16((len(b)-at)/4-1))
	binary.BigEndian.PutUint16(b[at+14:], uint16(n))
	return b, arrivals[max(taken, 1):]
}
