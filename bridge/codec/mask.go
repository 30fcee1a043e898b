package codec

// Mask says where a dependency descriptor tells which decode targets are active, as a bit
// each, the lowest for the first target.
type Mask struct {
	// At is the place of the first bit in the descriptor, Bits how many there are; none if
	// the structure is not known.
	At   uint16
	Bits uint8
	// There says that the descriptor has the mask already; otherwise it can be put there.
	There bool
}

const (
	// mandatoryBits and flagBits begin a descriptor: what each frame has, and what says which
	// parts follow. Descriptors of three bytes have no flags.
	mandatoryBits, flagBits = 24, 5
	// hasMask is the place of the flag for the mask.
	hasMask = mandatoryBits + 1
)

// WithMask copies a descriptor to dst, with room for the mask if it has none, and returns
// its length there; 0 if it does not fit.
func (m Mask) WithMask(dst, dd []byte) int {
	if m.There || m.Bits == 0 {
		if len(dd) > len(dst) {
			return 0
		}
		return copy(dst, dd)
	}
	size := 8 * len(dd)
	if len(dd) == mandatoryBits/8 {
		size += flagBits
	}
	length := (size + int(m.Bits) + 7) / 8
	if length > len(dst) || int(m.At) > size {
		return 0
	}
	clear(dst[:length])
	copyBits(dst, 0, dd, 0, int(m.At))
	copyBits(dst, int(m.At)+int(m.Bits), dd, int(m.At), size-int(m.At))
	dst[hasMask/8] |= 0x80 >> (hasMask % 8)
	return length
}

// copyBits copies n bits to a place that is zero; what dd does not have is zero.
func copyBits(dst []byte, to int, dd []byte, from, n int) {
	for i := range n {
		at := from + i
		if at < 8*len(dd) && dd[at/8]>>(7-at%8)&1 != 0 {
			dst[(to+i)/8] |= 0x80 >> ((to + i) % 8)
		}
	}
}

// PutBits writes the lowest n bits of v at a place counted in bits from the beginning of b.
func PutBits(b []byte, at, n int, v uint32) {
	for i := range n {
		bit := byte(0x80) >> ((at + i) % 8)
		if v>>(n-1-i)&1 != 0 {
			b[(at+i)/8] |= bit
		} else {
			b[(at+i)/8] &^= bit
		}
	}
}

// MaskFor returns the decode targets of the structure in force that are active and need no
// better layers than a cell has.
func (in *Inspector) MaskFor(cell Cell) (mask uint32) {
	if in.av1 == nil {
		return 0
	}
	s := in.av1
	for d := range s.now.targets {
		c := s.now.made[d]
		if s.active.Has(c) && c.Spatial() <= cell.Spatial() && c.Temporal() <= cell.Temporal() {
			mask |= 1 << d
		}
	}
	return mask
}
