package rtp

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	pionrtp "github.com/pion/rtp"

	"parley/bridge/codec"
	"parley/bridge/media"
)

// recordedPacket is a packet a browser sent: its header and the part of it that tells
// about layers.
type recordedPacket struct {
	seq    uint16
	ts     uint32
	marker bool
	size   int
	head   []byte
	facts  codec.Facts
}

func readRecording(t *testing.T, name string, c media.Codec) (list []recordedPacket) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var in codec.Inspector
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var p recordedPacket
		var head string
		var marker int
		if _, err := fmt.Sscan(lines.Text(), &p.seq, &p.ts, &marker, &p.size, &head); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		if p.head, err = hex.DecodeString(head); err != nil {
			t.Fatal(err)
		}
		p.marker = marker == 1
		p.facts = in.Inspect(c, p.head, p.head, int64(len(list)))
		if !p.facts.Layered {
			t.Fatalf("packet %d has no layers", p.seq)
		}
		list = append(list, p)
	}
	return list
}

// build makes the packet again; its place in the recording stands at the end.
func (p *recordedPacket) build(c media.Codec, index int) []byte {
	h := pionrtp.Header{Version: 2, SSRC: 1000, SequenceNumber: p.seq, Timestamp: p.ts, Marker: p.marker, PayloadType: 101}
	payload := make([]byte, p.size, p.size+4)
	if c == media.AV1 {
		h.PayloadType = 41
		_ = h.SetExtensionWithProfile(11, p.head, pionrtp.ExtensionProfileTwoByte)
	} else {
		copy(payload, p.head)
	}
	payload = binary.BigEndian.AppendUint32(payload, uint32(index))
	b, _ := (&pionrtp.Packet{Header: h, Payload: payload}).Marshal()
	return b
}

// TestRecordedStreams plays what Chromium sent to a receiver of each layer: numbers have
// no holes, pictures end with a marker, and every frame has what it needs.
func TestRecordedStreams(t *testing.T) {
	for name, c := range map[string]media.Codec{"chromium-av1.txt": media.AV1, "chromium-vp9.txt": media.VP9} {
		recorded := readRecording(t, name, c)
		for _, target := range []media.Layer{
			media.LayerOf(0, 0, 0), media.LayerOf(0, 0, 1), media.LayerOf(0, 0, 2),
			media.LayerOf(0, 1, 0), media.LayerOf(0, 1, 1), media.LayerOf(0, 1, 2), media.LayerAll,
		} {
			t.Run(fmt.Sprintf("%v/%d", c, target), func(t *testing.T) {
				s, video, to, _ := newScaler(t, c, 1, 1, false)
				to.Forward(Forward{Source: video, Target: target})
				w := recordedWatcher{t: t, recorded: recorded, target: target, seen: map[uint16]bool{}}
				for i := range recorded {
					s.b.feed(s.p, recorded[i].build(c, i))
					s.b.pass(5 * time.Millisecond)
					packets, _ := s.b.got(to)
					for _, p := range packets {
						w.take(p)
					}
				}
				w.finish()
			})
		}
	}
}

// recordedWatcher is the receiver in TestRecordedStreams.
type recordedWatcher struct {
	t        *testing.T
	recorded []recordedPacket
	target   media.Layer
	seen     map[uint16]bool
	last     *pionrtp.Packet
	pictures [4]int
	reader   codec.Inspector
}

// told checks what the receiver reads in the descriptor: the same as was sent, and no decode
// target as active beyond those it gets.
func (w *recordedWatcher) told(p *pionrtp.Packet, f codec.Facts) {
	w.t.Helper()
	got := w.reader.Inspect(media.AV1, []byte{0}, p.GetExtension(11), int64(p.SequenceNumber))
	var want codec.Cells
	top := f.Active.Best(w.target.Spatial(), w.target.Temporal())
	for c := range codec.Cell(codec.MaxSpatial * codec.MaxTemporal) {
		if f.Active.Has(c) && c.Spatial() <= top.Spatial() && c.Temporal() <= top.Temporal() {
			want |= 1 << c
		}
	}
	if got.Active != want {
		w.t.Fatalf("frame %d: %b are told to be active, want %b of %b", f.Frame, got.Active, want, f.Active)
	}
	got.Active, got.Mask = f.Active, f.Mask
	if got != f {
		w.t.Fatalf("frame %d is described as\n%+v, was\n%+v", f.Frame, got, f)
	}
}

