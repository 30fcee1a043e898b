// Package udptest is a bad network for tests: a relay between UDP endpoints that delays,
// reorders, loses and narrows what goes through it. Its dice are seeded, so a test meets the
// same losses every time; times are those of the machine.
//
// Each sender has a socket of its own towards the target, as behind a NAT.
package udptest

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Config is how bad the network is, in either direction.
type Config struct {
	Delay  time.Duration // of every packet
	Jitter time.Duration // at most this much more, each for itself: packets overtake each other
	Loss   float64       // share of packets lost at random
	// Rate in bit/s at which packets pass, one after the other; 0 is no limit. What would wait
	// for longer than Queue (0: 400 ms) is lost.
	Rate  float64
	Queue time.Duration
	Seed  uint64
}

const (
	maxSize     = 2048
	maxInFlight = 4096 // packets; more are lost
	maxSenders  = 64
	headers     = 28 // bytes of IP and UDP, which the rate includes
)

// Relay is a running relay.
type Relay struct {
	conn   *net.UDPConn
	target netip.AddrPort
	cfg    atomic.Pointer[Config]
	work   sync.WaitGroup

	// mu guards what follows; nothing is added to work after closed.
	mu      sync.Mutex
	closed  bool
	senders map[netip.AddrPort]*sender
	timers  map[*time.Timer]struct{}

	carried, lost atomic.Int64
}

// sender is somebody at the relay's port, and the socket that stands for him.
type sender struct {
	up       *net.UDPConn
	forth    lane
	back     lane
	returned netip.AddrPort
}

// lane is one direction; it belongs to the goroutine that reads what goes along it.
type lane struct {
	dice *rand.Rand
	free time.Time // when the narrow part is idle again
}

// Listen starts a relay from an address (port 0 for any) to the target.
func Listen(address, target netip.AddrPort, cfg Config) (*Relay, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
	if err != nil {
		return nil, err
	}
	r := &Relay{conn: conn, target: target, senders: map[netip.AddrPort]*sender{}, timers: map[*time.Timer]struct{}{}}
	r.Set(cfg)
	r.work.Go(r.serve)
	return r, nil
}

// Addr is where the relay listens.
func (r *Relay) Addr() netip.AddrPort { return r.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Set changes how bad the network is from now on; the seed stays.
func (r *Relay) Set(cfg Config) { r.cfg.Store(&cfg) }

// Counts returns how many packets were carried and how many lost so far.
func (r *Relay) Counts() (carried, lost int64) { return r.carried.Load(), r.lost.Load() }

// Close ends the relay and waits for it; what is on its way is lost.
func (r *Relay) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	err := r.conn.Close()
	for _, s := range r.senders {
		err = errors.Join(err, s.up.Close())
	}
	for t := range r.timers {
		if t.Stop() {
			r.work.Done()
		}
	}
	r.mu.Unlock()
	r.work.Wait()
	return err
}

// serve carries what senders send.
func (r *Relay) serve() {
	buf := make([]byte, maxSize)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if s := r.senderAt(from); s != nil {
			r.carry(&s.forth, buf[:n], func(b []byte) { _, _ = s.up.Write(b) })
		}
	}
}

func (r *Relay) senderAt(from netip.AddrPort) *sender {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.senders[from]; s != nil || r.closed || len(r.senders) == maxSenders {
		return s
	}
	up, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.target))
	if err != nil {
		return nil
	}
	seed, n := r.cfg.Load().Seed, uint64(len(r.senders))
	s := &sender{
		up: up, returned: from,
		forth: lane{dice: rand.New(rand.NewPCG(seed, 2*n))},
		back:  lane{dice: rand.New(rand.NewPCG(seed, 2*n+1))},
	}
	r.senders[from] = s
	r.work.Go(func() { r.answer(s) })
	return s
}

// answer carries what comes back for a sender.
func (r *Relay) answer(s *sender) {
	buf := make([]byte, maxSize)
	for {
		n, err := s.up.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil { // the target may refuse for a moment
			r.carry(&s.back, buf[:n], func(b []byte) { _, _ = r.conn.WriteToUDPAddrPort(b, s.returned) })
		}
	}
}

// carry delivers a packet when its time has come, if it does.
func (r *Relay) carry(l *lane, packet []byte, deliver func([]byte)) {
	cfg := r.cfg.Load()
	now := time.Now()
	wait := cfg.Delay
	// The dice are thrown for every packet, whatever happens to it.
	lost, late := l.dice.Float64() < cfg.Loss, l.dice.Float64()
	wait += time.Duration(late * float64(cfg.Jitter))
	if cfg.Rate > 0 && !lost {
		queue := cfg.Queue
		if queue == 0 {
			queue = 400 * time.Millisecond
		}
		begin := now
		if l.free.After(now) {
			begin = l.free
		}
		if begin.Sub(now) > queue {
			lost = true
		} else {
			l.free = begin.Add(time.Duration(float64((len(packet)+headers)*8) / cfg.Rate * float64(time.Second)))
			wait += l.free.Sub(now)
		}
	}
	if lost || !r.later(wait, append([]byte(nil), packet...), deliver) {
		r.lost.Add(1)
		return
	}
	r.carried.Add(1)
}

// later has a packet delivered after a while; false if too many wait.
func (r *Relay) later(wait time.Duration, packet []byte, deliver func([]byte)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(r.timers) >= maxInFlight {
		return false
	}
	r.work.Add(1)
	var t *time.Timer
	t = time.AfterFunc(wait, func() {
		defer r.work.Done()
		r.mu.Lock()
		delete(r.timers, t)
		r.mu.Unlock()
		deliver(packet)
	})
	r.timers[t] = struct{}{}
	return true
}
