package codec

import (
	"testing"

	"parley/bridge/media"
)

func FuzzInspect(f *testing.F) {
	f.Add(uint8(media.VP8), []byte{0x90, 0xF0, 0x81, 0x23, 7, 0x20, 0x10, 0, 0, 0x9D, 1, 0x2A, 0x80, 2, 0x68, 1}, []byte(nil))
	f.Add(uint8(media.VP9), []byte{0xAA, 0x80, 1, 0x10, 3, 0x18, 0, 1, 0, 1}, []byte(nil))
	f.Add(uint8(media.AV1), []byte{0x18, 0x0A, 0x0B}, []byte{0x80, 0, 1, 0x80})
	f.Add(uint8(media.H264), []byte{0x78, 0, 4, 0x67, 1, 2, 3, 0, 2, 0x65, 0}, []byte(nil))
	f.Fuzz(func(t *testing.T, c uint8, payload, dd []byte) {
		facts := Inspect(media.Codec(c), payload, dd)
		if facts.KeyframeStart && !facts.FrameStart {
			t.Fatal("a keyframe that is no frame")
		}
		if media.Codec(c) != media.VP8 || !facts.Rewritable {
			return
		}
		RewriteVP8(payload, facts, facts.PictureID, facts.TL0)
		if again := Inspect(media.VP8, payload, dd); again != facts {
			t.Fatalf("rewriting with the same values changed %+v to %+v", facts, again)
		}
	})
}
