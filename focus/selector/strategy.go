package selector

import (
	"slices"
	"time"
)

// Strategy says on how many bridges a conference may be, and which.
type Strategy string

// The strategies. All but Single need bridges with a relay id.
const (
	// Single keeps a conference on one bridge.
	Single Strategy = "single"
	// Split puts every participant on another bridge, as long as there are any: for tests.
	Split Strategy = "split"
	// Region serves participants in their region, and leaves a bridge that is full.
	Region Strategy = "region"
	// IntraRegion stays in the region of the conference's first bridge and leaves a bridge
	// that is full.
	IntraRegion Strategy = "intra-region"
)

// choice is what a strategy chooses from.
type choice struct {
	cfg    *Config
	now    time.Time
	sorted []*Bridge      // usable ones, the least loaded first
	uses   map[string]Use // of the conference, by address
	first  *Bridge        // of the conference, nil if it has none
	region string         // wished by the participant, may be empty
}

// strategies choose a bridge, nil if none will do.
var strategies = map[Strategy]func(*choice) *Bridge{
	Single: (*choice).single, Split: (*choice).split, Region: (*choice).byRegion, IntraRegion: (*choice).intraRegion,
}

// single takes the least loaded of the region, else of all.
func (c *choice) single() *Bridge {
	return firstOf(c.find(func(b *Bridge) bool { return c.region != "" && b.Region == c.region }), c.find())
}

func (c *choice) split() *Bridge {
	if b := c.find(func(b *Bridge) bool { return !c.inUse(b) }); b != nil {
		return b
	}
	var least *Bridge
	for _, b := range c.sorted {
		if least == nil || c.uses[b.Addr].Participants < c.uses[least.Addr].Participants {
			least = b
		}
	}
	return least
}

func (c *choice) byRegion() *Bridge {
	region := c.region
	if local := c.cfg.LocalRegion; local != "" {
		group := c.cfg.group(region)
		switch {
		case c.first == nil && slices.Contains(group, local):
			// Somebody of the local region is probably about to follow.
			region = local
		case c.find(func(b *Bridge) bool { return slices.Contains(group, b.Region) }) == nil:
			region = local
		}
	}
	group := c.cfg.group(region)
	here := func(b *Bridge) bool { return region != "" && b.Region == region }
	near := func(b *Bridge) bool { return region != "" && slices.Contains(group, b.Region) }
	return firstOf(
		c.find(c.roomy, c.inUse, here), c.find(c.roomy, c.inUse, near),
		c.find(c.roomy, here), c.find(c.roomy, near),
		c.find(c.roomy, c.inUse), c.find(c.calm),
		c.find(c.inUse, func(b *Bridge) bool { return !c.maxed(b) }), c.find(),
	)
}

func (c *choice) intraRegion() *Bridge {
	if c.first == nil {
		return firstOf(c.find(c.roomy, func(b *Bridge) bool { return c.region != "" && b.Region == c.region }), c.find())
	}
	here := func(b *Bridge) bool { return b.Region == c.first.Region }
	return firstOf(c.find(c.roomy, c.inUse, here), c.find(c.roomy, here), c.find(c.inUse, here))
}

// find is the least loaded bridge that passes all tests.
func (c *choice) find(pass ...func(*Bridge) bool) *Bridge {
next:
	for _, b := range c.sorted {
		for _, p := range pass {
			if !p(b) {
				continue next
			}
		}
		return b
	}
	return nil
}

func (c *choice) inUse(b *Bridge) bool { _, ok := c.uses[b.Addr]; return ok }

// maxed says whether the bridge has as many of this conference as it may.
func (c *choice) maxed(b *Bridge) bool {
	return c.cfg.MaxBridgeParticipants > 0 && c.uses[b.Addr].Participants >= c.cfg.MaxBridgeParticipants
}

// calm says whether the bridge has little to do, roomy whether it is also not maxed.
func (c *choice) calm(b *Bridge) bool {
	return b.corrected(c.now, c.cfg.ParticipantRampUp) < c.cfg.StressThreshold
}

func (c *choice) roomy(b *Bridge) bool { return c.calm(b) && !c.maxed(b) }

func firstOf(list ...*Bridge) *Bridge {
	for _, b := range list {
		if b != nil {
			return b
		}
	}
	return nil
}

// group lists the regions that are as good as that one, itself among them.
func (c *Config) group(region string) []string {
	for _, g := range c.RegionGroups {
		if slices.Contains(g, region) {
			return g
		}
	}
	return []string{region}
}
