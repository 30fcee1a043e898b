package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"parley/bridge/allocate"
	"parley/bridge/channel"
	"parley/bridge/conference"
	"parley/bridge/estimate"
	"parley/bridge/signal"
	"parley/bridge/transport"
	"parley/internal/logx"
	"parley/internal/metrics"
)

// stopTime is how long stopping may take before what is left is cut.
const stopTime = 2 * time.Second

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
//
// Its own goroutines are started by Run and end before Run returns: the packet path, the
// pump of its news, the statistics, one for each XMPP connection and HTTP listener.
type Service struct {
	cfg  Config
	log  *logrus.Entry
	opts Options

	transport   *transport.Transport
	network     *network
	channels    *channel.Server
	conferences *conference.Set
	handler     *signal.Handler
	connections connections
	random      string // what makes our names unique
	stats       *collector
	private     http.Handler

	ready    chan struct{}
	drain    atomic.Bool
	shutdown *shutdown
	reducer  *reducer     // of the goroutine of publish
	reduced  atomic.Int32 // the limit it has set, for others to read

	wg sync.WaitGroup // what Run started

	mu      sync.Mutex // guards what follows; servers are added until stopping is set
	servers map[*http.Server]struct{}
	stopped bool
}

// New checks the configuration. It binds nothing.
func New(cfg Config, log *logrus.Entry, opts Options) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if opts.Version == "" {
		opts.Version = "devel"
	}
	random := strings.ToLower(rand.Text()[:8])
	if cfg.WebSocket.ServerID == "" {
		cfg.WebSocket.ServerID = uniqueName(random)
	}
	cfg.Media.Lanes = shardsOf(cfg.PacketPath)
	t, err := transport.New(cfg.Media, log)
	if err != nil {
		return nil, fmt.Errorf("media.%w", err)
	}
	s := &Service{
		cfg: cfg, log: log, opts: opts, transport: t,
		random: random, ready: make(chan struct{}), servers: make(map[*http.Server]struct{}),
	}
	s.drain.Store(cfg.InitialDrain)
	s.shutdown = newShutdown(cfg.Shutdown, s.endpointCount, s.lifeChanged)
	s.reducer = newReducer(cfg.Load)
	s.reduced.Store(allocate.Unlimited)
	s.network = newNetwork(t, cfg.PacketPath, log)
	s.channels = channel.NewServer(s.channelConfig(), log)
	s.conferences = conference.NewSet(cfg.conference(), s.network, s.channels, log)
	s.handler = signal.NewHandler(s.conferences, s.Healthy, log)
	for i, x := range cfg.XMPP {
		c, err := s.connect(x, random)
		if err != nil {
			return nil, fmt.Errorf("xmpp[%d].%w", i, err)
		}
		c.id = fmt.Sprintf("xmpp%d", i)
		s.connections.list = append(s.connections.list, c)
	}
	s.stats = newCollector(s)
	if opts.Metrics != nil {
		s.stats.attach(opts.Metrics)
	}
	s.private = s.privateRoutes()
	return s, nil
}

func (s *Service) channelConfig() channel.Config {
	c := channel.Config{Domains: s.cfg.WebSocket.Domains, RelayDomains: s.cfg.WebSocket.RelayDomains, TLS: s.cfg.WebSocket.TLS, ServerID: s.cfg.WebSocket.ServerID}
	if !s.cfg.WebSocket.Enabled {
		c.Domains = nil // no address, no WebSocket
	}
	return c
}

// conference picks what a conference must know.
func (c Config) conference() conference.Config {
	v := c.Video
	return conference.Config{
		Allocate: allocate.Config{
			OnStageHeight: v.OnStageHeight, OnStageFPS: v.OnStageFPS,
			AllowOversend: v.Oversend, MaxOversend: v.MaxOversend,
			MaxVideo: allocate.Unlimited, AssumedBandwidth: c.Bandwidth.AssumedLimit,
		},
		InitialMaxHeight: v.InitialMaxHeight, DefaultMaxHeight: v.DefaultMaxHeight,
		LastN: v.LastN, LastNOf: c.Load.lastNOf, SSRCLimit: v.SSRCLimit,
		Trust:     c.Bandwidth.Trust,
		Bandwidth: estimate.Config{Initial: c.Bandwidth.Initial, Min: c.Bandwidth.Min, Max: c.Bandwidth.Max},
		WebSocket: c.WebSocket.Enabled, RelayID: c.RelayID,
		SCTP: c.SCTP,
		Audio: conference.AudioConfig{
			Loudest: c.Audio.Loudest, AlwaysDominant: c.Audio.AlwaysDominant,
			EnergyExpire: c.Audio.EnergyExpire, EnergyAlpha: c.Audio.EnergyAlpha,
		},
		FirstTransfer: c.Inactivity.FirstTransfer, InactiveAfter: c.Inactivity.Limit,
		Expire: c.Inactivity.Expire, NeverActive: c.Inactivity.NeverActive,
		EmptyConference: c.Inactivity.EmptyConference,
	}
}

