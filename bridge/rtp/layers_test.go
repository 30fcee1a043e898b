package rtp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	pionrtp "github.com/pion/rtp"

	"parley/bridge/media"
)

// scaler sends one source in spatial and temporal layers, as AV1 with dependency
// descriptor or as VP9. The end of each payload tells the frame, so that a player can
// check what arrived without trusting the parsers under test.
type scaler struct {
	b                 *testBench
	p                 *testPeer
	codec             media.Codec
	spatial, temporal int
	// keyed: spatial layers depend on each other at keyframes only.
	keyed bool

	seq    uint16
	ts     uint32
	n      int
	pid    uint16
	tl0    uint8
	frames []scaledFrame
	// last frame by spatial and temporal layer.
	last [4][4]int
	// lose says which packets get lost on the way to the bridge.
	lose func(seq uint16) bool
	// offset is what the template ids begin with.
	offset int
}

type scaledFrame struct {
	spatial, temporal, picture int
	key                        bool
	needs                      []int
}

func (s *scaler) tid() int {
	switch s.temporal {
	case 2:
		return s.n % 2
	case 3:
		return int(temporalPattern[s.n%4])
	}
	return 0
}

// picture sends all layers of one picture, two packets per frame.
func (s *scaler) picture(key bool) {
	if key {
		s.n = 0
	}
	t := s.tid()
	s.ts += 3000
	s.pid = (s.pid + 1) & 0x7FFF
	if t == 0 {
		s.tl0++
	}
	for sp := range s.spatial {
		f := scaledFrame{spatial: sp, temporal: t, picture: int(s.pid), key: key}
		if !key {
			f.needs = append(f.needs, s.before(sp, t))
		}
		if sp > 0 && (key || !s.keyed) {
			f.needs = append(f.needs, len(s.frames)-1)
		}
		index := len(s.frames)
		s.frames = append(s.frames, f)
		s.last[sp][t] = index
		if key {
			s.last[sp] = [4]int{index, index, index, index}
		}
		for part := range 2 {
			s.seq++
			if s.lose == nil || !s.lose(s.seq) {
				s.b.feed(s.p, s.packet(f, index, part))
			}
		}
	}
	s.n++
}

// before is the frame of the spatial layer that a frame of a temporal layer needs.
func (s *scaler) before(spatial, temporal int) int {
	newest := s.last[spatial][0]
	for t := 1; t < temporal; t++ {
		newest = max(newest, s.last[spatial][t])
	}
	return newest
}

func (s *scaler) packet(f scaledFrame, index, part int) []byte {
	h := pionrtp.Header{Version: 2, SSRC: 1000, SequenceNumber: s.seq, Timestamp: s.ts, Marker: part == 1 && f.spatial == s.spatial-1}
	payload := []byte{0}
	if s.codec == media.AV1 {
		h.PayloadType = 41
		_ = h.SetExtensionWithProfile(11, s.descriptor(f, index, part), pionrtp.ExtensionProfileTwoByte)
	} else {
		h.PayloadType = 101
		payload = s.vp9(f, part)
	}
	payload = append(payload, make([]byte, 200<<f.spatial)...)
	payload = binary.BigEndian.AppendUint32(payload, uint32(index))
	b, _ := (&pionrtp.Packet{Header: h, Payload: payload}).Marshal()
	return b
}

func (s *scaler) vp9(f scaledFrame, part int) []byte {
	b := []byte{0xA0, 0x80 | byte(s.pid>>8), byte(s.pid), byte(f.temporal<<5 | 0x10 | f.spatial<<1), s.tl0}
	if !f.key {
		b[0] |= 0x40
	}
	b[0] |= byte(0x08 >> part) // begin, end
	if s.keyed && !f.key || f.spatial == s.spatial-1 {
		b[0] |= 0x01
	}
	if f.spatial > 0 && (f.key || !s.keyed) {
		b[3] |= 1
	}
	if f.key && f.spatial == 0 && part == 0 {
		b[0] |= 0x02
		b = append(b, byte((s.spatial-1)<<5|0x10))
		for i := range s.spatial {
			b = binary.BigEndian.AppendUint16(b, uint16(320<<i))
			b = binary.BigEndian.AppendUint16(b, uint16(180<<i))
		}
	}
	return b
}

