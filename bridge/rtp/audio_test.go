package rtp

import (
	"bytes"
	"slices"
	"testing"
	"time"

	pionrtp "github.com/pion/rtp"

	"parley/bridge/codec"
	"parley/bridge/media"
)

var redTypes = []media.PayloadType{{Number: 112, Kind: media.Audio, Codec: media.RED, ClockRate: 48000}}

// redPacket carries frame seq and repeats the two before it. A frame is three bytes of
// its number.
func redPacket(ssrc uint32, seq uint16, level byte) []byte {
	h := pionrtp.Header{Version: 2, PayloadType: 112, SSRC: ssrc, SequenceNumber: seq, Timestamp: uint32(seq) * 960}
	_ = h.SetExtension(1, []byte{level})
	var payload []byte
	for back := uint16(2); back > 0; back-- {
		age := int(back) * 960
		payload = append(payload, 0x80|111, byte(age>>6), byte(age<<2), 3)
	}
	payload = append(payload, 111)
	for back := 2; back >= 0; back-- {
		payload = append(payload, bytes.Repeat([]byte{byte(seq) - byte(back)}, 3)...)
	}
	b, _ := (&pionrtp.Packet{Header: h, Payload: payload}).Marshal()
	return b
}

// talker is a peer with one audio source everybody in to gets.
func (t *testBench) talker(ssrc uint32, to ...*testPeer) (*testPeer, *Source) {
	p := t.join()
	src := p.AddSource(SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: ssrc}}})
	for _, r := range to {
		r.Forward(Forward{Source: src, Target: media.LayerAll})
	}
	return p, src
}

// TestREDIsUnpackedForWhoDoesNotKnowIt: a receiver with RED gets what was sent; one
// without gets plain Opus, complete although every third packet was lost.
func TestREDIsUnpackedForWhoDoesNotKnowIt(t *testing.T) {
	b := newBench(t)
	knows, plain := b.join(), b.join()
	knows.AddPayloadTypes(redTypes...)
	from, _ := b.talker(1000, knows, plain)
	from.AddPayloadTypes(redTypes...)
	b.turn()
	for seq := uint16(100); seq < 160; seq++ {
		if seq%3 == 1 && seq > 100 {
			continue // lost
		}
		b.feed(from, redPacket(1000, seq, 30))
		b.turn()
	}
	whole, _ := b.got(knows)
	if len(whole) != 41 || whole[0].PayloadType != 112 || !bytes.Equal(whole[0].Payload[9:], []byte{98, 98, 98, 99, 99, 99, 100, 100, 100}) {
		t.Fatalf("the receiver with RED got %d packets, first %v", len(whole), whole[0])
	}
	packets, _ := b.got(plain)
	slices.SortFunc(packets, func(a, b *pionrtp.Packet) int { return int(int16(a.SequenceNumber - b.SequenceNumber)) })
	for i, p := range packets {
		frame := byte(p.Timestamp / 960)
		switch {
		case p.PayloadType != 111:
			t.Fatalf("payload type %d", p.PayloadType)
		case !bytes.Equal(p.Payload, bytes.Repeat([]byte{frame}, 3)):
			t.Fatalf("packet of frame %d carries %v", frame, p.Payload)
		case i > 0 && (p.SequenceNumber != packets[i-1].SequenceNumber+1 || p.Timestamp != packets[i-1].Timestamp+960):
			t.Fatalf("packet %d at %d follows %d at %d", p.SequenceNumber, p.Timestamp, packets[i-1].SequenceNumber, packets[i-1].Timestamp)
		case frame%3 != 1 && (len(p.GetExtension(1)) != 1 || p.GetExtension(1)[0] != 30):
			t.Fatalf("the level of frame %d got lost", frame)
		}
	}
	if n := len(packets); n != 60 {
		t.Errorf("%d frames of 60 arrived", n)
	}
	b.pass(time.Second)
	if n := b.shard.Stats().Recovered; n != 19 {
		t.Errorf("%d frames were recovered, want 19", n)
	}
}