// Run binds the sockets and serves until ctx is done, or Shutdown was called and carried
// out; then it tells everybody and closes. A port that is taken is an error at once.
func (s *Service) Run(ctx context.Context) error {
	listeners, err := s.listen()
	if err != nil {
		return err
	}
	// What carries media outlives what controls it.
	media, stopMedia := context.WithCancel(context.Background())
	defer stopMedia()
	var mediaWork sync.WaitGroup
	for _, shard := range s.network.shards {
		mediaWork.Go(func() { _ = shard.Run(media) })
	}
	mediaWork.Go(func() { s.network.run(media) })

	control, stopControl := context.WithCancel(context.Background())
	defer stopControl()
	for l, h := range listeners {
		s.wg.Go(func() { _ = s.serve(l, h) })
	}
	s.connections.run(control, &s.wg)
	s.wg.Go(func() { s.publish(control) })
	close(s.ready)
	s.log.WithField(logx.Name, s.cfg.WebSocket.ServerID).Info("bridge is up")

	gone := s.shutdown.run(ctx)
	if !gone {
		s.linger()
	}
	s.stop()
	stopControl()
	s.wg.Wait()
	stopMedia()
	s.network.wake()
	mediaWork.Wait()
	err = s.transport.Close()
	if gone && err == nil {
		err = ErrShutdown
	}
	return err
}

// linger lets conferences end by themselves before the bridge is stopped from outside.
func (s *Service) linger() {
	if s.cfg.Shutdown.OnSignal == 0 {
		return
	}
	s.conferences.Stop()
	s.shutdown.enter(gracefulShutdown)
	s.shutdown.wait(context.Background(), s.cfg.Shutdown.OnSignal, s.cfg.Shutdown.MinEndpoints, s.shutdown.askForced)
}

// listen binds everything; the error names the address and the key.
func (s *Service) listen() (map[net.Listener]http.Handler, error) {
	if err := s.transport.Listen(); err != nil {
		return nil, fmt.Errorf("media.%w", err)
	}
	listeners := make(map[net.Listener]http.Handler)
	bind := func(key, addr string, h http.Handler) error {
		if addr == "" {
			return nil
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("%s: cannot listen on %s: %w", key, addr, err)
		}
		listeners[l] = h
		return nil
	}
	var err error
	if s.cfg.WebSocket.Enabled {
		err = bind("websocket.listen", s.cfg.WebSocket.Listen, s.HTTPHandler())
	}
	if err == nil {
		err = bind("private_listen", s.cfg.PrivateListen, s.PrivateHandler())
	}
	if err != nil {
		for l := range listeners {
			_ = l.Close()
		}
		return nil, errors.Join(err, s.transport.Close())
	}
	return listeners, nil
}

// serve serves HTTP on a listener until stop.
func (s *Service) serve(l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       stdlog.New(io.Discard, "", 0), // broken requests are the peer's news
	}
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return l.Close()
	}
	s.servers[srv] = struct{}{}
	s.mu.Unlock()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	}
	return nil
}

// stop takes leave: of the focus first, so that it asks nothing more, then of the
// clients.
func (s *Service) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	s.conferences.Stop()
	var leaving sync.WaitGroup
	for _, c := range s.connections.all() {
		leaving.Go(func() { c.leave(ctx) })
	}
	leaving.Wait()
	s.channels.Close(ctx)
	s.conferences.Close()

	s.mu.Lock()
	s.stopped = true
	servers := s.servers
	s.mu.Unlock()
	for srv := range servers {
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close()
		}
	}
}

// Ready is closed when all sockets are bound.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// HTTPHandler serves the bridge channel (/colibri-ws/…), for a front in the same
// process.
func (s *Service) HTTPHandler() http.Handler { return s.channels }

// PrivateHandler serves what operators ask for: /about/health, /about/version,
// /colibri/stats, /colibri/drain, /debug. It must not be reachable from outside.
func (s *Service) PrivateHandler() http.Handler { return s.private }

// ServerID is this bridge's part of the path of its bridge channels.
func (s *Service) ServerID() string { return s.cfg.WebSocket.ServerID }

// ServeHTTP serves the bridge channel on one more listener until the service stops.
func (s *Service) ServeHTTP(l net.Listener) error { return s.serve(l, s.HTTPHandler()) }

// Connected tells whether the bridge is logged in to every XMPP server, and in its rooms.
func (s *Service) Connected() bool {
	for _, c := range s.connections.all() {
		if !c.up() {
			return false
		}
	}
	return true
}

// Healthy says what keeps the bridge from serving, nil if nothing does.
func (s *Service) Healthy() error {
	select {
	case <-s.ready:
	default:
		return errors.New("the sockets are not bound yet")
	}
	addresses := s.transport.Addresses()
	if len(addresses) == 0 {
		return errors.New("no UDP socket is bound")
	}
	if s.cfg.RequireSTUN && !s.transport.Discovered() {
		return errors.New("no public address was found yet (media.stun_servers, media.aws)")
	}
	if !s.cfg.RequireValidAddress {
		return nil
	}
	known := s.transport.PublicAddresses()
	for _, a := range addresses {
		known = append(known, a.Addr())
	}
	for _, ip := range known {
		if ip.IsGlobalUnicast() && !ip.IsPrivate() {
			return nil
		}
	}
	return errors.New("no public address: map one (media.mappings) or switch require_valid_address off")
}
