package rtp

import (
	"math/rand/v2"
	"testing"
	"time"

	pionrtp "github.com/pion/rtp"

	"parley/bridge/media"
)

var h264Types = []media.PayloadType{
	{Number: 107, Kind: media.Video, Codec: media.H264, ClockRate: 90000, NACK: true, PLI: true, TransportCC: true},
	{Number: 99, Kind: media.Video, Codec: media.RTX, ClockRate: 90000, Apt: 107},
}

// h264Sender sends encodings of one source as browsers do: parameter sets and picture in
// packets of their own, keyframes in fragments.
type h264Sender struct {
	b   *testBench
	p   *testPeer
	seq [3]uint16
	ts  [3]uint32
}

func (s *h264Sender) packet(e int, end bool, payload ...byte) {
	s.seq[e]++
	b, _ := (&pionrtp.Packet{Header: pionrtp.Header{
		Version: 2, PayloadType: 107, SSRC: uint32(1000 * (e + 1)), SequenceNumber: s.seq[e], Timestamp: s.ts[e], Marker: end,
	}, Payload: append(append(payload, byte(e)), make([]byte, 300)...)}).Marshal()
	s.b.feed(s.p, b)
}

func (s *h264Sender) frame(e int, key bool) {
	s.ts[e] += 3000
	if !key {
		s.packet(e, true, 0x41)
		return
	}
	s.packet(e, false, 0x67)       // SPS
	s.packet(e, false, 0x68)       // PPS
	s.packet(e, false, 0x7C, 0x85) // FU-A, start of an IDR picture
	s.packet(e, false, 0x7C, 0x05) // FU-A, middle
	s.packet(e, true, 0x7C, 0x45)  // FU-A, end
}

// TestH264Simulcast: encodings change at the parameter sets of an IDR picture and nowhere
// else, without a hole in the numbers or a frame cut short.
func TestH264Simulcast(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	for _, p := range []*testPeer{from, to} {
		p.AddPayloadTypes(h264Types...)
	}
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 1000}, {SSRC: 2000}, {SSRC: 3000}}})
	b.turn()
	sender := &h264Sender{b: b, p: from, seq: [3]uint16{65500, 10, 40000}, ts: [3]uint32{0, 1e9, 2e9}}
	random := rand.New(rand.NewPCG(3, 4))
	var last *pionrtp.Packet
	encoding, switches, frames := byte(255), 0, 0
	for i := range 900 {
		if i%15 == 0 {
			to.Forward(Forward{Source: video, Target: media.LayerOf(random.IntN(3), 0, 2)})
		}
		for _, e := range random.Perm(3) {
			sender.frame(e, i%15 == 1)
		}
		b.pass(33 * time.Millisecond)
		packets, _ := b.got(to)
		for _, p := range packets {
			nal, of := p.Payload[0]&0x1F, p.Payload[1]
			if nal == 28 {
				of = p.Payload[2]
			}
			if of != encoding {
				if nal != 7 {
					t.Fatalf("encoding %d begins with a NAL unit of type %d", of, nal)
				}
				if last != nil && !last.Marker {
					t.Fatal("the encoding changed within a frame")
				}
				encoding = of
				switches++
			}
			if last != nil {
				if p.SequenceNumber != last.SequenceNumber+1 || p.SSRC != 1000 {
					t.Fatalf("number %d of %d after %d", p.SequenceNumber, p.SSRC, last.SequenceNumber)
				}
				if d := int32(p.Timestamp - last.Timestamp); d < 0 || d > 90000 || d == 0 == last.Marker {
					t.Fatalf("timestamp %d after %d", p.Timestamp, last.Timestamp)
				}
			}
			if p.Marker {
				frames++
			}
			last = p
		}
	}
	if switches < 20 || frames < 800 {
		t.Errorf("%d switches, %d frames", switches, frames)
	}
}
