package codec

// Bits of the AV1 aggregation header and of OBU headers.
const (
	av1Continues   = 0x80
	av1NewSequence = 0x08
	obuSequence    = 1
)

// inspectAV1 reads the mandatory part of the dependency descriptor, or without one the
// aggregation header of the payload (AV1 RTP specification, sections 4.4 and A.8).
func inspectAV1(b, dd []byte) (f Facts) {
	if len(dd) >= 3 {
		f.FrameStart = dd[0]&0x80 != 0
		// Five flags follow in an extended descriptor; the first of them announces a template
		// structure, and only packets that begin a keyframe carry one.
		f.KeyframeStart = f.FrameStart && len(dd) > 3 && dd[3]&0x80 != 0
		return f
	}
	if len(b) < 2 {
		return Facts{}
	}
	f.FrameStart = b[0]&av1Continues == 0
	f.KeyframeStart = f.FrameStart && b[0]&av1NewSequence != 0 && firstOBU(b) == obuSequence
	return f
}

// firstOBU returns the type of the first OBU of a payload. A temporal delimiter should
// not be there (section 5) and is passed over.
func firstOBU(b []byte) byte {
	count := b[0] >> 4 & 3
	at := 1
	if count != 1 {
		// A length in LEB128 stands before the element.
		for at < len(b) && b[at]&0x80 != 0 {
			at++
		}
		at++
	}
	if at >= len(b) {
		return 0
	}
	return b[at] >> 3 & 0xF
}
