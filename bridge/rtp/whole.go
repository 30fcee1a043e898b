package rtp

import (
	"parley/bridge/codec"
	"parley/bridge/media"
)

// downKey finds what a receiver gets of a source: one stream made of its encodings, or,
// for another bridge, each encoding by itself.
type downKey struct {
	source *Source
	// only is the encoding sent by itself, projected if the stream is made of all.
	only int
}

// projected is downKey.only of a stream made of all encodings.
const projected = -1

// setWhole starts, changes or stops what another bridge gets of a source: every encoding
// up to the target's, each as it is. The only encoding of a picture goes as it goes to a
// client, without the layers nobody behind wants.
func (e *Endpoint) setWhole(f Forward) {
	src := f.Source
	if src.cfg.Kind == media.Video && len(src.cfg.Encodings) == 1 {
		f.Whole = false
		e.setForward(f)
		return
	}
	top := projected
	if src.up.live && f.Target != media.LayerNone {
		top = f.Target.Encoding()
	}
	for i, enc := range src.cfg.Encodings {
		d := e.leg.downs[downKey{src, i}]
		switch {
		case i > top && d != nil:
			e.removeDown(d)
		case i <= top && d == nil:
			if e.addDown(&downStream{receiver: e, source: src, only: i, target: media.LayerAll}, enc.SSRC, enc.RTX) != nil {
				// Somebody behind it waits for a picture, and has asked before we knew.
				e.shard.askKeyframe(src, i, true)
			}
		}
	}
}

// pass is the verdict about a packet of an encoding that is sent by itself: only its
// sequence number is ours, since what was left out before (silence, padding) must not
// look like loss to the next bridge.
func (d *downStream) pass(p *packet) (v verdict) {
	if p.encoding != d.only {
		return v
	}
	if d.encoding < 0 {
		d.encoding = d.only
		next := d.out.lastExt + 1
		if !d.out.started {
			next = firstNumber()
		}
		d.seq.restart(p.ext, next)
	}
	var ok bool
	if v.seq, ok = d.seq.apply(p.ext); !ok || !d.out.claim(v.seq) {
		return v
	}
	v.send, v.marker, v.timestamp = true, p.marker, p.timestamp
	v.pictureID, v.tl0 = p.facts.PictureID, p.facts.TL0
	if p.facts.Mask.Bits > 0 {
		v.mask = d.source.up.streams[p.encoding].inspector.MaskFor(codec.CellOf(codec.MaxSpatial, codec.MaxTemporal))
	}
	return v
}
