package xmppclient

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"mellium.im/xmpp/jid"

	"parley/internal/logx"
)

// Options are what a program, not an operator, decides about a Client. The zero value
// works.
type Options struct {
	// Dial opens the connection; nil is a net.Dialer. A connection that implements
	// interface{ Secure() bool } and says true is taken as it is, without TLS.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Identity, Features and Node are what disco#info and capabilities say about us.
	Identity Identity
	Features []string
	Node     string // URI of the software, for capabilities
	// Software answers jabber:iq:version.
	Software Software

	// Available sends <presence/> with capabilities right after login.
	Available bool

	// Resume is how long the server shall keep our session after the connection broke, so
	// that we can take it up again (XEP-0198 §5): then nobody notices, and neither OnDown nor
	// OnUp is called. Meanwhile the others hold us for present, also if our process is dead.
	// 0 leaves that out; components cannot (XEP-0114).
	Resume time.Duration

	// OnUp is called after each login, and may wait for IQs; its context ends with
	// the session or with Run. OnDown is called after OnUp has
	// returned and the session is gone. Both run on Run's goroutine.
	OnUp   func(ctx context.Context)
	OnDown func(err error)

	// PingInterval is how often the connection is tested; a test without any answer by the
	// time of the second next one ends the connection. Default 5 s.
	PingInterval time.Duration
	// ReplyTimeout is how long IQ and Ask wait if nothing else is said. Default 15 s.
	ReplyTimeout time.Duration
	// MaxStanza bounds a received stanza. Default 1 MiB.
	MaxStanza int
	// MaxQueue bounds the bytes that wait for the server to take them; more than that ends
	// the connection. Default 8 MiB.
	MaxQueue int
	// MaxOpen bounds the IQs that wait for an answer. Default 10000.
	MaxOpen int
}

// Software is the answer to jabber:iq:version.
type Software struct{ Name, Version, OS string }

const (
	minBackoff    = 100 * time.Millisecond
	maxBackoff    = time.Second      // meetings wait for us
	refusedPause  = 10 * time.Second // after a refused password
	dialTimeout   = 6 * time.Second  // longer than a resolver's first try of a name server
	loginTimeout  = 20 * time.Second
	goodbyeWait   = time.Second
	writeTimeout  = 30 * time.Second
	stableSession = 5 * time.Second // a session this old starts the backoff anew
)

// Client is a connection to the XMPP server that repairs itself. Its methods may be
// called from any goroutine; handlers are registered before Run.
type Client struct {
	cfg  Config
	opts Options
	log  *logrus.Entry

	idPrefix string
	idNext   atomic.Uint64

	// mu guards what follows. current is nil unless logged in; a Room is in rooms from Join
	// until it is left, under its bare address.
	mu       sync.Mutex
	current  *session
	addr     string
	rooms    map[string]*Room
	iq       map[handlerKey]IQHandler
	presence []Handler
	message  []Handler
	running  bool
	ended    bool

	keepers sync.WaitGroup // goroutines of rooms that are kept
	up      chan struct{}  // closed while logged in; renewed under mu
}

