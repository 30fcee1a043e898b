package transport

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/sirupsen/logrus"
)

const (
	// transition is how long the old way of a session is kept after ICE was restarted in
	// place: what is on the way still arrives.
	transition = 3 * time.Second
	// restartWait is how long a restart may take before it is given up.
	restartWait = 20 * time.Second
)

// round is one generation of a session's ICE: the first, or one of a restart in place. The
// new one looks for a way while the one before carries the media (make before break), so
// each has an agent, credentials and candidates of its own. DTLS, SRTP and the data channel
// notice nothing.
type round struct {
	s          *Session
	generation int
	ufrag, pwd string
	agent      *ice.Agent
	// ours tells who knows our password, theirs who knows the peer's; nil until it is told.
	ours   *proof
	theirs atomic.Pointer[proof]
	// started says that the agent has the peer's credentials.
	started atomic.Bool
	prefer  *preference
	// nominations counts those that carry a number.
	nominations atomic.Uint32

	// heard are the addresses authentic checks came from; hearing guards it.
	hearing sync.Mutex
	heard   map[netip.AddrPort]struct{}

	// Session.mu guards what follows: whether the peer's credentials came, and how many
	// candidates.
	told       bool
	candidates int
}

// newRound makes the credentials of a generation; they are unique in this process.
func (s *Session) newRound(generation int, ufrag string) *round {
	pwd := randomText(16)
	return &round{s: s, generation: generation, ufrag: ufrag, pwd: pwd, ours: newProof(pwd), prefer: newPreference()}
}

// Restart begins ICE anew beside the way there is, and describes our side of it. Before
// there is a way there is nothing to renew: the description is the one from before.
func (s *Session) Restart() (Description, error) {
	s.mu.Lock()
	switch {
	case s.ctx.Err() != nil || s.lost && s.next == nil:
		s.mu.Unlock()
		return Description{}, ErrClosed
	case !s.connected:
		s.mu.Unlock()
		return s.Local(), nil
	}
	s.generations++
	r := s.newRound(s.generations, fmt.Sprintf("%sr%x", s.ufrag, s.generations))
	before := s.next
	s.next = r
	s.mu.Unlock()

	if before != nil {
		s.retire(before)
	}
	// The session's goroutine may be waiting for our caller: we do not wait for it.
	giveUp := func(after time.Duration) {
		time.AfterFunc(after, func() { s.post(func() { s.giveUp(r) }) })
	}
	s.t.stats.restarts.Add(1)
	s.refresh()
	s.t.mux.addRound(r)
	s.t.openConns(r)
	if err := r.start(); err != nil {
		s.t.mux.removeRound(r)
		r.close()
		giveUp(0)
		return Description{}, fmt.Errorf("restart ICE: %w", err)
	}
	giveUp(restartWait)
	d := s.Local()
	d.Ufrag, d.Pwd, d.Generation = r.ufrag, r.pwd, r.generation
	return d, nil
}

// start starts the agent and leaves the round to the session, unless that is taken down
// meanwhile: then nobody else would close it.
func (r *round) start() error {
	if err := r.startAgent(); err != nil {
		return err
	}
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return ErrClosed
	}
	s.rounds = append(s.rounds, r)
	return nil
}

// hears says whether a round takes what comes from an address.
func (r *round) hears(from netip.AddrPort) bool {
	r.hearing.Lock()
	defer r.hearing.Unlock()
	_, known := r.heard[from]
	return known || len(r.heard) < maxSources
}

// proved notes an address whose check was authentic.
func (r *round) proved(from netip.AddrPort) {
	r.hearing.Lock()
	defer r.hearing.Unlock()
	if r.heard == nil {
		r.heard = make(map[netip.AddrPort]struct{})
	}
	r.heard[from] = struct{}{}
}

// roundOf is the generation a description of the peer is about, nil if that is over.
// s.mu is held.
func (s *Session) roundOf(generation int) *round {
	switch {
	case s.now.generation == generation:
		return s.now
	case s.next != nil && s.next.generation == generation:
		return s.next
	}
	return nil
}

// carry makes the way a round has found the one of everything we send, unless the round is
// over. first says that there was none before.
func (s *Session) carry(r *round, d *destination) (carried, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r {
	case s.now:
	case s.next:
		old := s.now
		s.now, s.next, s.lost = r, nil, false
		s.t.stats.restartsOK.Add(1)
		s.log.WithField("generation", r.generation).Debug("ICE restarted in place")
		time.AfterFunc(transition, func() { s.post(func() { s.retire(old) }) })
	default:
		return false, false
	}
	return true, s.slot.dest.Swap(d) == nil
}

// stateChanged hears of a round's agent. While a new round looks for a way, the loss of the
// old one is no end yet.
func (r *round) stateChanged(state ice.ConnectionState) {
	if state != ice.ConnectionStateFailed {
		return
	}
	s := r.s
	s.mu.Lock()
	carries, waits := r == s.now, s.next != nil
	s.lost = s.lost || carries
	s.mu.Unlock()
	switch {
	case carries && !waits:
		s.t.stats.iceFailed.Add(1)
		s.fail(ErrICE)
	case !carries:
		s.post(func() { s.giveUp(r) })
	}
}

// giveUp ends a round that has found no way. It runs on the session's goroutine.
func (s *Session) giveUp(r *round) {
	s.mu.Lock()
	if s.next != r {
		s.mu.Unlock()
		return
	}
	s.next = nil
	lost := s.lost
	s.mu.Unlock()
	s.log.WithFields(logrus.Fields{"generation": r.generation}).Debug("restart of ICE given up")
	s.retire(r)
	if lost {
		s.t.stats.iceFailed.Add(1)
		s.fail(ErrICE)
	}
}

// retire closes a round that is over. It does not wait for the agent, which may be waiting
// for the session's goroutine.
func (s *Session) retire(r *round) {
	s.mu.Lock()
	i := slices.Index(s.rounds, r)
	if i >= 0 {
		s.rounds = slices.Delete(s.rounds, i, i+1)
		s.t.sessionWork.Go(r.close) // the session's goroutine still counts: it takes mu before it ends
	}
	s.mu.Unlock()
	if i >= 0 {
		s.t.mux.removeRound(r)
	}
}

// close ends the agent and waits for it.
func (r *round) close() {
	if r.agent != nil {
		_ = r.agent.GracefulClose()
	}
}
