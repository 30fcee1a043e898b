package rtp

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	pionrtp "github.com/pion/rtp"
)

const (
	// mailboxSize bounds the commands waiting for the shard. At the bound the caller
	// waits: a command is never lost while the shard runs.
	mailboxSize = 1 << 14
	// receiveBatch is the number of datagrams taken in at once.
	receiveBatch = 64
	// maxReported bounds the reports of receivers that wait for a tick; more go at once.
	maxReported = 1024
	// tick is how often timers are looked at while packets come, quietTick at least, idleTick
	// without endpoints.
	tick      = 10 * time.Millisecond
	quietTick = 100 * time.Millisecond
	idleTick  = time.Second
)

// DefaultConfig returns settings for some hundred endpoints.
func DefaultConfig() Config {
	return Config{ArenaSlots: 32768, EndpointBitrate: 150_000_000, EndpointPackets: 25_000}
}

// Shard runs the packet path of its endpoints on one goroutine, Run. Everything but
// the mailbox and published statistics belongs to that goroutine.
type Shard struct {
	cfg     Config
	link    Link
	mailbox mailbox
	stats   shardStats

	arena     *arena
	endpoints map[uint32]*Endpoint
	list      []*Endpoint

	// clock is the time since epoch in microseconds, read once per loop by since, which is
	// time.Since but in tests.
	epoch time.Time
	clock int64
	since func(time.Time) time.Duration

	// heldSpare is room for packets that wait for others, while none do.
	heldSpare []*heldRoom

	// What receiving fills.
	slots   [receiveBatch]uint32
	buffers [receiveBatch][]byte
	sizes   [receiveBatch]int
	peers   [receiveBatch]uint32
	ages    [receiveBatch]int64

	// out is what waits to be sent.
	out sendQueue

	// Scratch space.
	packet  packet
	repair  packet
	header  pionrtp.Header
	rtcpIn  []byte
	rtcpOut []byte
	plain   []byte
	lost    []uint16

	nextTick, nextPublish int64
	// reported is what receivers reported since the last tick.
	reported []Event
	// exact says that something waits for the next tick; backstop is when timers are looked
	// at otherwise, if nothing arrives.
	exact    bool
	backstop int64
	pace     pace
	work     work

	// serving is what the packet in hand is forwarded to, nil otherwise; see rescue.go.
	serving     *downStream
	panicked    Panicked
	brokenTurns int
}

// NewShard makes a shard on a link. Run starts it.
func NewShard(cfg Config, link Link) *Shard {
	if cfg.ArenaSlots < 2*receiveBatch {
		cfg.ArenaSlots = DefaultConfig().ArenaSlots
	}
	s := &Shard{
		cfg:       cfg,
		link:      link,
		arena:     newArena(cfg.ArenaSlots),
		endpoints: map[uint32]*Endpoint{},
		epoch:     time.Now(),
		since:     time.Since,
		out:       newSendQueue(),
		rtcpIn:    make([]byte, slotSize),
		rtcpOut:   make([]byte, slotSize),
		plain:     make([]byte, slotSize),
		lost:      make([]uint16, 0, maxMissing),
		reported:  make([]Event, 0, maxReported),
	}
	s.mailbox.room.L = &s.mailbox.mu
	for i := range s.slots {
		s.slots[i] = noSlot
	}
	s.header.CSRC = make([]uint32, 0, 16)
	s.header.Extensions = make([]pionrtp.Extension, 0, 32)
	return s
}

// Run serves until ctx is done. It may be called once.
func (s *Shard) Run(ctx context.Context) error {
	raisePriority()
	stop := context.AfterFunc(ctx, s.mailbox.close)
	defer stop()
	defer context.AfterFunc(ctx, s.link.Wake)()
	for ctx.Err() == nil {
		if !s.pace.hold {
			s.step(s.due())
			continue
		}
		if s.pace.last < receiveBatch/2 {
			s.link.Rest(holdTime)
		}
		s.step(time.Time{})
	}
	s.mailbox.close()
	// The arena's memory is not the collector's, and a slice of it keeps nothing alive: it
	// must be reachable for as long as anybody works on packets, which is until here.
	runtime.KeepAlive(s.arena)
	return nil
}

// due is when the next step is due if nothing arrives. Packets bring the timers along, so
// it is rarely moved: a wait's end costs more to move than the timers themselves.
func (s *Shard) due() time.Time {
	switch {
	case len(s.list) == 0:
		return s.at(s.clock).Add(idleTick)
	case s.exact:
		return s.at(s.nextTick)
	}
	if quiet := quietTick.Microseconds(); s.backstop-s.clock < quiet/2 {
		s.backstop = s.clock + quiet
	}
	return s.at(s.backstop)
}

