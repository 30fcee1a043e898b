package codec

import "encoding/binary"

// inspectVP8 reads the payload descriptor (RFC 7741, section 4.2) and, where a keyframe
// begins, the size of the picture from its header.
func inspectVP8(b []byte) (f Facts) {
	if len(b) < 2 {
		return Facts{}
	}
	start := b[0]&0x10 != 0 && b[0]&0x07 == 0
	extended := b[0]&0x80 != 0
	at := 1
	if extended {
		flags := b[1]
		at = 2
		var hasID, hasTL0 bool
		if flags&0x80 != 0 {
			if at >= len(b) {
				return Facts{}
			}
			f.PictureIDOffset, hasID = uint8(at), true
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
		if flags&0x40 != 0 {
			if at >= len(b) {
				return Facts{}
			}
			f.TL0, f.TL0Offset, hasTL0 = b[at], uint8(at), true
			at++
		}
		if flags&0x30 != 0 {
			if at >= len(b) {
				return Facts{}
			}
			if flags&0x20 != 0 {
				f.Temporal, f.Sync = b[at]>>6, b[at]&0x20 != 0
				f.Scalable = hasID && hasTL0
			}
			at++
		}
		f.Rewritable = hasID
	}
	f.FrameStart = start
	if !start || at >= len(b) {
		return f
	}
	// The inverse key frame flag is the lowest bit of the frame tag; start code and size
	// follow the three bytes of the tag (RFC 6386, section 9.1).
	if h := b[at:]; h[0]&1 == 0 {
		f.KeyframeStart = true
		if len(h) >= 10 && h[3] == 0x9D && h[4] == 0x01 && h[5] == 0x2A {
			f.Width = binary.LittleEndian.Uint16(h[6:]) & 0x3FFF
			f.Height = binary.LittleEndian.Uint16(h[8:]) & 0x3FFF
		}
	}
	return f
}

// RewriteVP8 writes a picture id and, where there is one, TL0PICIDX into a payload Inspect found rewritable.
// The width of the picture id stays.
func RewriteVP8(payload []byte, f Facts, pictureID uint16, tl0 uint8) {
	if f.Wide {
		binary.BigEndian.PutUint16(payload[f.PictureIDOffset:], 0x8000|pictureID&0x7FFF)
	} else {
		payload[f.PictureIDOffset] = byte(pictureID & 0x7F)
	}
	if f.TL0Offset != 0 {
		payload[f.TL0Offset] = tl0
	}
}
