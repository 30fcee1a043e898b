package codec

import (
	"encoding/hex"
	"testing"

	"parley/bridge/media"
)

// What Chromium sends with keyframes: three temporal layers, and two spatial ones that
// depend on each other at keyframes only, with three temporal layers each.
const (
	chromiumL1T3    = "c00001800214eaa860414d1410208427013f00b3"
	chromiumL2T3Key = "c5000780a514853aaaa8018004004002a02a0060010015d34514174d144c700874321651118543276809f8059813f80b38"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func cells(list ...Cell) (s Cells) {
	for _, c := range list {
		s |= 1 << c
	}
	return s
}

func TestChromiumDescriptors(t *testing.T) {
	var in Inspector
	s0t0, s0t1, s0t2 := CellOf(0, 0), CellOf(0, 1), CellOf(0, 2)
	s1t0, s1t1, s1t2 := CellOf(1, 0), CellOf(1, 1), CellOf(1, 2)
	lower, upper := cells(s0t0, s0t1, s0t2), cells(s1t0, s1t1, s1t2)
	for i, c := range []struct {
		name, dd string
		want     Facts
	}{
		{"before any structure", "c30002", Facts{FrameStart: true, FrameEnd: true}},
		{"keyframe L1T3", chromiumL1T3, Facts{
			FrameStart: true, FrameEnd: true, KeyframeStart: true, Width: 320, Height: 180,
			Layered: true, Tracked: true, Active: lower, Needed: lower, Switch: lower, Frame: 1,
		}},
		{"T2", "c30002", Facts{
			FrameStart: true, FrameEnd: true, Temporal: 2,
			Layered: true, Tracked: true, Active: lower, Needed: cells(s0t2), Frame: 2, Refs: 1,
		}},
		{"T1", "c20003", Facts{
			FrameStart: true, FrameEnd: true, Temporal: 1,
			Layered: true, Tracked: true, Active: lower, Needed: cells(s0t1, s0t2), Switch: cells(s0t2), Frame: 3, Refs: 2,
		}},
		{"keyframe L2T3_KEY, lower layer", chromiumL2T3Key, Facts{
			FrameStart: true, FrameEnd: true, KeyframeStart: true, Width: 640, Height: 360,
			Layered: true, Tracked: true, Active: lower | upper, Needed: lower | upper, Switch: lower | upper, Frame: 7,
		}},
		{"upper layer of the keyframe", "ca0008", Facts{
			FrameStart: true, FrameEnd: true, Spatial: 1,
			Layered: true, Tracked: true, Active: lower | upper, Needed: upper, Switch: upper, Frame: 8, Refs: 1,
		}},
		{"lower layer, T2", "c80009", Facts{
			FrameStart: true, FrameEnd: true, Temporal: 2,
			Layered: true, Tracked: true, Active: lower | upper, Needed: cells(s0t2), Frame: 9, Refs: 2,
		}},
		{"upper layer, T2, first packet", "8d000a", Facts{
			FrameStart: true, Spatial: 1, Temporal: 2,
			Layered: true, Tracked: true, Active: lower | upper, Needed: cells(s1t2), Frame: 10, Refs: 2,
		}},
		{"a template of the structure before", "c2000b", Facts{FrameStart: true, FrameEnd: true}},
		{"cut short", "c8", Facts{}},
		{"structure cut short", chromiumL2T3Key[:40], Facts{}},
	} {
		dd := unhex(t, c.dd)
		got := in.Inspect(media.AV1, []byte{0}, dd, int64(i))
		got.Mask, got.Structured = Mask{}, false // see TestMask
		if got != c.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.name, got, c.want)
		}
	}
	if got := in.Sizes(); got != [MaxSpatial]Size{{320, 180}, {640, 360}} {
		t.Errorf("sizes %v", got)
	}
	// A structure that comes late does not replace a newer one.
	if f := in.Inspect(media.AV1, []byte{0}, unhex(t, chromiumL1T3), 1); !f.KeyframeStart || f.Needed != lower || f.Width != 0 {
		t.Errorf("late keyframe is %+v", f)
	}
	if f := in.Inspect(media.AV1, []byte{0}, unhex(t, "c80009"), 20); !f.Layered {
		t.Errorf("frame after a late keyframe is %+v", f)
	}
}

