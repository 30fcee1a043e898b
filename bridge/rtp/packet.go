package rtp

import (
	"encoding/binary"

	"parley/bridge/codec"
	"parley/bridge/media"
)

// packet is what the pipeline knows of one RTP packet, found by looking once. It is
// flat and holds no pointers into the slot, only offsets from the slot's beginning.
type packet struct {
	slot uint32
	// start and end of the packet in the slot, payload is where its payload begins.
	start, payload, end int

	ssrc, timestamp uint32
	seq             uint16
	pt              uint8
	marker          bool
	padding         bool

	// Extensions: offset and length of the data in the slot, length 0 if absent.
	level, orientation, transport, descriptor span

	// ext is the extended sequence number in the stream it belongs to, raw the same before
	// silence was taken out.
	ext, raw int64
	// arrival on the shard's clock, in microseconds.
	arrival int64
	kind    media.Kind
	codec   media.Codec
	// encoding is the index in the source.
	encoding int
	// repaired: it came as a retransmission; late: packets after it have gone on already.
	repaired, late bool
	facts          codec.Facts

	// congestion is where the four bytes of the congestion control extension are written
	// for each receiver, 0 if the layout has none. twoByte is the form of the extensions.
	congestion int
	twoByte    bool
	// tells says that the packet tells which decode targets are active (AV1); then maskAt is
	// where, in bits from the slot's beginning, and maskBits how many there are.
	tells    bool
	maskAt   int
	maskBits uint8
}

// span is a piece of a slot.
type span struct{ at, size int }

const (
	profileOneByte = 0xBEDE
	profileTwoByte = 0x1000
	rtpHeaderSize  = 12
)

// extensionMap finds the kind of an extension by its ID.
type extensionMap [256]media.ExtensionKind

// parseHeader reads the header of an RTP packet at b[start:end]. Payload and padding
// may still be encrypted.
func (p *packet) parseHeader(b []byte, start, end int, ids *extensionMap) bool {
	*p = packet{slot: p.slot, start: start, end: end, arrival: p.arrival}
	if end-start < rtpHeaderSize || b[start]>>6 != 2 {
		return false
	}
	h := b[start:end]
	p.padding = h[0]&0x20 != 0
	p.marker = h[1]&0x80 != 0
	p.pt = h[1] & 0x7F
	p.seq = binary.BigEndian.Uint16(h[2:])
	p.timestamp = binary.BigEndian.Uint32(h[4:])
	p.ssrc = binary.BigEndian.Uint32(h[8:])
	at := start + rtpHeaderSize + 4*int(h[0]&0x0F)
	if h[0]&0x10 == 0 {
		p.payload = at
		return at <= end
	}
	if at+4 > end {
		return false
	}
	profile := binary.BigEndian.Uint16(b[at:])
	size := 4 * int(binary.BigEndian.Uint16(b[at+2:]))
	at += 4
	p.payload = at + size
	if p.payload > end {
		return false
	}
	switch {
	case profile == profileOneByte:
		return p.walkOneByte(b, at, p.payload, ids)
	case profile&0xFFF0 == profileTwoByte:
		return p.walkTwoByte(b, at, p.payload, ids)
	default:
		return true
	}
}

func (p *packet) walkOneByte(b []byte, at, end int, ids *extensionMap) bool {
	for at < end {
		if b[at] == 0 {
			at++
			continue
		}
		id, size := b[at]>>4, int(b[at]&0x0F)+1
		if id == 15 {
			return true
		}
		at++
		if at+size > end {
			return false
		}
		p.found(ids[id], span{at, size})
		at += size
	}
	return true
}

func (p *packet) walkTwoByte(b []byte, at, end int, ids *extensionMap) bool {
	for at < end {
		if b[at] == 0 {
			at++
			continue
		}
		if at+2 > end {
			return false
		}
		id, size := b[at], int(b[at+1])
		at += 2
		if at+size > end {
			return false
		}
		p.found(ids[id], span{at, size})
		at += size
	}
	return true
}

func (p *packet) found(kind media.ExtensionKind, s span) {
	switch kind {
	case media.ExtAudioLevel:
		p.level = s
	case media.ExtVideoOrientation:
		p.orientation = s
	case media.ExtTransportCC:
		p.transport = s
	case media.ExtDependencyDescriptor:
		p.descriptor = s
	}
}

