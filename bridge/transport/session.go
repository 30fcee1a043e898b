package transport

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"parley/internal/loop"
)

// maxRemoteCandidates bounds the candidates taken of one peer: the check list of the
// agent has none of its own, and each invented one would be sent 60 checks. A peer with
// more addresses is heard from there all the same.
const maxRemoteCandidates = 24

// maxNews bounds what a session has yet to carry out.
const maxNews = 64

// Session is one endpoint's way to the bridge: ICE, DTLS and the data channel.
//
// Its queue, work, carries out what the agent and the handshake report and calls the
// handler. It has no goroutine while there is nothing to do.
type Session struct {
	t    *Transport
	lane *Lane
	opts SessionOptions
	log  *logrus.Entry

	peer uint32
	slot *peerSlot
	// ufrag is that of the first round and the session's name in the mux.
	ufrag string
	// own are the session's sockets if it has ports of its own, shared those it has in common
	// with others.
	own    []*udpSocket
	shared atomic.Pointer[[]*udpSocket]
	cert   *certificate
	dtls   *dtlsPath

	// consent is when the peer last proved to be there by a check with our password: how long
	// after the session began, in nanoseconds, so that nobody who sets the clock ends calls;
	// 0 if it never did.
	began   time.Time
	consent atomic.Int64

	// bound holds the addresses that may send media; mux.mu guards it.
	bound []netip.AddrPort

	ctx    context.Context
	cancel context.CancelFunc
	// work carries out what agent, handshake and channel report. When it is full their
	// goroutines wait, never the caller of a method.
	work    *loop.Queue
	channel channelState

	// mu guards what is known of the peer, and the rounds of ICE: now carries the media, next
	// looks for a way beside it or is nil, rounds are all that are not closed yet. lost says
	// that the way of now is, down that the session is taken down and takes no more rounds.
	mu          sync.Mutex
	remote      Description
	now, next   *round
	rounds      []*round
	generations int
	lost, down  bool
	connected   bool
	readyOnce   sync.Once
	failed      bool
}

// NewSession allocates credentials and starts to answer checks. It does not wait for
// anything.
func (t *Transport) NewSession(opts SessionOptions) (*Session, error) {
	cert, err := t.certs.current()
	if err != nil {
		return nil, err
	}
	s := &Session{
		t: t, opts: opts, log: t.log, cert: cert, began: time.Now(),
	}
	s.work = loop.NewQueue(maxNews, t.sessionWork.Go, s.recovered)
	if opts.Log != nil {
		s.log = opts.Log
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.dtls = newDTLSPath(s)
	if s.lane, err = t.laneOf(opts); err != nil {
		s.cancel()
		return nil, err
	}
	s.refresh()
	if opts.UniquePort {
		if err := s.openOwn(); err != nil {
			s.cancel()
			return nil, err
		}
	}
	if err := t.register(s); err != nil {
		s.cancel()
		s.dropOwn()
		return nil, err
	}
	if err := s.now.startAgent(); err != nil {
		s.Close()
		return nil, fmt.Errorf("start ICE agent: %w", err)
	}
	return s, nil
}

// laneOf is the lane a session is to be on.
func (t *Transport) laneOf(opts SessionOptions) (*Lane, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed || !t.listening:
		return nil, ErrClosed
	case opts.Lane < 0 || opts.Lane >= len(t.lanes):
		return nil, errNoLane
	}
	return t.lanes[opts.Lane], nil
}

// register gives the session its number, its credentials and its place in the mux.
func (t *Transport) register(s *Session) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || !t.listening {
		return ErrClosed
	}
	if len(t.free) == 0 {
		return fmt.Errorf("%d sessions are the most there can be", maxSessions)
	}
	index := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	t.generation++
	// Generation 0 is left out so that no peer is number 0.
	s.peer = (t.generation%(1<<(32-peerIndexBits)-1)+1)<<peerIndexBits | index
	s.slot = &peerSlot{peer: s.peer}
	s.ufrag = fmt.Sprintf("%s%s%x", t.cfg.UfragPrefix, randomText(5), t.generation)
	s.now = s.newRound(0, s.ufrag)
	s.rounds = []*round{s.now}
	t.peers[index].Store(s.slot)
	t.sessions[s] = struct{}{}
	t.mux.addRound(s.now)
	t.openConns(s.now)
	return nil
}

var iceText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// randomText returns n random bytes as ice-chars.
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return iceText.EncodeToString(b)
}

// Peer is the number of the session in Receive and Send.
func (s *Session) Peer() uint32 { return s.peer }

// consented notes that the peer has proved to be there.
func (s *Session) consented() { s.consent.Store(max(1, int64(time.Since(s.began)))) }

