package codec

import "math/bits"

// MaxSpatial and MaxTemporal bound the layers told apart inside one RTP stream. A stream
// with more of them is treated as if the rest belonged to the last one.
const MaxSpatial, MaxTemporal = 4, 4

// Cell is one quality of a layered stream: a spatial and a temporal layer, as a place in
// Cells.
type Cell uint8

// CellOf returns the cell of a spatial and a temporal layer.
func CellOf(spatial, temporal int) Cell {
	return Cell(MaxTemporal*min(spatial, MaxSpatial-1) + min(temporal, MaxTemporal-1))
}

// Spatial returns the spatial layer of the cell.
func (c Cell) Spatial() int { return int(c) / MaxTemporal }

// Temporal returns the temporal layer of the cell.
func (c Cell) Temporal() int { return int(c) % MaxTemporal }

// Cells is a set of cells.
type Cells uint16

// Has says whether a cell is in the set.
func (s Cells) Has(c Cell) bool { return s&(1<<c) != 0 }

// Best returns the greatest cell of the set with neither a greater spatial nor a greater
// temporal layer than asked for. Without one it is the least cell of the set.
func (s Cells) Best(spatial, temporal int) Cell {
	for i := min(spatial, MaxSpatial-1); i >= 0; i-- {
		for j := min(temporal, MaxTemporal-1); j >= 0; j-- {
			if c := CellOf(i, j); s.Has(c) {
				return c
			}
		}
	}
	return Cell(bits.TrailingZeros16(uint16(s))) % (MaxSpatial * MaxTemporal)
}

// from returns all cells with at least the given layers.
func from(spatial, temporal int) (s Cells) {
	for i := spatial; i < MaxSpatial; i++ {
		for j := temporal; j < MaxTemporal; j++ {
			s |= 1 << CellOf(i, j)
		}
	}
	return s
}
