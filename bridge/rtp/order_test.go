package rtp

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"parley/bridge/media"
)

// asked counts the packets and keyframes a sender was asked for, and those it was told are
// lost.
func asked(t *testing.T, b *testBench, p *testPeer) (packets, keyframes, lost int) {
	t.Helper()
	_, out := b.got(p)
	for _, part := range parseRTCP(t, out) {
		switch part := part.(type) {
		case *rtcp.TransportLayerNack:
			for _, n := range part.Nacks {
				packets += len(n.PacketList())
			}
		case *rtcp.PictureLossIndication:
			keyframes++
		case *rtcp.TransportLayerCC:
			n := uint16(0)
			for _, c := range part.PacketChunks {
				for _, symbol := range symbolsOf(c) {
					if n < part.PacketStatusCount && symbol == notReceived {
						lost++
					}
					n++
				}
			}
		}
	}
	return packets, keyframes, lost
}

// viewed is a sender of video and somebody who watches.
func viewed(b *testBench) (from, to *testPeer, video *Source) {
	from, to = b.join(), b.join()
	video = from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	to.Forward(Forward{Source: video, Target: media.LayerAll})
	b.turn()
	return from, to, video
}

// numbers are the sequence numbers of what a receiver got.
func numbers(b *testBench, p *testPeer) (list []uint16) {
	packets, _ := b.got(p)
	for _, pkt := range packets {
		list = append(list, pkt.SequenceNumber)
	}
	return list
}

// TestDisorderEndsAtTheBridge: packets that overtake each other leave in order, are not asked
// for again, and not reported as lost.
func TestDisorderEndsAtTheBridge(t *testing.T) {
	b := newBench(t)
	from, to, _ := viewed(b)
	random := rand.New(rand.NewPCG(5, 6))
	const packets, settled = 4000, 500
	due := make([][]uint16, packets+20)
	for i := range packets {
		at := i
		if i > 0 {
			at += random.IntN(10) // tens of ms
		}
		due[at] = append(due[at], uint16(65000+i))
	}
	var got []uint16
	wasted, lost := 0, 0
	for i, list := range due {
		for _, seq := range list {
			n := seq - 65000
			b.feed(from, vp8(2000, seq, uint32(n)*3000, n, uint8(n), 0, n == 0, true, true))
		}
		b.pass(5 * time.Millisecond)
		got = append(got, numbers(b, to)...)
		n, _, l := asked(t, b, from)
		if i > settled {
			wasted, lost = wasted+n, lost+l
		}
	}
	if !slices.IsSortedFunc(got, func(a, b uint16) int { return int(int16(a - b)) }) || len(got) != packets {
		t.Errorf("%d packets of %d arrived, or out of order", len(got), packets)
	}
	if wasted > packets/20 || lost > packets/20 {
		t.Errorf("of %d packets that were only late %d were asked for and %d called lost", packets, wasted, lost)
	}
	if d := from.leg.disorder; d < 10_000 || d > 45_000 {
		t.Errorf("packets are taken to be late for %d µs, they are for up to 45,000", d)
	}
}

func TestNobodyIsHeldForLong(t *testing.T) {
	b := newBench(t)
	from, to, _ := viewed(b)
	send := func(seq uint16, key bool) {
		b.feed(from, vp8(2000, seq, uint32(seq)*3000, seq, uint8(seq), 0, key, true, true))
	}
	send(1, true)
	b.turn()
	asked(t, b, from)
	if got := numbers(b, to); len(got) != 1 {
		t.Fatalf("%d packets arrived of the first one", len(got))
	}
	send(3, false)
	send(4, false)
	b.turn()
	if got := numbers(b, to); len(got) != 0 {
		t.Errorf("%d packets did not wait for the one before them", len(got))
	}
	packets := 0
	for range (heldUnknown / 10_000) + 2 {
		b.pass(10 * time.Millisecond)
		n, keyframes, _ := asked(t, b, from)
		packets += n
		if keyframes != 0 {
			t.Error("a keyframe was asked for while a repair may still come")
		}
	}
	if got := numbers(b, to); len(got) != 2 || got[1] != got[0]+1 {
		t.Errorf("%v came after the wait", got)
	}
	if packets < 2 {
		t.Errorf("the missing packet was asked for %d times", packets)
	}
	// It never comes: the receiver would wait for seconds.
	keyframes := 0
	for range nackFor / 10_000 {
		b.pass(10 * time.Millisecond)
		_, k, _ := asked(t, b, from)
		keyframes += k
	}
	if keyframes != 1 {
		t.Errorf("%d keyframes were asked for when the packet was given up, want 1", keyframes)
	}
	// What comes too late still goes on, in its place.
	send(2, false)
	send(5, false)
	b.turn()
	if got := numbers(b, to); len(got) != 2 || got[1] != got[0]+3 {
		t.Errorf("%v came at the end", got)
	}
}

