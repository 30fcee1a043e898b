package xmppd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
	"parley/internal/store"
	"parley/internal/wire/ns"
	"parley/xmppd/account"
	"parley/xmppd/bosh"
	"parley/xmppd/c2s"
	"parley/xmppd/component"
	"parley/xmppd/meeting"
	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/stream"
)

// Options is what the process around the server gives it.
type Options struct {
	// GetCertificate finds the certificate for STARTTLS; it is asked for each
	// handshake, so certificates can be replaced while running. nil: no TLS.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Version is told to those who ask.
	Version string
}

// politeTime is how long connections may take to close when the server stops.
const politeTime = 3 * time.Second

// Server is the XMPP server. Make it with New, and Run it once.
type Server struct {
	cfg     Config
	opts    Options
	log     *logrus.Entry
	started time.Time

	db         *store.Store
	accounts   *account.Accounts
	notices    *notices
	router     *router.Router
	c2s        *c2s.Server
	components *component.Server
	bosh       *bosh.Server
	rooms      []*muc.Host
	rules      *meeting.Rules
	services   *services
	users      map[string]*router.Users
	proxies    []netip.Prefix // whose X-Forwarded-For is believed
	proxied    []netip.Prefix // that begin with a PROXY header
	tls        *tls.Config

	panics  atomic.Uint64
	leaving *leaving

	base   context.Context // ends when the server stops; all connections hang on it
	cancel context.CancelFunc
	ready  chan struct{}
	conns  sync.WaitGroup

	websFull   logx.Seldom
	proxyFault logx.Seldom

	mu     sync.Mutex // guards the fields below; leaf lock
	webs   int        // WebSockets open
	closed bool
	open   map[net.Conn]struct{}
}

// OpenAccounts opens the accounts of a configuration, for commands that work while
// no server runs. The store is to be closed.
func OpenAccounts(ctx context.Context, cfg Config, log *logrus.Entry) (*account.Accounts, *store.Store, error) {
	cfg = cfg.names()
	db, err := store.Open(cfg.Database, log)
	if err != nil {
		return nil, nil, err
	}
	hosts := []string{cfg.Domain, cfg.AuthDomain}
	if cfg.RecorderDomain != "" {
		hosts = append(hosts, cfg.RecorderDomain)
	}
	var services []account.Service
	for _, s := range cfg.ServiceAccounts {
		services = append(services, account.Service{Name: s.Name, Domain: s.Domain, Password: s.Password, Setting: s.Setting})
	}
	a, err := account.New(ctx, db, hosts, services)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return a, db, nil
}

