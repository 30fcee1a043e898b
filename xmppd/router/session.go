package router

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"parley/xmppd/stanza"
)

// Sink is the sending side of a session, whatever carries it.
type Sink interface {
	// Deliver queues one stanza and returns at once. It is false if the session is
	// over. A session whose queue is full is ended by the Sink itself.
	Deliver(to stanza.Addr, e *stanza.Encoded) bool
	// Kick ends the session's stream with a stream error.
	Kick(condition, text string)
}

// Session is a bound client: an address and what is known about who holds it. A
// resumed session stays the same Session.
type Session struct {
	addr stanza.Addr
	sink Sink
	late Gatherer // the same Sink, nil if it cannot
	info atomic.Pointer[Info]
	done chan struct{}
	born time.Time

	mu     sync.Mutex // guards the fields below; leaf lock
	ended  bool
	onEnd  map[int]func()
	nextID int

	presence presence // see presence.go

	interested atomic.Bool // asked for the contact list
	carbons    atomic.Bool // wants copies (XEP-0280)
	idle       atomic.Bool // said nobody looks (XEP-0352)
}

// Info is what the log-in and the URL said about a session. It is a snapshot; a
// resumed session with a new token gets a new one (lib-jitsi-meet renews it so;
// Jitsi's mod_auth_token).
type Info struct {
	// Token holds the verified claims of the session's token, as the token
	// verifier of the host returned them; nil without a token.
	Token any
	// Anonymous is true where nobody proved to be a certain account: anonymous and token log-ins.
	Anonymous bool
	// Room, Prefix, Region, UserName are the URL's room, prefix and customusername and
	// the proxy's region header, "" where there were none (Jitsi's mod_jitsi_session).
	Room     string
	Prefix   string
	Region   string
	UserName string
	// Client is the address the client came from, Agent its User-Agent if it came over HTTP.
	Client netip.Addr
	Agent  string
	// Transport is "tcp", "websocket" or "bosh".
	Transport string
	// Secure says that the transport is encrypted or trusted.
	Secure bool
}

// NewSession makes a session that Users.Bind can register.
func NewSession(full stanza.Addr, sink Sink, info *Info) *Session {
	s := &Session{addr: full, sink: sink, done: make(chan struct{}), born: time.Now()}
	s.late, _ = sink.(Gatherer)
	s.info.Store(info)
	return s
}

// Addr is the full address.
func (s *Session) Addr() stanza.Addr { return s.addr }

// Since is when the session was bound.
func (s *Session) Since() time.Time { return s.born }

// Info is what is known about the session; do not change it.
func (s *Session) Info() *Info { return s.info.Load() }

// SetInfo replaces it.
func (s *Session) SetInfo(i *Info) { s.info.Store(i) }

// Token is Info().Token.
func (s *Session) Token() any { return s.Info().Token }

// SetIdle notes whether somebody looks at the client; Idle says so.
func (s *Session) SetIdle(idle bool) { s.idle.Store(idle) }

// Idle is the last SetIdle.
func (s *Session) Idle() bool { return s.idle.Load() }

// Deliver queues a stanza to the session, false if it is over.
func (s *Session) Deliver(to stanza.Addr, e *stanza.Encoded) bool { return s.sink.Deliver(to, e) }

// DeliverIn is Deliver in a round: the stanza is written when the round ends.
func (s *Session) DeliverIn(r *Round, to stanza.Addr, e *stanza.Encoded) bool {
	r.size++
	if s.late == nil {
		return s.sink.Deliver(to, e)
	}
	return s.late.DeliverIn(r, to, e)
}

// Kick ends the session with a stream error.
func (s *Session) Kick(condition, text string) { s.sink.Kick(condition, text) }

// Done is closed when the session is over for good: not at the loss of a
// connection that may still be resumed.
func (s *Session) Done() <-chan struct{} { return s.done }

// OnEnd has f called, on a foreign goroutine, once the session is over; at once if
// it is over already. Rooms also get an unavailable presence for each occupant
// the session was, before that.
func (s *Session) OnEnd(f func()) (stop func()) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		f()
		return func() {}
	}
	if s.onEnd == nil {
		s.onEnd = make(map[int]func())
	}
	s.nextID++
	id := s.nextID
	s.onEnd[id] = f
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.onEnd, id)
	}
}

func (s *Session) end() {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	fs := s.onEnd
	s.onEnd = nil
	s.mu.Unlock()
	close(s.done)
	for _, f := range fs {
		f()
	}
}
