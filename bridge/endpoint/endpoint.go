package endpoint

import (
	"time"

	"parley/bridge/allocate"
	"parley/bridge/estimate"
	"parley/bridge/media"
	"parley/bridge/rtp"
)

// Sender takes messages for the endpoint's bridge channel. Send never blocks.
type Sender interface {
	Send(message []byte)
}

// Capabilities are what the endpoint's client can do beyond the minimum.
type Capabilities struct {
	SSRCRewriting    bool `json:"ssrc_rewriting"`
	PrivateAddresses bool `json:"private_addresses"`
}

// Options are the fixed properties of an endpoint.
type Options struct {
	ID           string
	StatsID      string
	Visitor      bool
	SCTP         bool
	Capabilities Capabilities

	Session Session
	Leg     Leg
	Channel Sender

	Settings  allocate.Settings // what holds until the client speaks
	Bandwidth estimate.Config
	SlotLimit int // sources of a kind at once, with SSRC rewriting
	Now       time.Time
}

// Endpoint is one participant. It belongs to the goroutine of its conference.
type Endpoint struct {
	ID           string
	StatsID      string
	Visitor      bool
	SCTP         bool
	Capabilities Capabilities

	// Remote endpoints are on another bridge: Leg is that of the relay to it, Session and
	// Channel are nil, and nothing is sent to them from here.
	Remote  bool
	Session Session
	Leg     Leg
	Channel Sender

	// What it can take, from its payload types.
	AcceptAudio, AcceptVideo bool
	RTX, TransportCC, REMB   bool
	RED                      bool // redundant audio
	MuteAudio, MuteVideo     bool

	// What it sends.
	Audio, Video []*Source

	// What it gets.
	Receive Receive

	Estimator *estimate.Estimator
	Decided   int64 // the estimate the last decision about video was asked for with

	// Times of its life.
	Created    time.Time
	Connected  time.Time // DTLS done
	ChannelUp  bool
	ChannelHad bool      // it was up before
	Heard      time.Time // anything that proves the client lives, beside media
	Active     bool      // as told to the others
	Complained bool      // of a missing channel

	// SpuriousREMB says that it estimates its bandwidth although it was asked for feedback;
	// Unmatched counts the feedback about packets nobody remembers, as far as it was told.
	SpuriousREMB bool
	Unmatched    uint64

	types map[string]allocate.VideoType // as told on the channel, by source name

	levels []rtp.Level
}

// New makes an endpoint.
func New(o Options) *Endpoint {
	return &Endpoint{
		ID: o.ID, StatsID: o.StatsID, Visitor: o.Visitor, SCTP: o.SCTP, Capabilities: o.Capabilities,
		Session: o.Session, Leg: o.Leg, Channel: o.Channel,
		Receive:   newReceive(o.Settings, o.SlotLimit, o.Capabilities),
		Estimator: estimate.New(o.Bandwidth),
		Created:   o.Now, Active: true,
	}
}

// NewRemote makes an endpoint of another bridge, whose media comes over the leg to that.
func NewRemote(id, statsID string, leg Leg, now time.Time) *Endpoint {
	return &Endpoint{ID: id, StatsID: statsID, Remote: true, Leg: leg, Created: now, Active: true}
}

// AddPayloadTypes adds to what the endpoint can send and get.
func (e *Endpoint) AddPayloadTypes(types []media.PayloadType) {
	for _, t := range types {
		switch {
		case t.Codec == media.RED && !e.RED:
			e.RED = true
			e.Leg.PlainAudio(true) // until its path is known
		case t.Codec == media.RTX:
			e.RTX = true
		case t.Kind == media.Audio && t.Codec != media.CodecUnknown:
			e.AcceptAudio = true
		case t.Kind == media.Video && t.Codec != media.CodecUnknown:
			e.AcceptVideo = true
		}
		if t.Kind == media.Video {
			e.TransportCC = e.TransportCC || t.TransportCC
			e.REMB = e.REMB || t.REMB
		}
	}
	e.Leg.AddPayloadTypes(types...)
}

// ForceMute replaces what is silenced on the bridge.
func (e *Endpoint) ForceMute(audio, video bool) {
	e.MuteAudio, e.MuteVideo = audio, video
	e.Leg.ForceMute(audio, video)
}

// Bandwidth is what the endpoint can take in bits per second, or
// allocate.Unlimited when there is nothing to base an estimate on.
func (e *Endpoint) Bandwidth(trust bool) int64 {
	if !trust || !e.RTX || (!e.TransportCC && !e.Estimator.Known()) {
		return allocate.Unlimited
	}
	return e.Estimator.Bitrate()
}

// ListenTo decides whether the endpoint gets redundant audio as it is sent, when it may hear so
// many people.
func (e *Endpoint) ListenTo(talkers int, now time.Time) {
	if !e.RED {
		return
	}
	p := allocate.Path{Bitrate: allocate.Unlimited, Target: e.Receive.Result.Target, Ideal: e.Receive.Result.Ideal, Talkers: talkers}
	if e.Estimator.Known() {
		p.Bitrate = e.Estimator.Bitrate()
	}
	before := e.Receive.Redundancy.On()
	if on := e.Receive.Redundancy.Decide(p, now); on != before {
		e.Leg.PlainAudio(!on)
	}
}

// Feedback takes in transport-wide feedback.
func (e *Endpoint) Feedback(results []rtp.PacketResult, now time.Time) {
	packets := make([]estimate.Packet, len(results))
	for i, r := range results {
		packets[i] = estimate.Packet{
			Sent: r.Sent, Arrived: r.Arrived, Lost: r.Arrived < 0, Late: r.Late, Probe: r.Probe, Size: r.Size,
		}
	}
	e.Estimator.Feedback(packets, now)
}

// Levels returns the audio levels since the last call. The slice is reused by the
// next one.
func (e *Endpoint) Levels() []rtp.Level {
	e.levels = e.levels[:0]
	for _, s := range e.Audio {
		e.levels = s.Track.Levels(&s.levelCursor, e.levels)
	}
	return e.levels
}

// LastHeard is when the endpoint last proved to be there, zero if it never did.
func (e *Endpoint) LastHeard(stats rtp.EndpointStats) time.Time {
	last := e.Heard
	if stats.LastPacket.After(last) {
		last = stats.LastPacket
	}
	if at := e.Session.LastReceived(); at.After(last) {
		last = at
	}
	return last
}

// VideoEnabled tells whether the endpoint has a video source that is switched on.
func (e *Endpoint) VideoEnabled() bool {
	for _, s := range e.Video {
		if s.Type != allocate.Disabled {
			return true
		}
	}
	return false
}
