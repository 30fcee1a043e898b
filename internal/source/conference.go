package source

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"parley/internal/wire/jingle"
)

// ErrInvalid is wrapped by every refusal of Conference.Add and Remove; the text is fit
// for the peer.
var ErrInvalid = errors.New("invalid sources")

type invalid string

func (e invalid) Error() string        { return string(e) }
func (e invalid) Is(target error) bool { return target == ErrInvalid }

func invalidf(format string, args ...any) error { return invalid(fmt.Sprintf(format, args...)) }

// Limits bound what one endpoint may have.
type Limits struct {
	Sources int // SSRCs
	Groups  int
}

// DefaultLimits are Jicofo's.
func DefaultLimits() Limits { return Limits{Sources: 20, Groups: 20} }

// Conference is the table of all endpoints' sources. It belongs to one goroutine.
type Conference struct {
	limits Limits
	sets   map[string]Set
	ssrcs  map[uint32]string // owner of each SSRC
	msids  map[string]string // owner of each msid
}

// NewConference makes an empty table.
func NewConference(l Limits) *Conference {
	return &Conference{limits: l, sets: map[string]Set{}, ssrcs: map[uint32]string{}, msids: map[string]string{}}
}

// Get is the owner's set.
func (c *Conference) Get(owner string) Set { return c.sets[owner] }

// All is a copy of the table.
func (c *Conference) All() map[string]Set { return maps.Clone(c.sets) }

// Others is a copy of the table without that owner.
func (c *Conference) Others(owner string) map[string]Set {
	m := maps.Clone(c.sets)
	delete(m, owner)
	return m
}

// Add gives the owner more sources, all or none of them. It returns what is new, which
// is s without empty and repeated groups.
func (c *Conference) Add(owner string, s Set) (Set, error) {
	old := c.sets[owner]
	s, err := c.checkNew(owner, old, s)
	if err != nil {
		return Set{}, err
	}
	all := Set{Sources: slices.Concat(old.Sources, s.Sources), Groups: slices.Concat(old.Groups, s.Groups)}
	if err := c.checkWhole(all); err != nil {
		return Set{}, err
	}
	if all.Empty() {
		return Set{}, nil
	}
	c.sets[owner] = all
	for _, x := range s.Sources {
		c.ssrcs[x.SSRC] = owner
		if x.MSID != "" {
			c.msids[x.MSID] = owner
		}
	}
	return s, nil
}

// checkNew judges the new sources against everybody's, and drops groups that say nothing.
func (c *Conference) checkNew(owner string, old, s Set) (Set, error) {
	seen := map[uint32]bool{}
	for _, x := range s.Sources {
		if x.SSRC == 0 {
			return Set{}, invalidf("Invalid SSRC: 0")
		}
		if x.Media != Audio && x.Media != Video {
			return Set{}, invalidf("Invalid media type: %q", x.Media)
		}
		if _, used := c.ssrcs[x.SSRC]; used || seen[x.SSRC] {
			return Set{}, invalidf("SSRC %d is already used", x.SSRC)
		}
		seen[x.SSRC] = true
		if o, used := c.msids[x.MSID]; used && x.MSID != "" && o != owner {
			return Set{}, invalidf("MSID %s is already used", x.MSID)
		}
	}
	n := Set{Sources: s.Sources}
	for _, g := range s.Groups {
		known := slices.ContainsFunc(old.Groups, g.equal) || slices.ContainsFunc(n.Groups, g.equal)
		if len(g.SSRCs) > 0 && !known {
			n.Groups = append(n.Groups, g)
		}
	}
	return n, nil
}

// checkWhole judges what the owner would have.
func (c *Conference) checkWhole(all Set) error {
	if len(all.Sources) > c.limits.Sources {
		return invalidf("SSRC limit of %d exceeded", c.limits.Sources)
	}
	if len(all.Groups) > c.limits.Groups {
		return invalidf("ssrc-group limit of %d exceeded", c.limits.Groups)
	}
	for _, g := range all.Groups {
		if err := checkGroup(all, g); err != nil {
			return err
		}
	}
	return checkStreams(all)
}

