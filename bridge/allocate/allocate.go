package allocate

import (
	"math"
	"slices"
)

// None is the layer index of a source that is not forwarded.
const None = -1

// Unlimited stands for no limit in heights and counts, and for a bandwidth that
// is not known.
const Unlimited = -1

// VideoType is what a video source shows.
type VideoType int

// The video types; Disabled is a source whose owner switched it off.
const (
	Camera VideoType = iota
	Desktop
	DesktopHighFPS
	Disabled
)

// String is the word used on the bridge channel's source maps.
func (t VideoType) String() string {
	switch t {
	case Camera:
		return "CAMERA"
	case Desktop:
		return "DESKTOP"
	case DesktopHighFPS:
		return "DESKTOP_HIGH_FPS"
	case Disabled:
		return "NONE"
	}
	return "UNKNOWN"
}

// Layer is one quality of a source, in ascending order of quality.
type Layer struct {
	Index   int     `json:"index"`   // the packet path's name for it
	Height  int     `json:"height"`  // lines; 0 while unknown
	FPS     float64 `json:"fps"`     // frames per second; 0 while unknown
	Bitrate int64   `json:"bitrate"` // measured, with the layers it needs, in bits per second; 0 is inactive
}

// Source is one video source that could be forwarded.
type Source struct {
	Name   string
	Owner  string
	Type   VideoType
	Layers []Layer
	// Sent is the layer the receiver gets now. It and those below count as a little
	// cheaper than they are, so that a bitrate that wavers does not make the picture waver.
	Sent   int
	Sticky bool // Sent is valid
}

// stickiness is the part of a layer's bitrate that is not counted while it is sent.
const stickiness = 0.1

// Constraint limits one source.
type Constraint struct {
	MaxHeight    int     `json:"maxHeight"`    // 0 not wanted, Unlimited anything
	MaxFrameRate float64 `json:"maxFrameRate"` // Unlimited by default; kept for the record, the sender applies it
}

// Wants tells whether the constraint lets anything through.
func (c Constraint) Wants() bool { return c.MaxHeight != 0 }

// Settings is what a receiver asked for, last value of every field.
type Settings struct {
	LastN       int                   `json:"lastN"`
	Selected    []string              `json:"selectedSources"`
	OnStage     []string              `json:"onStageSources"`
	Default     Constraint            `json:"defaultConstraints"`
	Constraints map[string]Constraint `json:"constraints"`

	// AssumedBandwidth overrides the estimate when it is not negative.
	AssumedBandwidth int64 `json:"assumedBandwidthBps"`
}

// Initial is the state before the receiver said anything: no video at all.
func Initial() Settings {
	return Settings{
		LastN:            Unlimited,
		Default:          Constraint{MaxHeight: 0, MaxFrameRate: Unlimited},
		AssumedBandwidth: Unlimited,
	}
}

// Config holds the knobs of the algorithm.
type Config struct {
	OnStageHeight    int     // preferred height of a source wanted above 180 lines
	OnStageFPS       float64 // preferred frame rate of such a source
	AllowOversend    bool    // let a shared screen on stage exceed the bandwidth a little
	MaxOversend      int64   // by this much, in bits per second
	MaxVideo         int     // never more video sources than this; Unlimited for no bound
	AssumedBandwidth int64   // cap for Settings.AssumedBandwidth; Unlimited ignores the setting
}

// DefaultConfig is what clients expect.
func DefaultConfig() Config {
	return Config{
		OnStageHeight: 360, OnStageFPS: 30,
		AllowOversend: true, MaxOversend: 500_000,
		MaxVideo: Unlimited, AssumedBandwidth: Unlimited,
	}
}

// Allocation is the decision for one source.
type Allocation struct {
	Source     string     `json:"source"`
	Owner      string     `json:"owner"`
	Constraint Constraint `json:"constraint"` // the effective one
	OnStage    bool       `json:"onStage"`
	Target     int        `json:"target"`        // Layer.Index, or None
	Ideal      int        `json:"ideal"`         // Layer.Index with unlimited bandwidth, or None
	Bitrate    int64      `json:"bitrate"`       // of the target
	IdealRate  int64      `json:"ideal_bitrate"` // of the ideal
	Height     int        `json:"height"`        // of the target
}

