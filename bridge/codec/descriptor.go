package codec

import "math/bits"

// Limits of the dependency descriptor (AV1 RTP specification, appendix A.8). maxDiffs is
// ours: no codec has frames that need more than eight others.
const (
	maxTemplates = 64
	maxTargets   = 32
	maxDiffs     = 16
)

// How a frame relates to a decode target.
const (
	dtiAbsent = 0
	dtiSwitch = 2
)

// template describes a kind of frame. Decode targets appear as the cells of the layers
// they are made of.
type template struct {
	spatial, temporal uint8
	needed, switches  Cells
	refs              uint64
}

// structure is what a keyframe tells of the frames that follow.
type structure struct {
	idOffset, count uint8
	targets, chains uint8
	hasSizes        bool
	// made has the place of each decode target, cells the same, but noCell if another one
	// with the same layers stands for it.
	made, cells [maxTargets]Cell
	templates   [maxTemplates]template
	sizes       [MaxSpatial]Size
}

const noCell Cell = 0xFF

// dependencies is the state of a stream with dependency descriptors: the structure in
// force, room to read another one, and the decode targets the sender keeps up.
type dependencies struct {
	now, next structure
	active    Cells
	// since is the number of the packet that changed any of it last.
	since int64
}

// bitReader reads what never ends: after the last bit come zeros and failed is set.
type bitReader struct {
	b      []byte
	at     int
	failed bool
}

func (r *bitReader) bits(n int) (v uint32) {
	for range n {
		if r.at >= 8*len(r.b) {
			r.failed = true
			return 0
		}
		v = v<<1 | uint32(r.b[r.at/8]>>(7-r.at%8)&1)
		r.at++
	}
	return v
}

func (r *bitReader) flag() bool { return r.bits(1) != 0 }

// below reads a number less than n in the fewest bits that can tell them apart, called
// ns(n) in the specification.
func (r *bitReader) below(n int) int {
	w := bits.Len(uint(n))
	m := 1<<w - n
	v := int(r.bits(w - 1))
	if v < m {
		return v
	}
	return v<<1 - m + int(r.bits(1))
}

// read parses a template dependency structure.
func (s *structure) read(r *bitReader) bool {
	s.idOffset = uint8(r.bits(6))
	s.targets = uint8(r.bits(5)) + 1
	if !s.readLayers(r) {
		return false
	}
	// Which cell a target is follows from the frames it needs: they are read twice.
	indications := *r
	s.findCells(r)
	for i := range s.templates[:s.count] {
		t := &s.templates[i]
		t.needed, t.switches = s.indications(&indications)
	}
	for i := range s.templates[:s.count] {
		if !s.templates[i].readDiffs(r) {
			return false
		}
	}
	s.skipChains(r)
	s.sizes = [MaxSpatial]Size{}
	if s.hasSizes = r.flag(); s.hasSizes {
		for i := range int(s.templates[s.count-1].spatial) + 1 {
			s.sizes[i] = Size{Width: clip(r.bits(16) + 1), Height: clip(r.bits(16) + 1)}
		}
	}
	return !r.failed
}

func clip(n uint32) uint16 { return uint16(min(n, 0xFFFF)) }

// readLayers reads the layers of the templates, which come in ascending order.
func (s *structure) readLayers(r *bitReader) bool {
	const sameLayer, nextTemporal, nextSpatial = 0, 1, 2
	spatial, temporal := uint8(0), uint8(0)
	for s.count = 0; s.count < maxTemplates; {
		s.templates[s.count] = template{spatial: spatial, temporal: temporal}
		s.count++
		switch r.bits(2) {
		case sameLayer:
		case nextTemporal:
			temporal++
		case nextSpatial:
			temporal = 0
			spatial++
		default:
			return !r.failed
		}
		// Three bits of temporal and two of spatial layer is all AV1 has.
		if temporal > 7 || spatial >= MaxSpatial {
			return false
		}
	}
	return false
}

// findCells reads the indications of all templates to see of which layers each decode
// target is made.
func (s *structure) findCells(r *bitReader) {
	var spatial, temporal [maxTargets]uint8
	for i := range s.templates[:s.count] {
		t := &s.templates[i]
		for d := range s.targets {
			if r.bits(2) != dtiAbsent {
				spatial[d], temporal[d] = max(spatial[d], t.spatial), max(temporal[d], t.temporal)
			}
		}
	}
	var taken Cells
	for d := int(s.targets) - 1; d >= 0; d-- {
		c := CellOf(int(spatial[d]), int(temporal[d]))
		s.made[d], s.cells[d] = c, noCell
		if !taken.Has(c) {
			taken |= 1 << c
			s.cells[d] = c
		}
	}
}