// bitWriter writes dependency descriptors.
type bitWriter struct {
	b []byte
	n int
}

func (w *bitWriter) put(bits int, v int) {
	for i := bits - 1; i >= 0; i-- {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>i&1) << (7 - w.n%8)
		w.n++
	}
}

// indication is how a frame relates to the decode target of a cell: 0 not at all,
// 1 nobody else needs it, 2 switch, 3 required.
func (s *scaler) indication(key bool, spatial, temporal, forSpatial, forTemporal int) int {
	switch {
	case temporal > forTemporal, spatial > forSpatial, spatial < forSpatial && s.keyed && !key:
		return 0
	case key && spatial == 0:
		return 2
	case spatial < forSpatial:
		return 3
	case temporal == s.temporal-1 && temporal > 0:
		return 1
	}
	return 2
}

// descriptor writes two templates for each layer, one for keyframes; the frames needed
// are always written out.
func (s *scaler) descriptor(f scaledFrame, index, part int) []byte {
	w := &bitWriter{}
	w.put(1, 1-part)
	w.put(1, part)
	id := f.spatial * (s.temporal + 1)
	if !f.key {
		id += 1 + f.temporal
	}
	w.put(6, (id+s.offset)%64)
	w.put(16, index)
	structured := f.key && f.spatial == 0 && part == 0
	w.put(1, btoi(structured))
	w.put(4, 0b0010)
	if structured {
		s.structure(w)
	}
	for _, n := range f.needs {
		w.put(2, 1)
		w.put(4, index-n-1)
	}
	w.put(2, 0)
	return w.b
}

