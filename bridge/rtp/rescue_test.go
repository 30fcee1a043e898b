package rtp

import (
	"testing"
	"time"

	"parley/bridge/media"
)

// meltdown is a conference of a sender, two receivers and a bystander pair.
type meltdown struct {
	*testBench
	from, to, other     *testPeer
	bystander, listener *testPeer
	video               *Source
	seq, sound          uint16
	heard               []*Endpoint
	closed              int
}

func newMeltdown(t *testing.T) *meltdown {
	b := newBench(t)
	m := &meltdown{testBench: b, from: b.join(), to: b.join(), other: b.join(), bystander: b.join(), listener: b.join()}
	b.shard.OnPanic(func(e *Endpoint, closed bool, p any, stack []byte) {
		if p == nil || len(stack) == 0 {
			t.Error("a panic without a reason or a place")
		}
		m.heard = append(m.heard, e)
		if closed {
			m.closed++
		}
	})
	m.video = m.from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	audio := m.bystander.AddSource(SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: 1000}}})
	m.to.Forward(Forward{Source: m.video, Target: media.LayerAll})
	m.other.Forward(Forward{Source: m.video, Target: media.LayerAll})
	m.listener.Forward(Forward{Source: audio, Target: media.LayerAll})
	b.turn()
	m.look(t, 1, 1)
	return m
}

// look sends a picture, and sound of the bystander in the same batch, and says how many
// packets of either the receivers must have got.
func (m *meltdown) look(t *testing.T, to, other int) {
	t.Helper()
	m.seq++
	m.feed(m.from, vp8(2000, m.seq, 3000*uint32(m.seq), m.seq, uint8(m.seq), 0, true, true, true))
	m.speak()
	m.turn()
	for i, want := range map[*testPeer]int{m.to: to, m.other: other, m.listener: 1} {
		if got, _ := m.got(i); len(got) != want {
			t.Errorf("receiver %d got %d packets, want %d", i.peer, len(got), want)
		}
	}
}

func (m *meltdown) speak() {
	m.sound++
	m.feed(m.bystander, opus(1000, m.sound, 30))
}

// slotsFree fails if a panic kept memory of packets; those of pictures are in the memory for
// repetitions, one each, and receive holds a batch of them.
func (m *meltdown) slotsFree(t *testing.T, pictures int) {
	t.Helper()
	held := 0
	for _, n := range m.shard.arena.refs {
		if n > 0 {
			held++
		}
	}
	if held > receiveBatch+pictures {
		t.Errorf("%d slots are held", held)
	}
}

// TestPanicOfOnePacketLeavesOthersAlone: a sender whose packets break something loses them,
// and is closed when it goes on.
func TestPanicOfOnePacketLeavesOthersAlone(t *testing.T) {
	m := newMeltdown(t)
	for _, u := range m.from.leg.streams {
		u.source = nil
	}
	for i := range maxBroken + 2 {
		m.look(t, 0, 0)
		if want := min(i+1, maxBroken); len(m.heard) != want || m.heard[want-1] != m.from.Endpoint {
			t.Fatalf("after packet %d: heard %d panics, want %d", i, len(m.heard), want)
		}
	}
	if m.closed != 1 || m.shard.endpoints[m.from.peer] != nil {
		t.Error("the endpoint was not closed")
	}
	if n := m.shard.stats.now.Panics; n != maxBroken {
		t.Errorf("%d panics were counted", n)
	}
	m.slotsFree(t, 1)
	m.from.Close() // what the conference does when it hears of it
	m.turn()
}

// TestPanicOnTheWayToOneReceiver: it loses the source, nobody else anything but that packet.
func TestPanicOnTheWayToOneReceiver(t *testing.T) {
	m := newMeltdown(t)
	for _, d := range m.to.leg.downs {
		d.out = nil
	}
	m.look(t, 0, 0)
	if len(m.heard) != 1 || m.closed != 0 {
		t.Fatalf("heard %d panics, %d endpoints closed", len(m.heard), m.closed)
	}
	for range 3 {
		m.look(t, 0, 1)
	}
	if len(m.heard) != 1 {
		t.Errorf("heard %d panics", len(m.heard))
	}
	m.slotsFree(t, int(m.seq))
}

