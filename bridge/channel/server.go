package channel

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/coder/websocket"
	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"

	"parley/internal/logx"
	"parley/internal/metrics"
)

// Prefix begins the path of every channel of a client, RelayPrefix that of those between
// bridges.
const (
	Prefix      = "/colibri-ws/"
	RelayPrefix = "/colibri-relay-ws/"
)

// Config says how clients find the server.
type Config struct {
	Domains      []string // host[:port] as clients see it
	RelayDomains []string // as other bridges see it; empty means Domains
	TLS          bool
	ServerID     string
}

// Counters count what went over all channels of a server.
type Counters struct {
	SocketReceived, SocketSent                       metrics.Counter
	SocketClosedNormally, SocketClosedBadly          metrics.Counter
	SocketRefused                                    metrics.Counter // wrong path, endpoint or password
	DataReceived, DataSent, DataDropped, DataRefused metrics.Counter
}

// key names a channel: by its endpoint, or by the bridge at the other end.
type key struct {
	conference, endpoint string
	relay                bool
}

// Server accepts the WebSockets of bridge channels.
type Server struct {
	cfg      Config
	log      *logrus.Entry
	counters Counters

	ctx    context.Context // ends the sockets; it is the server's own, made by NewServer
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex // guards channels and closed; a channel is in the map until it is closed
	channels map[key]*Channel
	closed   bool
}

// NewServer makes a server without channels.
func NewServer(cfg Config, log *logrus.Entry) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{cfg: cfg, log: log, ctx: ctx, cancel: cancel, channels: make(map[key]*Channel)}
}

// Counters are the server's counters, to be attached to metrics.
func (s *Server) Counters() *Counters { return &s.counters }

// Open makes the channel of an endpoint, with a password of its own.
func (s *Server) Open(conference, endpoint string, h Handler) *Channel {
	return s.open(&Channel{
		server: s, key: key{conference, endpoint, false}, password: rand.Text(), handler: h,
		log:   s.log.WithFields(logrus.Fields{logx.Conference: conference, logx.Endpoint: endpoint}),
		limit: rate.NewLimiter(messagesPerSecond, messageBurst), queue: sendQueue, farewell: "endpoint closed",
	})
}

// OpenRelay makes the channel to another bridge. It carries what many clients say, so its
// bounds are greater.
func (s *Server) OpenRelay(conference, relay string, h Handler) *Channel {
	return s.open(&Channel{
		server: s, key: key{conference, relay, true}, password: rand.Text(), handler: h,
		log:   s.log.WithFields(logrus.Fields{logx.Conference: conference, logx.Bridge: relay}),
		limit: rate.NewLimiter(relayFactor*messagesPerSecond, relayFactor*messageBurst),
		queue: relayFactor * sendQueue, farewell: relayClosed,
	})
}

func (s *Server) open(c *Channel) *Channel {
	c.gone = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.closed = true
		close(c.gone)
		return c
	}
	s.channels[c.key] = c
	return c
}

func (s *Server) unregister(c *Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.channels[c.key] == c {
		delete(s.channels, c.key)
	}
}

func (s *Server) lookup(k key) *Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.channels[k]
}

func (s *Server) urls(k key, password string) []string {
	scheme := "ws://"
	if s.cfg.TLS {
		scheme = "wss://"
	}
	var urls []string
	prefix, domains := Prefix, s.cfg.Domains
	if k.relay {
		prefix = RelayPrefix
		if len(s.cfg.RelayDomains) > 0 {
			domains = s.cfg.RelayDomains
		}
	}
	for _, d := range domains {
		urls = append(urls, scheme+d+prefix+url.PathEscape(s.cfg.ServerID)+"/"+
			url.PathEscape(k.conference)+"/"+url.PathEscape(k.endpoint)+"?pwd="+password)
	}
	return urls
}

// ServeHTTP answers 404 for a path that is not of this bridge, 403 for an endpoint
// that does not exist or a wrong password, and carries the channel otherwise.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k, ok := s.parse(r.URL)
	if !ok {
		s.counters.SocketRefused.Inc()
		http.Error(w, "no such bridge channel", http.StatusNotFound)
		return
	}
	c := s.lookup(k)
	if c == nil || !c.admits(r.URL.RawQuery) {
		s.counters.SocketRefused.Inc()
		http.Error(w, "this endpoint does not exist or the password is wrong", http.StatusForbidden)
		return
	}
	if !s.enter() {
		http.Error(w, "the bridge is stopping", http.StatusServiceUnavailable)
		return
	}
	conn, err := websocket.Accept(lean{w}, r, &websocket.AcceptOptions{
		// The password in the address is the proof; where the page comes from is not.
		InsecureSkipVerify: true,
		// Messages are few and small, compression would cost more than it saves.
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		s.wg.Done()
		return // Accept has answered
	}
	// The goroutine of the request goes, and with it what the HTTP server keeps of it.
	go func() {
		defer s.wg.Done()
		_ = newSocket(s.ctx, conn, c).serve() // counted
	}()
}

// enter counts a socket, unless the server is closing.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Add(1)
	return true
}

// parse reads /colibri-ws/SERVER/CONFERENCE/ENDPOINT, and the same of a relay.
func (s *Server) parse(u *url.URL) (key, bool) {
	rest, ok := strings.CutPrefix(u.EscapedPath(), Prefix)
	relay := false
	if !ok {
		if rest, relay = strings.CutPrefix(u.EscapedPath(), RelayPrefix); !relay {
			return key{}, false
		}
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return key{}, false
	}
	for i, p := range parts {
		plain, err := url.PathUnescape(p)
		if err != nil || plain == "" {
			return key{}, false
		}
		parts[i] = plain
	}
	return key{parts[1], parts[2], relay}, parts[0] == s.cfg.ServerID
}

// admits compares the password, with which the query must begin.
func (c *Channel) admits(query string) bool {
	given, ok := strings.CutPrefix(query, "pwd=")
	if !ok {
		return false
	}
	given, _, _ = strings.Cut(given, "&")
	return subtle.ConstantTimeCompare([]byte(given), []byte(c.password)) == 1
}

// Close closes every channel with 1001 and waits until the sockets are gone, or
// ctx is done, when they are cut.
func (s *Server) Close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	open := make([]*Channel, 0, len(s.channels))
	for _, c := range s.channels {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	s.cancel()
	<-done
}
