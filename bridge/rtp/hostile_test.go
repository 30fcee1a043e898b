package rtp

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"
	pionrtp "github.com/pion/rtp"

	"parley/bridge/media"
)

// hostile is a room with somebody who has keys and uses them badly, an honest sender and
// somebody who watches both.
type hostile struct {
	*testBench
	evil, honest, viewer *testPeer
	evilVideo, video     *Source
	seq                  uint16
}

func newHostile(t *testing.T) *hostile {
	h := &hostile{testBench: newBench(t)}
	h.shard.cfg.EndpointBitrate, h.shard.cfg.EndpointPackets = DefaultConfig().EndpointBitrate, DefaultConfig().EndpointPackets
	h.evil, h.honest, h.viewer = h.join(), h.join(), h.join()
	h.evilVideo = h.evil.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 666, RTX: 667}}})
	h.video = h.honest.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	for _, to := range []*testPeer{h.viewer, h.evil} {
		to.Forward(Forward{Source: h.video, Target: media.LayerAll})
	}
	h.viewer.Forward(Forward{Source: h.evilVideo, Target: media.LayerAll})
	h.turn()
	h.got(h.honest)
	return h
}

// picture is a packet of the honest sender; the first is a keyframe.
func (h *hostile) picture() {
	h.feed(h.honest, vp8(2000, 100+h.seq, uint32(h.seq)*3000, h.seq, uint8(h.seq), 0, h.seq == 0, true, true))
	h.seq++
}

// served fails unless the viewer gets exactly the honest sender's next pictures.
func (h *hostile) served(what string) {
	h.tb.Helper()
	h.got(h.viewer)
	for range 10 {
		h.picture()
	}
	h.turn()
	packets, _ := h.got(h.viewer)
	n := 0
	for _, p := range packets {
		if p.SSRC == 2000 {
			n++
		}
	}
	if n != 10 {
		h.tb.Errorf("%s: the viewer got %d of 10 pictures", what, n)
	}
}

// spans is how many spans of time have begun since a reading of the shard's clock, which
// the test moves on, but not alone.
func (h *hostile) spans(since, span int64) int { return int((h.shard.clock-since)/span) + 2 }

// TestForgedSSRCs: what one sends under another's SSRC reaches nobody.
func TestForgedSSRCs(t *testing.T) {
	h := newHostile(t)
	h.served("before")
	for i := range uint16(200) {
		h.feed(h.evil, vp8(2000, 110+i, 90000, i, 0, 0, i == 0, true, true))
	}
	bye := marshalRTCP(t, &rtcp.Goodbye{Sources: []uint32{2000, 2001}})
	report := marshalRTCP(t, &rtcp.SenderReport{SSRC: 2000, NTPTime: 1 << 40, RTPTime: 5})
	h.feedRTCP(h.evil, bye)
	h.feedRTCP(h.evil, report)
	for len(h.link.in) > 0 {
		h.turn()
	}
	if packets, out := h.got(h.viewer); len(packets) > 0 || len(out) > 0 {
		t.Errorf("the viewer got %d packets and %d reports that were forged", len(packets), len(out))
	}
	h.served("after")
}

// TestEverySSRCThereIs: sending under all of them leaves no trace but a count.
func TestEverySSRCThereIs(t *testing.T) {
	h := newHostile(t)
	h.served("before")
	dropped := h.shard.stats.now.Stages[StageParse].Dropped
	const many = 65535
	for i := range uint32(many) {
		h.feed(h.evil, vp8(1<<20+i, 1, 3000, 1, 1, 0, true, true, true))
		if len(h.link.in) == receiveBatch {
			h.pass(100 * time.Millisecond)
		}
	}
	h.turn()
	l := &h.evil.leg
	if len(l.streams) != 2 || len(l.opened) > 2 {
		t.Errorf("%d streams, %d states are kept", len(l.streams), len(l.opened))
	}
	if n := h.shard.stats.now.Stages[StageParse].Dropped - dropped; n < many-100 {
		t.Errorf("%d packets were counted", n)
	}
	for i := range uint32(4000) {
		h.feedRTCP(h.evil, marshalRTCP(t, &rtcp.ReceiverReport{SSRC: 1<<20 + i}))
		if len(h.link.in) == receiveBatch {
			h.pass(100 * time.Millisecond)
		}
	}
	if len(l.rtcpSenders) > maxStreams {
		t.Errorf("%d senders of RTCP are remembered", len(l.rtcpSenders))
	}
	h.got(h.viewer)
	h.served("after")
}

