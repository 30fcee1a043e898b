package rtp

import "parley/bridge/media"

const (
	// keyframePause is the least time in microseconds between two requests for an
	// encoding, whoever asks.
	keyframePause = 200_000
	// keyframeBudget requests of receivers may pass within keyframeWindow; a receiver that
	// never stops asking must not make the sender send nothing but keyframes.
	keyframeBudget = 20
	keyframeWindow = 10_000_000
	// keyframePatience is how long a receiver waits for a keyframe it needs before asking
	// again; after some tries it waits longer.
	keyframePatience = 300_000
	keyframeTries    = 5
	keyframeLong     = 2_000_000
)

// keyframeState limits the requests for one encoding.
type keyframeState struct {
	asked  int64
	window int64
	count  int
	// pending is set when a request was refused only because of the pause.
	pending bool
}

// allow says whether a request may go out now. Requests of the bridge itself are not
// counted against the budget.
func (k *keyframeState) allow(now int64, internal bool) bool {
	if k.asked != 0 && now-k.asked < keyframePause {
		k.pending = true
		return false
	}
	if !internal {
		if now-k.window > keyframeWindow {
			k.window, k.count = now, 0
		}
		if k.count >= keyframeBudget {
			return false
		}
		k.count++
	}
	k.asked, k.pending = now, false
	return true
}

// requestKeyframe carries out Source.RequestKeyframe.
func (s *Shard) requestKeyframe(src *Source, encoding int) { s.askKeyframe(src, encoding, true) }

// askKeyframe asks the sender of a source for a keyframe, if the limits allow it.
func (s *Shard) askKeyframe(src *Source, encoding int, internal bool) {
	e := src.owner
	if !src.up.live || src.cfg.Kind != media.Video || e.leg.send == nil ||
		encoding < 0 || encoding >= len(src.up.streams) {
		return
	}
	if !src.up.keyframe[encoding].allow(s.clock, internal) {
		return
	}
	u := src.up.streams[encoding]
	own := e.opts.VideoFeedbackSSRC
	b := appendEmptyRR(s.rtcpOut[:0], own)
	b = appendSDES(b, own)
	if e.leg.prefersPLI(u.pt) {
		b = appendPLI(b, own, u.ssrc)
	} else {
		e.leg.firSeq++
		b = appendFIR(b, own, u.ssrc, e.leg.firSeq)
	}
	e.leg.stats.KeyframesRequested++
	s.sendRTCP(e, b)
}

// prefersPLI says whether the payload type, or while it is not known any video one,
// negotiated PLI.
func (l *leg) prefersPLI(pt uint8) bool {
	if t := &l.types[pt]; t.Kind == media.Video {
		return t.PLI || !t.FIR
	}
	for i := range l.types {
		if t := &l.types[i]; t.Kind == media.Video && t.FIR && !t.PLI {
			return false
		}
	}
	return true
}

// wantKeyframe asks for a keyframe a receiver needs to begin or to change its encoding.
func (s *Shard) wantKeyframe(d *downStream) {
	// Another bridge asks for keyframes by itself.
	if d.only != projected || d.source.cfg.Kind != media.Video || d.receiver.leg.send == nil || d.source.owner.leg.send == nil {
		return
	}
	wanted := d.wanted(s.clock)
	if wanted < 0 || wanted == d.encoding && !d.needsKeyframe() {
		d.tries = 0
		return
	}
	patience := int64(keyframePatience)
	if d.tries >= keyframeTries {
		patience = keyframeLong
	}
	if d.wantedAt != 0 && s.clock-d.wantedAt < patience {
		return
	}
	d.wantedAt = s.clock
	d.tries++
	s.askKeyframe(d.source, wanted, true)
}
