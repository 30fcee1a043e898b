package selector

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"parley/internal/wire/colibri"
)

// ErrNoBridge says that no bridge can take the participant.
var ErrNoBridge = errors.New("there are no operational bridges")

// maxBridges bounds the pool; a brewery larger than this is not a brewery.
const maxBridges = 4096

// Change is what a report meant to the conferences.
type Change int

// The changes a report can cause.
const (
	// Unchanged: nothing a conference needs to hear.
	Unchanged Change = iota
	// Added: a bridge that was unknown, or unusable, can be used now.
	Added
	// Lost: its conferences must move away now.
	Lost
)

// String returns the word used in logs.
func (c Change) String() string {
	return [...]string{"unchanged", "added", "lost"}[c]
}

// Pool is the set of known bridges.
type Pool struct {
	cfg Config

	mu      sync.Mutex
	bridges map[string]*Bridge // by address
	lost    int                // bridges that went without saying so first
}

// NewPool returns an empty pool.
func NewPool(cfg Config) *Pool {
	return &Pool{cfg: cfg, bridges: make(map[string]*Bridge)}
}

// AddStatic adds a bridge that is configured rather than discovered. It takes
// conferences at once; its health is learnt by asking.
func (p *Pool) AddStatic(addr, region string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := newBridge(addr)
	b.Static, b.Drain, b.Region = true, false, region
	p.bridges[addr] = b
}

// Report folds the statistics of one presence in. An unknown address becomes a
// bridge.
func (p *Pool) Report(addr string, stats *colibri.Stats, now time.Time) Change {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bridges[addr]
	known := b != nil
	if !known {
		if len(p.bridges) >= maxBridges {
			return Unchanged
		}
		b = newBridge(addr)
		p.bridges[addr] = b
	}
	down := b.ShuttingDown
	b.Apply(stats)
	if b.ShuttingDown && !down && known {
		return Lost
	}
	return b.announce(now)
}

// Healthy notes that the bridge answered a health check.
func (p *Pool) Healthy(addr string, now time.Time) Change {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.bridges[addr]; b != nil {
		return b.announce(now)
	}
	return Unchanged
}

// Renew forgets what was learnt of a bridge that began anew under the same address; it
// stays known.
func (p *Pool) Renew(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.bridges[addr]; b != nil && !b.Static {
		p.bridges[addr] = newBridge(addr)
	}
}

// Remove forgets a bridge that left the brewery and reports whether it was known.
func (p *Pool) Remove(addr string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bridges[addr]
	if b == nil {
		return false
	}
	if !b.Graceful && !b.ShuttingDown {
		p.lost++
	}
	delete(p.bridges, addr)
	return true
}

// Failed marks a bridge as unusable for the time of Config.FailureReset.
func (p *Pool) Failed(addr string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.bridges[addr]; b != nil {
		b.failedUntil, b.announced = now.Add(p.cfg.FailureReset), false
	}
}

// Draining marks a bridge that refused a conference because it is finishing.
func (p *Pool) Draining(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.bridges[addr]; b != nil {
		b.Graceful = true
	}
}

// RefusedSCTP notes that the bridge has no data channels, so that it is not asked
// for them again.
func (p *Pool) RefusedSCTP(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.bridges[addr]; b != nil {
		b.NoSCTP = true
	}
}

// Known reports whether the address is a bridge of ours, usable or not.
func (p *Pool) Known(addr string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bridges[addr] != nil
}

// Usable reports whether the bridge exists and works.
func (p *Pool) Usable(addr string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bridges[addr]
	return b != nil && b.Operational(now)
}

// NoSCTP reports whether the bridge has refused data channels.
func (p *Pool) NoSCTP(addr string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.bridges[addr]
	return b != nil && b.NoSCTP
}

// RefusedRelays notes that the bridge cannot be linked to others, so that it serves
// conferences alone.
func (p *Pool) RefusedRelays(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.bridges[addr]; b != nil {
		b.NoRelays = true
	}
}

// linkPause is how long a bridge that did not reach another one serves conferences alone.
const linkPause = 10 * time.Minute

// Unreachable notes that the bridge and another one do not reach each other.
func (p *Pool) Unreachable(addr string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.bridges[addr]; b != nil {
		b.aloneUntil = now.Add(linkPause)
	}
}