// indications reads how one frame relates to each decode target.
func (s *structure) indications(r *bitReader) (needed, switches Cells) {
	for _, c := range s.cells[:s.targets] {
		dti := r.bits(2)
		if c == noCell || dti == dtiAbsent {
			continue
		}
		needed |= 1 << c
		if dti == dtiSwitch {
			switches |= 1 << c
		}
	}
	return needed, switches
}

// readDiffs reads how far back the frames are that this one needs.
func (t *template) readDiffs(r *bitReader) bool {
	for n := 0; r.flag(); n++ {
		if n == maxDiffs {
			return false
		}
		t.refs |= 1 << r.bits(4)
	}
	return !r.failed
}

// skipChains passes over the chains. They tell early that something is missing, which
// is the receivers' business; what is left out here never breaks one they need.
func (s *structure) skipChains(r *bitReader) {
	s.chains = uint8(r.below(int(s.targets) + 1))
	if s.chains == 0 {
		return
	}
	for range s.targets {
		r.below(int(s.chains))
	}
	for range int(s.count) * int(s.chains) {
		r.bits(4)
	}
}

// activeCells turns a bitmask of decode targets into cells; the lowest bit is the first
// target.
func (s *structure) activeCells(mask uint32) (active Cells) {
	for d, c := range s.cells[:s.targets] {
		if mask>>d&1 != 0 && c != noCell {
			active |= 1 << c
		}
	}
	return active
}

// descriptor is one frame's part of a dependency descriptor.
type descriptor struct {
	start, end bool
	id         uint8
	frame      uint16
	// structured: it carries a structure. The rest is only valid if described.
	structured bool
	described  bool
	template   template
	far        bool
	mask       Mask
}

// read parses a descriptor and updates the state unless a later packet did. Without a structure that fits, only the mandatory fields are known.
func (s *dependencies) read(b []byte, at int64) (d descriptor, ok bool) {
	if len(b) < 3 {
		return d, false
	}
	d.start, d.end, d.id = b[0]&0x80 != 0, b[0]&0x40 != 0, b[0]&0x3F
	d.frame = uint16(b[1])<<8 | uint16(b[2])
	r := &bitReader{b: b[3:]}
	var hasActive, ownIndications, ownDiffs, ownChains bool
	if len(b) > 3 {
		d.structured, hasActive = r.flag(), r.flag()
		ownIndications, ownDiffs, ownChains = r.flag(), r.flag(), r.flag()
	}
	use, active := &s.now, s.active
	if d.structured {
		if !s.next.read(r) {
			return d, false
		}
		use = &s.next
		active = use.activeCells(1<<use.targets - 1)
	}
	if use.count == 0 {
		return d, true
	}
	d.mask = Mask{At: mandatoryBits + uint16(max(r.at, flagBits)), Bits: use.targets, There: hasActive}
	if hasActive {
		active = use.activeCells(r.bits(int(use.targets)))
	}
	index := (d.id + maxTemplates - use.idOffset) % maxTemplates
	if index >= use.count {
		return d, !d.structured
	}
	d.template = use.templates[index]
	if ownIndications {
		d.template.needed, d.template.switches = use.indications(r)
	}
	if ownDiffs {
		d.template.refs, d.far = r.diffs()
	}
	if ownChains {
		r.bits(8 * int(use.chains))
	}
	if r.failed {
		return d, false
	}
	d.described = true
	if (d.structured || hasActive) && at >= s.since {
		if d.structured {
			s.now = s.next
		}
		s.active, s.since = active, at
	}
	return d, true
}

// diffs reads the frames one frame needs where its template does not tell.
func (r *bitReader) diffs() (refs uint64, far bool) {
	for range maxDiffs + 1 {
		size := int(r.bits(2))
		if size == 0 {
			return refs, far
		}
		if back := r.bits(4 * size); back < 64 {
			refs |= 1 << back
		} else {
			far = true
		}
	}
	r.failed = true
	return 0, false
}
