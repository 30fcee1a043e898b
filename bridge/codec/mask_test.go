package codec

import (
	"testing"

	"parley/bridge/media"
)

// TestMask: a descriptor with a mask put into it says the same as before, but for the decode
// targets it declares inactive.
func TestMask(t *testing.T) {
	for _, name := range []string{chromiumL1T3, chromiumL2T3Key} {
		var in Inspector
		key := unhex(t, name)
		whole := in.Inspect(media.AV1, []byte{0}, key, 1)
		delta := append([]byte{key[0]&0xC0 | (key[0]+1)&0x3F}, 0, 9)
		after := in.Inspect(media.AV1, []byte{0}, delta, 2)
		if !whole.Structured || !after.Layered || after.Structured {
			t.Fatalf("read %+v, then %+v", whole, after)
		}
		for _, cell := range []Cell{CellOf(0, 0), CellOf(0, 1), CellOf(1, 0), CellOf(3, 3)} {
			var want Cells
			for c := range Cell(16) {
				if whole.Active.Has(c) && c.Spatial() <= cell.Spatial() && c.Temporal() <= cell.Temporal() {
					want |= 1 << c
				}
			}
			var receiver Inspector
			for i, x := range []struct {
				dd    []byte
				facts Facts
			}{{key, whole}, {delta, after}} {
				m := x.facts.Mask
				dst := make([]byte, 256)
				n := m.WithMask(dst, x.dd)
				if n == 0 || n > len(x.dd)+5 {
					t.Fatalf("%d bytes became %d", len(x.dd), n)
				}
				PutBits(dst, int(m.At), int(m.Bits), in.MaskFor(cell))
				got := receiver.Inspect(media.AV1, []byte{0}, dst[:n], int64(i))
				if got.Active != want || !got.Mask.There || got.Mask.At != m.At || got.Mask.Bits != m.Bits {
					t.Errorf("cell %d: active are %b, want %b, mask %+v", cell, got.Active, want, got.Mask)
				}
				got.Active, got.Mask = x.facts.Active, m
				if got != x.facts {
					t.Errorf("cell %d:\ngot  %+v\nwant %+v", cell, got, x.facts)
				}
				// Once more over what has a mask already.
				again := make([]byte, 256)
				if k := got.Mask.WithMask(again, dst[:n]); k < n {
					t.Errorf("%d bytes became %d", n, k)
				}
			}
		}
		if n := whole.Mask.WithMask(make([]byte, len(key)), key); n != 0 {
			t.Error("a mask was put where there is no room")
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add(unhex(f, chromiumL1T3), uint8(1))
	f.Add(unhex(f, chromiumL2T3Key), uint8(6))
	f.Fuzz(func(t *testing.T, dd []byte, cell uint8) {
		var in, receiver Inspector
		facts := in.Inspect(media.AV1, []byte{0}, dd, 1)
		if !facts.Layered {
			return
		}
		dst := make([]byte, len(dd)+8)
		n := facts.Mask.WithMask(dst, dd)
		if n == 0 {
			t.Fatalf("no room for %+v in %d bytes", facts.Mask, len(dst))
		}
		PutBits(dst[:n], int(facts.Mask.At), int(facts.Mask.Bits), in.MaskFor(Cell(cell%16)))
		got := receiver.Inspect(media.AV1, []byte{0}, dst[:n], 1)
		if got.Active&^facts.Active != 0 {
			t.Errorf("%b became active, %b were", got.Active, facts.Active)
		}
		got.Active, got.Mask = facts.Active, facts.Mask
		if got != facts {
			t.Errorf("got  %+v\nwant %+v", got, facts)
		}
	})
}
