package rtp

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	pionrtp "github.com/pion/rtp"

	"parley/bridge/codec"
	"parley/bridge/media"
)

// targets are the cells up to a spatial and a temporal layer.
func targets(spatial, temporal int) (s codec.Cells) {
	for i := range spatial + 1 {
		for j := range temporal + 1 {
			s |= 1 << codec.CellOf(i, j)
		}
	}
	return s
}

// TestActiveDecodeTargetsFollow: with every change of its layers, also those without a
// keyframe, the receiver is told which decode targets it still gets.
func TestActiveDecodeTargetsFollow(t *testing.T) {
	s, video, to, _ := newScaler(t, media.AV1, 3, 3, true)
	var reader codec.Inspector
	n := 0
	play := func(pictures int, key func(int) bool) (last codec.Facts) {
		for i := range pictures {
			s.picture(key(i))
			s.b.pass(33 * time.Millisecond)
			packets, _ := s.b.got(to)
			for _, p := range packets {
				n++
				last = reader.Inspect(media.AV1, []byte{0}, p.GetExtension(11), int64(n))
			}
		}
		return last
	}
	for _, x := range []struct {
		spatial, temporal int
		key               func(int) bool
	}{
		{2, 2, atFirst}, {2, 0, never}, {2, 2, never}, {1, 2, atFirst}, {1, 1, never}, {0, 0, atFirst}, {2, 1, atFirst}, {2, 2, never},
	} {
		to.Forward(Forward{Source: video, Target: media.LayerOf(0, x.spatial, x.temporal)})
		if got := play(16, x.key).Active; got != targets(x.spatial, x.temporal) {
			t.Errorf("up to %d, %d: %b are told to be active, want %b", x.spatial, x.temporal, got, targets(x.spatial, x.temporal))
		}
	}
}

// TestRepeatedMaskIsTheReceivers: what is sent again says the same as the first time, though
// others were told otherwise in between.
func TestRepeatedMaskIsTheReceivers(t *testing.T) {
	s, video, low, _ := newScaler(t, media.AV1, 2, 3, true)
	high := s.b.join()
	high.AddPayloadTypes(media.PayloadType{Number: 41, Kind: media.Video, Codec: media.AV1, ClockRate: 90000, NACK: true, PLI: true})
	high.AddExtensions(media.Extension{ID: 11, Kind: media.ExtDependencyDescriptor})
	low.Forward(Forward{Source: video, Target: media.LayerOf(0, 0, 1)})
	high.Forward(Forward{Source: video, Target: media.LayerAll})
	s.b.turn()
	s.picture(true)
	s.b.turn()
	active := func(p *pionrtp.Packet) codec.Cells {
		var in codec.Inspector
		return in.Inspect(media.AV1, []byte{0}, p.GetExtension(11), 1).Active
	}
	packets, _ := s.b.got(low)
	first := packets[0]
	if got := active(first); got != targets(0, 1) {
		t.Fatalf("first told %b", got)
	}
	others, _ := s.b.got(high)
	if got := active(others[0]); got != targets(1, 2) {
		t.Fatalf("the other was told %b", got)
	}
	s.b.feedRTCP(low, marshalRTCP(t, &rtcp.TransportLayerNack{SenderSSRC: 5, MediaSSRC: 1000, Nacks: []rtcp.NackPair{{PacketID: first.SequenceNumber}}}))
	s.b.turn()
	again, _ := s.b.got(low)
	if len(again) != 1 || again[0].PayloadType != 42 {
		t.Fatalf("%d packets were sent again", len(again))
	}
	if got := active(again[0]); got != targets(0, 1) {
		t.Errorf("then told %b", got)
	}
}
