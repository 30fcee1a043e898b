package rtp

import (
	"slices"

	"parley/bridge/media"
)

// The way of an RTP packet, in the order of the stages. A slot is held by the receive
// loop while its packet is on the way; the repair stage adds a reference for
// retransmissions. Nothing below allocates.

// datagram takes in the i-th datagram of a batch.
func (s *Shard) datagram(i int) {
	e := s.endpoints[s.peers[i]]
	size := s.sizes[i]
	b := s.buffers[i]
	s.stats.now.PacketsReceived++
	s.stats.now.BytesReceived += uint64(size)
	if e == nil || e.leg.receive == nil || size < rtpHeaderSize {
		s.drop(StageParse)
		return
	}
	if s.excess(e, size) {
		return
	}
	if t := b[1]; t >= 192 && t <= 223 {
		s.rtcp(e, b[:size])
		return
	}
	p := &s.packet
	p.slot, p.arrival = s.slots[i], s.clock-s.ages[i]
	s.rtp(e, p, size)
	// If the slot is kept, the next batch needs another one.
	if s.arena.refs[s.slots[i]] > 1 {
		s.arena.release(s.slots[i])
		s.slots[i] = noSlot
	}
}

func (s *Shard) drop(st Stage) { s.stats.now.Stages[st].Dropped++ }
func (s *Shard) in(st Stage)   { s.stats.now.Stages[st].In++ }

// rtp leads a packet through all stages.
func (s *Shard) rtp(e *Endpoint, p *packet, size int) {
	b := s.arena.bytes(p.slot)
	u := s.parse(e, p, b, size)
	if u == nil || !s.decrypt(e, u, p, b) {
		return
	}
	u, skipped := s.repairStage(e, u, p, b)
	if u != nil && s.inOrder(e, u, p, skipped) {
		s.onward(e, u, p, b)
	}
}

// onward leads a packet through the stages after repair.
func (s *Shard) onward(e *Endpoint, u *upStream, p *packet, b []byte) {
	p.late = p.raw < u.passed
	u.passed = max(u.passed, p.raw)
	if s.layersStage(e, u, p, b) {
		s.rewrite(e, u, p, b)
	}
}

// parse reads the header and finds the stream. What no source announced is dropped
// before it costs a decryption or leaves a trace anywhere.
func (s *Shard) parse(e *Endpoint, p *packet, b []byte, size int) *upStream {
	s.in(StageParse)
	if !p.parseHeader(b, slotFirst, slotFirst+size, &e.leg.ids) {
		s.drop(StageParse)
		return nil
	}
	u := e.leg.streams[p.ssrc]
	t := &e.leg.types[p.pt]
	if u == nil || t.Codec == media.CodecUnknown {
		s.drop(StageParse)
		return nil
	}
	p.kind, p.codec = u.source.cfg.Kind, t.Codec
	if u.clockRate == 0 {
		u.clockRate = t.ClockRate
	}
	return u
}

// decrypt opens the packet in place and notes that it arrived.
func (s *Shard) decrypt(e *Endpoint, u *upStream, p *packet, b []byte) bool {
	s.in(StageDecrypt)
	if !u.opened {
		if _, known := e.leg.opened[u.ssrc]; !known && len(e.leg.opened) >= e.maxStreams() {
			s.drop(StageDecrypt)
			return false
		}
	}
	sealed := b[p.start:p.end]
	plain, err := e.leg.receive.DecryptRTP(b[p.start:p.start:slotSize], sealed, &s.header)
	if err != nil {
		s.drop(StageDecrypt)
		return false
	}
	p.end = p.start + len(plain)
	l := &e.leg
	if !u.opened {
		u.opened = true
		l.opened[u.ssrc] = struct{}{}
	}
	l.stats.PacketsReceived++
	l.stats.BytesReceived += uint64(len(sealed))
	l.up.add(len(sealed))
	l.lastPacket = p.arrival
	if p.transport.size == 2 {
		if by := l.twcc.arrived(uint16(b[p.transport.at])<<8|uint16(b[p.transport.at+1]), p.arrival, p.marker); by > 0 {
			l.disorder.late(by)
		}
		l.twcc.media = p.ssrc
	}
	if _, ok := p.stripPadding(b); !ok || p.payload > p.end {
		s.drop(StageDecrypt)
		return false
	}
	return true
}

