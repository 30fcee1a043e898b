package allocate

// pick is one source while the budget is handed out. The indexes target,
// preferred and oversend count in layers, None means none.
type pick struct {
	src        *Source
	constraint Constraint
	onStage    bool

	layers    []Layer // those the constraint lets us consider
	target    int
	preferred int
	oversend  int
}

// fpsTolerance is the share of a frame rate that counts as reaching it.
const fpsTolerance = 0.8

// consider selects the layers the constraint allows.
func (p *pick) consider(cfg Config) {
	if !p.constraint.Wants() || len(p.src.Layers) == 0 {
		return
	}
	if p.src.Type == Camera {
		p.considerCamera(cfg)
	} else {
		p.considerDesktop(cfg)
	}
}

// fits tells whether a height is allowed.
func (p *pick) fits(height int) bool {
	return p.constraint.MaxHeight < 0 || height <= p.constraint.MaxHeight
}

// considerCamera keeps every temporal layer below the preferred height, and only
// full frame rates above it: a small picture may stutter, a large one may not.
func (p *pick) considerCamera(cfg Config) {
	preferredHeight, preferredFPS := None, float64(None)
	if p.constraint.MaxHeight < 0 || p.constraint.MaxHeight > 180 {
		preferredHeight, preferredFPS = cfg.OnStageHeight, cfg.OnStageFPS
	}
	layers := p.src.Layers
	lowest, fastest, active := layers[0].Height, 0.0, false
	for _, l := range layers {
		lowest = min(lowest, l.Height)
		fastest = max(fastest, l.FPS)
		active = active || l.Bitrate > 0
	}
	if fastest > 0 && preferredFPS > fastest {
		preferredFPS = fastest
	}
	for i, l := range layers {
		// Frame rates are measured, so they are compared with some tolerance; and the
		// best there is of a height counts as its full rate.
		best := i+1 == len(layers) || layers[i+1].Height != l.Height
		fast := l.FPS == 0 || best || l.FPS >= fpsTolerance*preferredFPS
		keep := l.Height < preferredHeight || (p.fits(l.Height) && fast) || l.Height == lowest
		if keep && (l.Bitrate > 0 || !active) {
			p.layers = append(p.layers, l)
			if l.Height <= max(preferredHeight, lowest) {
				p.preferred = len(p.layers) - 1
			}
		}
	}
}

// considerDesktop keeps what is sharp: all active layers that fit, else those of
// the lowest height.
func (p *pick) considerDesktop(cfg Config) {
	active := make([]Layer, 0, len(p.src.Layers))
	for _, l := range p.src.Layers {
		if l.Bitrate > 0 {
			active = append(active, l)
		}
	}
	if len(active) == 0 {
		active = p.src.Layers
	}
	for _, l := range active {
		if p.fits(l.Height) {
			p.layers = append(p.layers, l)
		}
	}
	if len(p.layers) == 0 {
		p.layers = lowestOf(active, p.onStage)
	}
	p.preferred = len(p.layers) - 1
	if p.onStage && cfg.AllowOversend {
		p.oversend = cheapestOfHighest(p.layers)
	}
}

// lowestOf returns the layers of the lowest height; off stage, and with the
// frame rate unknown, only the first of them.
func lowestOf(layers []Layer, onStage bool) []Layer {
	lowest := layers[0].Height
	for _, l := range layers {
		lowest = min(lowest, l.Height)
	}
	var kept []Layer
	for _, l := range layers {
		if l.Height == lowest {
			kept = append(kept, l)
		}
	}
	if !onStage && kept[0].FPS == 0 {
		kept = kept[:1]
	}
	return kept
}

func cheapestOfHighest(layers []Layer) int {
	best := 0
	for i, l := range layers {
		h, b := layers[best].Height, layers[best].Bitrate
		if l.Height > h || (l.Height == h && l.Bitrate < b) {
			best = i
		}
	}
	return best
}

// rate is what the layer at index i costs, 0 for None.
func (p *pick) rate(i int) int64 {
	if i < 0 {
		return 0
	}
	l := p.layers[i]
	if p.src.Sticky && l.Index <= p.src.Sent {
		return l.Bitrate - int64(stickiness*float64(l.Bitrate))
	}
	return l.Bitrate
}

// improve raises the target by one step and returns what that costs.
func (p *pick) improve(remaining int64, oversend bool, maxOversend int64) int64 {
	if len(p.layers) == 0 {
		return 0
	}
	old := p.target
	budget := remaining + p.rate(old)
	last := len(p.layers) - 1

	switch {
	case old == None && p.onStage && p.preferred > None:
		for i := 0; i <= p.preferred && p.rate(i) <= budget; i++ {
			p.target = i
		}
	case old < last && p.rate(old+1) < budget:
		p.target = old + 1
	}
	if p.target > None {
		// A better layer that costs no more is taken at once.
		for i := last; i > max(old, p.target); i-- {
			if p.rate(i) <= p.rate(p.target) {
				p.target = i
				break
			}
		}
	}
	if oversend && p.target < p.oversend {
		for i := p.target + 1; i <= p.oversend; i++ {
			if p.rate(i) <= budget+maxOversend {
				p.target = i
				break
			}
		}
	}
	return p.rate(p.target) - p.rate(old)
}

func (p *pick) allocation() Allocation {
	a := Allocation{
		Source: p.src.Name, Owner: p.src.Owner, Constraint: p.constraint, OnStage: p.onStage,
		Target: None, Ideal: None,
	}
	if n := len(p.layers); n > 0 {
		a.Ideal, a.IdealRate = p.layers[n-1].Index, p.layers[n-1].Bitrate
	}
	if p.target > None {
		l := p.layers[p.target]
		a.Target, a.Bitrate, a.Height = l.Index, l.Bitrate, l.Height
	}
	return a
}
