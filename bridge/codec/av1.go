package codec

// Bits of the AV1 aggregation header and of OBU headers.
const (
	av1Continues   = 0x80
	av1NewSequence = 0x08
	obuSequence    = 1
)

// inspectAV1 reads the dependency descriptor, or without one the aggregation header of
// the payload (AV1 RTP specification, sections 4.4 and A.8).
func (in *Inspector) inspectAV1(b, dd []byte, at int64) (f Facts) {
	if len(dd) == 0 {
		return inspectAV1Payload(b)
	}
	if in.av1 == nil {
		// Nothing is known before the first structure, which flags announce.
		if len(dd) < 4 || dd[3]&0x80 == 0 {
			if len(dd) < 3 {
				return Facts{}
			}
			return Facts{FrameStart: dd[0]&0x80 != 0, FrameEnd: dd[0]&0x40 != 0}
		}
		in.av1 = &dependencies{}
	}
	s := in.av1
	d, ok := s.read(dd, at)
	if !ok {
		return Facts{}
	}
	f.FrameStart, f.FrameEnd = d.start, d.end
	if !d.described {
		return f
	}
	t := &d.template
	f.Spatial, f.Temporal = t.spatial, t.temporal
	f.Layered, f.Tracked = true, true
	f.Active, f.Needed, f.Switch = s.active, t.needed, t.switches
	f.Frame, f.Refs, f.Far = d.frame, t.refs, d.far
	f.Mask, f.Structured = d.mask, d.structured
	if d.structured {
		f.KeyframeStart = d.start && t.spatial == 0 && t.refs == 0 && !d.far
		if s.since == at {
			in.sizes = s.now.sizes
			size := in.sizes[s.now.templates[s.now.count-1].spatial]
			f.Width, f.Height = size.Width, size.Height
		}
	}
	return f
}

func inspectAV1Payload(b []byte) (f Facts) {
	if len(b) < 2 {
		return Facts{}
	}
	f.FrameStart = b[0]&av1Continues == 0
	f.KeyframeStart = f.FrameStart && b[0]&av1NewSequence != 0 && firstOBU(b) == obuSequence
	return f
}

// firstOBU returns the type of the first OBU of a payload. A temporal delimiter should
// not be there (RTP payload format for AV1, section 5) and is passed over.
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
