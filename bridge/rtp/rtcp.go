package rtp

import "encoding/binary"

// RTCP packet types and feedback formats (RFC 3550, RFC 4585, RFC 5104).
const (
	rtcpSR    = 200
	rtcpRR    = 201
	rtcpSDES  = 202
	rtcpRTPFB = 205
	rtcpPSFB  = 206

	fbNACK = 1
	fbTWCC = 15
	fbPLI  = 1
	fbFIR  = 4
	fbAFB  = 15
)

// rtcpPart is one packet of a compound.
type rtcpPart struct {
	kind, count byte
	// body follows the common header of four bytes.
	body []byte
}

// nextRTCP cuts the first packet off a compound.
func nextRTCP(b []byte) (part rtcpPart, rest []byte, ok bool) {
	if len(b) < 4 || b[0]>>6 != 2 {
		return part, nil, false
	}
	size := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
	if size > len(b) {
		return part, nil, false
	}
	body := b[4:size]
	if b[0]&0x20 != 0 {
		// Padding counts itself in the last byte.
		if len(body) == 0 || int(body[len(body)-1]) > len(body) || body[len(body)-1] == 0 {
			return part, nil, false
		}
		body = body[:len(body)-int(body[len(body)-1])]
	}
	return rtcpPart{kind: b[1], count: b[0] & 0x1F, body: body}, b[size:], true
}

// reportBlock is a reception report (RFC 3550, section 6.4.1).
type reportBlock struct {
	ssrc, highest, jitter uint32
	lastSR, delay         uint32
	fraction              uint8
	lost                  int32
}

const reportBlockSize = 24

func parseReportBlock(b []byte) reportBlock {
	lost := int32(binary.BigEndian.Uint32(b[4:])<<8) >> 8
	return reportBlock{
		ssrc: binary.BigEndian.Uint32(b), fraction: b[4], lost: lost,
		highest: binary.BigEndian.Uint32(b[8:]), jitter: binary.BigEndian.Uint32(b[12:]),
		lastSR: binary.BigEndian.Uint32(b[16:]), delay: binary.BigEndian.Uint32(b[20:]),
	}
}

func (r *reportBlock) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, r.ssrc)
	b = append(b, r.fraction, byte(r.lost>>16), byte(r.lost>>8), byte(r.lost))
	b = binary.BigEndian.AppendUint32(b, r.highest)
	b = binary.BigEndian.AppendUint32(b, r.jitter)
	b = binary.BigEndian.AppendUint32(b, r.lastSR)
	return binary.BigEndian.AppendUint32(b, r.delay)
}

// appendRTCPHeader starts a packet; endRTCP fills in its length.
func appendRTCPHeader(b []byte, count, kind byte) []byte {
	return append(b, 2<<6|count, kind, 0, 0)
}

// endRTCP pads the packet that began at b[at:] to whole words with zeros and writes its
// length.
func endRTCP(b []byte, at int) []byte {
	for (len(b)-at)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[at+2:], uint16((len(b)-at)/4-1))
	return b
}

// cname identifies the bridge in its source descriptions.
const cname = "parley"

// appendSDES adds a source description with our CNAME.
func appendSDES(b []byte, ssrc uint32) []byte {
	at := len(b)
	b = appendRTCPHeader(b, 1, rtcpSDES)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	b = append(b, 1, byte(len(cname)))
	b = append(b, cname...)
	// The chunk ends with at least one zero.
	b = append(b, 0)
	return endRTCP(b, at)
}

// appendEmptyRR begins a compound whose sender has nothing to report.
func appendEmptyRR(b []byte, ssrc uint32) []byte {
	at := len(b)
	b = appendRTCPHeader(b, 0, rtcpRR)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return endRTCP(b, at)
}

// appendPLI asks for a keyframe.
func appendPLI(b []byte, sender, media uint32) []byte {
	at := len(b)
	b = appendRTCPHeader(b, fbPLI, rtcpPSFB)
	b = binary.BigEndian.AppendUint32(b, sender)
	b = binary.BigEndian.AppendUint32(b, media)
	return endRTCP(b, at)
}

// appendFIR asks for a keyframe the older way.
func appendFIR(b []byte, sender, media uint32, seq uint8) []byte {
	at := len(b)
	b = appendRTCPHeader(b, fbFIR, rtcpPSFB)
	b = binary.BigEndian.AppendUint32(b, sender)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, media)
	b = append(b, seq, 0, 0, 0)
	return endRTCP(b, at)
}

// appendNACK asks for lost packets, which must be in ascending order.
func appendNACK(b []byte, sender, media uint32, lost []uint16) []byte {
	at := len(b)
	b = appendRTCPHeader(b, fbNACK, rtcpRTPFB)
	b = binary.BigEndian.AppendUint32(b, sender)
	b = binary.BigEndian.AppendUint32(b, media)
	for i := 0; i < len(lost); {
		first, mask := lost[i], uint16(0)
		for i++; i < len(lost); i++ {
			d := lost[i] - first
			if d == 0 || d > 16 {
				break
			}
			mask |= 1 << (d - 1)
		}
		b = binary.BigEndian.AppendUint16(b, first)
		b = binary.BigEndian.AppendUint16(b, mask)
	}
	return endRTCP(b, at)
}

// appendREMB tells a sender how much it may send (draft-alvestrand-rmcat-remb-03).
func appendREMB(b []byte, sender uint32, bitrate uint64, media []uint32) []byte {
	at := len(b)
	b = appendRTCPHeader(b, fbAFB, rtcpPSFB)
	b = binary.BigEndian.AppendUint32(b, sender)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = append(b, "REMB"...)
	exp := 0
	for ; bitrate >= 1<<18; exp++ {
		bitrate >>= 1
	}
	b = append(b, byte(len(media)), byte(exp<<2)|byte(bitrate>>16), byte(bitrate>>8), byte(bitrate))
	for _, ssrc := range media {
		b = binary.BigEndian.AppendUint32(b, ssrc)
	}
	return endRTCP(b, at)
}

// parseREMB reads the bitrate of an application layer feedback message.
func parseREMB(body []byte) (bitrate uint64, ok bool) {
	if len(body) < 16 || string(body[8:12]) != "REMB" {
		return 0, false
	}
	exp := body[13] >> 2
	mantissa := uint64(body[13]&3)<<16 | uint64(binary.BigEndian.Uint16(body[14:]))
	if exp > 45 {
		return 0, false
	}
	return mantissa << exp, true
}

// ntpMiddle is the middle 32 bits of an NTP time, as reports repeat it.
func ntpMiddle(ntp uint64) uint32 { return uint32(ntp >> 16) }
