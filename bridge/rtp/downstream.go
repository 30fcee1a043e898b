package rtp

import (
	"encoding/binary"
	"math/rand/v2"

	"parley/bridge/codec"
	"parley/bridge/media"
)

// outStream is one RTP stream we send to a receiver. It lives as long as its SSRC, also
// when the source behind it changes. The shard's goroutine owns it.
type outStream struct {
	ssrc, rtx uint32
	down      *downStream

	started bool
	lastExt int64
	// claimed marks the numbers below lastExt that have been used.
	claimed   [sentWindowBits / 64]uint64
	lastTS    uint32
	lastAt    int64
	lastEnded bool
	pictureID uint16
	tl0       uint8

	packets, octets uint32
	rtxSeq          uint16
	history         []sentPacket

	// What the receiver told last: the highest number it saw and how many it lost.
	told        bool
	highestTold uint32
	lostTold    int32
	// reports remembers the last sender reports that went out, to compute round trips.
	reports [4]sentReport
	report  int
}

// sentReport is the middle of the NTP time a report carried, and when it left.
type sentReport struct {
	ntp uint32
	at  int64
}

// sentPacket is what a retransmission needs beside the plaintext in its slot.
type sentPacket struct {
	slot, generation uint32
	start, payload   uint16
	end, congestion  uint16
	seq              uint16
	twoByte, rewrite bool
	marker           bool
	timestamp        uint32
	pictureID        uint16
	tl0              uint8
	pt               uint8
	idOffset, tl0At  uint8
	maskBits         uint8
	maskAt           uint16
	mask             uint32
	wide, used       bool
	again            int64
}

// sentHistory is the number of packets of a stream that can be sent again.
const sentHistory = 512

// downStream is what one receiver gets of one source: it picks an encoding, leaves out
// temporal layers, and makes one continuous stream of it.
type downStream struct {
	receiver *Endpoint
	source   *Source
	out      *outStream
	target   media.Layer
	// only is the one encoding of a stream for another bridge, else projected.
	only int

	// encoding that is being sent, -1 if none; temporal the greatest layer of it.
	encoding int
	temporal uint8
	seq      shift
	frames   shift
	lastID   int64
	hasID    bool
	tsDelta  uint32
	tl0Delta uint8
	layers   layering
	// mask are the decode targets the receiver is to know as active (AV1), told those it was
	// told last.
	mask, told uint32
	// wantedAt is when a keyframe was asked for last, tries how often in a row.
	wantedAt int64
	tries    int
	// begged counts the receiver's own requests since beggedSince, the last at beggedAt.
	begged                int
	beggedSince, beggedAt int64
}

// verdict of a downStream about a packet.
type verdict struct {
	send      bool
	shown     bool
	marker    bool
	seq       int64
	timestamp uint32
	pictureID uint16
	tl0       uint8
	mask      uint32
}

// stop ends the projection; the next packet sent must begin a keyframe.
func (d *downStream) stop() { d.encoding = -1 }

// wanted is the encoding the receiver should get: the target's, or the next lower one
// that is alive.
func (d *downStream) wanted(now int64) int {
	if d.only != projected {
		return d.only
	}
	if d.target == media.LayerNone {
		return -1
	}
	streams := d.source.up.streams
	top := min(d.target.Encoding(), len(streams)-1)
	for e := top; e >= 0; e-- {
		if streams[e].active(now) {
			return e
		}
	}
	return top
}

// decide says what becomes of a packet of the source, and under which numbers it goes
// out.
func (d *downStream) decide(p *packet) (v verdict) {
	if d.only != projected {
		return d.pass(p)
	}
	if d.target == media.LayerNone {
		return v
	}
	if p.kind == media.Video && d.shouldSwitch(p) {
		d.switchTo(p)
		v.shown = true
	} else if d.encoding < 0 && p.kind == media.Audio {
		d.switchTo(p)
		v.shown = true
	}
	if p.encoding != d.encoding || d.cutShort(p) {
		return v
	}
	v.marker = p.marker
	switch {
	case p.facts.Layered:
		if !d.layerPass(p) {
			return v
		}
		v.marker, v.mask = d.layers.ends(p), d.mask
	case p.facts.Scalable && !d.temporalPass(p):
		d.skip(p)
		return v
	}
	var ok bool
	if v.seq, ok = d.seq.apply(p.ext); !ok || !d.out.claim(v.seq) {
		return v
	}
	v.send = true
	v.timestamp = p.timestamp + d.tsDelta
	if p.facts.Rewritable {
		v.pictureID, v.tl0 = d.frameNumbers(p)
	}
	return v
}