// TestLateOriginalOfARecoveredPacket: who has the frame already does not get it again.
func TestLateOriginalOfARecoveredPacket(t *testing.T) {
	b := newBench(t)
	knows, plain := b.join(), b.join()
	knows.AddPayloadTypes(redTypes...)
	from, _ := b.talker(1000, knows, plain)
	from.AddPayloadTypes(redTypes...)
	b.turn()
	for _, seq := range []uint16{100, 102, 101, 103} {
		b.feed(from, redPacket(1000, seq, 30))
	}
	b.turn()
	if whole, _ := b.got(knows); len(whole) != 4 {
		t.Errorf("the receiver with RED got %d packets", len(whole))
	}
	if packets, _ := b.got(plain); len(packets) != 4 {
		t.Errorf("the receiver without got %d packets", len(packets))
	}
}

// TestBadREDIsDropped: what is no RED payload reaches nobody without RED.
func TestBadREDIsDropped(t *testing.T) {
	b := newBench(t)
	plain := b.join()
	from, _ := b.talker(1000, plain)
	from.AddPayloadTypes(redTypes...)
	b.turn()
	for i, payload := range [][]byte{{0xFF}, {0x80 | 111, 0, 3, 255, 111, 1}, {112, 1, 2}, {100, 1, 2}, {111}} {
		p, _ := (&pionrtp.Packet{Header: pionrtp.Header{Version: 2, PayloadType: 112, SSRC: 1000, SequenceNumber: uint16(i)}, Payload: payload}).Marshal()
		b.feed(from, p)
	}
	b.turn()
	if packets, _ := b.got(plain); len(packets) != 0 {
		t.Errorf("got %v", packets[0])
	}
}

// FuzzRED feeds any payloads, in any order, to one receiver that knows RED and one that
// does not. What comes out is opened as a browser would: two packets under one number, or
// one that is no packet, fail there.
func FuzzRED(f *testing.F) {
	f.Add([]byte{1, 9, 0x80 | 111, 15, 3, 3, 111, 1, 2, 3, 4, 2, 2, 111, 7, 1, 2, 111, 9})
	f.Add([]byte{0x41, 3, 7, 7, 7, 2, 6, 0x80 | 111, 0, 4, 1, 111, 5, 0x8F, 1, 111})
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBench(t)
		knows, plain := b.join(), b.join()
		knows.AddPayloadTypes(redTypes...)
		from, _ := b.talker(1000, knows, plain)
		from.AddPayloadTypes(redTypes...)
		b.turn()
		for n, seq := 0, uint16(1000); len(data) > 1 && n < 60; n++ {
			how, size := data[0], min(int(data[1]&0x3F), len(data)-2)
			seq += uint16(how&7) - 2 // some late, some lost, some twice
			h := pionrtp.Header{Version: 2, PayloadType: 112, SSRC: 1000, SequenceNumber: seq, Timestamp: uint32(seq) * 960}
			if how&0x40 != 0 {
				h.PayloadType = 111
			}
			if how&0x80 == 0 {
				_ = h.SetExtension(1, []byte{how >> 3})
			}
			packet, err := (&pionrtp.Packet{Header: h, Payload: data[2 : 2+size]}).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			data = data[2+size:]
			b.feed(from, packet)
			if how&0x20 != 0 {
				b.turn()
			}
		}
		b.turn()
		whole, _ := b.got(knows)
		packets, _ := b.got(plain)
		for _, p := range packets {
			if p.PayloadType != 111 {
				t.Fatalf("payload type %d reached who does not know RED", p.PayloadType)
			}
		}
		for _, p := range whole {
			if p.PayloadType != 111 && p.PayloadType != 112 {
				t.Fatalf("payload type %d", p.PayloadType)
			}
		}
	})
}

