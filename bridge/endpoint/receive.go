package endpoint

import (
	"slices"

	"parley/bridge/allocate"
	"parley/bridge/media"
)

// Receive is what an endpoint gets of the others.
type Receive struct {
	Settings allocate.Settings
	// SpokeVideo is set by the first ReceiverVideoConstraints.
	SpokeVideo bool
	Audio      AudioSubscription

	// Result is the last decision about video.
	Result allocate.Result
	// Forwarded is what the client was last told to get.
	Forwarded []string

	// Redundancy decides whether it gets sound that repeats itself, if it knows the format.
	Redundancy allocate.Redundancy

	// Video and Sound map sources to the receiver's own SSRCs; nil without rewriting.
	Video, Sound *Slots

	flows map[*Source]Forward
}

func newReceive(s allocate.Settings, slots int, caps Capabilities) Receive {
	r := Receive{Settings: s, Audio: AudioSubscription{All: true}, flows: make(map[*Source]Forward)}
	if caps.SSRCRewriting {
		r.Video = NewSlots(slots, true)
		r.Sound = NewSlots(slots, false)
	}
	return r
}

// AudioSubscription says which audio the endpoint wants: all or the included, but
// never the excluded.
type AudioSubscription struct {
	All     bool     `json:"all"`
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
}

// Wants tells whether a source is wanted. Synthetic ones must be asked for by name.
func (a AudioSubscription) Wants(s *Source) bool {
	return (a.All && !s.Synthetic || slices.Contains(a.Include, s.Name)) && !slices.Contains(a.Exclude, s.Name)
}

// Set forwards a source as told, or stops it, if that is a change.
func (e *Endpoint) Set(s *Source, f Forward) {
	old, known := e.Receive.flows[s]
	if !known {
		old.Target = media.LayerNone
	}
	if old == f || (f.Target == media.LayerNone && old.Target == media.LayerNone) {
		return
	}
	if f.Target == media.LayerNone {
		delete(e.Receive.flows, s)
	} else {
		e.Receive.flows[s] = f
	}
	e.Leg.Forward(s.Track, f)
}

// Gets is the layer of a source the endpoint gets now.
func (e *Endpoint) Gets(s *Source) media.Layer {
	if f, ok := e.Receive.flows[s]; ok {
		return f.Target
	}
	return media.LayerNone
}

// Flows lists the sources the endpoint gets.
func (e *Endpoint) Flows() []*Source {
	list := make([]*Source, 0, len(e.Receive.flows))
	for s := range e.Receive.flows {
		list = append(list, s)
	}
	return list
}

// Forget drops all memory of a source that is gone. Its slot is free for another.
func (e *Endpoint) Forget(s *Source) {
	delete(e.Receive.flows, s)
	if e.Receive.Video != nil {
		e.Receive.Video.Free(s)
		e.Receive.Sound.Free(s)
	}
}