// shouldSwitch says whether the stream begins or changes its encoding with this packet.
func (d *downStream) shouldSwitch(p *packet) bool {
	if !p.facts.KeyframeStart || p.late {
		// A stream whose keyframes cannot be recognised begins anywhere.
		return d.encoding < 0 && !recognisable(p.codec)
	}
	top := d.target.Encoding()
	switch {
	case p.encoding == d.encoding:
		return false
	case d.encoding < 0, d.encoding > top:
		return p.encoding <= top || p.encoding == 0
	case p.encoding > d.encoding:
		return p.encoding <= top
	default:
		// Down only if the better one has stopped.
		return !d.source.up.streams[d.encoding].active(p.arrival)
	}
}

// cutShort ends an encoding that is better than wanted at its next keyframe. It comes with
// the one of the encoding that is wanted, and a path that has become narrow would carry it
// for seconds.
func (d *downStream) cutShort(p *packet) bool {
	if !p.facts.KeyframeStart || p.late || d.encoding <= d.target.Encoding() {
		return false
	}
	if next := d.wanted(p.arrival); next >= d.encoding || !d.source.up.streams[next].active(p.arrival) {
		return false
	}
	d.stop()
	return true
}

func recognisable(c media.Codec) bool {
	return c == media.VP8 || c == media.VP9 || c == media.AV1 || c == media.H264
}

// switchTo makes the packet the first one of its encoding in the outgoing stream.
func (d *downStream) switchTo(p *packet) {
	o := d.out
	d.encoding, d.tries = p.encoding, 0
	d.temporal = maxTemporalOf(d.target, p.encoding)
	next := o.lastExt + 1
	if !o.started {
		next = firstNumber()
		d.tsDelta = 0
		o.pictureID, o.tl0 = p.facts.PictureID-1, p.facts.TL0-1
	} else {
		if !o.lastEnded && p.kind == media.Video {
			// The receiver must notice that the last frame has no end.
			next++
		}
		d.tsDelta = o.lastTS + d.spacing(p) - p.timestamp
	}
	d.seq.restart(p.ext, next)
	d.hasID = false
	d.layers.begin(p, goalOf(d.target, p.encoding, p.facts.Active))
}

// firstNumber is where an outgoing stream starts: low, to keep early loss from confusing
// the receiver's roll-over counter.
func firstNumber() int64 { return 1<<16 | int64(rand.Uint32()&0x7FFF) }

// spacing guesses how much media time passed since the last packet sent.
func (d *downStream) spacing(p *packet) uint32 {
	elapsed := p.arrival - d.out.lastAt
	if p.kind == media.Audio {
		return uint32(max(1, (elapsed+10_000)/20_000)) * 960
	}
	return uint32(max(1, (elapsed+16_500)/33_000)) * 3000
}

// maxTemporalOf is the greatest temporal layer to send of an encoding: all of one below
// the target, nothing but the base of one above.
func maxTemporalOf(target media.Layer, encoding int) uint8 {
	switch top := target.Encoding(); {
	case encoding < top:
		return 7
	case encoding > top:
		return 0
	default:
		return uint8(target.Temporal())
	}
}

// temporalPass filters temporal layers. Less is possible at once, more only at a frame
// that needs nothing that was left out.
func (d *downStream) temporalPass(p *packet) bool {
	limit := maxTemporalOf(d.target, d.encoding)
	f := &p.facts
	switch {
	case limit < d.temporal:
		d.temporal = limit
	case limit > d.temporal && f.KeyframeStart:
		d.temporal = limit
	case limit > d.temporal && f.Sync && f.Temporal > d.temporal && f.Temporal <= limit:
		d.temporal = f.Temporal
	}
	return f.Temporal <= d.temporal
}

// skip leaves a packet of the current encoding out without a trace.
func (d *downStream) skip(p *packet) {
	d.seq.drop(p.ext)
	if id, fresh := d.extendID(p); fresh {
		d.frames.drop(id)
	}
}

// extendID unwraps the picture id and says whether the frame is a new one.
func (d *downStream) extendID(p *packet) (id int64, fresh bool) {
	bits := uint(7)
	if p.facts.Wide {
		bits = 15
	}
	if !d.hasID {
		d.hasID = true
		id = int64(p.facts.PictureID) + 1<<16
		d.lastID = id
		d.frames.restart(id, int64(d.out.pictureID)+1+1<<16)
		d.tl0Delta = d.out.tl0 + 1 - p.facts.TL0
		return id, true
	}
	id = unwrap(d.lastID, uint32(p.facts.PictureID), bits)
	if id > d.lastID {
		d.lastID = id
		return id, true
	}
	return id, false
}