// TestDTXPassesAsItIs: a pause of the sender is a jump of the timestamp, not of the
// numbers, and comfort noise between passes.
func TestDTXPassesAsItIs(t *testing.T) {
	b := newBench(t)
	to := b.join()
	from, _ := b.talker(1000, to)
	b.turn()
	var want []uint32
	ts := uint32(9600)
	for seq := range uint16(12) {
		ts += 960
		if seq%4 == 3 {
			ts += 19 * 960 // 400 ms of nothing
		}
		h := pionrtp.Header{Version: 2, PayloadType: 111, SSRC: 1000, SequenceNumber: 500 + seq, Timestamp: ts}
		_ = h.SetExtension(1, []byte{90})
		p, _ := (&pionrtp.Packet{Header: h, Payload: []byte{0xF8}}).Marshal()
		b.feed(from, p)
		want = append(want, ts)
	}
	b.turn()
	packets, _ := b.got(to)
	if len(packets) != len(want) {
		t.Fatalf("got %d packets", len(packets))
	}
	for i, p := range packets {
		if p.Timestamp-packets[0].Timestamp != want[i]-want[0] || p.SequenceNumber != packets[0].SequenceNumber+uint16(i) {
			t.Errorf("packet %d: number %d, timestamp %d", i, p.SequenceNumber, p.Timestamp)
		}
	}
}

// TestLoudestAreForwarded: of twenty who talk three are heard, the loudest of them, and
// nobody's stream has holes.
func TestLoudestAreForwarded(t *testing.T) {
	b := newBench(t)
	to := b.join()
	ranking := NewLoudest(LoudestConfig{Count: 3, Expire: 150 * time.Millisecond, Alpha: 50})
	var talkers []*testPeer
	var sources []*Source
	for i := range 20 {
		p, src := b.talker(uint32(1000+i), to)
		p.Rank(ranking)
		talkers, sources = append(talkers, p), append(sources, src)
	}
	b.turn()
	seq := uint16(0)
	say := func(rounds int, level func(i int) byte) map[uint32]int {
		for range rounds {
			for i, p := range talkers {
				b.feed(p, opus(uint32(1000+i), seq, level(i)))
			}
			seq++
			b.pass(20 * time.Millisecond)
		}
		heard := map[uint32]int{}
		packets, _ := b.got(to)
		for _, p := range packets {
			heard[p.SSRC]++
		}
		return heard
	}
	byIndex := func(i int) byte { return byte(100 - 2*i) } // the last is the loudest
	say(20, byIndex)
	heard := say(50, byIndex)
	if len(heard) != 3 || heard[1017] != 50 || heard[1018] != 50 || heard[1019] != 50 {
		t.Fatalf("heard %v", heard)
	}
	// Somebody else raises the voice: heard at once, and the softest of the three is not.
	heard = say(50, func(i int) byte {
		if i == 4 {
			return 10
		}
		return byIndex(i)
	})
	if heard[1004] < 49 || heard[1019] != 50 || heard[1017] > 2 {
		t.Errorf("heard %v", heard)
	}
	// Who is exempt is heard beside them.
	sources[0].Always(true)
	if heard = say(20, byIndex); heard[1000] != 20 {
		t.Errorf("heard %v of who is exempt", heard[1000])
	}
	sources[0].Close()
	b.pass(time.Second)
	var tossed uint64
	for _, n := range b.shard.Stats().Tossed {
		tossed += n
	}
	if tossed < 17*100 {
		t.Errorf("%d packets were counted as left out", tossed)
	}
	if len(ranking.ranked) > 3 {
		t.Errorf("%d places", len(ranking.ranked))
	}
}

// TestLoudestComesBackWithoutHoles: what was left out leaves no trace in the numbers.
func TestLoudestComesBackWithoutHoles(t *testing.T) {
	b := newBench(t)
	to := b.join()
	ranking := NewLoudest(LoudestConfig{Count: 1, Expire: 150 * time.Millisecond, Alpha: 50})
	first, _ := b.talker(1000, to)
	second, _ := b.talker(1001, to)
	first.Rank(ranking)
	second.Rank(ranking)
	b.turn()
	last := map[uint32]uint16{}
	for seq := range uint16(400) {
		a, c := byte(20), byte(60)
		if seq/50%2 == 1 {
			a, c = c, a
		}
		b.feed(first, opus(1000, seq, a))
		b.feed(second, opus(1001, seq, c))
		b.pass(20 * time.Millisecond)
		packets, _ := b.got(to)
		for _, p := range packets {
			if before, known := last[p.SSRC]; known && p.SequenceNumber != before+1 {
				t.Fatalf("%d: number %d follows %d", p.SSRC, p.SequenceNumber, before)
			}
			last[p.SSRC] = p.SequenceNumber
		}
	}
	if len(last) != 2 {
		t.Errorf("heard %v", last)
	}
}

