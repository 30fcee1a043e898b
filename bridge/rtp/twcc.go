package rtp

import (
	"encoding/binary"
	"time"
)

// Transport-wide congestion control
// (draft-holmer-rmcat-transport-wide-cc-extensions-01), both directions.

const (
	// feedbackInterval is the time in microseconds after which feedback is sent in any
	// case, feedbackMin after which it is sent at the end of a frame.
	feedbackInterval = 100_000
	feedbackMin      = 20_000
	// feedbackMax bounds the packets one feedback message speaks of, so that it fits into
	// one datagram; the rest goes into the next one.
	feedbackMax = 400
	// arrivalWindow is how many sequence numbers of arrivals are kept.
	arrivalWindow = 2048

	tickMicros      = 250
	referenceMicros = 64_000
)

// twccReceiver collects when the packets of a sender arrived.
type twccReceiver struct {
	started       bool
	base, highest int64
	pending       int
	marker        bool
	last          int64
	count         uint8
	// media is the SSRC of any packet of the sender, as the message names one.
	media uint32
	// window is made with the first packet: most who are in a meeting only listen.
	*window
}

// window holds when the last packets arrived, by their extended numbers; for one that others
// overtook, under its negative number, when that was noticed.
type window struct {
	exts  [arrivalWindow]int64
	times [arrivalWindow]int64
}

// arrived takes in a packet and returns how long ago it was overtaken, 0 if it was not.
func (t *twccReceiver) arrived(seq uint16, now int64, marker bool) (late int64) {
	if !t.started {
		t.started = true
		t.window = new(window)
		t.base = int64(seq) + 1<<16
		t.highest = t.base - 1
		t.last = now
	}
	ext := unwrap(t.highest, uint32(seq), 16)
	if ext > t.highest+arrivalWindow/2 {
		// A new beginning; what lies between was never sent.
		t.base, t.highest = ext, ext-1
	}
	i := ext % arrivalWindow
	if t.exts[i] == ext || ext <= t.highest-arrivalWindow {
		return 0
	}
	if t.exts[i] == -ext {
		late = max(1, now-t.times[i])
	}
	for n := t.highest + 1; n < ext; n++ {
		t.exts[n%arrivalWindow], t.times[n%arrivalWindow] = -n, now
	}
	t.exts[i], t.times[i] = ext, now
	t.highest = max(t.highest, ext)
	// A late packet was reported as lost: begin there once more.
	t.base = min(t.base, ext)
	t.pending++
	t.marker = t.marker || marker
	return late
}

// told is the last number that can be told of: a packet is not called lost while it may only
// be late. Clients slow down for what is called lost, also if it turns up in the next message.
func (t *twccReceiver) told(now int64, late disorder) int64 {
	for n := t.base; late > 0 && n <= t.highest; n++ {
		if i := n % arrivalWindow; t.exts[i] == -n && now-t.times[i] < int64(late) {
			return n - 1
		}
	}
	return t.highest
}

func (t *twccReceiver) due(now int64) bool {
	return t.pending > 0 && (now-t.last >= feedbackInterval || t.marker && now-t.last >= feedbackMin)
}

// sendFeedback tells a sender when its packets arrived.
func (s *Shard) sendFeedback(e *Endpoint) {
	t := &e.leg.twcc
	until := t.told(s.clock, e.leg.disorder)
	t.marker, t.last = false, s.clock
	t.pending = int(t.highest - until)
	for t.base <= until {
		own := e.opts.VideoFeedbackSSRC
		b := appendEmptyRR(s.rtcpOut[:0], own)
		b = appendSDES(b, own)
		b, ok := t.appendFeedback(b, own, until)
		if !ok {
			return
		}
		s.sendRTCP(e, b)
	}
}

// Symbols of packet status chunks.
const (
	notReceived = 0
	smallDelta  = 1
	largeDelta  = 2
)

// appendFeedback writes one message about packets up to a number and moves base behind what
// it covers.
func (t *twccReceiver) appendFeedback(b []byte, sender uint32, until int64) ([]byte, bool) {
	heard := t.base
	for heard <= until && t.exts[heard%arrivalWindow] != heard {
		heard++
	}
	if heard > until {
		return b, false
	}
	// No message is all losses: those before its reach go unreported.
	t.base = max(t.base, heard-feedbackMax/2)
	reference := t.times[heard%arrivalWindow] / referenceMicros
	var symbols [feedbackMax]byte
	var deltas [feedbackMax]int16
	n, received := 0, 0
	before := reference * referenceMicros
	for ext := t.base; ext <= until && n < feedbackMax; ext++ {
		i := ext % arrivalWindow
		if t.exts[i] != ext {
			symbols[n] = notReceived
			n++
			continue
		}
		ticks := (t.times[i] - before) / tickMicros
		if t.times[i] < before {
			ticks = -((before - t.times[i]) / tickMicros)
		}
		if ticks > 1<<15-1 || ticks < -1<<15 {
			break
		}
		before += ticks * tickMicros
		symbols[n] = smallDelta
		if ticks < 0 || ticks > 255 {
			symbols[n] = largeDelta
		}
		deltas[received] = int16(ticks)
		received++
		n++
	}
	first := uint16(t.base)
	t.base += int64(n)

	at := len(b)
	b = appendRTCPHeader(b, fbTWCC, rtcpRTPFB)
	b = binary.BigEndian.AppendUint32(b, sender)
	b = binary.BigEndian.AppendUint32(b, t.media)
	b = binary.BigEndian.AppendUint16(b, first)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = append(b, byte(reference>>16), byte(reference>>8), byte(reference), t.count)
	t.count++
	b = appendChunks(b, symbols[:n])
	r := 0
	for _, sym := range symbols[:n] {
		switch sym {
		case smallDelta:
			b = append(b, byte(deltas[r]))
			r++
		case largeDelta:
			b = binary.BigEndian.AppendUint16(b, uint16(deltas[r]))
			r++
		}
	}
	return endTWCC(b, at), true
}