// TestTooMuchIsDropped: 200 Mbit/s of valid media are cut down to what one may send, and
// the others do not notice.
func TestTooMuchIsDropped(t *testing.T) {
	h := newHostile(t)
	h.served("before")
	// A second of four times what one may send: 600 packets of 1.2 kB in each of 100 steps.
	since := h.shard.clock
	payload := make([]byte, 1200)
	payload[0], payload[1], payload[2], payload[3] = 0x10, 0x10, 0, 0
	seq, bytes := uint16(0), 0
	for range 100 {
		for range 600 {
			b, _ := (&pionrtp.Packet{Header: pionrtp.Header{Version: 2, PayloadType: 100, SSRC: 666, SequenceNumber: seq, Timestamp: uint32(seq)}, Payload: payload}).Marshal()
			h.feed(h.evil, b)
			bytes += len(b)
			seq++
		}
		for len(h.link.in) > 0 {
			h.turn()
		}
		h.pass(10 * time.Millisecond)
		h.served("meanwhile")
		if t.Failed() {
			return
		}
	}
	h.pass(time.Second)
	st := h.evil.Stats()
	t.Logf("of %d bytes %d were taken, %d packets dropped", bytes, st.BytesReceived, st.Excess)
	span := DefaultConfig().EndpointBitrate / 8 * limitSpan / 1_000_000
	if most := uint64(span * h.spans(since, limitSpan)); st.Excess == 0 || st.BytesReceived > most || st.BytesReceived < uint64(5*span) {
		t.Errorf("%d bytes of at most %d were taken, %d packets dropped", st.BytesReceived, most, st.Excess)
	}
	if h.shard.Stats().Excess != st.Excess {
		t.Error("the shard counts otherwise")
	}
}

// TestRepetitionsAreBounded: asking for the same packets again and again does not make the
// bridge send more than a little.
func TestRepetitionsAreBounded(t *testing.T) {
	h := newHostile(t)
	for range 400 {
		h.picture()
		if len(h.link.in) == receiveBatch {
			h.turn()
		}
	}
	h.turn()
	packets, _ := h.got(h.evil)
	first := packets[0].SequenceNumber
	var pairs []rtcp.NackPair
	for at := uint16(0); at < 400; at += 17 {
		pairs = append(pairs, rtcp.NackPair{PacketID: first + at, LostPackets: 0xFFFF})
	}
	storm := marshalRTCP(t, &rtcp.TransportLayerNack{SenderSSRC: 5, MediaSSRC: 2000, Nacks: pairs})
	sent, since := 0, h.shard.clock
	for range 100 { // a second, a hundred requests in each of its hundredths
		for range 100 {
			h.feedRTCP(h.evil, storm)
			if len(h.link.in) == receiveBatch {
				h.turn()
			}
		}
		h.pass(10 * time.Millisecond)
		again, _ := h.got(h.evil)
		sent += len(again)
	}
	if sent == 0 || sent > h.spans(since, limitSpan)*resendLimit {
		t.Errorf("%d packets were sent again in a second", sent)
	}
	if h.shard.stats.now.Refused == 0 {
		t.Error("nothing of that was counted")
	}
	t.Logf("%d packets were sent again", sent)
	h.served("after")
}

