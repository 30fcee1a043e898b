package rtp

import (
	"encoding/binary"
	"testing"

	"parley/bridge/media"
)

// joinRelay makes a peer that is another bridge: it knows no congestion control.
func (t *testBench) joinRelay() *testPeer {
	t.peers++
	p := &testPeer{peer: t.peers, send: testContext(t.tb), receive: testContext(t.tb)}
	p.Endpoint = t.shard.NewEndpoint(p.peer, EndpointOptions{Events: t.ev, VideoFeedbackSSRC: 33, Relay: true})
	p.AddPayloadTypes(testTypes...)
	p.AddExtensions(media.Extension{ID: 1, Kind: media.ExtAudioLevel})
	p.SetKeys(testContext(t.tb), testContext(t.tb), true)
	return p
}

// simulcast is a source of three encodings: 2000, 2010, 2020, repaired by the next number.
var simulcast = SourceConfig{Kind: media.Video, Encodings: []media.Encoding{
	{SSRC: 2000, RTX: 2001}, {SSRC: 2010, RTX: 2011}, {SSRC: 2020, RTX: 2021},
}}

func TestWholeKeepsEveryEncodingAsItIs(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.joinRelay()
	video := from.AddSource(simulcast)
	to.Forward(Forward{Source: video, Target: media.LayerOf(1, 0, 0), Whole: true})
	b.turn()
	for i, ssrc := range []uint32{2000, 2010, 2020} {
		// It begins anywhere: what can be decoded is the business of the next bridge.
		b.feed(from, vp8(ssrc, 100, 3000, uint16(500+i), 7, 1, false, true, false))
		b.feed(from, vp8(ssrc, 101, 3000, uint16(500+i), 7, 1, false, false, true))
	}
	b.turn()
	packets, _ := b.got(to)
	if len(packets) != 4 {
		t.Fatalf("%d packets crossed, want those of two encodings", len(packets))
	}
	for i, p := range packets {
		ssrc := uint32(2000 + 10*(i/2))
		pid := binary.BigEndian.Uint16(p.Payload[2:]) &^ 0x8000
		if p.SSRC != ssrc || p.Timestamp != 3000 || p.Marker != (i%2 == 1) || pid != uint16(500+i/2) || p.Payload[4] != 7 {
			t.Errorf("packet %d: %v, picture %d", i, p, pid)
		}
		if x := p.GetExtension(5); x != nil {
			t.Errorf("packet %d carries congestion control", i)
		}
	}
	if packets[1].SequenceNumber != packets[0].SequenceNumber+1 {
		t.Error("there is a gap where nothing was lost")
	}
}

// TestLayersNobodyWantsDoNotCross: of a source with layers in one stream another bridge gets
// those its receivers want, under the source's own SSRC.
func TestLayersNobodyWantsDoNotCross(t *testing.T) {
	for _, shape := range scaledShapes {
		t.Run(shape.String(), func(t *testing.T) {
			s, video, _, pl := newScaler(t, shape.codec, shape.spatial, shape.temporal, shape.keyed)
			to := s.b.joinRelay()
			to.AddPayloadTypes(
				media.PayloadType{Number: 41, Kind: media.Video, Codec: media.AV1, ClockRate: 90000, NACK: true, PLI: true},
				media.PayloadType{Number: 101, Kind: media.Video, Codec: media.VP9, ClockRate: 90000, NACK: true, PLI: true},
			)
			to.AddExtensions(media.Extension{ID: 11, Kind: media.ExtDependencyDescriptor})
			s.play(to, pl, 8, atFirst)
			for sp := range shape.spatial {
				to.Forward(Forward{Source: video, Target: media.LayerOf(0, sp, 7), Whole: true})
				s.play(to, pl, 1, atFirst)
				pl.reset()
				s.n = 0
				s.play(to, pl, 40, never)
				if got := pl.pictures; got[sp] != 40 {
					t.Errorf("spatial layer %d: pictures by layer %v", sp, got)
				}
			}
			if out := to.leg.outs[1000]; out == nil || out.rtx != 1001 {
				t.Errorf("it crosses as %+v", out)
			}
		})
	}
}