// endTWCC pads with RTCP padding, because zeros would look like more deltas.
func endTWCC(b []byte, at int) []byte {
	if pad := (4 - (len(b)-at)%4) % 4; pad > 0 {
		for range pad - 1 {
			b = append(b, 0)
		}
		b = append(b, byte(pad))
		b[at] |= 0x20
	}
	binary.BigEndian.PutUint16(b[at+2:], uint16((len(b)-at)/4-1))
	return b
}

// appendChunks encodes symbols as runs where they are long and as vectors of seven
// two-bit symbols elsewhere.
func appendChunks(b []byte, symbols []byte) []byte {
	for len(symbols) > 0 {
		run := 1
		for run < len(symbols) && symbols[run] == symbols[0] {
			run++
		}
		if run >= 7 || run == len(symbols) {
			b = binary.BigEndian.AppendUint16(b, uint16(symbols[0])<<13|uint16(run))
			symbols = symbols[run:]
			continue
		}
		chunk := uint16(0xC000)
		n := min(7, len(symbols))
		for i := range n {
			chunk |= uint16(symbols[i]) << (12 - 2*i)
		}
		b = binary.BigEndian.AppendUint16(b, chunk)
		symbols = symbols[n:]
	}
	return b
}

// sentWindow is how many packets sent to a receiver are remembered for its feedback.
const sentWindow = 4096

// twccSender numbers what goes to a receiver and remembers when it went.
type twccSender struct {
	seq       uint16
	reference int64
	ring      []sentRecord
	// unmatched counts reports about packets we do not remember.
	unmatched uint64
}

type sentRecord struct {
	at   int64
	size uint16
	seq  uint16
	// open: sent and not yet reported as received; lost: reported as lost.
	open, lost, probe bool
}

func (h *twccSender) next(now int64, size int, probe bool) uint16 {
	if h.ring == nil {
		h.ring = make([]sentRecord, sentWindow)
	}
	h.seq++
	h.ring[h.seq%sentWindow] = sentRecord{at: now, size: uint16(size), seq: h.seq, open: true, probe: probe}
	return h.seq
}

// feedback hands what a receiver tells about arrivals to the estimator.
func (s *Shard) feedback(e *Endpoint, body []byte) {
	h := &e.leg.history
	var results []PacketResult
	ok := parseFeedback(body, &h.reference, func(seq uint16, arrived int64, received bool) {
		if h.ring == nil {
			return
		}
		r := &h.ring[seq%sentWindow]
		if r.seq != seq || !r.open {
			if received {
				h.unmatched++
			}
			return
		}
		at := time.Duration(-1)
		switch {
		case received:
			r.open = false
			at = time.Duration(arrived) * time.Microsecond
		case r.lost:
			return
		default:
			r.lost = true
		}
		if results == nil {
			results = make([]PacketResult, 0, 64)
		}
		results = append(results, PacketResult{Sent: s.at(r.at), Arrived: at, Size: int(r.size), Probe: r.probe, Late: received && r.lost})
	})
	if ok && len(results) > 0 {
		s.event(e, Event{Kind: EventFeedback, Packets: results})
	}
}

// parseFeedback walks a feedback message: first all chunks are checked, then each packet
// is reported in order. reference is the last reference time, extended, and is updated.
func parseFeedback(b []byte, reference *int64, report func(seq uint16, arrived int64, received bool)) bool {
	if len(b) < 16 {
		return false
	}
	first, count := binary.BigEndian.Uint16(b[8:]), int(binary.BigEndian.Uint16(b[10:]))
	ref := uint32(b[12])<<16 | uint32(b[13])<<8 | uint32(b[14])
	b = b[16:]
	if count == 0 || count > sentWindow {
		return false
	}
	chunks, size := b, 0
	for n := 0; n < count; size += 2 {
		if size+2 > len(b) {
			return false
		}
		n += chunkLength(binary.BigEndian.Uint16(b[size:]))
	}
	chunks, deltas := b[:size], b[size:]
	*reference = unwrap(*reference, ref, 24)
	at := *reference * referenceMicros
	for n := 0; n < count; chunks = chunks[2:] {
		chunk := binary.BigEndian.Uint16(chunks)
		for i := 0; i < chunkLength(chunk) && n < count; i++ {
			seq := first + uint16(n)
			n++
			switch chunkSymbol(chunk, i) {
			case smallDelta:
				if len(deltas) < 1 {
					return false
				}
				at += int64(deltas[0]) * tickMicros
				deltas = deltas[1:]
				report(seq, at, true)
			case largeDelta:
				if len(deltas) < 2 {
					return false
				}
				at += int64(int16(binary.BigEndian.Uint16(deltas))) * tickMicros
				deltas = deltas[2:]
				report(seq, at, true)
			default:
				report(seq, 0, false)
			}
		}
	}
	return true
}

func chunkLength(chunk uint16) int {
	switch {
	case chunk&0x8000 == 0:
		// A run of no length would never end the walk.
		return max(1, int(chunk&0x1FFF))
	case chunk&0x4000 == 0:
		return 14
	default:
		return 7
	}
}

func chunkSymbol(chunk uint16, i int) byte {
	switch {
	case chunk&0x8000 == 0:
		return byte(chunk >> 13 & 3)
	case chunk&0x4000 == 0:
		return byte(chunk >> (13 - i) & 1)
	default:
		return byte(chunk >> (12 - 2*i) & 3)
	}
}
