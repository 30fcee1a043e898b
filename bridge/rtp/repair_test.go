package rtp

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtcp"
	pionrtp "github.com/pion/rtp"

	"parley/bridge/media"
)

// pass lets time go by for the shard.
func (t *testBench) pass(d time.Duration) {
	t.shard.epoch = t.shard.epoch.Add(-d)
	t.turn()
}

// parseRTCP reads compounds with a parser that is not ours.
func parseRTCP(tb testing.TB, compounds [][]byte) (all []rtcp.Packet) {
	tb.Helper()
	for _, c := range compounds {
		packets, err := rtcp.Unmarshal(c)
		if err != nil {
			tb.Fatalf("%v in %x", err, c)
		}
		all = append(all, packets...)
	}
	return all
}

func marshalRTCP(tb testing.TB, packets ...rtcp.Packet) []byte {
	tb.Helper()
	b, err := rtcp.Marshal(packets)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// lossySender answers the bridge's requests from what it has sent.
type lossySender struct {
	b       *testBench
	p       *testPeer
	random  *rand.Rand
	loss    float64
	history map[uint16][]byte
	// lost are the numbers that did not arrive at first.
	lost   map[uint16]bool
	rtxSeq uint16
	resent int
}

func (s *lossySender) transmit(plain []byte) {
	sealed, err := s.p.send.EncryptRTP(nil, plain, nil)
	if err != nil {
		s.b.tb.Fatal(err)
	}
	if s.random.Float64() < s.loss {
		if s.lost != nil {
			s.lost[binary.BigEndian.Uint16(plain[2:])] = true
		}
	} else {
		s.b.link.in, s.b.link.from = append(s.b.link.in, sealed), append(s.b.link.from, s.p.peer)
	}
}

func (s *lossySender) answer(packets []rtcp.Packet) {
	for _, p := range packets {
		n, ok := p.(*rtcp.TransportLayerNack)
		if !ok {
			continue
		}
		for _, pair := range n.Nacks {
			for _, seq := range pair.PacketList() {
				if s.lost != nil && !s.lost[seq] {
					s.b.tb.Errorf("packet %d arrived, and the sender was asked for it again", seq)
				}
				if plain := s.history[seq]; plain != nil {
					s.transmit(s.rtx(seq, plain))
					s.resent++
				}
			}
		}
	}
}

func (s *lossySender) rtx(seq uint16, plain []byte) []byte {
	var p pionrtp.Packet
	if err := p.Unmarshal(plain); err != nil {
		s.b.tb.Fatal(err)
	}
	p.PayloadType, p.SSRC, p.SequenceNumber = 96, 2001, s.rtxSeq
	s.rtxSeq++
	p.Payload = append(binary.BigEndian.AppendUint16(nil, seq), p.Payload...)
	b, err := p.Marshal()
	if err != nil {
		s.b.tb.Fatal(err)
	}
	return b
}

func TestLossIsRepairedOnBothSides(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	to.Forward(Forward{Source: video, Target: media.LayerAll})
	b.turn()
	random := rand.New(rand.NewPCG(1, 2))
	sender := &lossySender{b: b, p: from, random: random, history: map[uint16][]byte{}, lost: map[uint16]bool{}}
	received := map[uint16]int{}
	var first, last uint16
	viaRTX := 0
	take := func(loss float64) (lost []uint16) {
		packets, _ := b.got(to)
		for _, p := range packets {
			if random.Float64() < loss {
				continue
			}
			seq := p.SequenceNumber
			if p.PayloadType == 96 {
				viaRTX++
				seq = binary.BigEndian.Uint16(p.Payload)
			}
			if len(received) == 0 {
				first, last = seq, seq
			}
			received[seq]++
			if int16(seq-last) > 0 {
				last = seq
			}
		}
		for seq := first; seq != last; seq++ {
			if received[seq] == 0 {
				lost = append(lost, seq)
			}
		}
		return lost
	}
	pass := func(d time.Duration, ask bool) {
		b.pass(d)
		lost := take(sender.loss)
		_, feedback := b.got(from)
		sender.answer(parseRTCP(t, feedback))
		if ask && len(lost) > 0 {
			b.feedRTCP(to, marshalRTCP(t, &rtcp.ReceiverReport{SSRC: 5}, &rtcp.TransportLayerNack{
				SenderSSRC: 5, MediaSSRC: 2000, Nacks: rtcp.NackPairsFromSequenceNumbers(lost),
			}))
		}
	}
	// The first keyframe arrives, and the end: nobody can notice that a tail is missing.
	const packets = 3000
	for i := range packets {
		seq := uint16(65000 + i)
		plain := vp8(2000, seq, uint32(i/3)*3000, uint16(i/3), uint8(i/3), 0, i < 3, i%3 == 0, i%3 == 2)
		sender.history[seq] = plain
		if sender.loss = 0.05; i < 3 || i >= packets-3 {
			sender.loss = 0
		}
		sender.transmit(plain)
		pass(3*time.Millisecond, i%10 == 9)
	}
	sender.loss = 0
	for range 40 {
		pass(50*time.Millisecond, true)
	}
	if lost := take(0); len(lost) > 0 || len(received) != packets {
		t.Errorf("%d packets arrived of %d, %d still missing", len(received), packets, len(lost))
	}
	if sender.resent < 100 || viaRTX < 100 {
		t.Errorf("repaired %d up and %d down, loss was not simulated", sender.resent, viaRTX)
	}
	if st := from.leg.stats; st.RetransmissionsReceived < 100 {
		t.Errorf("stats are %+v", st)
	}
}

func TestFeedbackRoundTrip(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	random := rand.New(rand.NewPCG(3, 4))
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	to.Forward(Forward{Source: video, Target: media.LayerAll})
	b.turn()
	reported, lost := map[uint16]bool{}, map[uint16]bool{}
	sent := 0
	for i := range 2000 {
		seq := uint16(65000 + i)
		plain := vp8(2000, seq, uint32(i)*3000, uint16(i), uint8(i), 0, i == 0, true, true)
		if random.Float64() < 0.1 && i > 0 {
			lost[seq] = true
		} else {
			b.feed(from, plain)
			sent++
		}
		b.pass(time.Duration(random.IntN(20000)) * time.Microsecond)
		_, feedback := b.got(from)
		for _, p := range parseRTCP(t, feedback) {
			f, ok := p.(*rtcp.TransportLayerCC)
			if !ok {
				continue
			}
			b.feedRTCP(to, marshalRTCP(t, f)) // as if the receiver had said it; checked below
			n := uint16(0)
			for _, c := range f.PacketChunks {
				for _, symbol := range symbolsOf(c) {
					if n == f.PacketStatusCount {
						break
					}
					if symbol != 0 {
						reported[f.BaseSequenceNumber+n] = true
					}
					n++
				}
			}
		}
	}
	if len(reported) < sent-20 {
		t.Errorf("%d packets were reported of %d that arrived", len(reported), sent)
	}
	for seq := range lost {
		if reported[seq] {
			t.Errorf("%d was lost and is reported as received", seq)
		}
	}
}

func symbolsOf(c rtcp.PacketStatusChunk) (symbols []uint16) {
	switch c := c.(type) {
	case *rtcp.RunLengthChunk:
		for range c.RunLength {
			symbols = append(symbols, c.PacketStatusSymbol)
		}
	case *rtcp.StatusVectorChunk:
		symbols = c.SymbolList
	}
	return symbols
}

func TestReceiverFeedbackBecomesAnEvent(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	to.Forward(Forward{Source: video, Target: media.LayerAll})
	b.turn()
	for i := range 10 {
		b.feed(from, vp8(2000, uint16(i), uint32(i)*3000, uint16(i), uint8(i), 0, i == 0, true, true))
		b.pass(10 * time.Millisecond)
	}
	var client twccReceiver
	packets, _ := b.got(to)
	for i, p := range packets {
		if i != 4 {
			client.arrived(binary.BigEndian.Uint16(p.GetExtension(5)), int64(1_000_000+i*10_250), true)
		}
	}
	compound, _ := client.appendFeedback(appendEmptyRR(nil, 5), 5, client.highest)
	b.feedRTCP(to, compound)
	b.turn()
	b.pass(tick)
	ev := waitEvent(t, b, EventFeedback)
	if ev.Endpoint != to.Endpoint || len(ev.Packets) != 10 {
		t.Fatalf("event is %+v", ev)
	}
	for i, r := range ev.Packets {
		if (r.Arrived < 0) != (i == 4) || r.Size < 1000 {
			t.Errorf("packet %d: %+v", i, r)
		}
	}
	if d := ev.Packets[9].Arrived - ev.Packets[0].Arrived; d != 9*10_250*time.Microsecond {
		t.Errorf("arrivals spread over %v", d)
	}
}

func waitEvent(t *testing.T, b *testBench, kind EventKind) Event {
	t.Helper()
	for {
		select {
		case ev := <-b.ev:
			if ev.Kind == kind {
				return ev
			}
		default:
			t.Fatalf("no event of kind %d", kind)
		}
	}
}

func TestReports(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	to.Forward(Forward{Source: video, Target: media.LayerAll})
	b.turn()
	for i := range 20 {
		if i != 7 {
			b.feed(from, vp8(2000, uint16(i), 5000, uint16(i), uint8(i), 0, i == 0, true, true))
		}
	}
	b.turn()
	b.pass(heldMax * time.Microsecond) // nobody waits for the missing one any more
	const ntp = 0x1234567890ABCDEF
	b.feedRTCP(from, marshalRTCP(t, &rtcp.SenderReport{SSRC: 2000, NTPTime: ntp, RTPTime: 7000, PacketCount: 99, OctetCount: 99}))
	b.turn()
	_, out := b.got(to)
	found := false
	for _, p := range parseRTCP(t, out) {
		if sr, ok := p.(*rtcp.SenderReport); ok {
			found = true
			if sr.SSRC != 2000 || sr.NTPTime != ntp || sr.RTPTime != 7000 || sr.PacketCount != 19 || len(sr.Reports) != 0 {
				t.Errorf("sender report is %+v", sr)
			}
		}
	}
	if !found {
		t.Error("no sender report was forwarded")
	}
	b.pass(100 * time.Millisecond)
	b.feedRTCP(to, marshalRTCP(t, &rtcp.ReceiverReport{SSRC: 5, Reports: []rtcp.ReceptionReport{{
		SSRC: 2000, LastSequenceNumber: 100, TotalLost: 7, LastSenderReport: ntp >> 16 & 0xFFFFFFFF, Delay: 65536 / 50,
	}}}))
	b.turn()
	b.pass(time.Second)
	b.feedRTCP(to, marshalRTCP(t, &rtcp.ReceiverReport{SSRC: 5, Reports: []rtcp.ReceptionReport{{
		SSRC: 2000, LastSequenceNumber: 120, TotalLost: 12,
	}}}))
	b.turn()
	b.pass(tick)
	ev := waitEvent(t, b, EventReport)
	if ev.Loss != 0.25 || ev.RTT < 75*time.Millisecond || ev.RTT > 95*time.Millisecond {
		t.Errorf("report event: loss %v, rtt %v", ev.Loss, ev.RTT)
	}
	b.pass(time.Second)
	_, up := b.got(from)
	var rr *rtcp.ReceiverReport
	for _, p := range parseRTCP(t, up) {
		if r, ok := p.(*rtcp.ReceiverReport); ok && len(r.Reports) > 0 && rr == nil {
			rr = r
		}
	}
	if rr == nil || rr.SSRC != 22 || rr.Reports[0].TotalLost != 1 || rr.Reports[0].LastSequenceNumber != 19 ||
		rr.Reports[0].LastSenderReport != ntp>>16&0xFFFFFFFF || rr.Reports[0].FractionLost != 256/20 {
		t.Errorf("receiver report is %+v", rr)
	}
}

func TestKeyframeRequestsAreRoutedAndLimited(t *testing.T) {
	b := newBench(t)
	from := b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	var viewers []*testPeer
	for range 100 {
		v := b.join()
		v.Forward(Forward{Source: video, Target: media.LayerAll})
		viewers = append(viewers, v)
	}
	b.turn()
	plis := func() (n int) {
		_, out := b.got(from)
		for _, p := range parseRTCP(t, out) {
			if pli, ok := p.(*rtcp.PictureLossIndication); ok && pli.MediaSSRC == 2000 {
				n++
			}
		}
		return n
	}
	if n := plis(); n != 1 {
		t.Errorf("%d requests at the start, want 1", n)
	}
	b.feed(from, vp8(2000, 1, 3000, 1, 1, 0, true, true, true))
	b.turn()
	total := 0
	for range 100 { // one second
		for _, v := range viewers {
			b.feedRTCP(v, marshalRTCP(t, &rtcp.PictureLossIndication{SenderSSRC: 5, MediaSSRC: 2000}))
		}
		b.pass(10 * time.Millisecond)
		total += plis()
	}
	if total < 2 || total > 5 {
		t.Errorf("%d requests in a storm of one second, want 2 to 5", total)
	}
}

func TestWaitingReceiverAsksAgain(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	to.Forward(Forward{Source: video, Target: media.LayerAll})
	n := 0
	for range 100 {
		b.pass(10 * time.Millisecond)
		_, out := b.got(from)
		for _, p := range parseRTCP(t, out) {
			if _, ok := p.(*rtcp.PictureLossIndication); ok {
				n++
			}
		}
	}
	if n < 3 || n > 5 {
		t.Errorf("%d requests in a second of waiting", n)
	}
}

func TestSendersWithoutFeedbackGetREMB(t *testing.T) {
	b := newBench(t)
	from := b.join()
	types := append([]media.PayloadType(nil), testTypes...)
	types[1].TransportCC, types[1].REMB = false, true
	from.AddPayloadTypes(types...)
	from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	b.turn()
	b.feed(from, vp8(2000, 1, 3000, 1, 1, 0, true, true, true))
	b.pass(time.Second)
	_, out := b.got(from)
	for _, p := range parseRTCP(t, out) {
		if r, ok := p.(*rtcp.ReceiverEstimatedMaximumBitrate); ok {
			if r.Bitrate < 2_000_000 || len(r.SSRCs) != 1 || r.SSRCs[0] != 2000 {
				t.Errorf("estimate is %v", r)
			}
			return
		}
	}
	t.Error("no estimate was sent")
}

func TestProbing(t *testing.T) {
	b := newBench(t)
	to := b.join()
	to.Probe(500_000, time.Second)
	bytes := 0
	for range 200 {
		b.pass(10 * time.Millisecond)
		packets, _ := b.got(to)
		for _, p := range packets {
			bytes += p.MarshalSize()
			if p.SSRC != 22 || p.GetExtension(5) == nil || len(p.Payload) != 0 {
				t.Fatalf("padding is %v", p)
			}
		}
	}
	if bytes < 45_000 || bytes > 80_000 {
		t.Errorf("%d bytes of padding in a second, want about 62500", bytes)
	}
}
