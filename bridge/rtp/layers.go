package rtp

import (
	"parley/bridge/codec"
	"parley/bridge/media"
)

const (
	// framesBehind is how many pictures a switch to a lower spatial layer may take before a
	// keyframe is asked for. Where all layers depend on each other it takes none.
	framesBehind = 8
	// frameWindow is how many frames back it is known which ones went out.
	frameWindow = 64
)

// layering picks the frames of a layered stream (VP9, AV1) for one receiver: those one
// of its cells needs, and the way from one cell to another without the decoder missing
// anything. Numbers in the packets stay as they are.
type layering struct {
	cell codec.Cell
	// picture is the timestamp of the picture of the last packet in order.
	picture uint32
	// behind counts the pictures sent in a lower or higher spatial layer than wanted.
	behind int
	// thinned says that lower spatial layers were left out since the last keyframe.
	thinned bool
	// frame is the last numbered frame that went out, frames those before it.
	frame  uint16
	frames uint64
	before previous
}

// previous is the last packet in order, to see what a gap behind it belongs to.
type previous struct {
	ext       int64
	timestamp uint32
	frame     uint16
	spatial   uint8
	ended     bool
	passed    bool
}

// begin starts with a keyframe.
func (l *layering) begin(p *packet, goal codec.Cell) {
	*l = layering{cell: goal, picture: p.timestamp, frame: p.facts.Frame - 1}
}

// goalOf is the cell a target stands for in an encoding.
func goalOf(target media.Layer, encoding int, active codec.Cells) codec.Cell {
	switch top := target.Encoding(); {
	case encoding < top:
		return active.Best(codec.MaxSpatial, codec.MaxTemporal)
	case encoding > top:
		return active.Best(0, 0)
	default:
		return active.Best(target.Spatial(), target.Temporal())
	}
}

// pass says whether a packet is for a receiver with the target. inOrder says that no
// later one was seen; only those change cells.
func (l *layering) pass(p *packet, target media.Layer, inOrder bool) bool {
	f := &p.facts
	if inOrder {
		first := p.timestamp != l.picture
		l.picture = p.timestamp
		if f.FrameStart {
			l.change(f, goalOf(target, p.encoding, f.Active), first)
		}
	}
	if !f.Needed.Has(l.cell) {
		if int(f.Spatial) < l.cell.Spatial() && int(f.Temporal) <= l.cell.Temporal() {
			l.thinned = true
		}
		return false
	}
	l.note(f.Frame)
	return true
}

// change moves towards the goal as far as the frame allows; first says that it is the
// first one of its picture.
func (l *layering) change(f *codec.Facts, goal codec.Cell, first bool) {
	if f.KeyframeStart {
		l.thinned = false
	}
	if goal == l.cell {
		l.behind = 0
		return
	}
	if c := l.nearest(f, goal, first); l.reachable(f, c, first) {
		l.cell = c
	}
	switch {
	case goal.Spatial() == l.cell.Spatial():
		l.behind = 0
	case first:
		l.behind++
	}
}

// nearest is the cell closest to the goal that can be had with this frame.
func (l *layering) nearest(f *codec.Facts, goal codec.Cell, first bool) codec.Cell {
	if l.reachable(f, goal, first) {
		return goal
	}
	if goal.Spatial() < l.cell.Spatial() {
		// Until a keyframe comes the least of what there is has to do.
		return f.Active.Best(l.cell.Spatial(), 0)
	}
	for s := goal.Spatial() - 1; s >= l.cell.Spatial(); s-- {
		if c := f.Active.Best(s, codec.MaxTemporal); c > l.cell && l.reachable(f, c, first) {
			return c
		}
	}
	return l.cell
}

// reachable says whether everything from this frame on can be decoded in a cell.
func (l *layering) reachable(f *codec.Facts, c codec.Cell, first bool) bool {
	up, down := c.Spatial() > l.cell.Spatial(), c.Spatial() < l.cell.Spatial()
	switch {
	case up && !first, int(f.Spatial) > c.Spatial():
		// The end of the picture was announced, or should have been.
		return false
	case f.Tracked:
		return f.Switch.Has(c) && l.have(f)
	case f.KeyframeStart:
		return true
	case up, down && l.thinned:
		return false
	default:
		return c.Temporal() <= l.cell.Temporal() || f.Sync && int(f.Temporal) <= l.cell.Temporal()
	}
}

// have says whether all frames went out that a frame needs.
func (l *layering) have(f *codec.Facts) bool {
	if f.Refs == 0 && !f.Far {
		return true
	}
	ahead := int16(f.Frame - l.frame)
	if f.Far || ahead <= 0 {
		return false
	}
	return f.Refs&^(l.frames<<(ahead-1)) == 0
}

// note remembers that a frame went out.
func (l *layering) note(frame uint16) {
	switch ahead := int16(frame - l.frame); {
	case ahead > 0:
		l.frames = l.frames<<ahead | 1
		l.frame = frame
	case ahead > -frameWindow:
		l.frames |= 1 << -ahead
	}
}

// ends says whether the packet is the last one the receiver gets of its picture.
func (l *layering) ends(p *packet) bool {
	return p.marker || p.facts.FrameEnd && int(p.facts.Spatial) == l.cell.Spatial() && l.cell.Spatial() < codec.MaxSpatial-1
}

// layerPass is the filter of layered streams; what does not pass leaves no trace.
func (d *downStream) layerPass(p *packet) bool {
	f := &p.facts
	l := &d.layers
	highest := d.seq.highest
	cell := l.cell
	passed := l.pass(p, d.target, p.ext > highest)
	if f.Structured || f.Mask.There || l.cell != cell {
		d.mask = d.source.up.streams[p.encoding].inspector.MaskFor(l.cell)
		d.source.up.maskDue = d.source.up.maskDue || d.mask != d.told
	}
	if p.ext > highest {
		if l.before.ext == highest && l.gapUnwanted(p, passed) {
			for n := highest + 1; n < p.ext; n++ {
				d.seq.drop(n)
			}
		}
		l.before = previous{p.ext, p.timestamp, f.Frame, f.Spatial, f.FrameEnd, passed}
	}
	if !passed {
		d.seq.drop(p.ext)
	}
	return passed
}

// gapUnwanted says whether all that is missing before the packet belongs to a frame that
// was left out: nobody needs to miss it.
func (l *layering) gapUnwanted(p *packet, passed bool) bool {
	f, b := &p.facts, &l.before
	next := f.Tracked && f.Frame == b.frame+1
	switch {
	case f.Frame == b.frame && f.Spatial == b.spatial && p.timestamp == b.timestamp, next && b.ended && !f.FrameStart:
		return !passed
	case next && f.FrameStart && !b.ended:
		return !b.passed
	}
	return false
}

// needsKeyframe says whether the layers wanted can only be had with a keyframe.
func (d *downStream) needsKeyframe() bool {
	if d.encoding < 0 || d.encoding >= len(d.source.up.streams) {
		return false
	}
	active := d.source.up.streams[d.encoding].offered
	if active == 0 {
		return false
	}
	have, goal := d.layers.cell.Spatial(), goalOf(d.target, d.encoding, active).Spatial()
	return goal > have || goal < have && (d.layers.thinned || d.layers.behind >= framesBehind)
}