func (s *scaler) structure(w *bitWriter) {
	w.put(6, s.offset)
	w.put(5, s.spatial*s.temporal-1)
	for sp := range s.spatial {
		w.put(2, 0) // from the keyframe's template to the one of layer 0
		for t := 1; t < s.temporal; t++ {
			w.put(2, 1)
		}
		w.put(2, 2+btoi(sp == s.spatial-1))
	}
	each := func(do func(key bool, spatial, temporal int)) {
		for sp := range s.spatial {
			do(true, sp, 0)
			for t := range s.temporal {
				do(false, sp, t)
			}
		}
	}
	each(func(key bool, spatial, temporal int) {
		for sp := range s.spatial {
			for t := range s.temporal {
				w.put(2, s.indication(key, spatial, temporal, sp, t))
			}
		}
	})
	each(func(bool, int, int) { w.put(1, 0) })
	// No chains: the number 0 of at most so many targets.
	for bits, n := 0, s.spatial*s.temporal+1; ; bits++ {
		if 1<<bits > n {
			w.put(bits-1, 0)
			break
		}
	}
	w.put(1, 1)
	for sp := range s.spatial {
		w.put(16, 320<<sp-1)
		w.put(16, 180<<sp-1)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// scaledPlayer checks what a decoder of layers would notice.
type scaledPlayer struct {
	t     testing.TB
	s     *scaler
	parts map[int]int
	seq   uint16
	ts    uint32
	ended bool
	any   bool
	// pictures by the spatial layer they are shown in, frames in all.
	pictures [4]int
	temporal [4]int
	top      int
	frames   int
	gaps     int
	loose    bool // losses are expected
}

func (pl *scaledPlayer) take(p *pionrtp.Packet) {
	pl.t.Helper()
	index := int(binary.BigEndian.Uint32(p.Payload[len(p.Payload)-4:]))
	f := pl.s.frames[index]
	switch {
	case !pl.any && (!f.key || f.spatial != 0):
		pl.t.Fatal("stream begins without a keyframe")
	case pl.any && p.SequenceNumber != pl.seq+1:
		if pl.gaps++; !pl.loose {
			pl.t.Fatalf("sequence number %d after %d", p.SequenceNumber, pl.seq)
		}
	case pl.any && (p.Timestamp != pl.ts) != pl.ended && !pl.loose:
		pl.t.Fatalf("frame %d %+v: picture ended %v, timestamp %d after %d", index, f, pl.ended, p.Timestamp, pl.ts)
	}
	if pl.parts[index]++; pl.parts[index] == 2 {
		for _, n := range f.needs {
			if pl.parts[n] != 2 && !pl.loose {
				pl.t.Fatalf("frame %d %+v without frame %d %+v", index, f, n, pl.s.frames[n])
			}
		}
		pl.frames++
		pl.temporal[f.temporal]++
	}
	if p.Timestamp != pl.ts {
		pl.top = 0
	}
	pl.top = max(pl.top, f.spatial)
	if p.Marker {
		pl.pictures[pl.top]++
	}
	pl.any, pl.seq, pl.ts, pl.ended = true, p.SequenceNumber, p.Timestamp, p.Marker
}

func (pl *scaledPlayer) reset() {
	pl.pictures, pl.temporal, pl.frames = [4]int{}, [4]int{}, 0
}

// newScaler sets a conference of two up.
func newScaler(t testing.TB, c media.Codec, spatial, temporal int, keyed bool) (*scaler, *Source, *testPeer, *scaledPlayer) {
	b := newBench(t)
	from, to := b.join(), b.join()
	for _, p := range []*testPeer{from, to} {
		p.AddPayloadTypes(
			media.PayloadType{Number: 41, Kind: media.Video, Codec: media.AV1, ClockRate: 90000, NACK: true, PLI: true},
			media.PayloadType{Number: 42, Kind: media.Video, Codec: media.RTX, ClockRate: 90000, Apt: 41},
			media.PayloadType{Number: 101, Kind: media.Video, Codec: media.VP9, ClockRate: 90000, NACK: true, PLI: true},
		)
		p.AddExtensions(media.Extension{ID: 11, Kind: media.ExtDependencyDescriptor})
	}
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 1000, RTX: 1001}}})
	b.turn()
	s := &scaler{b: b, p: from, codec: c, spatial: spatial, temporal: temporal, keyed: keyed, seq: 65500, offset: 60}
	return s, video, to, &scaledPlayer{t: t, s: s, parts: map[int]int{}}
}

// play sends pictures and hands the player what comes out.
func (s *scaler) play(to *testPeer, pl *scaledPlayer, pictures int, key func(i int) bool) {
	for i := range pictures {
		s.picture(key(i))
		s.b.pass(33 * time.Millisecond)
		packets, _ := s.b.got(to)
		for _, p := range packets {
			pl.take(p)
		}
	}
}

func never(int) bool     { return false }
func atFirst(i int) bool { return i == 0 }

type scaledShape struct {
	codec             media.Codec
	spatial, temporal int
	keyed             bool
}

func (s scaledShape) String() string {
	name := fmt.Sprintf("%v L%dT%d", s.codec, s.spatial, s.temporal)
	if s.keyed {
		name += "_KEY"
	}
	return name
}

var scaledShapes = []scaledShape{
	{media.AV1, 1, 3, false}, {media.AV1, 2, 3, true}, {media.AV1, 3, 3, true}, {media.AV1, 3, 3, false}, {media.AV1, 3, 1, true},
	{media.VP9, 1, 3, false}, {media.VP9, 2, 3, true}, {media.VP9, 3, 3, true}, {media.VP9, 3, 3, false}, {media.VP9, 3, 1, true},
}

