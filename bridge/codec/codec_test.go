package codec

import (
	"testing"

	"parley/bridge/media"
)

func TestInspect(t *testing.T) {
	key := []byte{0x10, 0, 0, 0x9D, 1, 0x2A, 0x80, 0x02, 0x68, 0x01} // 640×360
	for name, c := range map[string]struct {
		codec   media.Codec
		payload []byte
		dd      []byte
		want    Facts
	}{
		"vp8 keyframe with all fields": {media.VP8, append([]byte{0x90, 0xF0, 0x81, 0x23, 7, 0x20}, key...), nil, Facts{
			FrameStart: true, KeyframeStart: true, Sync: true, Rewritable: true, Scalable: true, PictureID: 0x123, PictureIDOffset: 2,
			Wide: true, TL0: 7, TL0Offset: 4, Width: 640, Height: 360,
		}},
		"vp8 short picture id, upper layer": {media.VP8, []byte{0x90, 0xE0, 0x12, 9, 0x80, 0x01}, nil, Facts{
			FrameStart: true, Temporal: 2, Rewritable: true, Scalable: true, PictureID: 0x12, PictureIDOffset: 2, TL0: 9, TL0Offset: 3,
		}},
		"vp8 picture id alone":  {media.VP8, []byte{0x90, 0x80, 0x05, 0x01}, nil, Facts{FrameStart: true, Rewritable: true, PictureID: 5, PictureIDOffset: 2}},
		"vp8 middle of a frame": {media.VP8, []byte{0x00, 1, 2}, nil, Facts{}},
		"vp8 truncated":         {media.VP8, []byte{0x90, 0x80}, nil, Facts{}},
		"vp9 key":               {media.VP9, []byte{0x88, 0x05, 1}, nil, Facts{FrameStart: true, KeyframeStart: true, PictureID: 5, PictureIDOffset: 1}},
		"vp9 upper spatial of key": {media.VP9, []byte{0xA8, 0x05, 0x03, 0}, nil, Facts{
			FrameStart: true, Spatial: 1, PictureID: 5, PictureIDOffset: 1, TL0Offset: 3, Layered: true, Active: 0x00FF, Needed: 0xFFF0,
		}},
		"vp9 inter":                 {media.VP9, []byte{0xC8, 0x05, 1}, nil, Facts{FrameStart: true, PictureID: 5, PictureIDOffset: 1}},
		"av1 descriptor, cut short": {media.AV1, []byte{0}, []byte{0x80, 0, 1, 0x80}, Facts{}},
		"av1 descriptor, delta":     {media.AV1, []byte{0}, []byte{0x80, 0, 1}, Facts{FrameStart: true}},
		"av1 plain, sequence":       {media.AV1, []byte{0x18, 0x0A, 0}, nil, Facts{FrameStart: true, KeyframeStart: true}},
		"h264 sps":                  {media.H264, []byte{0x67, 1}, nil, Facts{FrameStart: true, KeyframeStart: true}},
		"h264 aggregate":            {media.H264, []byte{0x78, 0, 1, 0x09, 0, 1, 0x65}, nil, Facts{FrameStart: true, KeyframeStart: true}},
		"h264 fragment start":       {media.H264, []byte{0x7C, 0x85}, nil, Facts{FrameStart: true, KeyframeStart: true}},
		"h264 fragment middle":      {media.H264, []byte{0x7C, 0x05}, nil, Facts{}},
		"h264 slice":                {media.H264, []byte{0x61, 1}, nil, Facts{FrameStart: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Inspect(c.codec, c.payload, c.dd); got != c.want {
				t.Fatalf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}
