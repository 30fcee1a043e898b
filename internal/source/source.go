// Package source holds an endpoint's media sources as a value: add, remove, validate,
// reduce, and write them as Jingle, as COLIBRI and as the compact JSON of newer clients.
//
// A Set belongs to one endpoint. A Conference is the table of everybody's sets and the
// place of the rules: an SSRC belongs to one endpoint only, a stream id (msid) too,
// groups are complete, nobody has too many. Sets are never changed once they are
// handed out; a Conference belongs to one goroutine. Who is told about a change is
// decided in focus/conference.
package source

import (
	"slices"

	"parley/internal/wire/jingle"
)

// Media kinds.
const (
	Audio = "audio"
	Video = "video"
)

// Video types.
const (
	Camera  = "camera"
	Desktop = "desktop"
)

// Source is one SSRC.
type Source struct {
	Media string // Audio or Video
	SSRC  uint32
	// Name is the source name, e.g. a1b2c3d4-v0; empty from clients of 2021. The SSRCs of a
	// simulcast and their retransmissions share it.
	Name      string
	MSID      string // "stream track"
	VideoType string // Camera, Desktop or ""
}

// Group ties SSRCs of one endpoint together.
type Group struct {
	Media     string
	Semantics string // jingle.SemanticsFID, SemanticsSIM or what a client says
	SSRCs     []uint32
}

func (g Group) equal(h Group) bool {
	return g.Media == h.Media && g.Semantics == h.Semantics && slices.Equal(g.SSRCs, h.SSRCs)
}

// Set is the sources of one endpoint, in the order the endpoint gave them. Do not
// change the slices of a Set that came from elsewhere.
type Set struct {
	Sources []Source
	Groups  []Group
}

// Empty says whether there is nothing in s.
func (s Set) Empty() bool { return len(s.Sources) == 0 && len(s.Groups) == 0 }

// Has says whether the SSRC is in s.
func (s Set) Has(ssrc uint32) bool { return s.index(ssrc) >= 0 }

func (s Set) index(ssrc uint32) int {
	return slices.IndexFunc(s.Sources, func(x Source) bool { return x.SSRC == ssrc })
}

// Names are the source names in s, each once, in order.
func (s Set) Names() []string {
	var names []string
	for _, x := range s.Sources {
		if x.Name != "" && !slices.Contains(names, x.Name) {
			names = append(names, x.Name)
		}
	}
	return names
}

// Union is s followed by what t has besides.
func (s Set) Union(t Set) Set {
	u := Set{Sources: slices.Clone(s.Sources), Groups: slices.Clone(s.Groups)}
	for _, x := range t.Sources {
		if !s.Has(x.SSRC) {
			u.Sources = append(u.Sources, x)
		}
	}
	for _, g := range t.Groups {
		if !slices.ContainsFunc(u.Groups, g.equal) {
			u.Groups = append(u.Groups, g)
		}
	}
	return u
}

// Minus is s without the SSRCs and groups of t, and without groups that have lost a member.
func (s Set) Minus(t Set) Set {
	var u Set
	for _, x := range s.Sources {
		if !t.Has(x.SSRC) {
			u.Sources = append(u.Sources, x)
		}
	}
	for _, g := range s.Groups {
		if !slices.ContainsFunc(t.Groups, g.equal) && !slices.ContainsFunc(g.SSRCs, t.Has) {
			u.Groups = append(u.Groups, g)
		}
	}
	return u
}

// Diff is what must be added to s, and what removed, to get t.
func (s Set) Diff(t Set) (added, removed Set) { return t.Minus(s), s.Minus(t) }

// Only keeps the media a receiver can take.
func (s Set) Only(audio, video bool) Set {
	if audio && video {
		return s
	}
	want := func(media string) bool { return media == Audio && audio || media == Video && video }
	var u Set
	for _, x := range s.Sources {
		if want(x.Media) {
			u.Sources = append(u.Sources, x)
		}
	}
	for _, g := range s.Groups {
		if want(g.Media) {
			u.Groups = append(u.Groups, g)
		}
	}
	return u
}

// StripSimulcast reduces each simulcast to its first SSRC and that one's retransmission:
// the bridge sends all layers on it.
func (s Set) StripSimulcast() Set {
	gone := map[uint32]bool{}
	for _, g := range s.Groups {
		if g.Semantics == jingle.SemanticsSIM && len(g.SSRCs) > 1 {
			for _, ssrc := range g.SSRCs[1:] {
				gone[ssrc] = true
			}
		}
	}
	for _, g := range s.Groups {
		if g.Semantics == jingle.SemanticsFID && len(g.SSRCs) == 2 && gone[g.SSRCs[0]] {
			gone[g.SSRCs[1]] = true
		}
	}
	var u Set
	for _, x := range s.Sources {
		if !gone[x.SSRC] {
			u.Sources = append(u.Sources, x)
		}
	}
	for _, g := range s.Groups {
		lost := slices.ContainsFunc(g.SSRCs, func(ssrc uint32) bool { return gone[ssrc] })
		if g.Semantics != jingle.SemanticsSIM && !lost {
			u.Groups = append(u.Groups, g)
		}
	}
	return u
}

// Feedback is the owner under which a bridge's own sources are offered.
const Feedback = "jvb"

// mixedStream marks the bridge's sources: clients give them the first media line.
const mixedStream = "mixedmslabel "

// FeedbackSet gives the bridge's sources, as COLIBRI names them, the stream ids that
// clients look for.
func FeedbackSet(s Set) Set {
	u := Set{Sources: slices.Clone(s.Sources), Groups: s.Groups}
	for i := range u.Sources {
		x := &u.Sources[i]
		x.MSID = mixedStream + "mixedlabel" + x.Media + "0"
		x.VideoType = ""
	}
	return u
}
