package source

import (
	"slices"

	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
)

// FromJingle reads the sources of a session-accept, source-add or source-remove. A
// content counts by the media of its description.
func FromJingle(contents []jingle.Content) (Set, error) {
	var s Set
	for _, c := range contents {
		if c.Description == nil {
			continue
		}
		media := c.Description.Media
		if media == "" {
			media = c.Name
		}
		if media != Audio && media != Video {
			continue
		}
		if err := s.add(media, c.Description.Sources, c.Description.Groups, ""); err != nil {
			return Set{}, err
		}
	}
	return s, nil
}

// FromColibri reads the sources of a COLIBRI endpoint, or a bridge's own.
func FromColibri(sources *colibri.Sources) (Set, error) {
	var s Set
	if sources == nil {
		return s, nil
	}
	for _, m := range sources.Media {
		if m.Type != Audio && m.Type != Video {
			return Set{}, invalidf("Invalid media type: %q", m.Type)
		}
		if err := s.add(m.Type, m.Sources, m.Groups, m.ID); err != nil {
			return Set{}, err
		}
	}
	return s, nil
}

func (s *Set) add(media string, sources []jingle.Source, groups []jingle.SSRCGroup, name string) error {
	for _, x := range sources {
		if x.SSRC == 0 {
			return invalidf("Invalid SSRC: 0")
		}
		switch x.VideoType {
		case "", Camera, Desktop:
		default:
			return invalidf("Invalid video type: %q", x.VideoType)
		}
		n := Source{Media: media, SSRC: x.SSRC, Name: x.Name, MSID: x.MSID()}
		if n.Name == "" {
			n.Name = name
		}
		if media == Video {
			n.VideoType = x.VideoType
		}
		s.Sources = append(s.Sources, n)
	}
	for _, g := range groups {
		n := Group{Media: media, Semantics: g.Semantics}
		for _, r := range g.Sources {
			n.SSRCs = append(n.SSRCs, r.SSRC)
		}
		s.Groups = append(s.Groups, n)
	}
	return nil
}

// AppendTo writes the sources of that media into a description, as those of owner (an
// endpoint id).
func (s Set) AppendTo(d *jingle.Description, media, owner string) {
	for _, x := range s.Sources {
		if x.Media != media {
			continue
		}
		j := jingle.Source{SSRC: x.SSRC, Name: x.Name, VideoType: x.VideoType}
		if owner != "" {
			j.Info = &jingle.SSRCInfo{Owner: owner}
		}
		if x.MSID != "" {
			j.Parameters = []jingle.Parameter{{Name: "msid", Value: x.MSID}}
		}
		d.Sources = append(d.Sources, j)
	}
	for _, g := range s.Groups {
		if g.Media == media {
			d.Groups = append(d.Groups, g.wire())
		}
	}
}

func (g Group) wire() jingle.SSRCGroup {
	w := jingle.SSRCGroup{Semantics: g.Semantics}
	for _, ssrc := range g.SSRCs {
		w.Sources = append(w.Sources, jingle.GroupRef{SSRC: ssrc})
	}
	return w
}

// Contents is the XML form of a source-add or -remove: a content for each medium that
// has sources. Owners are written in the order of their names.
func Contents(sets map[string]Set) []jingle.Content {
	var out []jingle.Content
	for _, media := range []string{Audio, Video} {
		d := &jingle.Description{Media: media}
		for _, owner := range sortedOwners(sets) {
			sets[owner].AppendTo(d, media, owner)
		}
		if len(d.Sources) > 0 {
			out = append(out, jingle.Content{Creator: "initiator", Name: media, Senders: "both", Description: d})
		}
	}
	return out
}

// sortedOwners has the bridge's own sources first, as clients want it.
func sortedOwners(sets map[string]Set) []string {
	owners := make([]string, 0, len(sets))
	for o := range sets {
		owners = append(owners, o)
	}
	slices.SortFunc(owners, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == Feedback:
			return -1
		case b == Feedback:
			return 1
		case a < b:
			return -1
		}
		return 1
	})
	return owners
}

// Colibri is the whole set as a bridge wants it: by source name, without stream ids. For
// sources without a name one is made from the endpoint id, the same for all of a medium.
func (s Set) Colibri(endpoint string) *colibri.Sources {
	out := &colibri.Sources{}
	for _, media := range []string{Audio, Video} {
		at := map[string]int{}
		for _, x := range s.Sources {
			if x.Media != media {
				continue
			}
			name := x.colibriName(endpoint)
			i, ok := at[name]
			if !ok {
				i = len(out.Media)
				at[name] = i
				out.Media = append(out.Media, colibri.MediaSource{Type: media, ID: name})
			}
			out.Media[i].Sources = append(out.Media[i].Sources,
				jingle.Source{SSRC: x.SSRC, Name: name, VideoType: x.VideoType})
		}
		for _, g := range s.Groups {
			if g.Media != media || len(g.SSRCs) == 0 {
				continue
			}
			if j := s.index(g.SSRCs[0]); j >= 0 {
				i := at[s.Sources[j].colibriName(endpoint)]
				out.Media[i].Groups = append(out.Media[i].Groups, g.wire())
			}
		}
	}
	return out
}

func (x Source) colibriName(endpoint string) string {
	if x.Name != "" {
		return x.Name
	}
	return endpoint + "-" + x.Media[:1] + "0"
}