func TestREDAndLoudestAllocateNothing(t *testing.T) {
	b := newBench(t)
	b.link.keep = false
	knows, plain := b.join(), b.join()
	knows.AddPayloadTypes(redTypes...)
	from, _ := b.talker(1000, knows, plain)
	from.AddPayloadTypes(redTypes...)
	from.Rank(NewLoudest(LoudestConfig{Count: 3, Expire: 150 * time.Millisecond, Alpha: 50}))
	b.turn()
	for i := range 3000 {
		if i%3 != 1 {
			b.feed(from, redPacket(1000, uint16(i), 30))
		}
	}
	in, peers := b.link.in, b.link.from
	at := 0
	next := func() {
		b.link.in, b.link.from = in[at:at+5], peers[at:at+5]
		at += 5
		b.shard.nextTick = b.shard.clock + 1e9
		b.turn()
	}
	for range 20 {
		next()
	}
	if n := testing.AllocsPerRun(300, next); n != 0 {
		t.Errorf("%v allocations for five packets", n)
	}
}

// TestREDIsUnpackedWhereItIsTooMuch: whoever knows RED gets it or what is in it, as is said,
// and its stream has no hole where that changes.
func TestREDIsUnpackedWhereItIsTooMuch(t *testing.T) {
	b := newBench(t)
	to := b.join()
	to.AddPayloadTypes(redTypes...)
	from, _ := b.talker(1000, to)
	from.AddPayloadTypes(redTypes...)
	b.turn()
	for seq := uint16(100); seq < 180; seq++ {
		if seq%10 == 0 {
			to.PlainAudio(seq%20 == 0)
		}
		b.turn()
		if seq%7 != 3 {
			b.feed(from, redPacket(1000, seq, 30))
			b.turn()
		}
	}
	packets, _ := b.got(to)
	frames := map[uint32]bool{}
	types := map[uint8]int{}
	for i, p := range packets {
		types[p.PayloadType]++
		if p.PayloadType == 112 { // it has the two before it, too
			frames[p.Timestamp-960], frames[p.Timestamp-1920] = true, true
		}
		frames[p.Timestamp] = true
		if d := p.SequenceNumber - packets[0].SequenceNumber; i > 0 && p.Timestamp-packets[0].Timestamp != uint32(d)*960 {
			t.Errorf("packet %d has number %d and timestamp %d", i, p.SequenceNumber, p.Timestamp)
		}
	}
	for seq := uint32(100); seq < 180; seq++ {
		if !frames[seq*960] {
			t.Errorf("frame %d is missing", seq)
		}
	}
	if types[111] < 30 || types[112] < 30 || len(types) != 2 {
		t.Errorf("payload types %v", types)
	}
}

// TestPlainAudioIsRepeated: whoever is to get RED gets it also of somebody who sends plain
// Opus, and can rebuild what is lost on the way to it.
func TestPlainAudioIsRepeated(t *testing.T) {
	b := newBench(t)
	knows, plain := b.join(), b.join()
	knows.AddPayloadTypes(redTypes...)
	from, _ := b.talker(1000, knows, plain)
	b.turn()
	frame := func(seq uint16) []byte { return bytes.Repeat([]byte{byte(seq)}, 40+int(seq%30)) }
	for seq := uint16(100); seq < 160; seq++ {
		if seq == 130 {
			continue // lost on the way to us: nobody has it
		}
		h := pionrtp.Header{Version: 2, PayloadType: 111, SSRC: 1000, SequenceNumber: seq, Timestamp: uint32(seq) * 960}
		_ = h.SetExtension(1, []byte{30})
		p, _ := (&pionrtp.Packet{Header: h, Payload: frame(seq)}).Marshal()
		b.feed(from, p)
		b.turn()
	}
	if packets, _ := b.got(plain); len(packets) != 59 || packets[58].PayloadType != 111 || !bytes.Equal(packets[58].Payload, frame(159)) {
		t.Errorf("the receiver without RED got %d packets", len(packets))
	}
	packets, _ := b.got(knows)
	heard := map[uint32][]byte{}
	for i, p := range packets {
		if p.PayloadType == 111 && i == 0 {
			heard[p.Timestamp] = p.Payload
			continue
		}
		var blocks [codec.MaxRED]codec.REDBlock
		n := codec.ReadRED(p.Payload, &blocks)
		if p.PayloadType != 112 || n != 2 || blocks[0].PT != 111 || blocks[1].PT != 111 || p.GetExtension(1)[0] != 30 {
			t.Fatalf("packet %d: type %d, %d blocks", i, p.PayloadType, n)
		}
		if i%2 == 1 { // lost on the way to the receiver
			continue
		}
		for _, k := range blocks[:n] {
			heard[p.Timestamp-k.Age] = p.Payload[k.At : k.At+k.Size]
		}
	}
	for seq := uint16(100); seq < 158; seq++ {
		if seq != 130 && !bytes.Equal(heard[uint32(seq)*960], frame(seq)) {
			t.Errorf("frame %d is not to be rebuilt", seq)
		}
	}
}