// LastReceived is when the peer last proved to be there (RFC 7675), zero if it never
// did. A client that sends no media still does every few seconds.
func (s *Session) LastReceived() time.Time {
	if at := s.consent.Load(); at != 0 {
		return s.began.Add(time.Duration(at))
	}
	return time.Time{}
}

// Local describes our side. The setup is actpass until the peer has chosen.
func (s *Session) Local() Description {
	s.mu.Lock()
	setup := SetupActPass
	switch s.remote.Setup {
	case SetupActive:
		setup = SetupPassive
	case SetupPassive:
		setup = SetupActive
	}
	now := s.now
	s.mu.Unlock()
	return Description{
		Ufrag: now.ufrag, Pwd: now.pwd, Setup: setup, Generation: now.generation,
		Candidates:   s.t.candidates(s),
		Fingerprints: []Fingerprint{s.cert.fingerprint},
	}
}

// SetRemote takes what is known of the peer's side. It may be called several times:
// credentials and fingerprints are taken from the first call that has them, candidates
// are added, those of each generation to their own; what is about a generation that is
// over is ignored. A setup of "active" or "passive" fixes the DTLS role.
func (s *Session) SetRemote(remote Description) error {
	if err := remote.validate(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.remote.Setup == "" {
		s.remote.Setup = remote.Setup
	}
	if len(s.remote.Fingerprints) == 0 {
		s.remote.Fingerprints = append([]Fingerprint(nil), remote.Fingerprints...)
	}
	r := s.roundOf(remote.Generation)
	start, take := false, 0
	if r != nil {
		start = !r.told && remote.Ufrag != ""
		r.told = r.told || start
		take = min(len(remote.Candidates), maxRemoteCandidates-r.candidates)
		r.candidates += take
	}
	handshake := s.connected && s.remote.Setup != "" && len(s.remote.Fingerprints) > 0
	s.mu.Unlock()

	for _, c := range remote.Candidates[:take] {
		r.addRemoteCandidate(c)
	}
	if start {
		if err := r.connect(remote.Ufrag, remote.Pwd); err != nil {
			return err
		}
	}
	if handshake {
		s.beginHandshake()
	}
	return nil
}

func (d Description) validate() error {
	switch {
	case d.Setup != "" && d.Setup != SetupActive && d.Setup != SetupPassive:
		return fmt.Errorf("%w: setup is %q", ErrBadRemote, d.Setup)
	case (d.Ufrag == "") != (d.Pwd == ""):
		return fmt.Errorf("%w: ufrag and pwd come together", ErrBadRemote)
	case len(d.Ufrag) > 256 || len(d.Pwd) > 256:
		return fmt.Errorf("%w: ufrag or pwd is longer than 256", ErrBadRemote)
	case strings.ContainsAny(d.Ufrag, ": "):
		return fmt.Errorf("%w: ufrag is not made of ice-chars", ErrBadRemote)
	}
	for _, f := range d.Fingerprints {
		if _, err := f.decode(); err != nil {
			return err
		}
	}
	return nil
}

// post gives work to the session; it is lost when the session is closed.
func (s *Session) post(f func()) { s.work.PostWait(f) }

// recovered keeps one bad message from ending the bridge: only this session ends.
func (s *Session) recovered(p any) {
	s.log.WithField("panic", p).Error("session handler panicked; the session is closed\n" + string(debug.Stack()))
	s.t.spawn(func() { s.fail(ErrInternal) }) // the queue must not wait for itself
}

// fail tells the handler once that the session is of no use any more.
func (s *Session) fail(err error) {
	s.post(func() {
		if !s.failed {
			s.failed = true
			s.opts.Handler.TransportFailed(err)
		}
	})
}

// takeDown releases everything; it is the last thing the session does.
func (s *Session) takeDown() {
	s.dtls.shutdown()
	s.slot.dest.Store(nil)
	// Who begins a round later sees that, and takes it out of the mux himself.
	s.mu.Lock()
	rounds := s.rounds
	s.rounds, s.down = nil, true
	s.mu.Unlock()
	s.t.mux.removeSession(s)
	s.t.tcp.closeOf(s)
	for _, r := range rounds {
		r.close()
	}
	s.dropOwn()
	t := s.t
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sessions, s)
	index := s.peer & peerIndexMask
	t.peers[index].Store(nil)
	t.free = append([]uint32{index}, t.free...)
}

// Close ends the session. It does not wait, so a handler may call it; the handler hears
// nothing that happens afterwards.
func (s *Session) Close() {
	s.cancel()
	s.work.End(s.takeDown)
}
