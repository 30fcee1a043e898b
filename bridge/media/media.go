// Package media holds the vocabulary of the packet path: kinds, codecs, payload
// types, header extensions, encodings and layers.
//
// It is all plain values without behaviour worth mocking. Nothing here knows a
// packet: parsing lives in bridge/rtp and bridge/codec, decisions about layers in
// bridge/allocate.
package media

import "strings"

// Kind says whether something is audio or video.
type Kind uint8

// The two kinds of media a conference carries.
const (
	Audio Kind = iota + 1
	Video
)

// String returns the word Jingle and COLIBRI use.
func (k Kind) String() string {
	switch k {
	case Audio:
		return "audio"
	case Video:
		return "video"
	default:
		return "unknown"
	}
}

// Codec names a payload format.
type Codec uint8

// The payload formats the bridge knows. Packets of others are dropped.
const (
	CodecUnknown Codec = iota
	Opus
	RED
	TelephoneEvent
	VP8
	VP9
	AV1
	H264
	RTX
)

var codecNames = [...]string{"unknown", "opus", "red", "telephone-event", "VP8", "VP9", "AV1", "H264", "rtx"}

// String returns the encoding name as SDP writes it.
func (c Codec) String() string {
	if int(c) < len(codecNames) {
		return codecNames[c]
	}
	return codecNames[0]
}

// CodecByName finds a codec by its encoding name, whatever the case.
func CodecByName(name string) Codec {
	for i, n := range codecNames {
		if i > 0 && strings.EqualFold(n, name) {
			return Codec(i)
		}
	}
	return CodecUnknown
}

// PayloadType is one negotiated payload type of an endpoint. Numbers are the same
// for all participants of a conference and never rewritten.
type PayloadType struct {
	Number    uint8
	Kind      Kind
	Codec     Codec
	ClockRate uint32
	// Apt is the payload type an RTX payload repairs; unused otherwise.
	Apt uint8
	// The rtcp-fb lines of this payload type.
	NACK, PLI, FIR, TransportCC, REMB bool
}

// ExtensionKind names an RTP header extension.
type ExtensionKind uint8

// The header extensions with a meaning to the bridge.
const (
	ExtUnknown ExtensionKind = iota
	ExtAudioLevel
	ExtAbsSendTime
	ExtTransportCC
	ExtMID
	ExtRID
	ExtRepairedRID
	ExtDependencyDescriptor
	ExtVideoOrientation
	ExtVideoLayersAllocation
)

var extensionURIs = map[string]ExtensionKind{
	"urn:ietf:params:rtp-hdrext:ssrc-audio-level":                                             ExtAudioLevel,
	"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time":                              ExtAbsSendTime,
	"http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01":               ExtTransportCC,
	"http://www.webrtc.org/experiments/rtp-hdrext/transport-wide-cc-02":                       ExtTransportCC,
	"urn:ietf:params:rtp-hdrext:sdes:mid":                                                     ExtMID,
	"urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id":                                           ExtRID,
	"urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id":                                  ExtRepairedRID,
	"https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension": ExtDependencyDescriptor,
	"urn:3gpp:video-orientation":                                                              ExtVideoOrientation,
	"http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00":                  ExtVideoLayersAllocation,
}

// ExtensionByURI finds the extension a URI stands for, or ExtUnknown.
func ExtensionByURI(uri string) ExtensionKind { return extensionURIs[uri] }

// Extension is one negotiated header extension of an endpoint.
type Extension struct {
	ID   uint8
	Kind ExtensionKind
}

// Encoding is one RTP stream of a source: a simulcast encoding, or the only one.
type Encoding struct {
	SSRC uint32
	// RTX is the SSRC of the repair stream (FID group), 0 if there is none.
	RTX uint32
}

// Layer is the index of one quality inside a source:
// encoding<<6 | spatial<<3 | temporal. A greater index is a better quality.
type Layer int16

const (
	// LayerNone means that nothing of the source is wanted or forwarded.
	LayerNone Layer = -1
	// LayerAll means the best quality there is. Audio is always forwarded with it.
	LayerAll Layer = 1<<9 - 1
)

// MaxEncodings bounds the simulcast encodings of one source.
const MaxEncodings = 3

// LayerOf builds the index of a layer.
func LayerOf(encoding, spatial, temporal int) Layer {
	return Layer(encoding<<6 | spatial<<3 | temporal)
}

// Encoding returns the number of the simulcast encoding, 0 is the lowest.
func (l Layer) Encoding() int { return int(l) >> 6 }

// Spatial returns the spatial layer inside the encoding.
func (l Layer) Spatial() int { return int(l) >> 3 & 7 }

// Temporal returns the temporal layer.
func (l Layer) Temporal() int { return int(l) & 7 }

// LayerInfo is what the bridge has measured of one layer.
type LayerInfo struct {
	Layer Layer
	// Height in pixels: a guess (180, 360, 720 by encoding) until a keyframe told it.
	Height int
	// FPS is the frame rate of the layer with all it depends on: a guess until measured.
	FPS float64
	// Bitrate in bit/s of the layer with all it depends on; 0 means inactive.
	Bitrate int
}
