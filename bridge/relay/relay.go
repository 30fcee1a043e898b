package relay

import (
	"slices"
	"time"

	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/bridge/rtp"
)

// Unlimited is the height of a wish for the best there is.
const Unlimited = -1

// maxWishes bounds the sources the other bridge may want.
const maxWishes = 8192

// Options are the fixed properties of a relay.
type Options struct {
	ID     string // the other bridge's relay id
	MeshID string
	SCTP   bool // its channel is a data channel

	Session endpoint.Session
	Leg     endpoint.Leg
	Channel endpoint.Sender
	Now     time.Time
}

// Relay is the link to another bridge. It belongs to the goroutine of its conference.
type Relay struct {
	ID     string
	MeshID string
	SCTP   bool

	Session endpoint.Session
	Leg     endpoint.Leg
	Channel endpoint.Sender

	// Endpoints are the participants behind it.
	Endpoints map[string]*endpoint.Endpoint

	Created    time.Time
	Connected  time.Time // DTLS done
	ChannelUp  bool
	ChannelHad bool // it was up before
	Complained bool // of a missing channel

	// Counted is what was taken into the statistics of all relays so far.
	Counted rtp.EndpointStats

	wishes map[string]int // source name to height, what the other bridge wants of ours
	flows  map[*endpoint.Source]media.Layer
}

// New makes a relay.
func New(o Options) *Relay {
	return &Relay{
		ID: o.ID, MeshID: o.MeshID, SCTP: o.SCTP, Session: o.Session, Leg: o.Leg, Channel: o.Channel, Created: o.Now,
		Endpoints: make(map[string]*endpoint.Endpoint),
		wishes:    make(map[string]int), flows: make(map[*endpoint.Source]media.Layer),
	}
}

// AddExtensions adds header extensions, but for those of congestion control: bridges do
// not estimate the way between them.
func (r *Relay) AddExtensions(list []media.Extension) {
	kept := slices.DeleteFunc(slices.Clone(list), func(x media.Extension) bool {
		return x.Kind == media.ExtTransportCC || x.Kind == media.ExtAbsSendTime
	})
	r.Leg.AddExtensions(kept...)
}

// Wish takes what the other bridge wants of a source: 0 is nothing, negative the best. It
// is false if there are too many wishes.
func (r *Relay) Wish(source string, height int) bool {
	if height == 0 {
		delete(r.wishes, source)
		return true
	}
	if _, known := r.wishes[source]; !known && len(r.wishes) >= maxWishes {
		return false
	}
	r.wishes[source] = max(Unlimited, height)
	return true
}

// Wished is the height the other bridge wants of a source.
func (r *Relay) Wished(source string) int { return r.wishes[source] }

// Cross makes the other bridge get what it wants of a source, or nothing.
func (r *Relay) Cross(s *endpoint.Source, allowed bool) {
	target := media.LayerNone
	if allowed {
		target = targetOf(s, r.wishes[s.Name])
	}
	old, flows := r.flows[s]
	switch {
	case target == media.LayerNone && !flows, flows && target == old:
		return
	case target == media.LayerNone:
		delete(r.flows, s)
	default:
		r.flows[s] = target
	}
	r.Leg.Forward(s.Track, endpoint.Forward{Target: target, Whole: true})
}

// everyLayer is above the layers an encoding can have.
const everyLayer = 7

// targetOf is what crosses of a source so that the receivers behind can have that height:
// all audio, and of video every encoding, or every layer of the only one, up to the one that
// has it. The lowest crosses whenever anything is wanted, and all of an encoding whose layers
// are not known yet.
func targetOf(s *endpoint.Source, height int) media.Layer {
	switch {
	case s.Kind == media.Audio, height < 0:
		return media.LayerAll
	case height == 0:
		return media.LayerNone
	}
	top, spatial, layered := 0, 0, false
	for _, l := range s.Track.Layers() {
		layered = layered || l.Layer.Spatial() > 0
		if l.Height <= height {
			top, spatial = max(top, l.Layer.Encoding()), max(spatial, l.Layer.Spatial())
		}
	}
	if !layered || len(s.Encodings) > 1 {
		spatial = everyLayer
	}
	return media.LayerOf(top, spatial, everyLayer)
}

// Crosses lists the sources the other bridge gets.
func (r *Relay) Crosses() []*endpoint.Source {
	list := make([]*endpoint.Source, 0, len(r.flows))
	for s := range r.flows {
		list = append(list, s)
	}
	return list
}

// Forget drops a source that is gone. The wish for its name stays: when a source changes,
// the other bridge's new wish may come before our new source.
func (r *Relay) Forget(s *endpoint.Source) { delete(r.flows, s) }

// ForgetOwner drops the wishes for the sources of somebody who is gone.
func (r *Relay) ForgetOwner(e *endpoint.Endpoint) {
	for _, s := range e.Video {
		delete(r.wishes, s.Name)
	}
}