func (w *recordedWatcher) take(p *pionrtp.Packet) {
	w.t.Helper()
	from := &w.recorded[binary.BigEndian.Uint32(p.Payload[len(p.Payload)-4:])]
	f := &from.facts
	switch {
	case w.last == nil && !f.KeyframeStart:
		w.t.Fatal("begins without a keyframe")
	case w.last != nil && p.SequenceNumber != w.last.SequenceNumber+1:
		w.t.Fatalf("packet %d: %d after %d", from.seq, p.SequenceNumber, w.last.SequenceNumber)
	case w.last != nil && w.last.Marker != (p.Timestamp != w.last.Timestamp):
		w.t.Fatalf("packet %d: marker %v before timestamp %d after %d", from.seq, w.last.Marker, p.Timestamp, w.last.Timestamp)
	}
	if f.Tracked {
		for back := range 64 {
			if f.Refs>>back&1 != 0 && !w.seen[f.Frame-1-uint16(back)] {
				w.t.Fatalf("packet %d: frame %d without frame %d", from.seq, f.Frame, f.Frame-1-uint16(back))
			}
		}
		if p.GetExtension(11) == nil {
			w.t.Fatalf("packet %d lost its descriptor", from.seq)
		}
		w.told(p, *f)
		w.seen[f.Frame] = w.seen[f.Frame] || f.FrameEnd
	}
	if p.Marker {
		w.pictures[f.Spatial]++
	}
	w.last = p
}

// finish compares the pictures of the second half, where nothing changes any more, with
// those that were recorded.
func (w *recordedWatcher) finish() {
	w.t.Helper()
	top := w.recorded[len(w.recorded)-1].facts.Active.Best(w.target.Spatial(), w.target.Temporal())
	want := 0
	for _, p := range w.recorded {
		if p.facts.FrameEnd && int(p.facts.Spatial) == top.Spatial() && int(p.facts.Temporal) <= w.target.Temporal() {
			want++
		}
	}
	// The recording begins with one spatial layer.
	if got := w.pictures[top.Spatial()]; got < want-8 || got > want {
		w.t.Errorf("pictures by spatial layer %v, want %d in layer %d", w.pictures, want, top.Spatial())
	}
	w.t.Logf("pictures %v of %d", w.pictures, want)
}

// TestLayersAllocateNothing: choosing layers costs no memory, for no receiver.
func TestLayersAllocateNothing(t *testing.T) {
	for _, c := range []media.Codec{media.AV1, media.VP9} {
		s, video, to, _ := newScaler(t, c, 3, 3, true)
		b := s.b
		b.link.keep = false
		for i, r := range []*testPeer{to, b.join(), b.join()} {
			r.AddPayloadTypes(
				media.PayloadType{Number: 41, Kind: media.Video, Codec: media.AV1, ClockRate: 90000},
				media.PayloadType{Number: 101, Kind: media.Video, Codec: media.VP9, ClockRate: 90000},
			)
			r.Forward(Forward{Source: video, Target: media.LayerOf(0, i, 1)})
		}
		b.turn()
		for i := range 700 {
			s.picture(i%20 == 0)
		}
		in, peers := b.link.in, b.link.from
		b.link.in, b.link.from = nil, nil
		at := 0
		next := func() {
			b.link.in, b.link.from = in[at:at+6], peers[at:at+6]
			at += 6
			b.shard.nextTick = b.shard.clock + 1e9
			b.turn()
		}
		for range 100 {
			next()
		}
		before := b.link.count
		if n := testing.AllocsPerRun(500, next); n != 0 {
			t.Errorf("%v: %v allocations per picture", c, n)
		}
		if b.link.count-before < 500 {
			t.Errorf("%v: only %d packets were sent", c, b.link.count-before)
		}
	}
}

// FuzzLayers feeds any descriptors to a receiver of layers. What comes out is opened as a
// browser would: two packets under one number fail there.
func FuzzLayers(f *testing.F) {
	f.Add(true, uint8(0), []byte{4, 0xC0, 0, 1, 0x80, 3, 0xC8, 0, 2})
	f.Add(false, uint8(9), []byte{6, 0xAA, 5, 0x10, 7, 0x20, 0, 5, 0xED, 5, 0x12, 7, 0})
	f.Fuzz(func(t *testing.T, av1 bool, target uint8, data []byte) {
		c := media.VP9
		if av1 {
			c = media.AV1
		}
		s, video, to, _ := newScaler(t, c, 1, 1, false)
		to.Forward(Forward{Source: video, Target: media.Layer(target)})
		p := recordedPacket{}
		for n := 0; len(data) > 1 && n < 50; n++ {
			size := min(int(data[0]&0x3F), len(data)-1)
			p.head, p.size, p.marker = data[1:1+size], size, data[0]&0x40 != 0
			if data[0]&0x80 == 0 {
				p.ts += 3000
			}
			data = data[1+size:]
			p.seq++
			s.b.feed(s.p, p.build(c, n))
			s.b.turn()
		}
		packets, _ := s.b.got(to)
		if len(packets) > int(p.seq) {
			t.Fatalf("%d packets of %d", len(packets), p.seq)
		}
	})
}