// repairStage undoes retransmission, drops what was there before, and notes what is
// missing. It returns the media stream and how many numbers were skipped before the packet.
func (s *Shard) repairStage(e *Endpoint, u *upStream, p *packet, b []byte) (*upStream, int) {
	s.in(StageRepair)
	if u.repairs != nil {
		if u = s.unwrapRepair(e, u, p, b); u == nil {
			s.drop(StageRepair)
			return nil, 0
		}
	} else if p.codec == media.RTX {
		s.drop(StageRepair)
		return nil, 0
	}
	ext, fresh, skipped := u.note(p.seq, s.arena)
	if !fresh {
		s.drop(StageRepair)
		return nil, 0
	}
	p.ext, p.raw, p.encoding = ext, ext, u.encoding
	u.received++
	u.source.up.flow(p.arrival)
	u.lastArrival, u.lastFlow, u.pt = p.arrival, u.source.up.flowing, p.pt
	if !p.repaired {
		u.measureJitter(p)
	}
	if p.kind == media.Video && e.leg.types[p.pt].NACK {
		s.noteMissing(e, u, p, skipped)
	}
	return u, skipped
}

// noteMissing keeps the list of what is missing of a stream.
func (s *Shard) noteMissing(e *Endpoint, u *upStream, p *packet, skipped int) {
	switch {
	case skipped > 0:
		s.exact = true
		if !u.missing.add(p.ext, skipped, s.clock) {
			s.giveUp(u)
		}
	case p.ext != u.highest:
		it, missed := u.missing.found(p.ext)
		// Those who tell by transport-wide numbers are measured by them.
		if missed && it.times == 0 && !p.repaired && !e.leg.twcc.started {
			e.leg.disorder.late(s.clock - it.since)
		}
	}
}

// unwrapRepair turns a retransmission back into the packet it repeats (RFC 4588).
func (s *Shard) unwrapRepair(e *Endpoint, u *upStream, p *packet, b []byte) *upStream {
	if p.codec != media.RTX || p.end-p.payload < 2 {
		// Probing with padding; it has done its work for congestion control.
		return nil
	}
	t := &e.leg.types[e.leg.types[p.pt].Apt&0x7F]
	if t.Codec == media.CodecUnknown || t.Codec == media.RTX {
		return nil
	}
	p.seq = uint16(b[p.payload])<<8 | uint16(b[p.payload+1])
	p.payload += 2
	p.pt, p.codec, p.ssrc, p.repaired = t.Number, t.Codec, u.repairs.ssrc, true
	e.leg.stats.RetransmissionsReceived++
	return u.repairs
}

// layersStage looks at what the packet is: how loud, of which layer, a keyframe. It
// says whether the packet is worth forwarding.
func (s *Shard) layersStage(e *Endpoint, u *upStream, p *packet, b []byte) bool {
	s.in(StageLayers)
	src := u.source
	if !src.up.first {
		src.up.first = true
		s.event(e, Event{Kind: EventFirstPacket, Source: src})
	}
	if e.leg.muted[p.kind] {
		s.drop(StageLayers)
		return false
	}
	if p.kind == media.Audio {
		return s.audio(e, u, p, b)
	}
	if p.payload == p.end {
		for _, d := range src.up.downs {
			if d.encoding == p.encoding {
				d.seq.drop(p.ext)
			}
		}
		return false
	}
	u.inspect(p, b)
	u.measureLayer(p)
	if p.facts.KeyframeStart {
		src.up.keyframe[u.encoding].pending = false
		u.missing.forget(p.raw) // nobody needs what was before
		s.event(e, Event{Kind: EventKeyframe, Source: src, Layer: media.LayerOf(u.encoding, 0, 0)})
	}
	return true
}

// audio reads the level and leaves out long silence, and who is not among the loudest.
func (s *Shard) audio(e *Endpoint, u *upStream, p *packet, b []byte) bool {
	level, known := byte(127), p.level.size > 0
	soft := false
	if known {
		level = b[p.level.at] & 0x7F
		soft = s.tooSoft(e, u.source, 127-level)
		u.source.levels.write(127-level, soft)
	}
	if !u.quiet.set {
		u.quiet.restart(p.ext-seenWindow, p.ext-seenWindow)
	}
	if u.silence(level, known) || soft {
		u.quiet.drop(p.ext)
		s.drop(StageLayers)
		return false
	}
	var ok bool
	p.ext, ok = u.quiet.apply(p.ext)
	return ok && p.payload < p.end
}

// tooSoft says whether a packet of audio is left out because others are louder.
func (s *Shard) tooSoft(e *Endpoint, src *Source, loudness uint8) bool {
	if e.leg.loudest == nil || e.leg.loudest.admits(src, loudness, s.clock) || src.up.always {
		return false
	}
	s.stats.now.Tossed[loudness/energyBucket]++
	return true
}