// New makes a Client; it connects when Run is called.
func New(cfg Config, log *logrus.Entry, opts Options) (*Client, error) {
	if cfg.TLS == "" {
		cfg.TLS = TLSIfPossible
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	setDefaults(&opts)
	var prefix [6]byte
	_, _ = crand.Read(prefix[:]) // never fails since Go 1.24
	c := &Client{
		cfg: cfg, opts: opts,
		log:      log.WithField(logx.Host, cfg.Domain),
		idPrefix: fmt.Sprintf("%x", prefix),
		rooms:    map[string]*Room{},
		iq:       map[handlerKey]IQHandler{},
		addr:     cfg.Domain,
		up:       make(chan struct{}),
	}
	if !cfg.Component {
		full, err := jid.New(cfg.Username, cfg.Domain, cfg.Resource)
		if err != nil {
			return nil, fmt.Errorf("username: %w", err)
		}
		c.addr = full.String()
	}
	c.handleBuiltins()
	return c, nil
}

func setDefaults(o *Options) {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	setDefault(&o.PingInterval, 5*time.Second)
	setDefault(&o.ReplyTimeout, 15*time.Second)
	setDefault(&o.MaxStanza, DefaultMaxStanza)
	setDefault(&o.MaxQueue, 8<<20)
	setDefault(&o.MaxOpen, 10000)
	setDefault(&o.Software.Name, "Parley")
	setDefault(&o.Identity.Category, "client")
	setDefault(&o.Identity.Type, "bot")
}

func setDefault[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// Addr is our address: the full JID the server bound (before login the one asked for),
// or the component's domain.
func (c *Client) Addr() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addr
}

// Connected says whether we are logged in now, and the connection stands.
func (c *Client) Connected() bool {
	s, err := c.session()
	return err == nil && s.attached()
}

// WaitConnected returns when we are logged in, or with the context's error.
func (c *Client) WaitConnected(ctx context.Context) error {
	c.mu.Lock()
	up := c.up
	c.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run logs in and stays logged in until ctx is done; then it says goodbye and returns
// nil. It returns an error only if it was called before.
func (c *Client) Run(ctx context.Context) error {
	c.mu.Lock()
	if c.running {
		c.mu.Unlock()
		return errors.New("xmppclient: Run called twice")
	}
	c.running = true
	defer c.stopKeepers()
	for _, r := range c.rooms {
		if r.keep {
			c.startKeeper(r)
		}
	}
	c.mu.Unlock()
	c.loop(ctx)
	return nil
}

// loop connects again and again.
func (c *Client) loop(ctx context.Context) {
	backoff := minBackoff
	var said string // the trouble that was logged last, so that each is said once
	for ctx.Err() == nil {
		began := time.Now()
		loggedIn, err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if loggedIn {
			said = ""
			if time.Since(began) > stableSession {
				backoff = minBackoff
			}
		}
		pause := backoff/2 + rand.N(backoff)
		backoff = min(2*backoff, maxBackoff)
		if errors.Is(err, ErrCredentials) {
			pause = refusedPause
		}
		said = c.complain(err, loggedIn, said)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// complain logs why there is no session, once for each kind of trouble.
func (c *Client) complain(err error, loggedIn bool, said string) string {
	log := c.log.WithError(err).WithField(logx.Remote, c.cfg.Address)
	kind := "unreachable"
	if errors.Is(err, ErrCredentials) {
		kind = "refused"
	}
	switch {
	case said == kind:
		log.Debug("still no session with the XMPP server")
	case kind == "refused" && c.cfg.Component:
		log.Error("the XMPP server refuses the secret of this component: set the same secret on both sides")
	case kind == "refused":
		log.WithField(logx.Address, c.Addr()).Error("the XMPP server refuses the account's password: set the same password on both sides")
	case loggedIn:
		log.Warn("connection to the XMPP server lost, trying again")
	default:
		log.Warn("cannot reach the XMPP server, trying again")
	}
	return kind
}

// once connects, logs in and serves one session to its end.
func (c *Client) once(ctx context.Context) (loggedIn bool, err error) {
	s, err := c.connect(ctx)
	if err != nil {
		return false, err
	}
	s.start()
	c.setCurrent(s)
	c.log.WithField(logx.Address, s.addr).Info("logged in to the XMPP server")
	if c.opts.Available && !c.cfg.Component {
		_ = c.Send(Presence{Payload: []any{c.Caps()}}) // a failure ends the session, seen below
	}
	if c.opts.OnUp != nil {
		up, cancel := context.WithCancel(s.ctx)
		stop := context.AfterFunc(ctx, cancel)
		c.opts.OnUp(up)
		stop()
		cancel()
	}
	select {
	case <-s.ctx.Done():
	case <-ctx.Done():
		s.goodbye()
		s.fail(ErrClosed)
	}
	s.wait()
	c.unsetCurrent()
	c.roomsDown(s.err())
	if c.opts.OnDown != nil {
		c.opts.OnDown(s.err())
	}
	return true, s.err()
}

func (c *Client) setCurrent(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current, c.addr = s, s.addr
	close(c.up)
}

func (c *Client) unsetCurrent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = nil
	c.up = make(chan struct{})
}

func (c *Client) session() (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return nil, ErrNotConnected
	}
	return c.current, nil
}

// Send queues the stanza. An error means that it was not sent; nil means that it will
// be unless the connection breaks and the session cannot be resumed.
func (c *Client) Send(o Outgoing) error {
	s, err := c.session()
	if err != nil {
		return err
	}
	return s.send(o)
}

// NewID is an id for a stanza; other peers cannot guess it.
func (c *Client) NewID() string {
	return fmt.Sprintf("%s-%x", c.idPrefix, c.idNext.Add(1))
}
