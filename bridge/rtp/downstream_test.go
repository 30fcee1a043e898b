package rtp

import (
	"math/rand/v2"
	"testing"
	"time"

	pionrtp "github.com/pion/rtp"

	"parley/bridge/codec"
	"parley/bridge/media"
)

// simulcaster sends three encodings of one source, each with three temporal layers and
// numbers of its own.
type simulcaster struct {
	b   *testBench
	p   *testPeer
	seq [3]uint16
	pid [3]uint16
	tl0 [3]uint8
	ts  [3]uint32
	n   [3]int
}

var temporalPattern = [4]uint8{0, 2, 1, 2}

func newSimulcaster(b *testBench, p *testPeer) *simulcaster {
	s := &simulcaster{b: b, p: p}
	for e := range 3 {
		s.seq[e], s.pid[e], s.tl0[e], s.ts[e] = uint16(65000+e*100), uint16(32760+e), uint8(250+e), uint32(e)*1e9
	}
	return s
}

func (s *simulcaster) frame(e int, key bool) {
	if key {
		s.n[e] = 0
	}
	tid := temporalPattern[s.n[e]%4]
	if tid == 0 {
		s.tl0[e]++
	}
	s.pid[e] = (s.pid[e] + 1) & 0x7FFF
	s.ts[e] += 3000
	for i := range e + 1 {
		s.seq[e]++
		s.b.feed(s.p, vp8(uint32(1000*(e+1)), s.seq[e], s.ts[e], s.pid[e], s.tl0[e], tid, key, i == 0, i == e))
	}
	s.n[e]++
}

// player checks what a decoder would notice.
type player struct {
	t       *testing.T
	started bool
	seq     uint16
	ts      uint32
	pid     uint16
	tl0     uint8
	ended   bool
	frames  int
	keys    int
}

func (pl *player) take(p *pionrtp.Packet) {
	pl.t.Helper()
	f := codec.Inspect(media.VP8, p.Payload, nil)
	if !pl.started {
		if !f.KeyframeStart {
			pl.t.Fatal("stream begins without a keyframe")
		}
	} else {
		if p.SequenceNumber != pl.seq+1 {
			pl.t.Fatalf("sequence number %d after %d", p.SequenceNumber, pl.seq)
		}
		if f.FrameStart {
			if !pl.ended {
				pl.t.Fatal("a frame begins before the last one ended")
			}
			if f.PictureID != (pl.pid+1)&0x7FFF {
				pl.t.Fatalf("picture id %d after %d", f.PictureID, pl.pid)
			}
			if d := int32(p.Timestamp - pl.ts); d <= 0 || d > 10*90000 {
				pl.t.Fatalf("timestamp %d after %d", p.Timestamp, pl.ts)
			}
			want := pl.tl0
			if f.Temporal == 0 {
				want++
			}
			if f.TL0 != want {
				pl.t.Fatalf("TL0PICIDX %d with temporal %d after %d", f.TL0, f.Temporal, pl.tl0)
			}
		}
	}
	if f.FrameStart {
		pl.frames++
	}
	if f.KeyframeStart {
		pl.keys++
	}
	pl.started, pl.seq, pl.ts, pl.pid, pl.tl0, pl.ended = true, p.SequenceNumber, p.Timestamp, f.PictureID, f.TL0, p.Marker
}

func TestSimulcastSwitchesAreInvisible(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 1000}, {SSRC: 2000}, {SSRC: 3000}}})
	b.turn()
	sim, pl := newSimulcaster(b, from), &player{t: t}
	random := rand.New(rand.NewPCG(7, 7))
	shown := 0
	last, longest := b.shard.clock, int64(0)
	for i := range 1500 {
		if i%15 == 0 {
			to.Forward(Forward{Source: video, Target: media.LayerOf(random.IntN(3), 0, random.IntN(3))})
		}
		key := i%15 == 1
		for _, e := range random.Perm(3) {
			sim.frame(e, key)
			b.pass(time.Duration(random.IntN(3)) * time.Millisecond)
		}
		b.pass(25 * time.Millisecond)
		packets, _ := b.got(to)
		for _, p := range packets {
			if p.SSRC != 1000 {
				t.Fatalf("packet of %d", p.SSRC)
			}
			pl.take(p)
		}
		if now := b.shard.clock; len(packets) > 0 || pl.frames == 0 {
			last = now
		} else {
			longest = max(longest, now-last)
		}
	}
	if longest > 300_000 {
		t.Errorf("nothing came for %d ms", longest/1000)
	}
	for done := false; !done; {
		select {
		case ev := <-b.ev:
			if ev.Kind == EventShown {
				shown++
			}
		default:
			done = true
		}
	}
	if pl.frames < 500 || shown < 50 {
		t.Errorf("%d frames, %d switches", pl.frames, shown)
	}
}

