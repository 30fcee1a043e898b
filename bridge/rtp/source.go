package rtp

import (
	"sync/atomic"

	"parley/bridge/media"
)

// Source is one audio or video track sent by an endpoint. The exported methods may
// be called from any goroutine.
type Source struct {
	owner *Endpoint
	cfg   SourceConfig

	layers atomic.Pointer[[]media.LayerInfo]
	// levels is nil for video.
	levels *levelRing

	// up is touched by the shard's goroutine only.
	up upSource
}

// Endpoint returns the endpoint that sends the source.
func (src *Source) Endpoint() *Endpoint { return src.owner }

// Kind says whether the source is audio or video.
func (src *Source) Kind() media.Kind { return src.cfg.Kind }

// PrimarySSRC is the SSRC receivers without SSRC rewriting see.
func (src *Source) PrimarySSRC() uint32 {
	if len(src.cfg.Encodings) == 0 {
		return 0
	}
	return src.cfg.Encodings[0].SSRC
}

// Encodings lists the RTP streams of the source, lowest quality first. The slice is
// shared and must not be changed.
func (src *Source) Encodings() []media.Encoding { return src.cfg.Encodings }

// Layers returns the layers of the source in ascending order, as measured lately. The
// slice is shared and must not be changed.
func (src *Source) Layers() []media.LayerInfo { return *src.layers.Load() }

// Levels copies the audio levels that arrived after cursor into dst, oldest first,
// and moves the cursor. What was overwritten meanwhile (more than 64 packets) is lost.
func (src *Source) Levels(cursor *uint32, dst []Level) []Level {
	if src.levels == nil {
		return dst
	}
	return src.levels.read(cursor, dst)
}

// RequestKeyframe asks the sender for a keyframe of one encoding, subject to the rate
// limits of the source.
func (src *Source) RequestKeyframe(encoding int) {
	s := src.owner.shard
	s.post(func() { s.requestKeyframe(src, encoding) })
}

// Always forwards the source also when others are louder, or lets it compete again.
func (src *Source) Always(on bool) {
	src.owner.shard.post(func() { src.up.always = on })
}

// Close removes the source: its packets are dropped and nobody gets it any more.
func (src *Source) Close() {
	src.owner.shard.post(func() { src.owner.removeSource(src) })
}

// publishDefaults fills in what everyone reads before the first packet: the layers that
// are assumed, or no audio level yet.
func (src *Source) publishDefaults() {
	if src.cfg.Kind == media.Audio {
		src.levels = new(levelRing)
	}
	var layers []media.LayerInfo
	if src.cfg.Kind == media.Video {
		for e := range src.cfg.Encodings {
			for t := range 3 {
				layers = append(layers, media.LayerInfo{
					Layer:  media.LayerOf(e, 0, t),
					Height: 180 << e,
					FPS:    7.5 * float64(int(1)<<t),
				})
			}
		}
	}
	src.layers.Store(&layers)
}
