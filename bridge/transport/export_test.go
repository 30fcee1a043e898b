package transport

import (
	"net/netip"
	"time"

	"github.com/pion/ice/v4"
)

// State tells how much the transport remembers of others: addresses that may send media,
// transactions it waits for, and the connections of its sessions.
func (t *Transport) State() (routes, transactions, conns int) {
	t.mux.mu.RLock()
	defer t.mux.mu.RUnlock()
	return len(t.mux.routes), len(t.mux.young) + len(t.mux.old), len(t.mux.conns)
}

// Knows tells whether media from an address would be taken.
func (t *Transport) Knows(a netip.AddrPort) bool {
	t.mux.mu.RLock()
	defer t.mux.mu.RUnlock()
	_, known := t.mux.routes[a]
	return known
}

// MaxSources is how many addresses one round of ICE hears.
const MaxSources = maxSources

// Heard is how many addresses have proved themselves to the session's present round.
func (s *Session) Heard() int {
	s.mu.Lock()
	r := s.now
	s.mu.Unlock()
	r.hearing.Lock()
	defer r.hearing.Unlock()
	return len(r.heard)
}

// MaxAddresses is maxAddresses.
const MaxAddresses = maxAddresses

// SetAddresses makes a transport believe that the machine has other addresses, and keeps it
// from looking by itself.
func SetAddresses(t *Transport, list func() ([]netip.Addr, bool, error)) {
	t.presence.list, t.presence.pause = list, time.Hour
}

// LookAround takes in what has changed.
func LookAround(t *Transport) { t.lookAround() }

// Bound is how many addresses were ever bound.
func Bound(t *Transport) int { return len(t.presence.bound) }

// SetUDPHead changes how long TCP waits for UDP, before sessions begin.
func SetUDPHead(t *Transport, d time.Duration) { t.udpHead = d }

// OverTCP is whether what we send to the session's peer goes over TCP.
func (s *Session) OverTCP() bool {
	d := s.slot.dest.Load()
	return d != nil && d.tcp != nil
}

// To is where the session's peer is sent to.
func (s *Session) To() netip.AddrPort {
	if d := s.slot.dest.Load(); d != nil {
		return d.addr
	}
	return netip.AddrPort{}
}

// Silence has the way there is count as silent from now on, whichever it is.
func (s *Session) Silence() {
	s.mu.Lock()
	p := s.now.prefer
	s.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = func(ice.Candidate) time.Time { return time.Time{} }
}
