package rtp

import (
	"slices"

	"parley/bridge/codec"
	"parley/bridge/media"
)

const (
	// seenWindow is how many sequence numbers back a packet may come again as a
	// retransmission and be recognised.
	seenWindow = 2048
	// layerHold is how long a layer counts as active after its last packet. Screens that
	// stand still send little.
	layerHold = 3_000_000
	// siblingHold is the same while other layers of the source go on: then the sender has
	// left this one out. flowStep is the longest pause that counts as going on, so that a
	// sender that was kept from sending anything has not left anything out.
	siblingHold = 700_000
	// joinHold is how long an encoding that begins beside others is left alone: a client short
	// of bandwidth tries one and drops it again, and the first pictures of it do not tell what
	// it will cost.
	joinHold = 1_000_000
	flowStep = 100_000
	// silentPackets is how many silent audio packets in a row pass, a second of them; the rest
	// is left out. A receiver without packets makes sound up: after a second of silence that
	// is silence, in the pauses of somebody who talks it would be heard.
	silentPackets = 50
	// gapReset is the jump of sequence numbers that means a new beginning, not a loss.
	gapReset = 3000
)

// upSource is the shard's side of a Source.
type upSource struct {
	live    bool
	streams []*upStream
	// downs are the receivers of the source.
	downs []*downStream
	// first says that the first packet was reported.
	first   bool
	changed bool
	// newest is the arrival of the source's last packet, flowing for how long it has sent
	// anything, without the pauses.
	newest, flowing int64
	keyframe        [media.MaxEncodings]keyframeState
	// energy is how loud the source was lately, in hundredths; always says that it is
	// forwarded whoever is louder.
	energy int
	always bool
	// maskDue says that a receiver is to be told anew which decode targets are active.
	maskDue bool
}

// upStream is one RTP stream an endpoint sends: an encoding, or the repair stream of
// one. The shard's goroutine owns it.
type upStream struct {
	source   *Source
	encoding int
	ssrc     uint32
	// repairs is the stream whose packets this one carries again, nil for media.
	repairs *upStream

	started bool
	// opened says that a packet of it was authentic.
	opened  bool
	base    int64
	highest int64
	seen    [seenWindow / 64]uint64
	pt      uint8

	missing missingList
	held    heldPackets
	// passed is the greatest number that went on to the stages after repair.
	passed int64
	// toldBefore is what missing.told was at the last report.
	toldBefore uint64

	// history holds the slots of the last packets, so that they can be sent again.
	history upHistory

	// Reception statistics (RFC 3550, appendix A).
	received                       uint64
	expectedBefore, receivedBefore uint64
	jitter                         float64
	transitBefore                  int64
	reportNTP                      uint32
	reportAt                       int64
	lastArrival, lastFlow          int64
	lossFraction                   float64
	clockRate                      uint32

	// silent counts silent packets in a row, quiet closes the gaps of those left out.
	silent int
	quiet  shift
	// frame is the last packet of Opus, to be repeated with the next one; nil before anybody
	// got it so.
	frame *opusFrame
	// restored is the last lost packet that was taken from what a later one repeats.
	restored int64

	inspector codec.Inspector
	// measured is the codec of what was measured.
	measured media.Codec
	// offered are the layers the sender keeps up, where the stream tells.
	offered codec.Cells
	layers  *[codec.MaxSpatial][codec.MaxTemporal]layerMeter // made with the first packet
	// since is when the stream began to carry anything, after it had not.
	since int64
	alive bool
	// sizes of the spatial layers. Where whole is set the meters of a layer count all it
	// needs, else the layer alone; temporals is how many temporal layers were seen.
	sizes     [codec.MaxSpatial]codec.Size
	whole     bool
	temporals int
}

// note registers a sequence number. It returns the extended number and whether the
// packet is new, and how many numbers were skipped before it.
//
// A jump that cannot be loss is a new beginning: everybody who gets the stream starts it
// anew.
func (u *upStream) note(seq uint16, a *arena) (ext int64, fresh bool, skipped int) {
	if !u.started {
		u.started = true
		// Room below, for packets from before the first one that arrived.
		u.base = int64(seq) + 1<<16
		u.highest = u.base
		u.mark(u.base)
		return u.base, true, 0
	}
	ext = unwrap(u.highest, uint32(seq), 16)
	switch d := ext - u.highest; {
	case d > gapReset || d < -gapReset:
		if d < 0 {
			ext += 1 << 16
		}
		u.reset(ext, a)
		return ext, true, 0
	case d > 0:
		for n := u.highest + 1; n < ext && n > ext-seenWindow; n++ {
			u.unmark(n)
		}
		skipped = int(d - 1)
		u.highest = ext
	case d <= -seenWindow || u.marked(ext):
		return ext, false, 0
	}
	u.mark(ext)
	return ext, true, skipped
}

