package codec

import (
	"slices"
	"testing"
)

// redOf builds a payload of blocks of one payload type, oldest first; ages are those of
// all but the last.
func redOf(pt byte, ages []int, data ...[]byte) []byte {
	var b []byte
	for i, d := range data[:len(data)-1] {
		b = append(b, 0x80|pt, byte(ages[i]>>6), byte(ages[i]<<2)|byte(len(d)>>8), byte(len(d)))
	}
	return slices.Concat(append(b, pt), slices.Concat(data...))
}

func TestReadRED(t *testing.T) {
	var blocks [MaxRED]REDBlock
	b := redOf(111, []int{1920, 960}, []byte{1, 2, 3}, []byte{4}, []byte{5, 6})
	if n := ReadRED(b, &blocks); n != 3 {
		t.Fatalf("%d blocks", n)
	}
	want := []REDBlock{{111, 1920, 9, 3}, {111, 960, 12, 1}, {111, 0, 13, 2}}
	if !slices.Equal(blocks[:3], want) {
		t.Errorf("read %v, want %v", blocks[:3], want)
	}
	if n := ReadRED([]byte{111, 9}, &blocks); n != 1 || blocks[0] != (REDBlock{111, 0, 1, 1}) {
		t.Errorf("a packet without redundancy is %d %v", n, blocks[0])
	}
	for name, bad := range map[string][]byte{
		"nothing": {}, "half a header": {0x80 | 111, 0}, "no last header": b[:8],
		"data cut short": b[:11], "headers without end": slices.Repeat([]byte{0xFF, 0, 0, 0}, 20),
	} {
		if n := ReadRED(bad, &blocks); n != 0 {
			t.Errorf("%s: %d blocks", name, n)
		}
	}
}

func FuzzRED(f *testing.F) {
	f.Add(redOf(111, []int{960}, []byte{1, 2, 3}, []byte{4}))
	f.Add([]byte{111})
	f.Fuzz(func(t *testing.T, b []byte) {
		var blocks [MaxRED]REDBlock
		n := ReadRED(b, &blocks)
		end := 0
		for i, k := range blocks[:n] {
			if k.At < end || k.Size < 0 || k.At+k.Size > len(b) {
				t.Fatalf("block %d of %d lies at %d+%d of %d", i, n, k.At, k.Size, len(b))
			}
			end = k.At + k.Size
		}
		if n > 0 && end != len(b) {
			t.Fatalf("blocks end at %d of %d", end, len(b))
		}
	})
}
