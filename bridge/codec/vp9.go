package codec

import "encoding/binary"

// vp9Layers is what the scalability structures of a VP9 stream told.
type vp9Layers struct {
	// spatial is the number of spatial layers, 0 while unknown.
	spatial uint8
	// since is the number of the packet with the last structure.
	since int64
}

// inspectVP9 reads the payload descriptor (RFC 9628, section 4.2).
func (in *Inspector) inspectVP9(b []byte, number int64) (f Facts) {
	if len(b) < 2 {
		return Facts{}
	}
	hasID, inter, hasLayer := b[0]&0x80 != 0, b[0]&0x40 != 0, b[0]&0x20 != 0
	flexible, structure, aside := b[0]&0x10 != 0, b[0]&0x02 != 0, b[0]&0x01 != 0
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
		if at = skipVP9References(b, at); at < 0 {
			return Facts{}
		}
	}
	f.FrameStart, f.FrameEnd = b[0]&0x08 != 0, b[0]&0x04 != 0
	f.KeyframeStart = f.FrameStart && !inter && !interLayer && f.Spatial == 0
	if structure && number >= in.vp9.since {
		in.vp9.since = number
		if at >= len(b) || !in.vp9.read(b[at:], &in.sizes) {
			return Facts{}
		}
		size := in.sizes[min(in.vp9.spatial, MaxSpatial)-1]
		f.Width, f.Height = size.Width, size.Height
	}
	if hasLayer {
		in.vp9.layer(&f, aside)
	}
	return f
}

// skipVP9References passes over the references of flexible mode: at most three, the last
// without its continuation bit. It returns where they end, or -1.
func skipVP9References(b []byte, at int) int {
	for range 3 {
		if at >= len(b) {
			return -1
		}
		at++
		if b[at-1]&1 == 0 {
			return at
		}
	}
	return -1
}

// read takes in a scalability structure with the sizes it tells. The description of the
// picture group behind them tells nothing the packets do not tell themselves.
func (l *vp9Layers) read(b []byte, sizes *[MaxSpatial]Size) bool {
	layers, hasSizes := int(b[0]>>5)+1, b[0]&0x10 != 0
	if hasSizes && len(b) < 1+4*layers {
		return false
	}
	l.spatial = uint8(layers)
	if !hasSizes {
		return true
	}
	*sizes = [MaxSpatial]Size{}
	for i := range layers {
		size := b[1+4*i:]
		// Of layers beyond the last that is told apart the best counts.
		sizes[min(i, MaxSpatial-1)] = Size{Width: binary.BigEndian.Uint16(size), Height: binary.BigEndian.Uint16(size[2:])}
	}
	return true
}

// layer says who needs the frame: the qualities of its own spatial layer, and those of
// the higher ones unless it stands aside, as frames between keyframes do where layers
// depend on each other at keyframes only.
func (l *vp9Layers) layer(f *Facts, aside bool) {
	if l.spatial <= f.Spatial {
		l.spatial = f.Spatial + 1
	}
	spatial, temporal := int(min(f.Spatial, MaxSpatial-1)), int(min(f.Temporal, MaxTemporal-1))
	f.Layered = true
	f.Active = ^from(int(l.spatial), 0)
	f.Needed = from(spatial, temporal)
	if aside && spatial+1 < MaxSpatial {
		f.Needed &^= from(spatial+1, 0)
	}
}
