package codec

import "parley/bridge/media"

// Facts is what the bridge wants to know of one packet of video.
type Facts struct {
	// FrameStart: the packet begins a frame (VP9 and AV1: of its spatial layer).
	FrameStart bool
	// KeyframeStart: the packet begins a keyframe, the place where a stream can start.
	KeyframeStart bool
	// Spatial and Temporal layer, 0 where the codec or the packet does not tell.
	Spatial, Temporal uint8
	// Sync: a frame of a temporal layer above 0 that needs nothing but layer 0.
	Sync bool
	// Rewritable: the packet carries a VP8 picture id, so that encodings can be changed
	// without the decoder noticing.
	Rewritable bool
	// Scalable: it carries TL0PICIDX and a temporal id besides, so that frames can be left
	// out.
	Scalable bool
	// PictureID with its offset in the payload; Wide means 15 bits, else 7.
	PictureID       uint16
	PictureIDOffset uint8
	Wide            bool
	// TL0 is TL0PICIDX with its offset in the payload, 0 if there is none.
	TL0       uint8
	TL0Offset uint8
	// Width and Height in pixels where a keyframe tells them, else 0.
	Width, Height uint16
}

// Inspect looks into one payload. dd is the dependency descriptor of the packet or nil.
// A payload that makes no sense gives no facts.
func Inspect(c media.Codec, payload, dd []byte) Facts {
	switch c {
	case media.VP8:
		return inspectVP8(payload)
	case media.VP9:
		return inspectVP9(payload)
	case media.AV1:
		return inspectAV1(payload, dd)
	case media.H264:
		return inspectH264(payload)
	default:
		return Facts{}
	}
}