// Result is the decision for one receiver, in the order of priority.
type Result struct {
	Allocations []Allocation `json:"allocations"`
	Target      int64        `json:"target_bitrate"`
	Ideal       int64        `json:"ideal_bitrate"`
	Suspended   []string     `json:"suspended,omitempty"` // could be sent but for the bandwidth
	Oversending bool         `json:"oversending"`
}

// Forwarded names the sources with a target, in order of priority.
func (r Result) Forwarded() []string {
	names := make([]string, 0, len(r.Allocations))
	for _, a := range r.Allocations {
		if a.Target != None {
			names = append(names, a.Source)
		}
	}
	return names
}

// Allocate decides for one receiver. Sources come in last-N order and do not
// contain the receiver's own; bandwidth is in bits per second, Unlimited
// when there is no estimate to trust.
func Allocate(sources []Source, s Settings, bandwidth int64, cfg Config) Result {
	picks := prioritize(sources, s, cfg)
	remaining := budget(s, bandwidth, cfg)
	share(picks, &remaining, cfg)

	r := Result{Allocations: make([]Allocation, 0, len(picks)), Oversending: remaining < 0}
	for _, p := range picks {
		a := p.allocation()
		r.Allocations = append(r.Allocations, a)
		r.Target += a.Bitrate
		r.Ideal += a.IdealRate
		if p.target < 0 && len(p.layers) > 0 && p.layers[0].Bitrate > 0 {
			r.Suspended = append(r.Suspended, p.src.Name)
		}
	}
	return r
}

func budget(s Settings, bandwidth int64, cfg Config) int64 {
	if s.AssumedBandwidth >= 0 && cfg.AssumedBandwidth >= 0 {
		bandwidth = min(s.AssumedBandwidth, cfg.AssumedBandwidth)
	}
	if bandwidth < 0 {
		return math.MaxInt64 / 4
	}
	return bandwidth
}

// share hands out the budget in rounds until nothing improves any more.
func share(picks []*pick, remaining *int64, cfg Config) {
	for {
		before, moved := *remaining, false
		for i, p := range picks {
			if !p.constraint.Wants() {
				continue
			}
			old := p.target
			*remaining -= p.improve(*remaining, i == 0 && cfg.AllowOversend, cfg.MaxOversend)
			moved = moved || p.target != old
			if p.onStage && p.target < p.preferred {
				break // the stage eats first
			}
		}
		if *remaining == before && !moved {
			return
		}
	}
}

// prioritize puts the sources in the order of service and gives each its
// effective constraint.
func prioritize(sources []Source, s Settings, cfg Config) []*pick {
	picks := order(sources, s)
	lastN := EffectiveLastN(s.LastN, cfg.MaxVideo)
	counted := 0
	for _, p := range picks {
		c, ok := s.Constraints[p.src.Name]
		if !ok {
			c = s.Default
		}
		if p.src.Type == Disabled || (lastN >= 0 && counted >= lastN) {
			c = Constraint{MaxHeight: 0, MaxFrameRate: Unlimited}
		}
		if c.Wants() {
			counted++
		}
		p.constraint = c
		p.consider(cfg)
	}
	return picks
}

// order puts what is on stage and selected first, what is disabled last.
func order(sources []Source, s Settings) []*pick {
	var first, middle, last []*pick
	wanted := make(map[string]int, len(s.OnStage)+len(s.Selected))
	for _, list := range [][]string{s.OnStage, s.Selected} {
		for _, name := range list {
			if _, dup := wanted[name]; !dup {
				wanted[name] = len(wanted)
			}
		}
	}
	for i := range sources {
		p := &pick{src: &sources[i], target: None, preferred: None, oversend: None}
		p.onStage = slices.Contains(s.OnStage, p.src.Name)
		_, chosen := wanted[p.src.Name]
		switch {
		case p.src.Type == Disabled:
			last = append(last, p)
		case chosen:
			first = append(first, p)
		default:
			middle = append(middle, p)
		}
	}
	slices.SortStableFunc(first, func(a, b *pick) int { return wanted[a.src.Name] - wanted[b.src.Name] })
	return append(append(first, middle...), last...)
}

// EffectiveLastN is the smallest of the limits that are not Unlimited.
func EffectiveLastN(limits ...int) int {
	n := Unlimited
	for _, l := range limits {
		if l >= 0 && (n < 0 || l < n) {
			n = l
		}
	}
	return n
}
