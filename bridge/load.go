package bridge

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"parley/bridge/allocate"
)

// LoadConfig says how the load is measured and what is done when there is too much.
type LoadConfig struct {
	// CPULimit is the share of the machine's processors in use, 0 to 1, that counts as full.
	CPULimit float64 `yaml:"cpu_limit"`
	// PacketLimit is the number of packets a second, in and out, that counts as full; 0
	// leaves it to the processors.
	PacketLimit int `yaml:"packet_limit"`
	// Reduce makes the bridge forward fewer pictures (last-N) when its packet path has no
	// time left, before packets get lost.
	Reduce bool `yaml:"reduce"`
	// ReduceAbove and ReduceBelow are the shares of its time the packet path works, 0 to 1,
	// above which pictures are taken away and below which they come back.
	ReduceAbove float64 `yaml:"reduce_above"`
	ReduceBelow float64 `yaml:"reduce_below"`
	// ReduceAfter is how long it must last before anything is taken away, ReducePause how
	// long one step is given to show its effect.
	ReduceAfter time.Duration `yaml:"reduce_after"`
	ReducePause time.Duration `yaml:"reduce_pause"`
	// LastNLimits bound the pictures in large conferences, whatever the load.
	LastNLimits []LastNLimit `yaml:"last_n_limits"`
}

// LastNLimit bounds the pictures every client gets in conferences from a size on.
type LastNLimit struct {
	// Participants is the size of the conference, in cameras and screens, from which the
	// limit holds.
	Participants int `yaml:"participants"`
	// LastN is the number of pictures.
	LastN int `yaml:"last_n"`
}

func defaultLoad() LoadConfig {
	return LoadConfig{
		CPULimit: 0.9, Reduce: true, ReduceAbove: 0.95, ReduceBelow: 0.7,
		ReduceAfter: 10 * time.Second, ReducePause: time.Minute,
	}
}

func (c LoadConfig) validate() error {
	switch {
	case c.CPULimit <= 0 || c.CPULimit > 1:
		return errors.New("load.cpu_limit: must be above 0 and at most 1")
	case c.PacketLimit < 0:
		return errors.New("load.packet_limit: must not be negative")
	case c.ReduceBelow <= 0 || c.ReduceBelow >= c.ReduceAbove || c.ReduceAbove > 1:
		return errors.New("load.reduce_above: reduce_below and reduce_above must ascend between 0 and 1")
	case c.ReduceAfter <= 0 || c.ReducePause <= 0:
		return errors.New("load.reduce_after: must be positive, like reduce_pause")
	}
	for i, l := range c.LastNLimits {
		if l.Participants < 1 || l.LastN < 0 {
			return fmt.Errorf("load.last_n_limits[%d]: participants must be positive, last_n not negative", i)
		}
	}
	return nil
}

// lastNOf is the limit for a conference of a size, allocate.Unlimited if there is none.
func (c LoadConfig) lastNOf(size int) int {
	from, lastN := 0, allocate.Unlimited
	for _, l := range c.LastNLimits {
		if size >= l.Participants && l.Participants > from {
			from, lastN = l.Participants, l.LastN
		}
	}
	return lastN
}

// usage is what was used between two samples.
type usage struct {
	// machine is the share of all processors that was busy, with whatever ran on them;
	// negative if the system does not tell. process is our part of it.
	machine, process float64
	// path is the share of its time the packet path worked, packets its datagrams a second.
	path, packets float64
}

// ownPath is the share of its time the packet path works as far as that is its own doing:
// where others keep the processors busy it seems to work while it waits for one, and fewer
// pictures would not help.
func (u usage) ownPath() float64 {
	return min(u.path, u.process*float64(runtime.GOMAXPROCS(0)))
}

// stress is the load of the bridge; 1 is full. What is nearest to its limit decides: media
// suffers from a busy machine whoever keeps it busy, and from a busy packet path although
// other processors are idle.
func (c LoadConfig) stress(u usage) float64 {
	cpu := u.machine
	if cpu < 0 {
		cpu = u.process
	}
	s := max(cpu, u.path) / c.CPULimit
	if c.PacketLimit > 0 {
		s = max(s, u.packets/float64(c.PacketLimit))
	}
	return s
}

// processors is the CPU time between two readings as a share of what all could give.
func processors(d time.Duration, wall float64) float64 {
	return d.Seconds() / wall / float64(runtime.GOMAXPROCS(0))
}

// Bounds of the load of one participant, and how many there must be to tell it.
const (
	defaultParticipant                     = 0.01
	minParticipant, maxParticipant         = 0.0005, 0.1
	participantsToTell                     = 10
	participantSmoothing           float64 = 0.02 // with a sample a second: about a minute
)

// participantLoad follows the load of one participant, by which the focus reckons with those
// it has sent since our last word. It belongs to the goroutine that samples.
type participantLoad struct{ mean float64 }

func (p *participantLoad) add(own float64, endpoints int) float64 {
	if p.mean == 0 {
		p.mean = defaultParticipant
	}
	if endpoints >= participantsToTell {
		one := min(max(own/float64(endpoints), minParticipant), maxParticipant)
		p.mean += participantSmoothing * (one - p.mean)
	}
	return p.mean
}

// lastNUnlimited is the limit from which there is none any more.
const lastNUnlimited = 40

// reducer takes pictures away while the packet path has no time left, and gives them back.
// It belongs to the goroutine that samples.
type reducer struct {
	cfg     LoadConfig
	limit   int       // the present limit; allocate.Unlimited if there is none
	above   time.Time // since when there is too much, zero if there is not
	changed time.Time
}

func newReducer(cfg LoadConfig) *reducer { return &reducer{cfg: cfg, limit: allocate.Unlimited} }

// next is the limit from now on; forwarded is the greatest number of pictures anybody gets.
func (r *reducer) next(path float64, forwarded int, now time.Time) int {
	if !r.cfg.Reduce {
		return r.limit
	}
	if path <= r.cfg.ReduceAbove {
		r.above = time.Time{}
	} else if r.above.IsZero() {
		r.above = now
	}
	rested := r.changed.IsZero() || now.Sub(r.changed) >= r.cfg.ReducePause
	switch {
	case !r.above.IsZero() && now.Sub(r.above) >= r.cfg.ReduceAfter && rested && forwarded > 1:
		if r.limit >= 0 {
			forwarded = min(forwarded, r.limit)
		}
		r.limit, r.changed = max(1, forwarded*3/4), now
	case path < r.cfg.ReduceBelow && r.limit >= 0 && rested:
		r.limit, r.changed = max(r.limit+1, r.limit*5/4), now
		if r.limit >= lastNUnlimited {
			r.limit = allocate.Unlimited
		}
	}
	return r.limit
}