func TestKeyframeEndsTheWait(t *testing.T) {
	b := newBench(t)
	from, to, _ := viewed(b)
	for seq := uint16(1); seq < 10; seq++ {
		if seq != 3 {
			b.feed(from, vp8(2000, seq, uint32(seq)*3000, seq, uint8(seq), 0, seq == 1 || seq == 9, true, true))
		}
	}
	for range (heldUnknown / 10_000) + 2 {
		b.pass(10 * time.Millisecond)
	}
	if got := numbers(b, to); len(got) != 8 {
		t.Fatalf("%d packets arrived of 8", len(got))
	}
	asked(t, b, from)
	for range 2 * nackFor / 10_000 {
		b.pass(10 * time.Millisecond)
		if n, k, _ := asked(t, b, from); n+k > 0 {
			t.Fatal("a packet from before a keyframe is still asked for")
		}
	}
}

func TestGreatGapAsksForAKeyframe(t *testing.T) {
	b := newBench(t)
	from, to, _ := viewed(b)
	b.feed(from, vp8(2000, 1, 3000, 1, 1, 0, true, true, true))
	b.turn()
	b.pass(3 * time.Second)
	asked(t, b, from)
	b.feed(from, vp8(2000, 1+maxMissing+1, 6000, 2, 2, 0, false, true, true))
	b.pass(10 * time.Millisecond)
	if _, keyframes, _ := asked(t, b, from); keyframes != 1 {
		t.Errorf("%d keyframes asked for after an outage of the sender", keyframes)
	}
	if got := numbers(b, to); len(got) != 2 {
		t.Errorf("%d packets arrived of 2", len(got))
	}
}

// TestWhatIsGoneBecomesAKeyframe: after an outage of its own a receiver asks for what nobody
// keeps any more.
func TestWhatIsGoneBecomesAKeyframe(t *testing.T) {
	b := newBench(t)
	from, to, _ := viewed(b)
	var gone uint16
	for seq := uint16(1); seq < 100; seq++ {
		b.feed(from, vp8(2000, seq, uint32(seq)*3000, seq, uint8(seq), 0, seq == 1, true, true))
		b.pass(30 * time.Millisecond)
		if got := numbers(b, to); seq == 10 && len(got) == 1 {
			gone = got[0]
		}
	}
	asked(t, b, from)
	ask := func(seq uint16) (keyframes int) {
		b.feedRTCP(to, marshalRTCP(t, &rtcp.ReceiverReport{SSRC: 5}, &rtcp.TransportLayerNack{
			SenderSSRC: 5, MediaSSRC: 2000, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{seq}),
		}))
		b.pass(10 * time.Millisecond)
		_, keyframes, _ = asked(t, b, from)
		return keyframes
	}
	if n := ask(gone + 85); n != 0 {
		t.Error("a keyframe was asked for though the packet is there")
	}
	if n := ask(gone + 200); n != 0 {
		t.Error("a keyframe was asked for in place of a packet that was never sent")
	}
	if n := ask(gone); n != 1 {
		t.Errorf("%d keyframes were asked for in place of a packet that is gone", n)
	}
}

func TestHeldPacketsComeBack(t *testing.T) {
	for name, end := range map[string]func(*testBench, *testPeer, *Source){
		"source closed":   func(_ *testBench, _ *testPeer, src *Source) { src.Close() },
		"endpoint closed": func(_ *testBench, from *testPeer, _ *Source) { from.Close() },
		"reset": func(b *testBench, from *testPeer, _ *Source) {
			b.feed(from, vp8(2000, 30_000, 3000, 1, 1, 0, false, true, true))
		},
		"reclaimed": func(b *testBench, _ *testPeer, _ *Source) { b.shard.reclaim() },
		"too many": func(b *testBench, from *testPeer, _ *Source) {
			for seq := uint16(100); seq < 100+2*maxHeld; seq++ {
				b.feed(from, vp8(2000, seq, 3000, 1, 1, 0, false, true, true))
				b.turn()
			}
			b.pass(2 * heldMax * time.Microsecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			from, _, src := viewed(b)
			for seq := uint16(1); seq < 50; seq++ {
				if seq%7 != 2 {
					b.feed(from, vp8(2000, seq, uint32(seq)*3000, seq, uint8(seq), 0, seq == 1, true, true))
				}
			}
			b.turn()
			u := from.leg.streams[2000]
			if u.held.count == 0 {
				t.Fatal("nothing is held")
			}
			end(b, from, src)
			b.turn()
			if u.held.count != 0 {
				t.Errorf("%d packets are still held", u.held.count)
			}
			src.Close()
			b.turn()
			if n := len(b.shard.arena.free); n < 2048-receiveBatch {
				t.Errorf("%d slots are free of 2048", n)
			}
		})
	}
}

