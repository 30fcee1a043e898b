package codec

import "encoding/binary"

// The NAL unit types of interest (RFC 6184, section 5.2).
const (
	nalIDR   = 5
	nalSPS   = 7
	nalSTAPA = 24
	nalFUA   = 28
	nalMask  = 0x1F
)

// inspectH264 finds IDR pictures and parameter sets: a stream can start at either, and
// encoders put the parameter sets before each IDR picture.
func inspectH264(b []byte) (f Facts) {
	if len(b) < 1 {
		return Facts{}
	}
	switch b[0] & nalMask {
	case nalSPS, nalIDR:
		f.KeyframeStart = true
	case nalSTAPA:
		for rest := b[1:]; len(rest) > 2; {
			size := int(binary.BigEndian.Uint16(rest))
			if size == 0 || size > len(rest)-2 {
				break
			}
			if t := rest[2] & nalMask; t == nalSPS || t == nalIDR {
				f.KeyframeStart = true
				break
			}
			rest = rest[2+size:]
		}
	case nalFUA:
		if len(b) >= 2 {
			f.FrameStart = b[1]&0x80 != 0
			f.KeyframeStart = f.FrameStart && b[1]&nalMask == nalIDR
		}
		return f
	}
	f.FrameStart = true
	return f
}
