package rtp

import (
	"encoding/binary"

	"parley/bridge/codec"
	"parley/bridge/media"
)

// rewriteRED forwards a packet of redundant audio (RFC 2198): as it is to receivers that
// know the format and are to have it, to others what is in it. What the sender's network lost is taken from
// what the packet repeats.
//
// Every header is written right before the data it belongs to, and so over what was sent
// already: first the whole packet, then its blocks from the oldest on.
func (s *Shard) rewriteRED(e *Endpoint, u *upStream, p *packet, b []byte) {
	var blocks [codec.MaxRED]codec.REDBlock
	n := codec.ReadRED(b[p.payload:p.end], &blocks)
	if n == 0 || !p.normalise(b, &e.leg.extensions) {
		s.drop(StageRewrite)
		return
	}
	unpack := false
	for _, d := range u.source.up.downs {
		if d.receiver.leg.takesRED(p.pt) {
			s.serve(d, p, b)
		} else {
			unpack = true
		}
	}
	if !unpack {
		return
	}
	var level byte
	if p.level.size > 0 {
		level = b[p.level.at]
	}
	for i := range n - 1 {
		if at := p.raw - int64(n-1-i); p.raw == u.highest && at > max(u.base, u.restored) && !u.marked(at) {
			s.restore(e, u, p, b, &blocks[i], at)
		}
	}
	if p.level.size > 0 {
		b[p.level.at] = level
	}
	q := block(p, &blocks[n-1])
	s.forwardPlain(e, u, &q, p.pt, b)
}

// takesRED says that packets of the payload type, which is redundant audio to its sender, go
// to the receiver as they are.
func (l *leg) takesRED(pt uint8) bool { return !l.plainAudio && l.types[pt].Codec == media.RED }

// wantsRED says that packets of the payload type, which is Opus to its sender, are to be
// repeated for the receiver.
func (l *leg) wantsRED(pt uint8) bool { return l.red != 0 && l.types[pt].Codec == media.Opus }

// restore forwards a lost packet from a block that repeats it.
func (s *Shard) restore(e *Endpoint, u *upStream, p *packet, b []byte, k *codec.REDBlock, at int64) {
	q := block(p, k)
	var ok bool
	if q.ext, ok = u.quiet.apply(at); !ok || k.Size == 0 {
		return
	}
	// How loud it was nobody knows; the level told is that of the packet that came.
	q.level, q.marker = span{}, false
	u.restored = at
	s.stats.now.Recovered++
	s.forwardPlain(e, u, &q, p.pt, b)
}

// block is the packet a block of a RED packet stands for.
func block(p *packet, k *codec.REDBlock) packet {
	q := *p
	q.pt, q.timestamp = k.PT, p.timestamp-k.Age
	q.payload = p.payload + k.At
	q.end = q.payload + k.Size
	return q
}

// forwardPlain sends what was in a packet of the payload type whole to those who do not
// get that.
func (s *Shard) forwardPlain(e *Endpoint, u *upStream, q *packet, whole uint8, b []byte) {
	q.codec = e.leg.types[q.pt].Codec
	if e.leg.types[q.pt].Kind != media.Audio || q.codec == media.RED || q.payload == q.end || !q.normalise(b, &e.leg.extensions) {
		s.drop(StageRewrite)
		return
	}
	for _, d := range u.source.up.downs {
		if !d.receiver.leg.takesRED(whole) {
			s.serve(d, q, b)
		}
	}
}

const (
	// redHeader is the header of one repeated block and that of the packet's own.
	redHeader = 4 + 1
	// frameMax is the largest packet of Opus that is repeated: what a second of 250 kbit/s
	// has in 20 ms. redAge is how far back a block may reach (RFC 2198, section 3).
	frameMax = 640
	redAge   = 1<<14 - 1
	// redMost is how large a packet may become by repeating: what browsers make of one, which
	// every path carries in one piece.
	redMost = 1200
)

// opusFrame is a packet of Opus as it arrived.
type opusFrame struct {
	ext       int64
	timestamp uint32
	size      int
	data      [frameMax]byte
}

// repeat forwards plain Opus to those who are to get redundant audio: each packet with the
// one before it. The payload moves up to make room, so nobody can be served plain after that.
func (s *Shard) repeat(u *upStream, p *packet, b []byte) {
	if u.frame == nil {
		u.frame = &opusFrame{}
	}
	f, size := u.frame, p.end-p.payload
	pt := p.pt
	age := p.timestamp - f.timestamp
	more := redHeader + f.size
	fits := f.size > 0 && p.ext > f.ext && age > 0 && age <= redAge && p.end-p.start+more <= redMost && p.end+more <= slotLast
	if fits {
		copy(b[p.payload+more:], b[p.payload:p.end])
		binary.BigEndian.PutUint32(b[p.payload:], 1<<31|uint32(pt)<<24|age<<10|uint32(f.size))
		b[p.payload+4] = pt
		copy(b[p.payload+redHeader:], f.data[:f.size])
		p.end += more
	}
	for _, d := range u.source.up.downs {
		l := &d.receiver.leg
		if !l.wantsRED(pt) {
			continue
		}
		if fits {
			p.pt, p.codec = l.red, media.RED
		}
		s.serve(d, p, b)
	}
	if p.ext > f.ext || f.size == 0 {
		f.ext, f.timestamp, f.size = p.ext, p.timestamp, 0
		if size <= frameMax {
			f.size = copy(f.data[:], b[p.end-size:p.end])
		}
	}
}