// rewrite lays the header out for everybody and lets each receiver decide.
func (s *Shard) rewrite(e *Endpoint, u *upStream, p *packet, b []byte) {
	s.in(StageRewrite)
	downs := u.source.up.downs
	switch {
	case len(downs) == 0:
		s.drop(StageRewrite)
		return
	case p.codec == media.RED:
		s.rewriteRED(e, u, p, b)
		return
	case !s.layOut(e, u, p, b):
		s.drop(StageRewrite)
		return
	}
	if p.kind == media.Video {
		u.history.keep(s.arena, p.slot, p.arrival)
	}
	repeat := false
	for _, d := range downs {
		if p.codec == media.Opus && d.receiver.leg.wantsRED(p.pt) {
			repeat = true
			continue
		}
		s.serve(d, p, b)
	}
	if repeat {
		s.repeat(u, p, b)
	}
	if p.maskBits > 0 {
		u.source.up.maskDue = slices.ContainsFunc(downs, (*downStream).untold)
	}
}

// layOut writes the header in the layout all receivers share. Which decode targets are
// active is told with every structure, and when it has changed for a receiver.
func (s *Shard) layOut(e *Endpoint, u *upStream, p *packet, b []byte) bool {
	f := &p.facts
	p.tells = f.Mask.Bits > 0 && (f.Structured || f.Mask.There || f.FrameStart && u.source.up.maskDue)
	return p.normalise(b, &e.leg.extensions)
}

// untold says that the receiver believes other decode targets to be active than are.
func (d *downStream) untold() bool { return d.only == projected && d.mask != d.told }

// serve is forward, of which rescue knows whom it is for.
func (s *Shard) serve(d *downStream, p *packet, b []byte) {
	s.serving = d
	s.forward(d, p, b)
	s.serving = nil
}

// forward sends a packet to one receiver if it is for it.
func (s *Shard) forward(d *downStream, p *packet, b []byte) {
	r := d.receiver
	if r.leg.send == nil {
		return
	}
	if r.leg.types[p.pt].Codec != p.codec {
		if d.encoding == p.encoding {
			d.seq.drop(p.ext)
		}
		return
	}
	v := d.decide(p)
	if v.shown {
		s.event(r, Event{Kind: EventShown, Source: d.source, Layer: media.LayerOf(p.encoding, 0, 0)})
	}
	if !v.send {
		return
	}
	patch(b, p, &v, d.out.ssrc)
	if !s.send(r, b, p, false) {
		return
	}
	if p.kind == media.Video {
		d.out.remember(s.arena, p, &v)
	}
	d.out.sent(p, &v)
	if p.maskBits > 0 {
		d.told = v.mask
	}
}

// send stamps the packet for congestion control and encrypts it into the send queue: the
// encryption is the copy.
func (s *Shard) send(r *Endpoint, b []byte, p *packet, probe bool) bool {
	s.in(StageSend)
	room := s.room()
	class := classOther
	if p.congestion != 0 {
		s.stamp(r, b, p, probe)
		class = classStamped
	}
	sealed, err := r.leg.send.EncryptRTP(room, b[p.start:p.end], &s.header)
	if err != nil {
		s.drop(StageSend)
		return false
	}
	s.enqueue(r, sealed, class)
	r.leg.stats.PacketsSent++
	return true
}

// stamp writes the transport-wide sequence number, or the send time for receivers that
// only know that, into the place the layout keeps for it.
func (s *Shard) stamp(r *Endpoint, b []byte, p *packet, probe bool) {
	x := b[p.congestion : p.congestion+4]
	ids := &r.leg.extensions
	switch {
	case ids.transport != 0 && p.twoByte:
		seq := r.leg.history.next(s.clock, p.end-p.start, probe)
		x[0], x[1], x[2], x[3] = ids.transport, 2, byte(seq>>8), byte(seq)
	case ids.transport != 0 && ids.transport < 15:
		seq := r.leg.history.next(s.clock, p.end-p.start, probe)
		x[0], x[1], x[2], x[3] = ids.transport<<4|1, byte(seq>>8), byte(seq), 0
	case ids.absSendTime != 0 && ids.absSendTime < 15 && !p.twoByte:
		// Seconds with 18 bits behind the point, 24 bits in all.
		t := uint32((s.clock << 12 / 15625) & 0xFFFFFF)
		x[0], x[1], x[2], x[3] = ids.absSendTime<<4|2, byte(t>>16), byte(t>>8), byte(t)
	default:
		clear(x)
	}
}