// TestReportsAreBounded: a flood of sender reports is not multiplied to everybody.
func TestReportsAreBounded(t *testing.T) {
	h := newHostile(t)
	h.feed(h.evil, vp8(666, 1, 3000, 1, 1, 0, true, true, true))
	h.turn()
	h.got(h.viewer)
	var many []rtcp.Packet
	for i := range 40 {
		many = append(many, &rtcp.SenderReport{SSRC: 666, NTPTime: uint64(i) << 32, RTPTime: uint32(i)})
	}
	flood := marshalRTCP(t, many...)
	got, since := 0, h.shard.clock
	for range 100 {
		for range 10 {
			h.feedRTCP(h.evil, flood)
		}
		h.pass(10 * time.Millisecond)
		_, out := h.got(h.viewer)
		for _, p := range parseRTCP(t, out) {
			if sr, ok := p.(*rtcp.SenderReport); ok && sr.SSRC == 666 {
				got++
			}
		}
	}
	if got == 0 || got > h.spans(since, reportPause) {
		t.Errorf("of 40000 reports in a second %d were passed on", got)
	}
}

// TestOneBeggarLeavesKeyframesToOthers: who asks all the time does not use up what all may
// ask, and what an estimate changes is bounded too.
func TestOneBeggarLeavesKeyframesToOthers(t *testing.T) {
	h := newHostile(t)
	h.picture()
	h.turn()
	asked := func() (n int) {
		_, out := h.got(h.honest)
		for _, p := range parseRTCP(t, out) {
			if _, ok := p.(*rtcp.PictureLossIndication); ok {
				n++
			}
		}
		return n
	}
	pli := marshalRTCP(t, &rtcp.PictureLossIndication{SenderSSRC: 5, MediaSSRC: 2000})
	total, since := 0, h.shard.clock
	for range 500 { // five seconds
		for range 20 {
			h.feedRTCP(h.evil, pli)
		}
		h.pass(10 * time.Millisecond)
		total += asked()
	}
	if total == 0 || total > (h.spans(since, keyframeWindow)-1)*requesterBudget+1 {
		t.Errorf("one receiver made the sender make %d keyframes", total)
	}
	h.feedRTCP(h.viewer, pli)
	h.pass(10 * time.Millisecond)
	h.pass(300 * time.Millisecond)
	if asked() == 0 {
		t.Error("somebody else can no longer ask")
	}
	for len(h.ev) > 0 {
		<-h.ev
	}
	remb := marshalRTCP(t, &rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 5, Bitrate: 1000, SSRCs: []uint32{2000}})
	since = h.shard.clock
	for range 1000 {
		h.feedRTCP(h.evil, remb)
		if len(h.link.in) == receiveBatch {
			h.turn()
		}
	}
	h.pass(10 * time.Millisecond)
	events := 0
	for len(h.ev) > 0 {
		if e := <-h.ev; e.Kind == EventREMB {
			events++
		}
	}
	if events == 0 || events > h.spans(since, limitSpan)*rembLimit {
		t.Errorf("%d estimates were taken at once", events)
	}
}

// TestNonsenseUnderKeys: what is authentic but no RTP, RTCP or codec of any kind is dropped.
func TestNonsenseUnderKeys(t *testing.T) {
	h := newHostile(t)
	h.served("before")
	for i := range uint32(2000) {
		b := make([]byte, 12+i%200)
		binary.BigEndian.PutUint32(b[8:], 666)
		for at := range b[12:] {
			b[12+at] = byte(i * uint32(at+7) >> 3)
		}
		b[0], b[1] = 0x80|byte(i)&0x30, 100
		binary.BigEndian.PutUint16(b[2:], uint16(i))
		if sealed, err := h.evil.send.EncryptRTP(nil, b, nil); err == nil {
			h.link.in, h.link.from = append(h.link.in, sealed), append(h.link.from, h.evil.peer)
		}
		c := append([]byte{0x80 | byte(i)&0x3F, 200 + byte(i)%8, 0, byte(i) % 50, 0, 0, 0, 1}, b[12:]...)
		for len(c)%4 != 0 {
			c = append(c, 0)
		}
		if sealed, err := h.evil.send.EncryptRTCP(nil, c, nil); err == nil {
			h.link.in, h.link.from = append(h.link.in, sealed), append(h.link.from, h.evil.peer)
		}
		if len(h.link.in) >= receiveBatch {
			h.pass(10 * time.Millisecond)
		}
	}
	for len(h.link.in) > 0 {
		h.pass(10 * time.Millisecond)
	}
	h.got(h.viewer)
	h.served("after")
}