// New checks the configuration, opens the database and brings the service accounts
// up to date. It binds no port.
func New(cfg Config, log *logrus.Entry, opts Options) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.names()
	s := &Server{cfg: cfg, opts: opts, log: log, started: time.Now(),
		users: make(map[string]*router.Users), leaving: newLeaving(), ready: make(chan struct{}), open: make(map[net.Conn]struct{})}
	s.base, s.cancel = context.WithCancel(context.Background())
	ctx, cancel := context.WithTimeout(s.base, 30*time.Second)
	defer cancel()
	var err error
	s.proxies, _ = networks("trusted_proxies", cfg.TrustedProxies) // validated
	s.proxied, _ = networks("proxy_protocol", cfg.ProxyProtocol)
	if s.accounts, s.db, err = OpenAccounts(ctx, cfg, log); err != nil {
		return nil, err
	}
	if opts.GetCertificate != nil {
		s.tls = &tls.Config{GetCertificate: stream.Remember(opts.GetCertificate), MinVersion: tls.VersionTLS12}
	}
	if err := s.assemble(ctx); err != nil {
		s.cancel()
		s.services.close()
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

// Close lets go of what New opened, for a Server that is never Run.
func (s *Server) Close() {
	s.cancel()
	for _, h := range s.rooms {
		h.Close()
	}
	s.services.close()
	_ = s.db.Close()
}

// Accounts are the password accounts.
func (s *Server) Accounts() *account.Accounts { return s.accounts }

// Ready is closed when the listeners are bound.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// listener is a port and what serves it.
type listener struct {
	key, addr string
	serve     func(net.Listener) error
}

// Run binds the configured listeners and serves until ctx is done, or an administrator
// ends it (ErrShutdown, ErrRestart); then it tells everybody and returns. It can be
// called once.
func (s *Server) Run(ctx context.Context) error {
	defer s.db.Close()
	defer s.cancel()
	web := &http.Server{Handler: s.HTTPHandler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 3 * time.Minute, MaxHeaderBytes: 32 << 10}
	all := []listener{
		{"c2s_listen", s.cfg.C2SListen, s.ServeC2S},
		{"direct_tls_listen", s.cfg.DirectTLSListen, s.serveDirect},
		{"component_listen", s.cfg.ComponentListen, s.ServeComponents},
		{"http_listen", s.cfg.HTTPListen, web.Serve},
	}
	bound, err := bind(ctx, all)
	if err != nil {
		s.stop(web)
		return err
	}
	failed := make(chan error, len(all))
	for i, l := range bound {
		if l == nil {
			continue
		}
		s.log.WithField(logx.Listen, l.Addr().String()).WithField("key", all[i].key).Info("listening")
		go func() { failed <- all[i].serve(l) }()
	}
	close(s.ready)
	select {
	case <-ctx.Done():
	case err = <-s.leaving.now:
	case err = <-failed:
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
	}
	for _, l := range bound {
		if l != nil {
			_ = l.Close()
		}
	}
	s.stop(web)
	return err
}

func bind(ctx context.Context, all []listener) ([]net.Listener, error) {
	bound := make([]net.Listener, len(all))
	var lc net.ListenConfig
	for i, l := range all {
		if l.addr == "" {
			continue
		}
		var err error
		if bound[i], err = lc.Listen(ctx, "tcp", l.addr); err != nil {
			for _, b := range bound {
				if b != nil {
					_ = b.Close()
				}
			}
			return nil, fmt.Errorf("%s: cannot listen on %s: %w", l.key, l.addr, reason(err))
		}
	}
	return bound, nil
}

// reason leaves the address out that the sentence around it names already.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}

// stop ends all sessions politely, and what is left after politeTime at once.
func (s *Server) stop(web *http.Server) {
	s.leaving.end()
	s.c2s.Close()
	s.cancel()
	s.bosh.Close()
	ctx, cancel := context.WithTimeout(context.Background(), politeTime)
	defer cancel()
	_ = web.Shutdown(ctx)
	done := make(chan struct{})
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	go func() { s.conns.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.mu.Lock()
		for c := range s.open {
			_ = c.Close()
		}
		s.mu.Unlock()
		_ = web.Close()
		<-done
	}
	for _, h := range s.rooms {
		h.Close()
	}
	s.services.close()
}

// ServeC2S accepts clients on l until the server stops or l is closed.
// Connections that say they are Secure need no TLS.
func (s *Server) ServeC2S(l net.Listener) error {
	o := s.clientOptions(false)
	return s.serve(l, s.cfg.MaxConnections, func(c net.Conn) { stream.ServeTCP(s.base, c, o, s.c2s.Accept) })
}

func (s *Server) serveDirect(l net.Listener) error {
	if s.tls == nil {
		return errors.New("direct_tls_listen: there is no certificate")
	}
	o := s.clientOptions(true)
	return s.serve(l, s.cfg.MaxConnections, func(c net.Conn) { stream.ServeTCP(s.base, c, o, s.c2s.Accept) })
}

// ServeComponents accepts components on l until the server stops or l is closed.
func (s *Server) ServeComponents(l net.Listener) error {
	o := &stream.TCPOptions{
		Recovered: s.recovered, Space: ns.Component, Limit: s.cfg.ComponentStanzaBytes, Queue: s.cfg.ServiceSendQueue, Idle: s.cfg.IdleTime,
	}
	return s.serve(l, s.cfg.MaxConnections, func(c net.Conn) { stream.ServeTCP(s.base, c, o, s.components.Accept) })
}

func (s *Server) clientOptions(direct bool) *stream.TCPOptions {
	o := &stream.TCPOptions{
		Recovered: s.recovered, TLS: s.tls, Direct: direct, Limit: s.cfg.Sessions.StanzaBytes, Queue: s.cfg.SendQueue, Idle: s.cfg.IdleTime,
	}
	if s.cfg.TrustLoopback && !direct {
		o.Trusted = func(a netip.Addr) bool { return a.IsLoopback() }
	}
	if len(s.proxied) > 0 {
		o.Proxy = func(a netip.Addr) bool { return contains(s.proxied, a) }
		o.ProxyFault = func(proxy netip.Addr, err error) {
			if s.proxyFault.Due() {
				s.log.WithField(logx.Remote, proxy).WithError(err).
					Warn("a connection was closed: an address of proxy_protocol has to begin each with a PROXY header")
			}
		}
	}
	return o
}

// recovered tells of a panic that cost one stream.
func (s *Server) recovered(v any, stack []byte) {
	s.panics.Add(1)
	s.log.WithField(logx.Reason, fmt.Sprint(v)).WithField("stack", string(stack)).Error("a stream was ended by a fault in the server")
}

func (s *Server) serve(l net.Listener, limit int, handle func(net.Conn)) error {
	stop := context.AfterFunc(s.base, func() { _ = l.Close() })
	defer stop()
	slots := make(chan struct{}, limit)
	log := s.log.WithField(logx.Listen, l.Addr().String())
	var short, full logx.Seldom
	for {
		c, err := l.Accept()
		if err != nil {
			if s.base.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() || isResourceShortage(err) {
				if short.Due() {
					log.WithError(err).Warn("connections cannot be accepted: give the process more open files")
				}
				time.Sleep(50 * time.Millisecond)
				continue
			}
			return fmt.Errorf("accept on %s: %w", l.Addr(), err)
		}
		select {
		case slots <- struct{}{}:
		default:
			if full.Due() {
				log.Warn("connections are refused: max_connections are open")
			}
			_ = c.Close()
			continue
		}
		if !s.track(c) {
			_ = c.Close()
			<-slots
			return nil
		}
		go func() {
			defer func() { s.untrack(c); <-slots }()
			handle(c)
		}()
	}
}

func (s *Server) track(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.open[c] = struct{}{}
	s.conns.Add(1)
	return true
}

func (s *Server) untrack(c net.Conn) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
	s.conns.Done()
}