func (d *downStream) frameNumbers(p *packet) (pictureID uint16, tl0 uint8) {
	id, _ := d.extendID(p)
	out, ok := d.frames.apply(id)
	if !ok {
		out = id
	}
	return uint16(out), p.facts.TL0 + d.tl0Delta
}

// sentWindowBits is how far below the last number a late packet may still go out.
const sentWindowBits = 2048

// claim takes a sequence number for one packet, once and for all. Two packets under one
// number would be two texts under one nonce, so whatever went wrong before ends here. It
// also refuses jumps the receiver's roll-over counter would misread.
func (o *outStream) claim(seq int64) bool {
	if !o.started {
		o.claimed = [sentWindowBits / 64]uint64{}
		o.lastExt = seq - 1
		o.started = true
	}
	switch d := seq - o.lastExt; {
	case d > gapReset+maxMissing || d <= -sentWindowBits:
		return false
	case d > 0:
		for n := o.lastExt + 1; n < seq; n++ {
			o.claimed[n/64%(sentWindowBits/64)] &^= 1 << (n % 64)
		}
		o.lastExt = seq
	default:
		if o.claimed[seq/64%(sentWindowBits/64)]&(1<<(seq%64)) != 0 {
			return false
		}
	}
	o.claimed[seq/64%(sentWindowBits/64)] |= 1 << (seq % 64)
	return true
}

// sent notes a packet that goes out under the verdict's numbers.
func (o *outStream) sent(p *packet, v *verdict) {
	o.packets++
	o.octets += uint32(p.end - p.payload)
	if v.seq != o.lastExt {
		// A late packet.
		return
	}
	o.lastTS, o.lastAt, o.lastEnded = v.timestamp, p.arrival, v.marker
	if p.facts.Rewritable {
		o.pictureID, o.tl0 = v.pictureID, v.tl0
	}
}

// remember keeps what is needed to send a packet again.
func (o *outStream) remember(a *arena, p *packet, v *verdict) {
	if o.history == nil {
		o.history = make([]sentPacket, sentHistory)
	}
	o.history[v.seq%sentHistory] = sentPacket{
		slot: p.slot, generation: a.generation[p.slot],
		start: uint16(p.start), payload: uint16(p.payload), end: uint16(p.end), congestion: uint16(p.congestion),
		seq: uint16(v.seq), timestamp: v.timestamp, pt: p.pt, marker: v.marker, twoByte: p.twoByte, used: true,
		rewrite: p.facts.Rewritable, pictureID: v.pictureID, tl0: v.tl0,
		maskAt: uint16(p.maskAt - 8*p.start), maskBits: p.maskBits, mask: v.mask,
		idOffset: p.facts.PictureIDOffset, tl0At: p.facts.TL0Offset, wide: p.facts.Wide,
	}
}

// forgotten says that a packet was sent and can not be sent again any more.
func (o *outStream) forgotten(a *arena, seq uint16) bool {
	if !o.started || o.history == nil {
		return false
	}
	ext := unwrap(o.lastExt, uint32(seq), 16)
	d := o.lastExt - ext
	return d >= 0 && d < sentWindowBits && o.claimed[ext/64%(sentWindowBits/64)]&(1<<(ext%64)) != 0 && o.find(a, seq) == nil
}

// find returns the packet with a sequence number if it can still be sent again.
func (o *outStream) find(a *arena, seq uint16) *sentPacket {
	if o.history == nil {
		return nil
	}
	// The extended number's lower bits pick the place; sentHistory divides 65536.
	s := &o.history[int(seq)%sentHistory]
	if !s.used || s.seq != seq || a.generation[s.slot] != s.generation || a.refs[s.slot] <= 0 {
		return nil
	}
	return s
}

// patch writes what is particular to one receiver into the shared plaintext. Every
// field is written for every receiver, so nothing has to be restored.
func patch(b []byte, p *packet, v *verdict, ssrc uint32) {
	h := b[p.start:]
	h[1] = markedType(p.pt, v.marker)
	binary.BigEndian.PutUint16(h[2:], uint16(v.seq))
	binary.BigEndian.PutUint32(h[4:], v.timestamp)
	binary.BigEndian.PutUint32(h[8:], ssrc)
	if p.maskBits > 0 {
		codec.PutBits(b, p.maskAt, int(p.maskBits), v.mask)
	}
	if p.facts.Rewritable {
		codec.RewriteVP8(b[p.payload:], p.facts, v.pictureID, v.tl0)
	}
}

// markedType is the second byte of a header.
func markedType(pt uint8, marker bool) byte {
	if marker {
		return 0x80 | pt
	}
	return pt
}
