package rtp

import (
	"encoding/binary"

	"parley/bridge/codec"
	"parley/bridge/media"
)

// resendPause keeps a packet from being sent again while the first repetition may still
// be on its way: nine tenths of the round trip, at least this many microseconds.
const resendPause = 5_000

// rtxType finds the payload type that repairs another one.
func (l *leg) rtxType(pt uint8) (uint8, bool) {
	for i := range l.types {
		if t := &l.types[i]; t.Codec == media.RTX && t.Apt == pt {
			return t.Number, true
		}
	}
	return 0, false
}

// resend sends a packet of an outgoing stream again, as RTX where the receiver has it.
// Without RTX the same packet goes out once more, but never under GCM: the congestion
// control extension has changed, and a nonce must not be used for two texts.
func (s *Shard) resend(e *Endpoint, o *outStream, seq uint16, probe bool) bool {
	sent := o.find(s.arena, seq)
	if sent == nil || !probe && sent.again != 0 && s.clock-sent.again < max(resendPause, e.leg.rtt*9/10) {
		return false
	}
	if !probe && !e.leg.allowed.resent.take(s.clock, 1, e.scaled(resendLimit)) {
		s.refuse(e)
		return false
	}
	pt, ok := e.leg.rtxType(sent.pt)
	rtx := ok && o.rtx != 0
	if !rtx && (e.leg.aead || probe) {
		return false
	}
	b := s.arena.bytes(sent.slot)
	start, payload, end := int(sent.start), int(sent.payload), int(sent.end)
	head := payload - start
	plain := append(s.plain[:0], b[start:payload]...)
	if rtx {
		plain = binary.BigEndian.AppendUint16(plain, sent.seq)
	}
	body := len(plain)
	plain = append(plain, b[payload:end]...)
	if sent.rewrite {
		codec.RewriteVP8(plain[body:], codec.Facts{
			PictureIDOffset: sent.idOffset, TL0Offset: sent.tl0At, Wide: sent.wide,
		}, sent.pictureID, sent.tl0)
	}
	if sent.maskBits > 0 {
		codec.PutBits(plain, int(sent.maskAt), int(sent.maskBits), sent.mask)
	}
	binary.BigEndian.PutUint32(plain[4:], sent.timestamp)
	if rtx {
		o.rtxSeq++
		plain[1] = markedType(pt, sent.marker)
		binary.BigEndian.PutUint16(plain[2:], o.rtxSeq)
		binary.BigEndian.PutUint32(plain[8:], o.rtx)
	} else {
		plain[1] = markedType(sent.pt, sent.marker)
		binary.BigEndian.PutUint16(plain[2:], sent.seq)
		binary.BigEndian.PutUint32(plain[8:], o.ssrc)
	}
	p := &s.repair
	*p = packet{start: 0, payload: head, end: len(plain), twoByte: sent.twoByte}
	if sent.congestion != 0 {
		p.congestion = int(sent.congestion) - start
	}
	if !s.send(e, plain, p, probe) {
		return false
	}
	sent.again = s.clock
	if !probe {
		e.leg.stats.RetransmissionsSent++
	}
	return true
}
