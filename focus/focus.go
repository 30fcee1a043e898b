package focus

import (
	"context"
	"net"
	"net/http"

	"github.com/sirupsen/logrus"

	"parley/internal/admin"
	"parley/internal/metrics"
)

// Options are what the assembly hands in besides the configuration.
type Options struct {
	// Dial opens connections to the server; nil means a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Metrics is where counters are registered; nil means nowhere.
	Metrics *metrics.Set
	// Version is shown in the room and in answers to version requests.
	Version string
}

// Service is the focus.
type Service struct {
	cfg Config
	log *logrus.Entry
}

// New checks the configuration and prepares the service; nothing is opened yet.
func New(cfg Config, log *logrus.Entry, opts Options) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Service{cfg: cfg.withNames(), log: log}, nil
}

// Run logs in, stays logged in, and serves conferences until ctx is done; then it
// leaves all rooms and closes its streams.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// HTTPHandler serves conference requests by HTTP (/conference-request/v1).
func (s *Service) HTTPHandler() http.Handler { return http.NotFoundHandler() }

// Conferences lists the running conferences, by room.
func (s *Service) Conferences() []ConferenceStatus { return nil }

// Bridges lists the known bridges, best first.
func (s *Service) Bridges() []BridgeStatus { return nil }

// Connected reports whether the focus is logged in as user and, if configured, as
// component.
func (s *Service) Connected() bool { return false }

// Commands are the operator's verbs this service understands.
func (s *Service) Commands() []admin.Command { return nil }