// TestPanicOfTimersAndCommands: the timers of others go on, and so do commands behind one
// that panics.
func TestPanicOfTimersAndCommands(t *testing.T) {
	m := newMeltdown(t)
	m.shard.post(func() { panic("a command") })
	ran := false
	m.shard.post(func() { ran = true })
	m.look(t, 1, 1)
	if !ran || len(m.heard) != 1 || m.heard[0] != nil {
		t.Fatalf("ran: %v, heard %v", ran, m.heard)
	}
	m.from.leg.order = append(m.from.leg.order, nil)
	before := m.listener.leg.nextRR
	m.shard.epoch = m.shard.epoch.Add(-10 * time.Second)
	m.turn()
	if len(m.heard) != 2 || m.heard[1] != m.from.Endpoint {
		t.Fatalf("heard %v", m.heard)
	}
	if m.listener.leg.nextRR == before {
		t.Error("others have no timers any more")
	}
}

// brittle is a link that panics.
type brittle struct {
	*fakeLink
	broken bool
}

func (l *brittle) Send(peers []uint32, datagrams [][]byte) int {
	if l.broken {
		panic("no link")
	}
	return l.fakeLink.Send(peers, datagrams)
}

// TestPanicOfATurn: what was to be sent is lost, the next turn is a new one; a shard that
// does nothing but panic ends the process.
func TestPanicOfATurn(t *testing.T) {
	m := newMeltdown(t)
	l := &brittle{fakeLink: m.link, broken: true}
	m.shard.link = l
	m.speak()
	m.turn()
	if len(m.heard) != 1 {
		t.Fatalf("heard %d panics", len(m.heard))
	}
	l.broken = false
	m.look(t, 1, 1)
	l.broken = true
	defer func() {
		if recover() == nil {
			t.Error("the shard goes on for ever")
		}
	}()
	for range maxBrokenTurns {
		m.speak()
		m.turn()
	}
}

// hold sends the next picture but one, which waits for the one in between.
func (m *meltdown) hold(t *testing.T) {
	t.Helper()
	m.seq += 2
	m.feed(m.from, vp8(2000, m.seq, 3000*uint32(m.seq), m.seq, uint8(m.seq), 0, true, true, true))
	m.turn()
	for _, u := range m.from.leg.order {
		if u.held.count != 1 {
			t.Fatalf("%d packets wait", u.held.count)
		}
	}
}

// TestPanicOfAHeldPacket: packets that waited are let go on by a timer. What panics then
// costs no more than on their arrival, and no memory.
func TestPanicOfAHeldPacket(t *testing.T) {
	t.Run("on the way to one receiver", func(t *testing.T) {
		m := newMeltdown(t)
		m.hold(t)
		for _, d := range m.to.leg.downs {
			d.out = nil
		}
		m.pass(2 * heldMax * time.Microsecond)
		if len(m.heard) != 1 || m.from.leg.broken != 0 || len(m.to.leg.downs) != 0 {
			t.Fatalf("heard %d panics, the sender is blamed for %d", len(m.heard), m.from.leg.broken)
		}
		m.look(t, 0, 1)
		m.slotsFree(t, int(m.seq)-1)
	})
	t.Run("of the sender", func(t *testing.T) {
		m := newMeltdown(t)
		m.hold(t)
		for _, u := range m.from.leg.order {
			u.source = nil
		}
		m.pass(2 * heldMax * time.Microsecond)
		if len(m.heard) == 0 || m.from.leg.broken != len(m.heard) {
			t.Fatalf("heard %d panics, the sender is blamed for %d", len(m.heard), m.from.leg.broken)
		}
		m.slotsFree(t, 1)
	})
}