// reset starts anew after a jump that cannot be loss.
func (u *upStream) reset(ext int64, a *arena) {
	clear(u.seen[:])
	u.held.clear(a)
	u.passed = 0
	u.missing.clear()
	u.base, u.highest = ext, ext
	u.expectedBefore, u.receivedBefore, u.received = 0, 0, 0
	u.mark(ext)
	u.quiet, u.restored = shift{}, 0
	for _, d := range u.source.up.downs {
		if d.encoding == u.encoding {
			d.stop()
		}
	}
}

func (u *upStream) mark(n int64)        { u.seen[n/64%(seenWindow/64)] |= 1 << (n % 64) }
func (u *upStream) unmark(n int64)      { u.seen[n/64%(seenWindow/64)] &^= 1 << (n % 64) }
func (u *upStream) marked(n int64) bool { return u.seen[n/64%(seenWindow/64)]&(1<<(n%64)) != 0 }

// measureJitter follows RFC 3550, section 6.4.1.
func (u *upStream) measureJitter(p *packet) {
	if u.clockRate == 0 {
		return
	}
	transit := p.arrival*int64(u.clockRate)/1_000_000 - int64(p.timestamp)
	if u.received > 1 {
		d := int64(int32(transit - u.transitBefore))
		u.jitter += (float64(max(d, -d)) - u.jitter) / 16
	}
	u.transitBefore = transit
}

// active says whether the stream carried anything lately.
func (u *upStream) active(now int64) bool {
	return u.started && now-u.lastArrival < layerHold && u.source.up.flowing-u.lastFlow < siblingHold
}

// joining says whether the stream has only begun beside better known ones of its source.
func (u *upStream) joining(now int64) bool {
	if now-u.since >= joinHold {
		return false
	}
	for _, o := range u.source.up.streams[:u.encoding] {
		if o.active(now) && u.since-o.since > joinHold/2 {
			return true
		}
	}
	return false
}

// flow notes that something of the source arrived.
func (s *upSource) flow(arrival int64) {
	if s.newest != 0 {
		s.flowing += max(0, min(arrival-s.newest, flowStep))
	}
	s.newest = max(s.newest, arrival)
}

// silence says whether an audio packet is one of too many silent ones.
func (u *upStream) silence(level uint8, known bool) bool {
	if !known || level != 127 {
		u.silent = 0
		return false
	}
	u.silent++
	return u.silent > silentPackets
}

// publishLayers turns what was measured into what others read and says whether a layer
// came, went or changed its size.
func (src *Source) publishLayers(now int64) (changed bool) {
	up := &src.up
	var list []media.LayerInfo
	for _, u := range up.streams {
		list = u.appendLayers(list, now)
	}
	changed, up.changed = up.changed, false
	if len(list) == 0 {
		return changed
	}
	if before := src.layers.Swap(&list); before == nil || !sameLayers(*before, list) {
		changed = true
	}
	return changed
}

// sameLayers says whether two lists name the same layers as active, in the same sizes.
func sameLayers(a, b []media.LayerInfo) bool {
	return slices.EqualFunc(a, b, func(a, b media.LayerInfo) bool {
		return a.Layer == b.Layer && a.Height == b.Height && (a.Bitrate > 0) == (b.Bitrate > 0)
	})
}

// inspect looks into a packet of video.
func (u *upStream) inspect(p *packet, b []byte) {
	var dd []byte
	if p.descriptor.size > 0 {
		dd = b[p.descriptor.at : p.descriptor.at+p.descriptor.size]
	}
	p.facts = u.inspector.Inspect(p.codec, b[p.payload:p.end], dd, p.ext)
}

// upHistory is a ring of the slots of a stream's last packets. It holds a reference to
// each, for about a second.
type upHistory struct {
	ring  []keptSlot
	first int
	count int
}

type keptSlot struct {
	slot    uint32
	arrival int64
}

const (
	// historySize bounds the packets kept per stream, historyAge their age in microseconds;
	// when memory is scarce it is historyShort.
	historySize  = 512
	historyAge   = 1_000_000
	historyShort = 250_000
)

// keep adds a packet and lets old ones go.
func (h *upHistory) keep(a *arena, slot uint32, now int64) {
	if h.ring == nil {
		h.ring = make([]keptSlot, historySize)
	}
	h.expire(a, now)
	if h.count == historySize {
		h.dropFirst(a)
	}
	a.hold(slot)
	h.ring[(h.first+h.count)%historySize] = keptSlot{slot, now}
	h.count++
}

func (h *upHistory) expire(a *arena, now int64) {
	age := int64(historyAge)
	if a.scarce() {
		age = historyShort
	}
	for h.count > 0 && now-h.ring[h.first].arrival > age {
		h.dropFirst(a)
	}
}

func (h *upHistory) dropFirst(a *arena) {
	a.release(h.ring[h.first].slot)
	h.first = (h.first + 1) % historySize
	h.count--
}

func (h *upHistory) clear(a *arena) {
	for h.count > 0 {
		h.dropFirst(a)
	}
}
