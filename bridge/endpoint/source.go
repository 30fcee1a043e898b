package endpoint

import (
	"slices"

	"parley/bridge/allocate"
	"parley/bridge/media"
	"parley/bridge/rtp"
)

// SourceSpec is a source as the focus announced it.
type SourceSpec struct {
	Name      string
	Kind      media.Kind
	Encodings []media.Encoding // lowest first
	Type      allocate.VideoType
	// Synthetic audio (a translation) goes only to those who ask for it by name.
	Synthetic bool
}

// Source is one audio or video track an endpoint sends.
type Source struct {
	Name      string
	Owner     *Endpoint
	Kind      media.Kind
	Encodings []media.Encoding
	Type      allocate.VideoType
	Synthetic bool
	Track     Track

	// Wanted is the largest height any receiver wants, as told to the owner;
	// Told is false until then.
	Wanted int
	Told   bool
	// Always is what the packet path was told: the source is forwarded whoever is louder.
	Always bool
	// Started is set once a packet of it arrived.
	Started bool

	rates       map[media.Layer]float64 // bitrates, smoothed by Measure
	levelCursor uint32
}

// smoothing is the weight of a new measurement. Measured bitrates are those of one
// second and jump with every keyframe; decisions need a calmer view.
const smoothing = 0.2

// Measure takes in what the packet path measured lately, and says whether there was any
// of it. Call it at a steady pace.
func (s *Source) Measure() bool {
	if s.rates == nil {
		s.rates = make(map[media.Layer]float64)
	}
	for _, l := range s.Track.Layers() {
		old, known := s.rates[l.Layer]
		switch {
		case l.Bitrate == 0:
			delete(s.rates, l.Layer)
		case known:
			s.rates[l.Layer] = old + smoothing*(float64(l.Bitrate)-old)
		default:
			s.rates[l.Layer] = float64(l.Bitrate)
		}
	}
	return len(s.rates) > 0
}

// Rate is what a layer cost lately, in bit/s.
func (s *Source) Rate(l media.Layer) float64 { return s.rates[l] }

// Candidate shows the source to the allocation.
func (s *Source) Candidate() allocate.Source {
	measured := s.Track.Layers()
	layers := make([]allocate.Layer, len(measured))
	for i, l := range measured {
		rate := int64(l.Bitrate)
		if smooth, known := s.rates[l.Layer]; known && rate > 0 {
			rate = int64(smooth)
		}
		layers[i] = allocate.Layer{Index: int(l.Layer), Height: l.Height, FPS: l.FPS, Bitrate: rate}
	}
	return allocate.Source{Name: s.Name, Owner: s.Owner.ID, Type: s.Type, Layers: layers}
}

func (s *Source) is(spec SourceSpec) bool {
	return s.Name == spec.Name && s.Kind == spec.Kind && s.Synthetic == spec.Synthetic && slices.Equal(s.Encodings, spec.Encodings)
}

// SetSources makes the endpoint's sources those of the list: what is no longer
// in it is closed, what is new is added, what stays keeps flowing. It returns what
// went and what came.
func (e *Endpoint) SetSources(specs []SourceSpec) (gone, added []*Source) {
	old := append(slices.Clone(e.Audio), e.Video...)
	e.Audio, e.Video = nil, nil
	var fresh []SourceSpec
	for _, spec := range specs {
		i := slices.IndexFunc(old, func(s *Source) bool { return s != nil && s.is(spec) })
		if i < 0 {
			fresh = append(fresh, spec)
			continue
		}
		e.keep(old[i])
		old[i] = nil
	}
	for _, s := range old {
		if s != nil {
			s.Track.Close()
			gone = append(gone, s)
		}
	}
	for _, spec := range fresh {
		s := &Source{Name: spec.Name, Owner: e, Kind: spec.Kind, Encodings: spec.Encodings, Type: spec.Type, Synthetic: spec.Synthetic}
		if t, told := e.types[s.Name]; told {
			s.Type = t
		}
		s.Track = e.Leg.AddTrack(rtp.SourceConfig{Kind: spec.Kind, Encodings: spec.Encodings})
		e.keep(s)
		added = append(added, s)
	}
	return gone, added
}

func (e *Endpoint) keep(s *Source) {
	if s.Kind == media.Audio {
		e.Audio = append(e.Audio, s)
	} else {
		e.Video = append(e.Video, s)
	}
}

// Sources lists everything the endpoint sends.
func (e *Endpoint) Sources() []*Source { return append(slices.Clone(e.Audio), e.Video...) }

// maxTypes bounds what is remembered of sources that were not announced yet.
const maxTypes = 64

// SetVideoType takes what the client says a source shows. It is true if a source of
// the endpoint changed; otherwise it is remembered for when the source is announced.
func (e *Endpoint) SetVideoType(name string, t allocate.VideoType) bool {
	if e.types == nil {
		e.types = make(map[string]allocate.VideoType)
	}
	if _, known := e.types[name]; known || len(e.types) < maxTypes {
		e.types[name] = t
	}
	for _, s := range e.Video {
		if s.Name == name && s.Type != t {
			s.Type = t
			return true
		}
	}
	return false
}
