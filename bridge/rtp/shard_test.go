package rtp

import (
	"encoding/binary"
	"testing"
	"time"

	pionrtp "github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"parley/bridge/media"
)

// fakeLink gives a shard what a test put into it and keeps what the shard sent.
type fakeLink struct {
	in    [][]byte
	from  []uint32
	sent  [][]byte
	to    []uint32
	keep  bool
	count int
}

func (l *fakeLink) Receive(buffers [][]byte, sizes []int, peers []uint32, _ []int64, _ time.Time) int {
	n := min(len(l.in), len(buffers))
	for i := range n {
		sizes[i] = copy(buffers[i], l.in[i])
		peers[i] = l.from[i]
	}
	l.in, l.from = l.in[n:], l.from[n:]
	return n
}

func (l *fakeLink) Send(peers []uint32, datagrams [][]byte) int {
	l.count += len(datagrams)
	if l.keep {
		for i, d := range datagrams {
			l.sent = append(l.sent, append([]byte(nil), d...))
			l.to = append(l.to, peers[i])
		}
	}
	return len(datagrams)
}

func (l *fakeLink) Rest(time.Duration) {}
func (l *fakeLink) Wake()              {}

var testKey, testSalt = []byte("0123456789abcdef"), []byte("salt of 12 b")

// testPeer is a client made of two SRTP contexts.
type testPeer struct {
	*Endpoint
	send, receive *srtp.Context
	peer          uint32
}

type testBench struct {
	tb    testing.TB
	link  *fakeLink
	shard *Shard
	ev    chan Event
	peers uint32
}

func newBench(tb testing.TB) *testBench {
	link := &fakeLink{keep: true}
	shard := NewShard(Config{ArenaSlots: 2048}, link)
	if _, ok := tb.(*testing.B); !ok {
		still := shard.epoch.Add(tick) // only pass moves the clock
		shard.since = func(epoch time.Time) time.Duration { return still.Sub(epoch) }
	}
	return &testBench{tb: tb, link: link, shard: shard, ev: make(chan Event, 4096)}
}

func testContext(tb testing.TB, opts ...srtp.ContextOption) *srtp.Context {
	tb.Helper()
	c, err := srtp.CreateContext(testKey, testSalt, srtp.ProtectionProfileAeadAes128Gcm, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

var testTypes = []media.PayloadType{
	{Number: 111, Kind: media.Audio, Codec: media.Opus, ClockRate: 48000, TransportCC: true},
	{Number: 100, Kind: media.Video, Codec: media.VP8, ClockRate: 90000, NACK: true, PLI: true, TransportCC: true},
	{Number: 96, Kind: media.Video, Codec: media.RTX, ClockRate: 90000, Apt: 100},
}

var testExtensions = []media.Extension{{ID: 1, Kind: media.ExtAudioLevel}, {ID: 5, Kind: media.ExtTransportCC}, {ID: 10, Kind: media.ExtMID}}

func (t *testBench) join() *testPeer {
	t.peers++
	p := &testPeer{peer: t.peers, send: testContext(t.tb), receive: testContext(t.tb, srtp.SRTPReplayProtection(512))}
	p.Endpoint = t.shard.NewEndpoint(p.peer, EndpointOptions{Events: t.ev, AudioFeedbackSSRC: 11, VideoFeedbackSSRC: 22})
	p.AddPayloadTypes(testTypes...)
	p.AddExtensions(testExtensions...)
	p.SetKeys(testContext(t.tb), testContext(t.tb, srtp.SRTPReplayProtection(512)), true)
	return p
}

// turn runs the shard once without waiting.
func (t *testBench) turn() { t.shard.step(time.Time{}) }

// feed queues a packet of a peer.
func (t *testBench) feed(p *testPeer, plain []byte) {
	sealed, err := p.send.EncryptRTP(nil, plain, nil)
	if err != nil {
		t.tb.Fatal(err)
	}
	t.link.in, t.link.from = append(t.link.in, sealed), append(t.link.from, p.peer)
}

func (t *testBench) feedRTCP(p *testPeer, plain []byte) {
	sealed, err := p.send.EncryptRTCP(nil, plain, nil)
	if err != nil {
		t.tb.Fatal(err)
	}
	t.link.in, t.link.from = append(t.link.in, sealed), append(t.link.from, p.peer)
}

// got opens what was sent to a peer since the last call.
func (t *testBench) got(p *testPeer) (packets []*pionrtp.Packet, rtcp [][]byte) {
	t.tb.Helper()
	var rest [][]byte
	var to []uint32
	for i, d := range t.link.sent {
		if t.link.to[i] != p.peer {
			rest, to = append(rest, d), append(to, t.link.to[i])
			continue
		}
		if d[1] >= 192 && d[1] <= 223 {
			plain, err := p.receive.DecryptRTCP(nil, d, nil)
			if err != nil {
				t.tb.Fatal(err)
			}
			rtcp = append(rtcp, plain)
			continue
		}
		plain, err := p.receive.DecryptRTP(nil, d, nil)
		if err != nil {
			t.tb.Fatalf("packet %d: %v", i, err)
		}
		pkt := &pionrtp.Packet{}
		if err := pkt.Unmarshal(plain); err != nil {
			t.tb.Fatal(err)
		}
		packets = append(packets, pkt)
	}
	t.link.sent, t.link.to = rest, to
	return packets, rtcp
}

// vp8 builds a packet as Chromium sends it.
func vp8(ssrc uint32, seq uint16, ts uint32, pid uint16, tl0, tid uint8, key, start, end bool) []byte {
	h := pionrtp.Header{Version: 2, PayloadType: 100, SSRC: ssrc, SequenceNumber: seq, Timestamp: ts, Marker: end}
	_ = h.SetExtension(5, []byte{byte(seq >> 8), byte(seq)})
	_ = h.SetExtension(10, []byte("1"))
	payload := []byte{0x80, 0xE0, 0x80 | byte(pid>>8), byte(pid), tl0, tid << 6}
	if tid > 0 {
		payload[5] |= 0x20
	}
	if start {
		payload[0] |= 0x10
	}
	if key {
		payload = append(payload, 0x10, 0, 0, 0x9D, 1, 0x2A, 0x80, 2, 0x68, 1)
	} else {
		payload = append(payload, 0x11, 0, 0)
	}
	payload = append(payload, make([]byte, 1000)...)
	b, _ := (&pionrtp.Packet{Header: h, Payload: payload}).Marshal()
	return b
}

func opus(ssrc uint32, seq uint16, level byte) []byte {
	h := pionrtp.Header{Version: 2, PayloadType: 111, SSRC: ssrc, SequenceNumber: seq, Timestamp: uint32(seq) * 960}
	_ = h.SetExtension(1, []byte{level})
	b, _ := (&pionrtp.Packet{Header: h, Payload: []byte{1, 2, 3, 4, byte(seq)}}).Marshal()
	return b
}

func TestForwardAudioAndVideo(t *testing.T) {
	b := newBench(t)
	from, to := b.join(), b.join()
	audio := from.AddSource(SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: 1000}}})
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	to.Forward(Forward{Source: audio, Target: media.LayerAll})
	to.Forward(Forward{Source: video, Target: media.LayerAll})
	b.turn()
	b.feed(from, opus(1000, 10, 30))
	b.feed(from, vp8(2000, 4, 3000, 1, 1, 0, false, true, true)) // nothing can start here
	b.feed(from, vp8(2000, 5, 6000, 2, 2, 0, true, true, false))
	b.feed(from, vp8(2000, 6, 6000, 2, 2, 0, true, false, true))
	b.feed(from, vp8(9999, 6, 6000, 2, 2, 0, true, false, true)) // never announced
	b.turn()
	packets, _ := b.got(to)
	if len(packets) != 3 {
		t.Fatalf("got %d packets, want 3", len(packets))
	}
	// Video leaves first: its packets are of one size.
	v, second, a := packets[0], packets[1], packets[2]
	if a.SSRC != 1000 || a.PayloadType != 111 || len(a.GetExtensionIDs()) != 1 || a.GetExtension(1)[0] != 30 {
		t.Errorf("audio came out as %v", a)
	}
	if v.SSRC != 2000 || v.GetExtension(10) != nil || binary.BigEndian.Uint16(v.GetExtension(5)) != 1 {
		t.Errorf("video came out as %v", v)
	}
	if second.SequenceNumber != v.SequenceNumber+1 || !second.Marker {
		t.Errorf("second packet of the frame came out as %v", second)
	}
	if v.SequenceNumber >= 1<<15 {
		t.Errorf("stream starts at %d", v.SequenceNumber)
	}
	var cursor uint32
	if l := audio.Levels(&cursor, nil); len(l) != 1 || l[0].Value != 97 {
		t.Errorf("levels are %v", l)
	}
}

