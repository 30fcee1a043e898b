package rtp

import (
	"bytes"
	"testing"

	pionrtp "github.com/pion/rtp"

	"parley/bridge/media"
)

// FuzzHeader parses and rewrites any packet. What comes out must be a packet to a parser
// that is not ours, with the payload untouched.
func FuzzHeader(f *testing.F) {
	f.Add(vp8(1, 2, 3, 4, 5, 0, true, true, true), uint8(media.VP8))
	f.Add(opus(1, 2, 30), uint8(media.Opus))
	two := []byte{0x90, 41, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x10, 0, 0, 6, 11, 20, 0x80, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2}
	f.Add(two, uint8(media.AV1))
	f.Fuzz(func(t *testing.T, data []byte, c uint8) {
		if len(data) > slotLast-slotFirst {
			return
		}
		b := make([]byte, slotSize)
		copy(b[slotFirst:], data)
		ids := &extensionMap{1: media.ExtAudioLevel, 5: media.ExtTransportCC, 11: media.ExtDependencyDescriptor, 13: media.ExtVideoOrientation}
		var p packet
		if !p.parseHeader(b, slotFirst, slotFirst+len(data), ids) {
			return
		}
		if _, ok := p.stripPadding(b); !ok {
			return
		}
		p.codec, p.kind = media.Codec(c), media.Video
		if p.codec == media.Opus {
			p.kind = media.Audio
		}
		payload := append([]byte(nil), b[p.payload:p.end]...)
		if !p.normalise(b, &extensionIDs{level: 1, transport: 5, descriptor: 11, orientation: 13}) {
			return
		}
		var out pionrtp.Packet
		if err := out.Unmarshal(b[p.start:p.end]); err != nil {
			t.Fatalf("%v: %x", err, b[p.start:p.end])
		}
		if !bytes.Equal(out.Payload, payload) || out.PayloadType != p.pt || out.Marker != p.marker {
			t.Fatalf("came out as %v", out)
		}
		for _, id := range out.GetExtensionIDs() {
			if ids[id] == 0 {
				t.Fatalf("extension %d leaked", id)
			}
		}
	})
}

// FuzzCompound gives any bytes to the RTCP handlers as if they were authentic.
func FuzzCompound(f *testing.F) {
	f.Add(appendNACK(appendSDES(appendEmptyRR(nil, 5), 5), 5, 2000, []uint16{1, 2, 19, 40}))
	f.Add(appendREMB(appendPLI(nil, 5, 2000), 5, 1e6, []uint32{2000}))
	f.Add(appendFIR(nil, 5, 2000, 1))
	f.Add([]byte{0x80, 200, 0, 6, 0, 0, 7, 0xD0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	var r twccReceiver
	for i := range 40 {
		if i%3 != 0 {
			r.arrived(uint16(i), int64(i*700), true)
		}
	}
	feedback, _ := r.appendFeedback(nil, 5, r.highest)
	f.Add(feedback)
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBench(t)
		from, to := b.join(), b.join()
		video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
		to.Forward(Forward{Source: video, Target: media.LayerAll})
		b.turn()
		for i := range 4 {
			b.feed(from, vp8(2000, uint16(i), uint32(i)*3000, uint16(i), uint8(i), 0, i == 0, true, true))
		}
		b.turn()
		b.shard.compound(to.Endpoint, data)
		b.shard.compound(from.Endpoint, data)
		b.shard.flush()
		if len(b.link.sent) > 2*maxNackAnswers+20 {
			t.Fatalf("%d packets in answer to one compound", len(b.link.sent))
		}
	})
}

// FuzzFeedback walks any feedback message; every packet is reported once, in order.
func FuzzFeedback(f *testing.F) {
	var r twccReceiver
	for i := range 500 {
		if i%5 != 0 || i > 300 {
			r.arrived(uint16(i), int64(i*i*10), true)
		}
	}
	feedback, _ := r.appendFeedback(nil, 5, r.highest)
	f.Add(feedback[4:])
	f.Fuzz(func(t *testing.T, data []byte) {
		var reference int64
		n := 0
		parseFeedback(data, &reference, func(uint16, int64, bool) { n++ })
		if n > sentWindow {
			t.Fatalf("%d packets in one message", n)
		}
	})
}