func TestWholeFollowsItsTarget(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.joinRelay()
	video := from.AddSource(simulcast)
	seq := uint16(10)
	crossing := func(f Forward) map[uint32]uint16 {
		f.Source, f.Whole = video, true
		to.Forward(f)
		b.turn()
		seq++
		for _, ssrc := range []uint32{2000, 2010, 2020} {
			b.feed(from, vp8(ssrc, seq, uint32(seq)*3000, seq, 0, 0, false, true, true))
		}
		b.turn()
		packets, _ := b.got(to)
		got := map[uint32]uint16{}
		for _, p := range packets {
			got[p.SSRC] = p.SequenceNumber
		}
		return got
	}
	all := crossing(Forward{Target: media.LayerAll})
	low := crossing(Forward{Target: media.LayerOf(0, 0, 0)})
	none := crossing(Forward{Target: media.LayerNone})
	again := crossing(Forward{Target: media.LayerAll})
	if len(all) != 3 || len(low) != 1 || len(none) != 0 || len(again) != 3 {
		t.Fatalf("%v, %v, %v, %v crossed", all, low, none, again)
	}
	for ssrc, n := range again {
		if last := max(all[ssrc], low[ssrc]); n != last+1 {
			t.Errorf("%d goes on with %d after %d", ssrc, n, last)
		}
	}
}

func TestWholeIsRepairedAndAskedForKeyframes(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.joinRelay()
	video := from.AddSource(simulcast)
	to.Forward(Forward{Source: video, Target: media.LayerAll, Whole: true})
	b.turn()
	b.feed(from, vp8(2010, 5, 3000, 1, 0, 0, true, true, true))
	b.turn()
	packets, _ := b.got(to)
	if len(packets) != 1 {
		t.Fatalf("%d packets crossed", len(packets))
	}
	b.feedRTCP(to, appendNACK(appendEmptyRR(nil, 33), 33, 2010, []uint16{packets[0].SequenceNumber}))
	b.turn()
	packets, _ = b.got(to)
	if len(packets) != 1 || packets[0].SSRC != 2011 || packets[0].PayloadType != 96 {
		t.Errorf("the repetition is %v", packets)
	}
	b.shard.clock += keyframePause
	b.feedRTCP(to, appendPLI(appendEmptyRR(nil, 33), 33, 2020))
	b.turn()
	_, rtcp := b.got(from)
	asked := false
	for _, c := range rtcp {
		for rest := c; len(rest) > 0; {
			part, next, ok := nextRTCP(rest)
			if !ok {
				t.Fatal("broken compound")
			}
			if part.kind == rtcpPSFB && part.count == fbPLI {
				asked = asked || binary.BigEndian.Uint32(part.body[4:]) == 2020
			}
			rest = next
		}
	}
	if !asked {
		t.Error("the request of the other bridge did not reach the sender of that encoding")
	}
}

// TestRelayedIsProjected is the other end: what came from a bridge goes to its receivers
// as one stream, with congestion control.
func TestRelayedIsProjected(t *testing.T) {
	b := newBench(t)
	from, to := b.joinRelay(), b.join()
	video := from.AddSource(simulcast)
	to.Forward(Forward{Source: video, Target: media.LayerAll})
	b.turn()
	b.feed(from, vp8(2010, 5, 3000, 1, 0, 0, true, true, true))
	b.turn()
	packets, _ := b.got(to)
	if len(packets) != 1 || packets[0].SSRC != 2000 || packets[0].GetExtension(5) == nil {
		t.Errorf("got %v", packets)
	}
}

func TestRelayAllocatesNothing(t *testing.T) {
	b := newBench(t)
	b.link.keep = false
	from, to := b.join(), b.joinRelay()
	video := from.AddSource(simulcast)
	audio := from.AddSource(SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: 1000}}})
	far := to.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 3000, RTX: 3001}}})
	to.Forward(Forward{Source: video, Target: media.LayerAll, Whole: true})
	to.Forward(Forward{Source: audio, Target: media.LayerAll, Whole: true})
	from.Forward(Forward{Source: far, Target: media.LayerAll})
	b.turn()
	for i := range 1500 {
		n := uint16(i)
		b.feed(from, vp8(2000, n, uint32(i)*3000, n, uint8(i), 0, i == 0, true, true))
		b.feed(from, vp8(2020, n, uint32(i)*3000, n, uint8(i), 0, i == 0, true, true))
		b.feed(from, opus(1000, n, 30))
		b.feed(to, vp8(3000, n, uint32(i)*3000, n, uint8(i), 0, i == 0, true, true))
	}
	in, peers := b.link.in, b.link.from
	b.link.in, b.link.from = nil, nil
	at := 0
	next := func() {
		b.link.in, b.link.from = in[at:at+8], peers[at:at+8]
		at += 8
		b.shard.nextTick = b.shard.clock + 1e9
		b.turn()
	}
	for range 50 {
		next()
	}
	before := b.link.count
	if n := testing.AllocsPerRun(400, next); n != 0 {
		t.Errorf("%v allocations for eight packets across", n)
	}
	if got := b.link.count - before; got != 401*8 {
		t.Errorf("%d packets were sent, want %d", got, 401*8)
	}
}
