package c2s

import (
	"net/netip"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"parley/xmppd/router"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// Server makes sessions out of streams.
type Server struct {
	cfg    Config
	router *router.Router
	log    *logrus.Entry
	hosts  map[string]*Host // not changed after New
	wrong  guesses

	// mu guards the fields below; leaf lock.
	mu        sync.Mutex
	closing   bool
	resumable map[string]*session // by resumption token
	expired   []expiredSession    // the last few, oldest first
	live      map[*session]struct{}
	streams   map[netip.Addr]int // by where they come from
}

// expiredSession remembers how much of a lost session was handled (XEP-0198 §5).
type expiredSession struct {
	token   string
	bare    stanza.Addr
	handled uint32
}

const maxExpired = 1024

// New makes a Server for the given hosts.
func New(cfg Config, r *router.Router, hosts []*Host, log *logrus.Entry) *Server {
	s := &Server{cfg: cfg, router: r, log: log, hosts: make(map[string]*Host),
		resumable: make(map[string]*session), live: make(map[*session]struct{}), streams: make(map[netip.Addr]int),
		wrong: guesses{limit: cfg.WrongPasswords}}
	for _, h := range hosts {
		s.hosts[h.Domain] = h
	}
	return s
}

// Knows says whether clients may log in to a domain.
func (s *Server) Knows(domain string) bool { return s.hosts[domain] != nil }

// Accept is the stream.Acceptor of all client carriers.
func (s *Server) Accept(c stream.Carrier, m stream.Meta) stream.Handler {
	x := &conn{srv: s, carrier: c, meta: m, log: s.log}
	if !s.enter(m.Client) {
		x.state = over
		x.timer = time.AfterFunc(0, func() { c.Fail(stream.Err(stream.PolicyViolation, "Too many connections from this address")) })
		return x
	}
	x.entered = true
	x.timer = time.AfterFunc(s.cfg.LoginTime, func() {
		c.Fail(stream.Err(stream.ConnectionTimeout, "The log-in took too long"))
	})
	return x
}

// enter counts a stream of an address; false if it has too many. Streams from inside
// this process have no address and no limit.
func (s *Server) enter(a netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.SessionsPerAddress > 0 && a.IsValid() && s.streams[a] >= s.cfg.SessionsPerAddress {
		return false
	}
	s.streams[a]++
	return true
}

func (s *Server) exit(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[a]--; s.streams[a] <= 0 {
		delete(s.streams, a)
	}
}

// Close ends all sessions, also those that could be resumed. Carriers are told by
// those who own them.
func (s *Server) Close() {
	s.mu.Lock()
	s.closing = true
	all := make([]*session, 0, len(s.live))
	for x := range s.live {
		all = append(all, x)
	}
	s.mu.Unlock()
	for _, x := range all {
		x.Kick(stream.SystemShutdown, "")
	}
}

// Stats are numbers for ctl and metrics.
type Stats struct {
	Sessions    int            `json:"sessions"`
	Hibernating int            `json:"hibernating"`
	Transports  map[string]int `json:"transports"`
}

// Stats counts the sessions.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	all := make([]*session, 0, len(s.live))
	for x := range s.live {
		all = append(all, x)
	}
	s.mu.Unlock()
	out := Stats{Sessions: len(all), Transports: make(map[string]int)}
	for _, x := range all {
		out.Transports[x.rs.Info().Transport]++
		if x.hibernating() {
			out.Hibernating++
		}
	}
	return out
}

func (s *Server) add(x *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.live[x] = struct{}{}
	return true
}

func (s *Server) remove(x *session, token string, handled uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, x)
	if token == "" {
		return
	}
	delete(s.resumable, token)
	if len(s.expired) >= maxExpired {
		s.expired = append(s.expired[:0], s.expired[1:]...)
	}
	s.expired = append(s.expired, expiredSession{token, x.rs.Addr().Bare(), handled})
}

func (s *Server) remember(token string, x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resumable[token] = x
}

// find looks a session up by its resumption token.
func (s *Server) find(token string) *session {
	if token == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resumable[token]
}

// handledOf is how many stanzas an expired session had handled.
func (s *Server) handledOf(token string, bare stanza.Addr) (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.expired {
		if e.token == token && e.bare == bare {
			return e.handled, true
		}
	}
	return 0, false
}
