package meetweb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/net/netutil"

	"parley/internal/metrics"
)

// Options are what the assembly hands in besides the configuration.
type Options struct {
	// DialXMPP, DialBridge and DialFocus open connections to those parts; nil
	// means a net.Dialer.
	DialXMPP, DialBridge, DialFocus func(ctx context.Context, network, addr string) (net.Conn, error)
	// GetCertificate gives the certificate of the HTTPS listener; needed when there is one.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Health says why the product cannot carry a call; nil means asking whether the
	// XMPP server can be reached.
	Health func(ctx context.Context) error
	// Metrics is where counters are registered; nil means nowhere.
	Metrics *metrics.Set
	// Version is shown at /about/version.
	Version string
	// Dist replaces the embedded page, in tests.
	Dist fs.FS
}

// Server is the web front.
type Server struct {
	cfg     Config
	log     *logrus.Entry
	opts    Options
	proxies []netip.Prefix // trusted
	policy  string
	assets  assets
	index   *asset // the page, or the placeholder when none was built
	isBuilt bool

	xmpp, bridge, focus *proxy
	requests            metrics.Counter
	bodyTimeout         time.Duration

	ready     chan struct{}
	mu        sync.Mutex // guards the addresses
	httpAddr  net.Addr
	httpsAddr net.Addr
}

// New checks the configuration and reads the page; nothing is opened yet.
func New(cfg Config, log *logrus.Entry, opts Options) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.HTTPSListen != "" && opts.GetCertificate == nil {
		return nil, errors.New("https_listen: needs a certificate")
	}
	cfg = cfg.withNames()
	s := &Server{cfg: cfg, log: log, opts: opts, ready: make(chan struct{}), bodyTimeout: bodyTimeout}
	s.proxies, _ = parseNetworks(cfg.TrustedProxies) // validated
	s.policy = contentPolicy(cfg.FrameAncestors)

	dist := opts.Dist
	if dist == nil {
		dist, _ = fs.Sub(built, "ui/dist") // the folder is embedded
	}
	var err error
	if s.assets, err = loadAssets(dist); err != nil {
		return nil, err
	}
	if s.index, s.isBuilt = s.assets["index.html"]; !s.isBuilt {
		if s.index = s.assets["placeholder.html"]; s.index == nil {
			return nil, errors.New("the binary was built without any page")
		}
	}
	if _, err := s.configJS(origin{host: "localhost"}, ""); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	s.xmpp = newProxy("the XMPP server", opts.DialXMPP, cfg.ProxyTimeout, s.trusted, log)
	s.bridge = newProxy("the media bridge", opts.DialBridge, dialTimeout*2, s.trusted, log)
	s.focus = newProxy("the conference focus", opts.DialFocus, dialTimeout*4, s.trusted, log)
	if opts.Metrics != nil {
		opts.Metrics.AttachCounter(&s.requests, "parley_web_requests_total", "requests served by the web front")
	}
	return s, nil
}

// Built says whether the binary holds the real page.
func (s *Server) Built() bool { return s.isBuilt }

// Ready is closed when the listeners are bound.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// HTTPAddr is the bound address of the plain listener, nil before Ready or without one.
func (s *Server) HTTPAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.httpAddr
}

// HTTPSAddr is the bound address of the public listener, nil before Ready or without one.
func (s *Server) HTTPSAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.httpsAddr
}

// stopTimeout is how long answers under way may take after the stop.
const stopTimeout = 2 * time.Second

// Run binds the listeners and serves until ctx is done; then it closes the
// proxied sockets and waits up to two seconds for the other answers.
func (s *Server) Run(ctx context.Context) error {
	plain, err := s.listen("http_listen", s.cfg.HTTPListen)
	if err != nil {
		return err
	}
	public, err := s.listen("https_listen", s.cfg.HTTPSListen)
	if err != nil {
		if plain != nil {
			plain.Close()
		}
		return err
	}
	s.mu.Lock()
	if plain != nil {
		s.httpAddr = plain.Addr()
	}
	if public != nil {
		s.httpsAddr = public.Addr()
	}
	s.mu.Unlock()

	// Requests live in a context of their own, so that a stop ends the long ones
	// (sockets, held BOSH requests) and lets the short ones finish.
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer endRequests()
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: s.cfg.ReadHeaderTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		WriteTimeout:      s.cfg.ProxyTimeout + time.Minute, // of an answer; sockets are no answers
		MaxHeaderBytes:    64 << 10,
		// One http.Server with a plain and a TLS listener offers HTTP/2 but cannot speak
		// it unless the protocols are named here.
		TLSConfig:   &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.opts.GetCertificate, NextProtos: []string{"h2", "http/1.1"}},
		BaseContext: func(net.Listener) context.Context { return requests },
		ErrorLog:    quietLog(s.log),
	}
	ended := make(chan error, 2)
	var serving sync.WaitGroup
	if plain != nil {
		serving.Go(func() { ended <- srv.Serve(plain) })
	}
	if public != nil {
		serving.Go(func() { ended <- srv.ServeTLS(public, "", "") })
	}
	close(s.ready)

	select {
	case <-ctx.Done():
	case err = <-ended:
		err = fmt.Errorf("serve the web front: %w", err)
	}
	endRequests()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if srv.Shutdown(stop) != nil {
		srv.Close()
	}
	serving.Wait()
	for _, p := range []*proxy{s.xmpp, s.bridge, s.focus} {
		p.rp.Transport.(*http.Transport).CloseIdleConnections()
	}
	return err
}

func (s *Server) listen(key, addr string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s: %w", key, addr, plainCause(err))
	}
	return netutil.LimitListener(ln, s.cfg.MaxConnections), nil
}

// plainCause leaves out the address, which the sentence around it names already.
func plainCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