// TestMediaBeforeKeysIsDropped: what comes before the handshake is done is not kept.
func TestMediaBeforeKeysIsDropped(t *testing.T) {
	b := newBench(t)
	to := b.join()
	b.peers++
	early := &testPeer{peer: b.peers, send: testContext(t)}
	early.Endpoint = b.shard.NewEndpoint(early.peer, EndpointOptions{Events: b.ev})
	early.AddPayloadTypes(testTypes...)
	src := early.AddSource(SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: 1000}}})
	to.Forward(Forward{Source: src, Target: media.LayerAll})
	b.turn()
	b.feed(early, opus(1000, 1, 30))
	b.turn()
	early.SetKeys(testContext(t), testContext(t), true)
	b.turn()
	b.feed(early, opus(1000, 2, 30))
	b.turn()
	packets, _ := b.got(to)
	if len(packets) != 1 || packets[0].Payload[4] != 2 {
		t.Errorf("got %v", packets)
	}
}

// TestOrderOfLeaving: whatever the queue gathers for one receiver, numbers for congestion
// control leave in their order, and so do those of each stream.
func TestOrderOfLeaving(t *testing.T) {
	b := newBench(t)
	to := b.join()
	var senders []*testPeer
	for i := range uint32(8) {
		p := b.join()
		video := p.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000 + i}}})
		audio := p.AddSource(SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: 1000 + i}}})
		to.Forward(Forward{Source: video, Target: media.LayerAll})
		to.Forward(Forward{Source: audio, Target: media.LayerAll})
		senders = append(senders, p)
	}
	b.turn()
	wide, last, n := uint16(0), map[uint32]uint16{}, 0
	for seq := range uint16(50) {
		for i, p := range senders {
			for k := range uint16(3) {
				b.feed(p, vp8(2000+uint32(i), 3*seq+k, uint32(seq)*3000, seq, uint8(seq), 0, seq == 0, k == 0, k == 2))
			}
			b.feed(p, opus(1000+uint32(i), seq, 30))
		}
		b.turn()
		packets, _ := b.got(to)
		for _, p := range packets {
			n++
			if x := p.GetExtension(5); x != nil {
				if got := binary.BigEndian.Uint16(x); wide != 0 && got != wide+1 {
					t.Fatalf("number %d for congestion control left after %d", got, wide)
				} else {
					wide = got
				}
			}
			if before, known := last[p.SSRC]; known && p.SequenceNumber != before+1 {
				t.Fatalf("number %d of %d left after %d", p.SequenceNumber, p.SSRC, before)
			}
			last[p.SSRC] = p.SequenceNumber
		}
	}
	if n != 50*8*4 {
		t.Errorf("%d packets left", n)
	}
}

// TestNoSSRCIsCountedTwice: whoever announces an SSRC again in another place, or ours, gets
// no second count of it: under one key it would repeat nonces.
func TestNoSSRCIsCountedTwice(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	announce := func(ssrc, rtx uint32) *outStream {
		src := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: ssrc, RTX: rtx}}})
		to.Forward(Forward{Source: src, Target: media.LayerAll})
		b.turn()
		o := to.leg.outs[ssrc]
		from.removeSource(src)
		return o
	}
	first := announce(5000, 5001)
	if first == nil || first.rtx != 5001 {
		t.Fatalf("the first stream is %+v", first)
	}
	if o := announce(5001, 0); o != nil {
		t.Error("an SSRC of repetitions became that of a stream")
	}
	for i, rtx := range []uint32{5000, 5001, 22} {
		if o := announce(uint32(6000+i), rtx); o == nil || o.rtx != 0 {
			t.Errorf("repetitions by %d are counted again: %+v", rtx, o)
		}
	}
	if o := announce(22, 0); o != nil {
		t.Error("a source has the SSRC of our padding")
	}
	if o := announce(7000, 7000); o == nil || o.rtx != 0 {
		t.Errorf("a stream repeats itself: %+v", o)
	}
	if announce(5000, 5001) != first {
		t.Error("the same SSRC again is another stream")
	}
}
