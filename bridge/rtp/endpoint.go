package rtp

import (
	"slices"
	"time"

	"github.com/pion/srtp/v3"

	"parley/bridge/media"
)

// Endpoint is one participant's (or relay's) media leg: what it sends and what it
// gets. Its methods may be called from any goroutine; changes are carried out by the
// shard in the order of the calls.
type Endpoint struct {
	shard *Shard
	peer  uint32
	opts  EndpointOptions

	published published

	// leg is touched by the shard's goroutine only.
	leg leg
}

// NewEndpoint makes the media leg of the peer, a number given by the Link. Nothing
// flows before SetKeys.
func (s *Shard) NewEndpoint(peer uint32, opts EndpointOptions) *Endpoint {
	e := &Endpoint{shard: s, peer: peer, opts: opts}
	s.post(func() { s.addEndpoint(e) })
	return e
}

// Peer returns the number of the peer given to NewEndpoint.
func (e *Endpoint) Peer() uint32 { return e.peer }

// SetKeys hands over the SRTP contexts; the shard owns them from now on.
func (e *Endpoint) SetKeys(send, receive *srtp.Context, aead bool) {
	e.shard.post(func() { e.setKeys(send, receive, aead) })
}

// AddPayloadTypes adds to what the endpoint can send and receive. A number already
// known is replaced. Without a payload type of a kind the endpoint gets nothing of
// that kind.
func (e *Endpoint) AddPayloadTypes(types ...media.PayloadType) {
	types = slices.Clone(types)
	e.shard.post(func() { e.addPayloadTypes(types) })
}

// AddExtensions adds header extensions the endpoint knows; IDs are equal for all
// endpoints of a conference.
func (e *Endpoint) AddExtensions(extensions ...media.Extension) {
	extensions = slices.Clone(extensions)
	e.shard.post(func() { e.addExtensions(extensions) })
}

// AddSource tells that the endpoint sends a source. Its packets are dropped until
// then, and an SSRC already in use by another source of the endpoint stays with that
// one.
func (e *Endpoint) AddSource(cfg SourceConfig) *Source {
	cfg.Encodings = slices.Clone(cfg.Encodings)
	if len(cfg.Encodings) > media.MaxEncodings {
		cfg.Encodings = cfg.Encodings[:media.MaxEncodings]
	}
	src := &Source{owner: e, cfg: cfg}
	src.publishDefaults()
	e.shard.post(func() { e.addSource(src) })
	return src
}

// Forward sets what the endpoint gets of a source. It replaces what was said of that
// source before; at a change of target upwards a keyframe is asked for.
func (e *Endpoint) Forward(f Forward) {
	e.shard.post(func() { e.setForward(f) })
}

// ForceMute drops the endpoint's own audio and video as it arrives.
func (e *Endpoint) ForceMute(audio, video bool) {
	e.shard.post(func() { e.leg.muted[media.Audio], e.leg.muted[media.Video] = audio, video })
}

// PlainAudio gives the endpoint plain audio, also if it knows the redundant format (RED) and
// somebody sends that. Otherwise an endpoint that knows it, and is no relay, gets it also of
// those who send plain Opus. A stream goes on without a hole when this changes.
func (e *Endpoint) PlainAudio(on bool) {
	e.shard.post(func() { e.setPlainAudio(on) })
}

// Rank makes the endpoint's audio compete with that of all others that share the ranking:
// only the loudest is forwarded. They must be endpoints of one shard.
func (e *Endpoint) Rank(l *Loudest) {
	e.shard.post(func() { e.leg.loudest = l })
}

// Probe sends bitrate (bit/s) of padding on top of the media towards the endpoint, for so
// long or until it is called again.
func (e *Endpoint) Probe(bitrate int, d time.Duration) {
	e.shard.post(func() { e.shard.startProbe(e, bitrate, d) })
}

// Stats returns a snapshot of the endpoint's counters.
func (e *Endpoint) Stats() EndpointStats { return e.published.snapshot() }

// Close removes the endpoint with its sources. Events may still arrive shortly after.
func (e *Endpoint) Close() {
	e.shard.post(func() { e.shard.removeEndpoint(e) })
}