func TestHoldingAllocatesNothing(t *testing.T) {
	b := newBench(t)
	b.link.keep = false
	from, _, _ := viewed(b)
	const rounds = 500
	for n := uint16(1); n <= 3*(rounds+2); n += 3 {
		for _, seq := range []uint16{n + 1, n + 2, n} {
			b.feed(from, vp8(2000, seq, uint32(seq)*3000, seq, uint8(seq), 0, seq < 4, true, true))
		}
	}
	in, peers := b.link.in, b.link.from
	if n := testing.AllocsPerRun(rounds, func() {
		b.link.in, b.link.from = in[:3], peers[:3]
		in, peers = in[3:], peers[3:]
		b.turn()
	}); n > 0 {
		t.Errorf("%.2f allocations for three packets out of order", n)
	}
	if b.link.count < 3*rounds {
		t.Errorf("%d packets went on of %d", b.link.count, 3*rounds)
	}
}

// TestRoomForWaitingPacketsIsShared: streams that wait one after the other need the memory of
// one.
func TestRoomForWaitingPacketsIsShared(t *testing.T) {
	b := newBench(t)
	for range 3 {
		from, to, _ := viewed(b)
		for _, seq := range []uint16{1, 3, 2} {
			b.feed(from, vp8(2000, seq, uint32(seq)*3000, seq, uint8(seq), 0, seq == 1, true, true))
		}
		b.turn()
		if got := numbers(b, to); len(got) != 3 {
			t.Errorf("%d packets went on", len(got))
		}
	}
	if n := len(b.shard.heldSpare); n != 1 {
		t.Errorf("there is room for %d streams", n)
	}
}

func TestMissingList(t *testing.T) {
	var m missingList
	rule := askRule{wait: 30_000, repeat: 50_000, limit: 1_000_000}
	collect := func(now int64) []uint16 {
		asks, _ := m.collect(nil, now, rule)
		return asks
	}
	if !m.add(110, 3, 0) || m.add(400, maxMissing, 0) {
		t.Fatal("a small gap is not taken, or a great one is")
	}
	m.add(110, 3, 0)
	for _, step := range []struct {
		now  int64
		asks int
	}{{10_000, 0}, {30_000, 3}, {70_000, 0}, {80_000, 3}, {120_000, 0}} {
		if got := collect(step.now); len(got) != step.asks {
			t.Errorf("%d packets asked for at %d, want %d", len(got), step.now, step.asks)
		}
	}
	if it, ok := m.found(108); !ok || it.times != 2 || m.count != 2 {
		t.Errorf("found %+v, %d left", it, m.count)
	}
	if m.forget(109); m.count != 1 {
		t.Errorf("%d left of one", m.count)
	}
	if asks, givenUp := m.collect(nil, 1_000_000, rule); len(asks) != 0 || !givenUp || m.count != 0 || m.told != 3 {
		t.Errorf("asks %v, given up %v, %d left, %d told", asks, givenUp, m.count, m.told)
	}
}

// TestRepairedKeyframeBegins: a stream begins with a keyframe whose first packet was lost and
// repaired in time.
func TestRepairedKeyframeBegins(t *testing.T) {
	b := newBench(t)
	from, to, _ := viewed(b)
	sender := &lossySender{b: b, p: from, random: rand.New(rand.NewPCG(1, 1))}
	b.feed(from, vp8(2000, 1, 3000, 1, 1, 0, false, true, true))
	b.feed(from, vp8(2000, 3, 6000, 2, 2, 0, true, false, true))
	b.turn()
	if got := numbers(b, to); len(got) != 0 {
		t.Fatalf("%v arrived without a keyframe", got)
	}
	sender.transmit(sender.rtx(2, vp8(2000, 2, 6000, 2, 2, 0, true, true, false)))
	b.turn()
	if got := numbers(b, to); len(got) != 2 || got[1] != got[0]+1 {
		t.Errorf("%v arrived of a keyframe in two packets", got)
	}
}

// TestNoGreatKeyframeOnTheWayDown: a keyframe is asked for to get a smaller picture, and comes
// with one of the great picture.
func TestNoGreatKeyframeOnTheWayDown(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 1000}, {SSRC: 2000}, {SSRC: 3000}}})
	to.Forward(Forward{Source: video, Target: media.LayerAll})
	b.turn()
	sim, pl := newSimulcaster(b, from), &player{t: t}
	round := func(key bool, order ...int) {
		for _, e := range order {
			sim.frame(e, key)
		}
		b.pass(33 * time.Millisecond)
		packets, _ := b.got(to)
		for _, p := range packets {
			pl.take(p)
		}
	}
	for i := range 20 {
		round(i == 0, 0, 1, 2)
	}
	down := to.leg.downs[downKey{video, projected}]
	if down.encoding != 2 {
		t.Fatalf("the receiver gets encoding %d, want the best", down.encoding)
	}
	to.Forward(Forward{Source: video, Target: media.LayerOf(0, 0, 2)})
	before := pl.frames
	for range 8 {
		round(false, 2, 1, 0)
	}
	if n := pl.frames - before; n != 2 {
		t.Errorf("%d frames of 8 came before the keyframe, want the two of the base layer", n)
	}
	keys := pl.keys
	round(true, 2, 1, 0)
	if down.encoding != 0 || pl.keys != keys+1 {
		t.Errorf("the receiver gets encoding %d and got %d keyframes, want the smallest and one", down.encoding, pl.keys-keys)
	}
}
