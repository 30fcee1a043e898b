package rtp

import (
	"parley/bridge/codec"
	"parley/bridge/media"
)

// layerMeter measures one layer by itself.
type layerMeter struct {
	rate
	frames rate
	// last is the arrival of the last packet, flow where the source's flowing was then.
	last, flow int64
	// timestamp of the last frame, to count frames.
	timestamp uint32
	bitrate   int
	fps       float64
	active    bool
}

// count accounts a packet of the layer, at the time flowing of its source.
func (m *layerMeter) count(p *packet, flowing int64) (woke bool) {
	if woke = !m.active; woke {
		// The next that is published must tell a rate: a layer without one counts as absent.
		m.active = true
		m.begin(p.arrival)
		m.frames.begin(p.arrival)
	}
	m.add(p.end - p.start)
	if p.timestamp != m.timestamp {
		m.timestamp = p.timestamp
		m.frames.add(1)
	}
	m.last, m.flow = p.arrival, flowing
	return woke
}

// left says whether the layer has ended: nothing came for long, or others of the source
// went on without it.
func (m *layerMeter) left(now, flowing int64, alone bool) bool {
	return now-m.last > layerHold || !alone && flowing-m.flow > siblingHold
}

// measureLayer accounts a packet of video.
func (u *upStream) measureLayer(p *packet) {
	f := &p.facts
	if p.codec != u.measured {
		// Nothing that was known of the layers holds for another codec.
		u.measured, u.offered, u.whole, u.temporals = p.codec, 0, false, 0
		u.layers, u.sizes = new([codec.MaxSpatial][codec.MaxTemporal]layerMeter), [codec.MaxSpatial]codec.Size{}
	}
	if !u.alive {
		u.alive, u.since = true, p.arrival
	}
	woke, flowing := false, u.source.up.flowing
	switch {
	case f.Layered:
		u.offered, u.whole = f.Active, true
		u.temporals = max(u.temporals, int(f.Temporal)+1)
		for c := range codec.Cell(codec.MaxSpatial * codec.MaxTemporal) {
			if f.Needed.Has(c) && f.Active.Has(c) && c.Temporal() < u.temporals {
				woke = u.layers[c.Spatial()][c.Temporal()].count(p, flowing) || woke
			}
		}
	case f.Scalable:
		woke = u.layers[0][min(f.Temporal, codec.MaxTemporal-1)].count(p, flowing)
	case !u.whole:
		// Only what can be left out counts as a layer; everything else travels whole.
		woke = u.layers[0][0].count(p, flowing)
	}
	u.source.up.changed = u.source.up.changed || woke && !u.joining(p.arrival)
	if f.Height == 0 {
		return
	}
	sizes := u.inspector.Sizes()
	if !f.Layered {
		sizes = [codec.MaxSpatial]codec.Size{{Width: f.Width, Height: f.Height}}
	}
	if sizes != u.sizes {
		u.sizes = sizes
		u.source.up.changed = u.source.up.changed || !u.joining(p.arrival)
	}
}

// heightOf is how many lines a spatial layer has if top is the best of them. A picture on
// its side is as good as one upright.
func (u *upStream) heightOf(spatial, top int) int {
	if s := u.sizes[spatial]; s.Width != 0 && s.Height != 0 {
		return int(min(s.Width, s.Height))
	}
	height := 180 << u.encoding
	if len(u.source.cfg.Encodings) == 1 {
		height = 720
	}
	return height >> (top - spatial)
}

// appendLayers adds the layers of one encoding. A layer's bitrate includes those it
// depends on; where the stream does not tell, all with neither a greater spatial nor a
// greater temporal index. What is not known yet has none.
func (u *upStream) appendLayers(list []media.LayerInfo, now int64) []media.LayerInfo {
	some, top := u.rollLayers(now)
	if !some || u.joining(now) {
		return append(list, media.LayerInfo{Layer: media.LayerOf(u.encoding, 0, 0), Height: u.heightOf(0, 0)})
	}
	for s := range codec.MaxSpatial {
		for t := range codec.MaxTemporal {
			m := &u.layers[s][t]
			if m.last == 0 {
				continue
			}
			info := media.LayerInfo{Layer: media.LayerOf(u.encoding, s, t), Height: u.heightOf(s, top)}
			switch {
			case m.active && u.whole:
				info.Bitrate, info.FPS = m.bitrate, m.fps
			case m.active:
				for dt := range t + 1 {
					info.Bitrate += u.layers[s][dt].bitrate
					info.FPS += u.layers[s][dt].fps
				}
			}
			list = append(list, info)
		}
	}
	return list
}

// rollLayers closes an interval of all meters. It says whether anything was measured, and
// which is the best spatial layer of all there were.
func (u *upStream) rollLayers(now int64) (some bool, top int) {
	if u.layers == nil {
		return false, 0
	}
	u.alive = false
	for s := range codec.MaxSpatial {
		for t := range codec.MaxTemporal {
			m := &u.layers[s][t]
			bitrate, frames := m.roll(now), m.frames.roll(now)
			if bitrate > 0 {
				m.bitrate, m.fps = bitrate, float64(frames)/8
			}
			// The upper temporal layers of a quiet screen come and go.
			if m.active && m.left(now, u.source.up.flowing, t > 0 && u.layers[s][0].active) {
				m.active, m.bitrate = false, 0
				u.source.up.changed = true
			}
			u.alive = u.alive || m.active
			if m.last != 0 {
				some, top = true, s
			}
		}
	}
	return some, top
}