func TestTargetLimitsTemporalLayers(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 1000}}})
	b.turn()
	sim := newSimulcaster(b, from)
	for target, want := range []int{25, 50, 100} {
		to.Forward(Forward{Source: video, Target: media.LayerOf(0, 0, target)})
		sim.frame(0, true)
		for range 99 {
			sim.frame(0, false)
		}
		for range 20 {
			b.turn()
		}
		packets, _ := b.got(to)
		if len(packets) != want {
			t.Errorf("temporal layer %d: %d frames of 100, want %d", target, len(packets), want)
		}
	}
	layers := func() []media.LayerInfo {
		b.pass(600 * time.Millisecond)
		return video.Layers()
	}
	layers()
	for range 60 {
		sim.frame(0, false)
		b.pass(33 * time.Millisecond)
	}
	got := layers()
	if len(got) != 3 || got[0].Height != 360 || got[2].Bitrate < 150_000 || got[0].Bitrate >= got[1].Bitrate || got[1].Bitrate >= got[2].Bitrate {
		t.Errorf("layers are %+v", got)
	}
	b.pass(5 * time.Second)
	if got := layers(); got[2].Bitrate != 0 {
		t.Errorf("after silence layers are %+v", got)
	}
}

func TestBetterEncodingThatStopsIsReplaced(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 1000}, {SSRC: 2000}}})
	to.Forward(Forward{Source: video, Target: media.LayerOf(1, 0, 2)})
	b.turn()
	sim, pl := newSimulcaster(b, from), &player{t: t}
	sim.frame(0, true)
	sim.frame(1, true)
	b.turn()
	for range 150 {
		sim.frame(0, false)
		b.pass(33 * time.Millisecond)
	}
	sim.frame(0, true)
	for range 3 {
		sim.frame(0, false)
	}
	b.turn()
	packets, _ := b.got(to)
	for _, p := range packets {
		pl.take(p)
	}
	if pl.keys != 3 || pl.frames != 6 {
		t.Errorf("%d keyframes in %d frames, want 3 in 6", pl.keys, pl.frames)
	}
}

func TestSlotChangesItsSource(t *testing.T) {
	b := newBench(t)
	one, two, to := b.join(), b.join(), b.join()
	first := one.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 1000}}})
	second := two.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 1000}}})
	to.Forward(Forward{Source: first, Target: media.LayerAll, SSRC: 77, RTX: 78})
	b.turn()
	sims := []*simulcaster{newSimulcaster(b, one), newSimulcaster(b, two)}
	pl := &player{t: t}
	for i := range 60 {
		if i == 30 {
			to.Forward(Forward{Source: second, Target: media.LayerAll, SSRC: 77, RTX: 78})
		}
		for j, s := range sims {
			s.frame(0, i == 31 && j == 1 || i == 0)
		}
		b.pass(33 * time.Millisecond)
		packets, _ := b.got(to)
		for _, p := range packets {
			if p.SSRC != 77 {
				t.Fatalf("packet of %d", p.SSRC)
			}
			pl.take(p)
		}
	}
	if pl.frames < 58 || pl.keys != 2 {
		t.Errorf("%d frames, %d keyframes", pl.frames, pl.keys)
	}
}