// TestTargetLimitsLayers: each layer asked for from a keyframe on gives exactly its
// pictures and only the packets it needs.
func TestTargetLimitsLayers(t *testing.T) {
	for _, shape := range scaledShapes {
		t.Run(shape.String(), func(t *testing.T) {
			s, video, to, pl := newScaler(t, shape.codec, shape.spatial, shape.temporal, shape.keyed)
			s.play(to, pl, 8, atFirst) // nobody watches; all layers become known
			for sp := range shape.spatial {
				for tid := range shape.temporal {
					to.Forward(Forward{Source: video, Target: media.LayerOf(0, sp, tid)})
					s.play(to, pl, 1, atFirst)
					pl.reset()
					s.n = 0
					s.play(to, pl, 40, never)
					pictures := 40 >> (shape.temporal - 1 - tid)
					if got := pl.pictures; got[sp] != pictures || got[0]+got[1]+got[2]+got[3] != pictures {
						t.Errorf("layer %d/%d: pictures by spatial layer %v, want %d", sp, tid, got, pictures)
					}
					frames := pictures
					if !shape.keyed {
						frames *= sp + 1
					}
					if pl.frames != frames {
						t.Errorf("layer %d/%d: %d frames, want %d", sp, tid, pl.frames, frames)
					}
				}
			}
		})
	}
}

// TestLayerSwitchesAreInvisible changes the target at random. Keyframes come when the
// bridge asks for them.
func TestLayerSwitchesAreInvisible(t *testing.T) {
	for _, shape := range scaledShapes {
		t.Run(shape.String(), func(t *testing.T) {
			s, video, to, pl := newScaler(t, shape.codec, shape.spatial, shape.temporal, shape.keyed)
			random := rand.New(rand.NewPCG(3, 4))
			to.Forward(Forward{Source: video, Target: media.LayerAll})
			keys, want := 0, media.LayerAll
			var asked uint64
			key := func(int) bool {
				now := s.p.leg.stats.KeyframesRequested
				wanted := now != asked
				asked = now
				keys += btoi(wanted)
				return wanted
			}
			for range 60 {
				s.play(to, pl, 15, key)
				pl.reset()
				s.play(to, pl, 8, key)
				sp := min(want.Spatial(), shape.spatial-1)
				if got := pl.pictures[sp]; got == 0 || got != pl.pictures[0]+pl.pictures[1]+pl.pictures[2] {
					t.Fatalf("layer %d asked for, pictures %v", sp, pl.pictures)
				}
				want = media.LayerOf(0, random.IntN(shape.spatial), random.IntN(shape.temporal))
				to.Forward(Forward{Source: video, Target: want})
			}
			if keys > 70 || shape.spatial == 1 && keys > 1 {
				t.Errorf("%d keyframes were asked for in 60 changes", keys)
			}
		})
	}
}

// TestTemporalLayersNeedNoKeyframe: within a spatial layer the rate goes up and down by
// itself.
func TestTemporalLayersNeedNoKeyframe(t *testing.T) {
	for _, shape := range scaledShapes {
		if shape.temporal == 1 {
			continue
		}
		t.Run(shape.String(), func(t *testing.T) {
			s, video, to, pl := newScaler(t, shape.codec, shape.spatial, shape.temporal, shape.keyed)
			top := shape.spatial - 1
			to.Forward(Forward{Source: video, Target: media.LayerAll})
			s.play(to, pl, 8, atFirst)
			for _, tid := range []int{0, 2, 1, 0, 1, 2} {
				to.Forward(Forward{Source: video, Target: media.LayerOf(0, top, tid)})
				s.play(to, pl, 8, never)
				pl.reset()
				s.play(to, pl, 40, never)
				if got, want := pl.pictures[top], 40>>(2-tid); got != want {
					t.Errorf("temporal layer %d: %d pictures, want %d", tid, got, want)
				}
			}
		})
	}
}