// TestRepeatedAudioHasItsBounds: what is too large, too old or too late to be repeated goes out
// as it came.
func TestRepeatedAudioHasItsBounds(t *testing.T) {
	b := newBench(t)
	knows := b.join()
	knows.AddPayloadTypes(redTypes...)
	from, _ := b.talker(1000, knows)
	b.turn()
	say := func(seq uint16, ts uint32, size int) *pionrtp.Packet {
		p, _ := (&pionrtp.Packet{Header: pionrtp.Header{Version: 2, PayloadType: 111, SSRC: 1000, SequenceNumber: seq, Timestamp: ts},
			Payload: make([]byte, size)}).Marshal()
		b.feed(from, p)
		b.turn()
		packets, _ := b.got(knows)
		if len(packets) != 1 {
			t.Fatalf("packet %d: %d came out", seq, len(packets))
		}
		return packets[0]
	}
	for _, c := range []struct {
		what string
		seq  uint16
		ts   uint32
		size int
		pt   uint8
	}{
		{"the first", 10, 9600, 80, 111},
		{"one after it", 11, 10560, frameMax + 1, 112},
		{"one after a large one", 12, 11520, 80, 111},
		{"one after a pause", 13, 11520 + redAge + 1, 80, 111},
		{"another large one", 15, 11520 + redAge + 1921, 1100, 112},
		{"one after it, too", 16, 11520 + redAge + 2881, 100, 111},
		{"a late one", 14, 11520 + redAge + 961, 80, 111},
		{"one after that", 17, 11520 + redAge + 3841, 600, 112},
		{"what no path would carry in one piece", 18, 11520 + redAge + 4801, 900, 111},
	} {
		if p := say(c.seq, c.ts, c.size); p.PayloadType != c.pt {
			t.Errorf("%s: payload type %d, want %d", c.what, p.PayloadType, c.pt)
		}
	}
}

// TestRepeatedAudioHasItsCodec: who takes redundant audio, but not this Opus, gets neither, and
// sees no hole where it was.
func TestRepeatedAudioHasItsCodec(t *testing.T) {
	b := newBench(t)
	knows := b.join()
	knows.AddPayloadTypes(redTypes...)
	from, _ := b.talker(1000, knows)
	from.AddPayloadTypes(media.PayloadType{Number: 109, Kind: media.Audio, Codec: media.Opus, ClockRate: 48000})
	b.turn()
	var numbers []uint16
	for seq := uint16(10); seq < 40; seq++ {
		h := pionrtp.Header{Version: 2, PayloadType: 111, SSRC: 1000, SequenceNumber: seq, Timestamp: uint32(seq) * 960}
		if seq%3 == 0 {
			h.PayloadType = 109
		}
		p, _ := (&pionrtp.Packet{Header: h, Payload: []byte{1, 2, 3}}).Marshal()
		b.feed(from, p)
		b.turn()
		packets, _ := b.got(knows)
		for _, p := range packets {
			numbers = append(numbers, p.SequenceNumber)
		}
	}
	for i, n := range numbers {
		if n != numbers[0]+uint16(i) {
			t.Fatalf("numbers %v", numbers)
		}
	}
	if len(numbers) != 20 {
		t.Errorf("%d packets", len(numbers))
	}
}