func TestForwardAllocatesNothing(t *testing.T) {
	b := newBench(t)
	b.link.keep = false
	from := b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	audio := from.AddSource(SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: 1000}}})
	for range 3 {
		to := b.join()
		to.Forward(Forward{Source: video, Target: media.LayerAll})
		to.Forward(Forward{Source: audio, Target: media.LayerAll})
	}
	b.turn()
	const packets = 6000
	in, peers := make([][]byte, 0, packets), make([]uint32, 0, packets)
	for i := range packets / 2 {
		v := vp8(2000, uint16(i), uint32(i)*3000, uint16(i), uint8(i), 0, i == 0, true, true)
		b.feed(from, v)
		b.feed(from, opus(1000, uint16(i), 30))
	}
	in, peers = b.link.in, b.link.from
	b.link.in, b.link.from = nil, nil
	at := 0
	next := func() {
		b.link.in, b.link.from = in[at:at+10], peers[at:at+10]
		at += 10
		// Timers have their own rhythm and publish snapshots.
		b.shard.nextTick = b.shard.clock + 1e9
		b.turn()
	}
	for range 50 {
		next()
	}
	before := b.link.count
	if n := testing.AllocsPerRun(400, next); n != 0 {
		t.Errorf("%v allocations for ten packets in and thirty out", n)
	}
	if got := b.link.count - before; got != 401*30 {
		t.Errorf("%d packets were sent, want %d", got, 401*30)
	}
}

// TestLongRunsLeaveEarly: what came first of a great burst does not wait for all of it.
func TestLongRunsLeaveEarly(t *testing.T) {
	for _, c := range []struct {
		receivers, datagrams int
		want                 bool
	}{{1, earlyBatch - 1, false}, {1, earlyBatch, true}, {40, 40*longRun - 1, false}, {40, 40 * longRun, true}, {200, sendBatch - 1, false}, {200, sendBatch, true}} {
		q := newSendQueue()
		q.receivers, q.count = q.receivers[:c.receivers], c.datagrams
		if got := q.full(); got != c.want {
			t.Errorf("%d datagrams for %d receivers leave: %v", c.datagrams, c.receivers, got)
		}
	}
}
