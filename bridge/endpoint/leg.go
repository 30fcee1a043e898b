package endpoint

import (
	"time"

	"github.com/pion/srtp/v3"

	"parley/bridge/media"
	"parley/bridge/rtp"
	"parley/bridge/transport"
)

// Session is the endpoint's transport. Its methods never block.
type Session interface {
	// Local describes our side.
	Local() transport.Description
	// SetRemote takes what is known of the peer's side; it may come in pieces.
	SetRemote(transport.Description) error
	// Restart begins ICE anew beside the way there is and describes our side of it; before
	// there is a way, the description is the one from before.
	Restart() (transport.Description, error)
	// SendMessage sends a text over the data channel.
	SendMessage([]byte) error
	// LastReceived is when the peer last proved to be there (RFC 7675), zero if never.
	LastReceived() time.Time
	// Close ends the session. Its handler hears of nothing that happens later.
	Close()
}

// Track is a source as the packet path knows it. Values are comparable: the same
// track always compares equal.
type Track interface {
	// PrimarySSRC is the SSRC receivers without SSRC rewriting see.
	PrimarySSRC() uint32
	// Layers lists what was measured lately, in ascending order.
	Layers() []media.LayerInfo
	// Levels appends the audio levels that arrived after the cursor, and moves it.
	Levels(cursor *uint32, to []rtp.Level) []rtp.Level
	// Always forwards audio also when others are louder.
	Always(bool)
	// RequestKeyframe asks the sender for a keyframe of one encoding.
	RequestKeyframe(encoding int)
	// Close removes the source.
	Close()
}

// Forward says what a leg gets of a track. Zero SSRCs leave the track's own.
type Forward struct {
	Target    media.Layer
	SSRC, RTX uint32
	// Whole sends every encoding up to the target as it is, for another bridge.
	Whole bool
}

// Leg is the endpoint's place in the packet path. Values are comparable. Changes
// are carried out in the order of the calls, a little later.
type Leg interface {
	SetKeys(send, receive *srtp.Context, aead bool)
	AddPayloadTypes(...media.PayloadType)
	AddExtensions(...media.Extension)
	AddTrack(rtp.SourceConfig) Track
	Forward(Track, Forward)
	ForceMute(audio, video bool)
	// PlainAudio unpacks redundant audio also if the endpoint knows it.
	PlainAudio(bool)
	// Rank makes the endpoint's audio compete with that of others.
	Rank(*rtp.Loudest)
	// Probe sends that much padding (bit/s) for a time.
	Probe(bitrate int, d time.Duration)
	Stats() rtp.EndpointStats
	Close()
}

// Event is news from the packet path: an rtp.Event in the words of this package.
type Event struct {
	Kind    rtp.EventKind
	Leg     Leg
	Track   Track // nil if the event is about none
	Layer   media.Layer
	At      time.Time
	Packets []rtp.PacketResult
	Bitrate uint64
	Loss    float64
	RTT     time.Duration
}

// NewLeg makes the packet path's endpoint a Leg.
func NewLeg(e *rtp.Endpoint) Leg { return leg{e} }

// NewEvent translates news of the packet path.
func NewEvent(e rtp.Event) Event {
	ev := Event{
		Kind: e.Kind, Leg: leg{e.Endpoint}, Layer: e.Layer, At: e.At,
		Packets: e.Packets, Bitrate: e.Bitrate, Loss: e.Loss, RTT: e.RTT,
	}
	if e.Source != nil {
		ev.Track = e.Source
	}
	return ev
}

// leg satisfies Leg by a real endpoint; it only translates the two methods that
// speak of concrete types there.
type leg struct{ *rtp.Endpoint }

func (l leg) AddTrack(cfg rtp.SourceConfig) Track { return l.AddSource(cfg) }

func (l leg) Forward(t Track, f Forward) {
	src, ok := t.(*rtp.Source)
	if !ok {
		return // a track of another packet path cannot be ours
	}
	l.Endpoint.Forward(rtp.Forward{Source: src, Target: f.Target, SSRC: f.SSRC, RTX: f.RTX, Whole: f.Whole})
}