func TestVP9Layers(t *testing.T) {
	var in Inspector
	two := from(0, 0) &^ from(2, 0)
	for i, c := range []struct {
		name    string
		payload []byte
		want    Facts
	}{
		{"keyframe with structure", []byte{0xAA, 0x81, 0x02, 0x10, 7, 0x30, 1, 64, 0, 180, 2, 128, 1, 104, 0}, Facts{
			FrameStart: true, KeyframeStart: true, Sync: true, Wide: true, PictureID: 0x102, PictureIDOffset: 1, TL0: 7, TL0Offset: 4,
			Width: 640, Height: 360, Layered: true, Active: two, Needed: from(0, 0),
		}},
		{"its upper layer ends", []byte{0xA5, 0x81, 0x02, 0x13, 7, 0}, Facts{
			FrameEnd: true, Sync: true, Spatial: 1, Wide: true, PictureID: 0x102, PictureIDOffset: 1, TL0: 7, TL0Offset: 4,
			Layered: true, Active: two, Needed: from(1, 0) &^ from(2, 0),
		}},
		{"lower layer nobody above needs", []byte{0xED, 0x03, 0x40, 7, 0}, Facts{
			FrameStart: true, FrameEnd: true, Temporal: 2, PictureID: 3, PictureIDOffset: 1, TL0: 7, TL0Offset: 3,
			Layered: true, Active: two, Needed: from(0, 2) &^ from(1, 0),
		}},
		{"flexible", []byte{0xFC, 0x04, 0x20, 0x03, 0x02, 0}, Facts{
			FrameStart: true, FrameEnd: true, Temporal: 1, PictureID: 4, PictureIDOffset: 1,
			Layered: true, Active: two, Needed: from(0, 1),
		}},
		{"references without end", []byte{0xFC, 0x04, 0x20, 0x03, 0x03, 0x03}, Facts{}},
		{"structure cut short", []byte{0xAA, 0x05, 0x10, 7, 0x30, 1, 64}, Facts{}},
	} {
		if got := in.Inspect(media.VP9, c.payload, nil, int64(i)); got != c.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.name, got, c.want)
		}
	}
	if got := in.Sizes(); got != [MaxSpatial]Size{{320, 180}, {640, 360}} {
		t.Errorf("sizes %v", got)
	}
}

func TestBestCell(t *testing.T) {
	set := cells(CellOf(0, 0), CellOf(0, 2), CellOf(1, 1))
	for _, c := range []struct {
		spatial, temporal int
		want              Cell
	}{
		{0, 0, CellOf(0, 0)}, {0, 1, CellOf(0, 0)}, {0, 9, CellOf(0, 2)}, {1, 0, CellOf(0, 0)},
		{1, 2, CellOf(1, 1)}, {7, 7, CellOf(1, 1)},
	} {
		if got := set.Best(c.spatial, c.temporal); got != c.want {
			t.Errorf("%d/%d gives %d, want %d", c.spatial, c.temporal, got, c.want)
		}
	}
	if got := cells(CellOf(2, 1)).Best(0, 0); got != CellOf(2, 1) {
		t.Errorf("nothing low enough gives %d", got)
	}
	if got := Cells(0).Best(3, 3); got != 0 {
		t.Errorf("the empty set gives %d", got)
	}
}

func TestDescriptorsAllocateNothing(t *testing.T) {
	var in Inspector
	key, delta := unhex(t, chromiumL2T3Key), unhex(t, "c80009")
	vp9 := []byte{0xAA, 0x81, 0x02, 0x10, 7, 0x30, 1, 64, 0, 180, 2, 128, 1, 104, 0}
	in.Inspect(media.AV1, key, key, 1)
	if n := testing.AllocsPerRun(100, func() {
		in.Inspect(media.AV1, key, key, 1)
		in.Inspect(media.AV1, key, delta, 2)
		in.Inspect(media.VP9, vp9, nil, 3)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDescriptors gives a stream three packets. Whatever they say, the answers must make
// sense, and saying it again must change nothing.
func FuzzDescriptors(f *testing.F) {
	key := unhex(f, chromiumL2T3Key)
	f.Add(true, unhex(f, chromiumL1T3), key, []byte{0xC8, 0, 9})
	f.Add(true, key, []byte{0xC8, 0, 9, 0x78, 0xAA, 0xAA, 0x55, 0x55}, []byte{0xCA, 0, 9, 0x40, 0x80})
	f.Add(false, []byte{0xAA, 0x81, 0x02, 0x10, 7, 0x30, 1, 64, 0, 180, 2, 128, 1, 104, 0}, []byte{0xED, 3, 0x40, 7, 0}, []byte{0xFC, 4, 0x20, 3, 2, 0})
	f.Fuzz(func(t *testing.T, av1 bool, a, b, c []byte) {
		var in Inspector
		inspect := func(x []byte, at int64) Facts {
			if av1 {
				return in.Inspect(media.AV1, x, x, at)
			}
			return in.Inspect(media.VP9, x, nil, at)
		}
		for i, x := range [][]byte{a, b, c} {
			facts := inspect(x, [...]int64{1, 0, 2}[i])
			switch {
			case facts.KeyframeStart && !facts.FrameStart:
				t.Fatal("a keyframe that is no frame")
			case !facts.Layered && facts.Needed|facts.Active|facts.Switch != 0:
				t.Fatalf("layers without layers: %+v", facts)
			case facts.Switch&^facts.Needed != 0:
				t.Fatalf("a switch to what does not need the frame: %+v", facts)
			case facts.Tracked && facts.KeyframeStart && facts.Refs != 0:
				t.Fatalf("a keyframe that needs others: %+v", facts)
			case facts.Active.Best(7, 7) >= MaxSpatial*MaxTemporal:
				t.Fatal("a cell outside")
			}
			if again := inspect(x, [...]int64{1, 0, 2}[i]); i != 1 && again != facts && facts != (Facts{}) {
				t.Fatalf("%+v the second time %+v", facts, again)
			}
			in.Sizes()
		}
	})
}
