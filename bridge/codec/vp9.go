package codec

import "encoding/binary"

// inspectVP9 reads the payload descriptor (RFC 9628, section 4.2).
func inspectVP9(b []byte) (f Facts) {
	if len(b) < 2 {
		return Facts{}
	}
	hasID, inter, hasLayer := b[0]&0x80 != 0, b[0]&0x40 != 0, b[0]&0x20 != 0
	flexible, start, structure := b[0]&0x10 != 0, b[0]&0x08 != 0, b[0]&0x02 != 0
	at := 1
	if hasID {
		f.PictureIDOffset = uint8(at)
		if f.Wide = b[at]&0x80 != 0; f.Wide {
			if at+1 >= len(b) {
				return Facts{}
			}
			f.PictureID = binary.BigEndian.Uint16(b[at:]) & 0x7FFF
			at++
		} else {
			f.PictureID = uint16(b[at] & 0x7F)
		}
		at++
	}
	interLayer := false
	if hasLayer {
		if at >= len(b) {
			return Facts{}
		}
		f.Temporal, f.Sync = b[at]>>5, b[at]&0x10 != 0
		f.Spatial, interLayer = b[at]>>1&7, b[at]&1 != 0
		at++
		if !flexible {
			if at >= len(b) {
				return Facts{}
			}
			f.TL0, f.TL0Offset = b[at], uint8(at)
			at++
		}
	}
	if flexible && inter {
		// At most three reference indices, the last without its continuation bit.
		for range 3 {
			if at >= len(b) {
				return Facts{}
			}
			more := b[at]&1 != 0
			at++
			if !more {
				break
			}
		}
	}
	f.FrameStart = start
	f.KeyframeStart = start && !inter && !interLayer && f.Spatial == 0
	if structure && at < len(b) {
		f.Width, f.Height = vp9Size(b[at:])
	}
	return f
}

// vp9Size reads the size of the highest spatial layer from a scalability structure.
func vp9Size(b []byte) (width, height uint16) {
	layers, hasSize := int(b[0]>>5)+1, b[0]&0x10 != 0
	if !hasSize || len(b) < 1+4*layers {
		return 0, 0
	}
	last := b[1+4*(layers-1):]
	return binary.BigEndian.Uint16(last), binary.BigEndian.Uint16(last[2:])
}
