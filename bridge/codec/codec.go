package codec

import "parley/bridge/media"

// Facts is what the bridge wants to know of one packet of video.
type Facts struct {
	// FrameStart: the packet begins a frame (VP9 and AV1: of its spatial layer).
	FrameStart bool
	// FrameEnd: the packet ends a frame of its spatial layer. VP9 and AV1 only; elsewhere
	// the marker bit tells.
	FrameEnd bool
	// KeyframeStart: the packet begins a keyframe, the place where a stream can start.
	KeyframeStart bool
	// Spatial and Temporal layer, 0 where the codec or the packet does not tell.
	Spatial, Temporal uint8
	// Sync: VP8: a frame of a temporal layer above 0 that needs nothing but layer 0. VP9: no
	// later frame of a higher temporal layer needs a frame of such a layer from before this
	// one.
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
	// Width and Height in pixels where a keyframe tells them, else 0; of the best layer if
	// there are several, see Inspector.Sizes.
	Width, Height uint16

	// Layered: the stream has spatial or temporal layers and the fields below say how they
	// depend on each other (VP9 and AV1).
	Layered bool
	// Active are the qualities the stream offers now, Needed those that need this frame.
	Active, Needed Cells
	// Tracked (AV1): the frame is known by the number Frame; Refs are the frames it needs,
	// bit i standing for the number Frame-1-i, and Far says that it needs one further back.
	// Switch are the qualities that can be decoded from here on if those frames were.
	Tracked bool
	Far     bool
	Frame   uint16
	Switch  Cells
	Refs    uint64
	// Structured (AV1): the packet tells the structure anew. Mask is the part of its
	// descriptor about active decode targets.
	Structured bool
	Mask       Mask
}

// Size of a picture in pixels, zero where it is not known.
type Size struct{ Width, Height uint16 }

// Inspector looks into the packets of one RTP stream and remembers what its keyframes
// told of its layers. The zero value is ready. It allocates once in its life, with the
// first descriptor that carries a structure.
type Inspector struct {
	av1 *dependencies
	vp9 vp9Layers
	// sizes are those told last, whatever the codec was.
	sizes [MaxSpatial]Size
}

// Inspect looks into one payload. dd is the dependency descriptor of the packet or nil, at
// its extended sequence number: what a late packet tells of the stream's structure does
// not replace what a later one told. A payload that makes no sense gives no facts.
func (in *Inspector) Inspect(c media.Codec, payload, dd []byte, at int64) Facts {
	switch c {
	case media.VP8:
		return inspectVP8(payload)
	case media.VP9:
		return in.inspectVP9(payload, at)
	case media.AV1:
		return in.inspectAV1(payload, dd, at)
	case media.H264:
		return inspectH264(payload)
	default:
		return Facts{}
	}
}

// Sizes returns the picture sizes of the spatial layers as the last keyframe of VP9 or AV1
// told them.
func (in *Inspector) Sizes() [MaxSpatial]Size { return in.sizes }

// Inspect looks into one payload of a stream nothing else is known of.
func Inspect(c media.Codec, payload, dd []byte) Facts {
	var in Inspector
	return in.Inspect(c, payload, dd, 0)
}