// step is one turn of the loop: take in what is there, carry out commands, forward,
// run timers, send. A panic does not get out of it.
func (s *Shard) step(until time.Time) {
	if p, stack := s.attempt(func() { s.turn(until) }); p != nil {
		s.rescueTurn(p, stack)
		return
	}
	s.brokenTurns = 0
}

func (s *Shard) turn(until time.Time) {
	n := s.receive(until)
	s.clock = s.since(s.epoch).Microseconds()
	t := turn{began: s.clock, first: n}
	t.took(n, s.clock)
	s.runCommands()
	s.datagrams(n)
	// Whoever is woken by the first packet of a burst finds the others a moment later. Those
	// for one receiver then leave together.
	for more := n; more > 0 && n < receiveBatch; n += more {
		more = s.receive(time.Time{})
		s.clock = s.since(s.epoch).Microseconds()
		t.took(more, s.clock)
		s.datagrams(more)
	}
	s.pace.note(n)
	if s.clock >= s.nextTick {
		s.pace.look(s.clock)
		s.nextTick = s.clock + tick.Microseconds()
		s.tellReported()
		s.exact = s.runTimers()
	}
	s.flush()
	t.ended = s.since(s.epoch).Microseconds()
	s.work.turn(s, t)
}

// datagrams takes in the first n of a batch.
func (s *Shard) datagrams(n int) {
	for i := 0; i < n; {
		i = s.datagramsFrom(i, n)
	}
}

// receive offers free slots to the link.
func (s *Shard) receive(until time.Time) int {
	n := 0
	for ; n < receiveBatch; n++ {
		if s.slots[n] == noSlot {
			if s.slots[n] = s.arena.take(); s.slots[n] == noSlot {
				break
			}
		}
		s.buffers[n] = s.arena.bytes(s.slots[n])[slotFirst:slotLast]
	}
	if n == 0 {
		s.reclaim()
		return 0
	}
	return s.link.Receive(s.buffers[:n], s.sizes[:n], s.peers[:n], s.ages[:n], until)
}

// reclaim lets go of what is kept for retransmissions when there is no memory for
// packets.
func (s *Shard) reclaim() {
	s.stats.now.ArenaExhausted++
	for _, e := range s.list {
		for _, u := range e.leg.order {
			u.history.clear(s.arena)
			u.held.clear(s.arena)
		}
	}
}

// at converts a reading of the shard's clock.
func (s *Shard) at(clock int64) time.Time {
	return s.epoch.Add(time.Duration(clock) * time.Microsecond)
}

// lowRandom is a sequence number to start with: early loss around a wrap would confuse
// the receiver's roll-over counter.
func (s *Shard) lowRandom() uint16 { return uint16(rand.Uint32() & 0x7FFF) }

// Stats returns a snapshot of the shard's counters.
func (s *Shard) Stats() Stats { return s.stats.snapshot() }

// mailbox holds the commands for the shard. mu guards pending and closed; a command
// runs on the shard's goroutine in the order of posting.
type mailbox struct {
	mu      sync.Mutex
	room    sync.Cond
	pending []func()
	closed  bool
}

func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.room.Broadcast()
}

func (s *Shard) post(f func()) {
	m := &s.mailbox
	m.mu.Lock()
	for len(m.pending) >= mailboxSize && !m.closed {
		m.room.Wait()
	}
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.pending = append(m.pending, f)
	m.mu.Unlock()
	s.link.Wake()
}

func (s *Shard) runCommands() {
	m := &s.mailbox
	m.mu.Lock()
	todo := m.pending
	m.pending = nil
	if len(todo) > 0 {
		m.room.Broadcast()
	}
	m.mu.Unlock()
	for _, f := range todo {
		if p, stack := s.attempt(f); p != nil {
			s.tellPanic(nil, false, p, stack)
		}
	}
	if len(todo) > 0 {
		s.exact = true
	}
}

// event hands news to whoever listens, or drops it. What receivers report waits for the
// next tick: there is much of it, from each of them, and every piece alone would wake two
// goroutines.
func (s *Shard) event(e *Endpoint, ev Event) {
	if e.opts.Events == nil {
		return
	}
	ev.Endpoint, ev.At = e, s.at(s.clock)
	switch ev.Kind {
	case EventFeedback, EventREMB, EventReport:
		if len(s.reported) < maxReported {
			s.reported = append(s.reported, ev)
			return
		}
	}
	s.tell(&ev)
}

func (s *Shard) tell(ev *Event) {
	select {
	case ev.Endpoint.opts.Events <- *ev:
	default:
		s.stats.now.EventsDropped++
	}
}

// tellReported hands over what receivers reported since the last tick.
func (s *Shard) tellReported() {
	for i := range s.reported {
		s.tell(&s.reported[i])
	}
	clear(s.reported)
	s.reported = s.reported[:0]
}