// TestLayersAreMeasured: what the allocation gets to know.
func TestLayersAreMeasured(t *testing.T) {
	for _, shape := range scaledShapes {
		t.Run(shape.String(), func(t *testing.T) {
			s, video, to, pl := newScaler(t, shape.codec, shape.spatial, shape.temporal, shape.keyed)
			s.play(to, pl, 90, atFirst)
			layers := video.Layers()
			if len(layers) != shape.spatial*shape.temporal {
				t.Fatalf("%d layers: %+v", len(layers), layers)
			}
			for _, l := range layers {
				sp, tid := l.Layer.Spatial(), l.Layer.Temporal()
				fps := 30.3 / float64(int(1)<<(shape.temporal-1-tid))
				bitrate := 0.0
				for i := range sp + 1 {
					if i == sp || !shape.keyed {
						bitrate += fps * 2 * 8 * float64(int(200)<<i+60)
					}
				}
				if l.Height != 180<<sp || l.FPS < 0.8*fps || l.FPS > 1.2*fps || float64(l.Bitrate) < 0.7*bitrate || float64(l.Bitrate) > 1.3*bitrate {
					t.Errorf("%+v, want %d lines, %.1f/s, %.0f bit/s", l, 180<<sp, fps, bitrate)
				}
			}
		})
	}
}

// TestLossAmongLayersLeavesNoHoles: what gets lost of a frame nobody wants is not missed.
func TestLossAmongLayersLeavesNoHoles(t *testing.T) {
	s, video, to, pl := newScaler(t, media.AV1, 2, 3, true)
	to.Forward(Forward{Source: video, Target: media.LayerOf(0, 0, 2)})
	s.play(to, pl, 4, atFirst)
	pl.loose = true
	s.lose = func(seq uint16) bool { return seq%101 == 3 }
	before := s.seq
	s.play(to, pl, 400, never)
	want := 0
	for seq := before + 1; seq != s.seq+1; seq++ {
		// Every other two packets are of the lower layer.
		want += btoi(s.lose(seq) && (seq-before-1)%4 < 2)
	}
	if pl.gaps != want || pl.frames != 404-want {
		t.Errorf("%d gaps, %d frames, want %d and %d", pl.gaps, pl.frames, want, 404-want)
	}
}

// TestStructureThatComesLate: the packet with the structure is lost and repaired after the
// rest of its keyframe.
func TestStructureThatComesLate(t *testing.T) {
	for _, shape := range scaledShapes[1:3] {
		s, video, to, pl := newScaler(t, shape.codec, shape.spatial, shape.temporal, true)
		to.Forward(Forward{Source: video, Target: media.LayerOf(0, 0, 2)})
		s.play(to, pl, 6, atFirst)
		// Another shape: the structure known so far fits no more.
		s.spatial, s.offset = shape.spatial-1, 30
		pl.loose = true
		key := s.seq + 1
		s.lose = func(seq uint16) bool { return seq == key }
		s.play(to, pl, 3, atFirst)
		index := len(s.frames) - 3*s.spatial
		next := s.seq
		s.seq, s.ts = key, s.ts-2*3000
		s.b.feed(s.p, s.packet(s.frames[index], index, 0))
		s.seq, s.ts = next, s.ts+2*3000
		s.play(to, pl, 4, never)
		pl.loose = false
		pl.reset()
		s.play(to, pl, 40, never)
		if pl.frames != 40 || pl.pictures[0] != 40 {
			t.Errorf("%v: %d frames, pictures %v", shape, pl.frames, pl.pictures)
		}
	}
}

// TestCodecChanges: a sender that goes on in another codec brings other layers.
func TestCodecChanges(t *testing.T) {
	s, video, to, pl := newScaler(t, media.AV1, 1, 3, false)
	to.Forward(Forward{Source: video, Target: media.LayerOf(0, 1, 2)})
	s.play(to, pl, 40, atFirst)
	s.codec, s.spatial, s.keyed = media.VP9, 3, true
	s.play(to, pl, 90, atFirst)
	if pl.pictures != [4]int{40, 90, 0, 0} {
		t.Errorf("pictures by spatial layer %v", pl.pictures)
	}
	heights := map[int]int{}
	for _, l := range video.Layers() {
		if l.Bitrate > 0 {
			heights[l.Height]++
		}
	}
	if len(heights) != 3 || heights[180] != 3 || heights[360] != 3 || heights[720] != 3 {
		t.Errorf("layers by height %v", heights)
	}
}