// stripPadding takes the padding off a decrypted packet and returns how much it was.
func (p *packet) stripPadding(b []byte) (int, bool) {
	if !p.padding {
		return 0, true
	}
	if p.end <= p.payload {
		return 0, false
	}
	n := int(b[p.end-1])
	if n == 0 || n > p.end-p.payload {
		return 0, false
	}
	p.end -= n
	p.padding = false
	return n, true
}

// maxKept bounds the bytes of an extension that is passed on: more would not fit before
// the payload.
const maxKept = 200

// normalise writes the header anew in the layout all receivers share: no contributing
// sources, no extensions but those that travel, and room for congestion control on
// video. Everything that differs between receivers is at a fixed place afterwards. It
// fails when the new header does not fit before the payload.
func (p *packet) normalise(b []byte, ids *extensionIDs) bool {
	// The old header is overwritten: what travels is put aside first.
	var kept [maxKept + 2]byte
	size := 0
	keep := func(id uint8, s span, twoByte bool) {
		if id == 0 || s.size == 0 || size+2+s.size > len(kept) || !twoByte && (id > 14 || s.size > 16) {
			return
		}
		if twoByte {
			kept[size], kept[size+1] = id, byte(s.size)
			size += 2
		} else {
			kept[size] = id<<4 | byte(s.size-1)
			size++
		}
		size += copy(kept[size:], b[s.at:s.at+s.size])
	}
	video := p.kind == media.Video
	p.twoByte, p.maskBits = false, 0
	if video && p.codec == media.AV1 {
		size = p.keepDescriptor(b, &kept, ids.descriptor)
	}
	if video {
		keep(ids.orientation, p.orientation, p.twoByte)
	} else {
		keep(ids.level, p.level, false)
	}

	block := size
	if video {
		block += 4
	}
	block = (block + 3) &^ 3
	start := p.payload - rtpHeaderSize
	if block > 0 {
		start -= 4 + block
	}
	if start < 0 {
		return false
	}
	h := b[start:p.payload]
	clear(h)
	h[0] = 2 << 6
	h[1] = p.pt
	if p.marker {
		h[1] |= 0x80
	}
	p.start, p.congestion = start, 0
	if block > 0 {
		h[0] |= 0x10
		profile := uint16(profileOneByte)
		if p.twoByte {
			profile = profileTwoByte
		}
		binary.BigEndian.PutUint16(h[rtpHeaderSize:], profile)
		binary.BigEndian.PutUint16(h[rtpHeaderSize+2:], uint16(block/4))
		at := rtpHeaderSize + 4
		if video {
			p.congestion = start + at
			at += 4
			p.maskAt += 8 * (start + at)
		}
		copy(h[at:], kept[:size])
		if !video {
			p.level.at = start + at + 1
		}
	}
	return true
}

// keepDescriptor puts the dependency descriptor aside, with room for the mask of active decode
// targets where the packet tells them, and returns how much it is with its header.
func (p *packet) keepDescriptor(b []byte, kept *[maxKept + 2]byte, id uint8) int {
	d := b[p.descriptor.at : p.descriptor.at+p.descriptor.size]
	if id == 0 || len(d) == 0 || len(d) > maxKept {
		return 0
	}
	n := len(d)
	if p.tells {
		if wide := p.facts.Mask.WithMask(kept[2:], d); wide > 0 {
			n, p.maskBits = wide, p.facts.Mask.Bits
		}
	}
	p.twoByte = n > 16
	head := 1
	if p.twoByte {
		head = 2
		kept[0], kept[1] = id, byte(n)
	} else if id < 15 {
		kept[0] = id<<4 | byte(n-1)
	} else {
		p.maskBits = 0
		return 0
	}
	if p.maskBits == 0 {
		copy(kept[head:], d)
	} else {
		copy(kept[head:], kept[2:2+n])
	}
	p.maskAt = 8*head + int(p.facts.Mask.At)
	return head + n
}

// extensionIDs are the IDs of the extensions that travel, 0 if not negotiated.
type extensionIDs struct {
	level, orientation, descriptor, transport, absSendTime uint8
}
