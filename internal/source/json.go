package source

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"parley/internal/wire/jingle"
)

// jsonSource is a source in the compact form.
type jsonSource struct {
	SSRC      uint32 `json:"s"`
	Name      string `json:"n,omitempty"`
	MSID      string `json:"m,omitempty"`
	VideoType string `json:"v,omitempty"` // "d" is desktop
}

// short spellings of group semantics.
var shortSemantics = map[string]string{jingle.SemanticsFID: "f", jingle.SemanticsSIM: "s"}

// EncodeJSON writes the compact form: {"sources":{OWNER:[video, video groups, audio,
// audio groups]}}, the last left out when empty. Owners are in the order of their names,
// the bridge first.
func EncodeJSON(sets map[string]Set) string {
	b := []byte(`{"sources":{`)
	for i, owner := range sortedOwners(sets) {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(owner) // a string always encodes
		b = append(append(b, name...), ':')
		b = sets[owner].appendJSON(b)
	}
	return string(append(b, "}}"...))
}

func (s Set) appendJSON(b []byte) []byte {
	b = append(b, '[')
	b = s.appendSources(b, Video)
	b = append(b, ',')
	b = s.appendGroups(b, Video)
	b = append(b, ',')
	b = s.appendSources(b, Audio)
	if slices.ContainsFunc(s.Groups, func(g Group) bool { return g.Media == Audio }) {
		b = append(b, ',')
		b = s.appendGroups(b, Audio)
	}
	return append(b, ']')
}

func (s Set) appendSources(b []byte, media string) []byte {
	b = append(b, '[')
	n := 0
	for _, x := range s.Sources {
		if x.Media != media {
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		j := jsonSource{SSRC: x.SSRC, Name: x.Name, MSID: x.MSID}
		if x.VideoType == Desktop {
			j.VideoType = "d"
		}
		text, _ := json.Marshal(j) // numbers and strings always encode
		b = append(b, text...)
	}
	return append(b, ']')
}

func (s Set) appendGroups(b []byte, media string) []byte {
	b = append(b, '[')
	n := 0
	for _, g := range s.Groups {
		if g.Media != media {
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		word, ok := shortSemantics[g.Semantics]
		if !ok {
			word = g.Semantics
		}
		text, _ := json.Marshal(word)
		b = append(append(b, '['), text...)
		for _, ssrc := range g.SSRCs {
			b = strconv.AppendUint(append(b, ','), uint64(ssrc), 10)
		}
		b = append(b, ']')
	}
	return append(b, ']')
}

// maxJSON bounds the text DecodeJSON takes.
const maxJSON = 1 << 20

// DecodeJSON reads the compact form.
func DecodeJSON(text string) (map[string]Set, error) {
	if len(text) > maxJSON {
		return nil, invalidf("sources of %d bytes are too long", len(text))
	}
	var doc struct {
		Sources map[string][]json.RawMessage `json:"sources"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	out := make(map[string]Set, len(doc.Sources))
	for owner, parts := range doc.Sources {
		s, err := decodeParts(parts)
		if err != nil {
			return nil, fmt.Errorf("sources of %q: %w", owner, err)
		}
		out[owner] = s
	}
	return out, nil
}

func decodeParts(parts []json.RawMessage) (Set, error) {
	var s Set
	for i, media := range []string{Video, Audio} {
		if len(parts) > 2*i {
			var sources []jsonSource
			if err := json.Unmarshal(parts[2*i], &sources); err != nil {
				return Set{}, fmt.Errorf("%w: %w", ErrInvalid, err)
			}
			for _, j := range sources {
				x := Source{Media: media, SSRC: j.SSRC, Name: j.Name, MSID: j.MSID}
				if j.VideoType == "d" {
					x.VideoType = Desktop
				}
				s.Sources = append(s.Sources, x)
			}
		}
		if len(parts) > 2*i+1 {
			groups, err := decodeGroups(parts[2*i+1], media)
			if err != nil {
				return Set{}, err
			}
			s.Groups = append(s.Groups, groups...)
		}
	}
	return s, nil
}

func decodeGroups(text []byte, media string) ([]Group, error) {
	var raw [][]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var out []Group
	for _, r := range raw {
		if len(r) == 0 {
			continue
		}
		g := Group{Media: media}
		if err := json.Unmarshal(r[0], &g.Semantics); err != nil {
			return nil, fmt.Errorf("%w: group: %w", ErrInvalid, err)
		}
		for long, short := range shortSemantics {
			if g.Semantics == short {
				g.Semantics = long
			}
		}
		for _, n := range r[1:] {
			var ssrc uint32
			if err := json.Unmarshal(n, &ssrc); err != nil {
				return nil, fmt.Errorf("%w: group: %w", ErrInvalid, err)
			}
			g.SSRCs = append(g.SSRCs, ssrc)
		}
		out = append(out, g)
	}
	return out, nil
}