func checkGroup(all Set, g Group) error {
	if g.Semantics == jingle.SemanticsFID && len(g.SSRCs) != 2 {
		return invalidf("Invalid FID group: %d members instead of 2", len(g.SSRCs))
	}
	msid := ""
	for i, ssrc := range g.SSRCs {
		at := all.index(ssrc)
		if at < 0 || all.Sources[at].Media != g.Media {
			return invalidf("%s group contains unknown SSRC %d", g.Semantics, ssrc)
		}
		x := all.Sources[at]
		if x.MSID == "" {
			return invalidf("Required source parameter 'msid' is not present for SSRC %d", ssrc)
		}
		if i > 0 && x.MSID != msid {
			return invalidf("%s group MSID mismatch at SSRC %d", g.Semantics, ssrc)
		}
		msid = x.MSID
	}
	return nil
}

// checkStreams lets an msid be shared by one audio and one video source, and by the
// members of one family of groups, not otherwise.
func checkStreams(all Set) error {
	family := families(all)
	type stream struct{ media, msid string }
	first := map[stream]uint32{}
	for _, x := range all.Sources {
		if x.MSID == "" {
			continue
		}
		k := stream{x.Media, x.MSID}
		head, used := first[k]
		if !used {
			first[k] = family(x.SSRC)
			continue
		}
		if family(x.SSRC) != head {
			return invalidf("MSID %s is already used", x.MSID)
		}
	}
	return nil
}

// families says for each SSRC which family of groups it belongs to: sources that are
// tied by any chain of groups have the same number.
func families(all Set) func(uint32) uint32 {
	parent := map[uint32]uint32{}
	var find func(uint32) uint32
	find = func(x uint32) uint32 {
		p, ok := parent[x]
		if !ok || p == x {
			return x
		}
		root := find(p)
		parent[x] = root
		return root
	}
	for _, g := range all.Groups {
		for _, ssrc := range g.SSRCs[1:] {
			parent[find(ssrc)] = find(g.SSRCs[0])
		}
	}
	return find
}

// Remove takes sources from the owner, all or none. Sources are known by their SSRC;
// groups that contain one go too. It returns what is gone, completely described.
func (c *Conference) Remove(owner string, s Set) (Set, error) {
	old := c.sets[owner]
	for _, x := range s.Sources {
		if !old.Has(x.SSRC) {
			return Set{}, invalidf("Source %d does not exist or is not owned by endpoint", x.SSRC)
		}
	}
	for _, g := range s.Groups {
		if len(g.SSRCs) > 0 && !slices.ContainsFunc(old.Groups, g.equal) {
			return Set{}, invalidf("Source group does not exist")
		}
	}
	rest := old.Minus(s)
	gone := Set{}
	for _, x := range old.Sources {
		if !rest.Has(x.SSRC) {
			gone.Sources = append(gone.Sources, x)
		}
	}
	for _, g := range old.Groups {
		if !slices.ContainsFunc(rest.Groups, g.equal) {
			gone.Groups = append(gone.Groups, g)
		}
	}
	c.put(owner, rest, gone)
	return gone, nil
}

// RemoveOwner forgets everything of the owner and returns it.
func (c *Conference) RemoveOwner(owner string) Set {
	old := c.sets[owner]
	c.put(owner, Set{}, old)
	return old
}

func (c *Conference) put(owner string, rest, gone Set) {
	for _, x := range gone.Sources {
		delete(c.ssrcs, x.SSRC)
		if !slices.ContainsFunc(rest.Sources, func(y Source) bool { return y.MSID == x.MSID }) {
			delete(c.msids, x.MSID)
		}
	}
	if rest.Empty() {
		delete(c.sets, owner)
		return
	}
	c.sets[owner] = rest
}