// Request is what matters of a conference and a participant.
type Request struct {
	Region string // of the participant, may be empty
	InUse  []Use  // bridges the conference is on, first one first
}

// Use is a bridge a conference is on.
type Use struct {
	Addr         string
	Participants int // of the conference, there
}

// Select chooses a bridge and counts the participant as placed on it.
//
// A conference that may be on one bridge only, by strategy or because its bridge has no
// links to others, stays there without further checks: a bridge that stopped working is
// taken from it by the failure itself.
func (p *Pool) Select(req Request, now time.Time) (Bridge, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.chooseLocked(req, now)
	if b == nil {
		return Bridge{}, ErrNoBridge
	}
	b.placed(now, p.cfg.ParticipantRampUp)
	return b.snapshot(), nil
}

func (p *Pool) chooseLocked(req Request, now time.Time) *Bridge {
	c := &choice{cfg: &p.cfg, now: now, uses: make(map[string]Use, len(req.InUse)), region: req.Region}
	for _, u := range req.InUse {
		if b := p.bridges[u.Addr]; b != nil {
			c.uses[u.Addr] = u
			c.first = cmp.Or(c.first, b)
		}
	}
	if c.region == "" {
		c.region = p.cfg.LocalRegion
	}
	if c.first != nil && (p.cfg.Strategy == Single || !c.first.linkable(now)) {
		return c.first
	}
	c.sorted = p.usableLocked(c)
	// Rather stay where it is crowded than nowhere.
	return cmp.Or(strategies[p.cfg.Strategy](c), c.first)
}

// usableLocked lists the bridges that may be chosen, best first.
func (p *Pool) usableLocked(c *choice) []*Bridge {
	var usable []*Bridge
	for _, b := range p.bridges {
		if b.Operational(c.now) && !b.ShuttingDown && (c.first == nil || c.inUse(b) || p.joins(b, c)) {
			usable = append(usable, b)
		}
	}
	usable = prefer(usable, func(b *Bridge) bool { return !b.Drain })
	usable = prefer(usable, func(b *Bridge) bool { return !b.Graceful })
	slices.SortFunc(usable, func(a, b *Bridge) int { return p.order(a, b, c.now) })
	return usable
}

// joins says whether a bridge can be linked to those of the conference: they are found by
// their relay id, and understand each other for certain if they are of one version.
func (p *Pool) joins(b *Bridge, c *choice) bool {
	if !b.linkable(c.now) || b.FullVersion() != c.first.FullVersion() && !p.cfg.AllowMixedVersions {
		return false
	}
	for addr := range c.uses {
		if p.bridges[addr].RelayID == b.RelayID {
			return false
		}
	}
	return true
}

// order sorts by class, then by load, then by address so that equal bridges are
// taken in a stable order.
func (p *Pool) order(a, b *Bridge, now time.Time) int {
	return cmp.Or(
		cmp.Compare(a.class(now), b.class(now)),
		cmp.Compare(a.corrected(now, p.cfg.ParticipantRampUp), b.corrected(now, p.cfg.ParticipantRampUp)),
		cmp.Compare(a.Addr, b.Addr),
	)
}

// prefer keeps the bridges that pass, or all if none does.
func prefer(in []*Bridge, pass func(*Bridge) bool) []*Bridge {
	var out []*Bridge
	for _, b := range in {
		if pass(b) {
			out = append(out, b)
		}
	}
	if len(out) == 0 {
		return in
	}
	return out
}

// Status is a bridge as shown to the operator.
type Status struct {
	Bridge
	Operational bool
	Overloaded  bool
	Corrected   float64
}

// List returns all bridges, best first.
func (p *Pool) List(now time.Time) []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*Bridge, 0, len(p.bridges))
	for _, b := range p.bridges {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *Bridge) int { return p.order(a, b, now) })
	out := make([]Status, len(all))
	for i, b := range all {
		c := b.corrected(now, p.cfg.ParticipantRampUp)
		out[i] = Status{Bridge: b.snapshot(), Operational: b.Operational(now), Overloaded: c >= p.cfg.StressThreshold, Corrected: c}
	}
	return out
}

// Lost counts bridges that vanished without announcing it.
func (p *Pool) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}