func TestMuteTypesAndRemoval(t *testing.T) {
	b := newBench(t)
	from, to, deaf := b.join(), b.join(), b.join()
	deaf.shard.post(func() { deaf.leg.types = [128]media.PayloadType{} })
	audio := from.AddSource(SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: 1000}}})
	to.Forward(Forward{Source: audio, Target: media.LayerAll})
	deaf.Forward(Forward{Source: audio, Target: media.LayerAll})
	seq := uint16(0)
	count := func(level byte, n int) (int, int) {
		for range n {
			seq++
			b.feed(from, opus(1000, seq, level))
		}
		b.turn()
		x, _ := b.got(to)
		y, _ := b.got(deaf)
		return len(x), len(y)
	}
	b.turn()
	if x, y := count(20, 10); x != 10 || y != 0 {
		t.Errorf("got %d and %d packets, want 10 and 0", x, y)
	}
	if x, _ := count(127, silentPackets); x != silentPackets {
		t.Errorf("%d of %d silent packets of a pause passed", x, silentPackets)
	}
	if x, _ := count(127, 10); x != 0 {
		t.Errorf("%d packets of a long silence passed", x)
	}
	from.ForceMute(true, false)
	b.turn()
	if x, _ := count(20, 10); x != 0 {
		t.Errorf("%d packets of a muted endpoint passed", x)
	}
	from.ForceMute(false, false)
	b.turn()
	if x, _ := count(20, 10); x != 10 {
		t.Errorf("%d packets passed after the mute", x)
	}
	audio.Close()
	b.turn()
	if x, _ := count(20, 10); x != 0 {
		t.Errorf("%d packets of a removed source passed", x)
	}
	from.Close()
	to.Close()
	deaf.Close()
	b.turn()
	if n := b.shard.stats.now.Endpoints; n != 0 {
		t.Errorf("%d endpoints are left", n)
	}
}

func TestSilenceLeavesNoHoles(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	audio := from.AddSource(SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: 1000}}})
	to.Forward(Forward{Source: audio, Target: media.LayerAll})
	b.turn()
	last := -1
	for i := range 3000 {
		level := byte(30)
		if i/50%2 == 1 {
			level = 127
		}
		b.feed(from, opus(1000, uint16(64000+i), level))
		b.turn()
		packets, _ := b.got(to)
		for _, p := range packets {
			if last >= 0 && p.SequenceNumber != uint16(last+1) {
				t.Fatalf("%d after %d", p.SequenceNumber, last)
			}
			last = int(p.SequenceNumber)
		}
	}
}

func TestArenaComesBack(t *testing.T) {
	b := newBench(t)
	b.link.keep = false
	from, to := b.join(), b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	to.Forward(Forward{Source: video, Target: media.LayerAll})
	b.turn()
	for i := range 20000 {
		b.feed(from, vp8(2000, uint16(i), uint32(i)*3000, uint16(i), uint8(i), 0, i == 0, true, true))
		b.turn()
	}
	if b.shard.stats.now.ArenaExhausted != 0 {
		t.Error("the arena ran dry")
	}
	from.Close()
	b.turn()
	if n := len(b.shard.arena.free); n < 2048-receiveBatch {
		t.Errorf("%d slots are free of 2048", n)
	}
}

// TestNumbersAreNeverUsedTwice: whatever a sender does to its sequence numbers, no two
// packets go out under one index. The receiver's replay protection would notice.
func TestNumbersAreNeverUsedTwice(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	audio := from.AddSource(SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: 1000}}})
	to.Forward(Forward{Source: video, Target: media.LayerAll})
	to.Forward(Forward{Source: audio, Target: media.LayerAll})
	b.turn()
	random := rand.New(rand.NewPCG(5, 6))
	seq, got, outOrder := uint16(0), 0, map[uint32]uint16{}
	for i := range 4000 {
		switch seq++; random.IntN(50) {
		case 0:
			seq = uint16(random.Uint32())
		case 1:
			seq -= uint16(random.IntN(3000))
		case 2:
			seq += uint16(random.IntN(3000))
		}
		b.feed(from, vp8(2000, seq, uint32(i)*3000, uint16(i), uint8(i), 0, i%5 == 0, true, true))
		b.feed(from, opus(1000, seq, 20))
		b.turn()
		packets, _ := b.got(to)
		got += len(packets)
		for _, p := range packets {
			if last, known := outOrder[p.SSRC]; known && int16(p.SequenceNumber-last) < -2048 {
				t.Fatalf("%d after %d", p.SequenceNumber, last)
			}
			outOrder[p.SSRC] = p.SequenceNumber
		}
	}
	if got < 1000 {
		t.Errorf("only %d packets passed", got)
	}
}
