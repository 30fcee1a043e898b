package focus

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"parley/focus/conference"
	"parley/focus/selector"
	"parley/internal/logx"
	"parley/internal/metrics"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// resumeTime is how long the server holds us for present after our connection broke. A
// short cut must not look to people as if the focus had left their room.
const resumeTime = 15 * time.Second

// stopTimeout is how long conferences and streams may take to end politely.
const stopTimeout = 2 * time.Second

// Options are what the assembly hands in besides the configuration.
type Options struct {
	// Dial opens connections to the server; nil means a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Metrics is where counters are registered; nil means nowhere.
	Metrics *metrics.Set
	// Version is shown in the room and in answers to version requests.
	Version string
	// StateDir is where the rooms we are in and their conferences are remembered, so that
	// a focus that was killed returns to them and goes on; empty means nowhere.
	StateDir string
	// Admit says whether who shows a token (or none: "") by HTTP may ask for the
	// conference of a room, given as NODE@DOMAIN, a tenant's as [TENANT]NODE@DOMAIN. The
	// error is shown to the asker. nil means that everybody may.
	Admit func(ctx context.Context, client netip.Addr, token, room string) error
}

// Service is the focus. Its maps are guarded by a small lock; everything about one
// meeting belongs to the loop of its conference.
type Service struct {
	cfg       Config
	log       *logrus.Entry
	version   string
	user      *xmppclient.Client
	component *xmppclient.Client // nil in the client-proxy form
	bridges   *selector.Pool
	features  *features
	doctor    *doctor
	counters  *conference.Counters
	memory    *memory
	ready     chan struct{}
	admit     func(ctx context.Context, client netip.Addr, token, room string) error // Options.Admit

	// mu guards what follows. A conference is in the map from its first request until
	// it is over, under its key.
	mu          sync.Mutex
	conferences map[string]*conference.Conference
	begun       quota
	services    map[string]string // disco identity type to address, of the room services
	running     context.Context   // of the conferences; nil while no new ones may begin
	rejoin      bool              // we were connected before
	gathered    bool              // we were in the brewery, or there is none
	before      []string          // the rooms of the last life
	returned    bool              // to them

	done sync.WaitGroup // conferences
}

// New checks the configuration and prepares the service; nothing is opened yet.
func New(cfg Config, log *logrus.Entry, opts Options) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withNames()
	s := &Service{
		cfg: cfg, log: log, version: opts.Version, admit: opts.Admit,
		bridges:     selector.NewPool(cfg.Bridge.Selection),
		features:    newFeatures(),
		counters:    &conference.Counters{},
		memory:      newMemory(opts.StateDir, log),
		ready:       make(chan struct{}),
		conferences: make(map[string]*conference.Conference),
		begun:       quota{max: cfg.MaxBegun},
		services:    make(map[string]string),
	}
	if s.version == "" {
		s.version = "devel"
	}
	s.doctor = newDoctor(s)
	if err := s.makeUser(opts); err != nil {
		return nil, err
	}
	if err := s.makeComponent(opts); err != nil {
		return nil, err
	}
	for _, b := range cfg.Bridge.Static {
		s.bridges.AddStatic(b.Address, b.Region)
	}
	s.register(opts.Metrics)
	return s, nil
}

// makeUser prepares the connection that sits in rooms.
func (s *Service) makeUser(opts Options) error {
	user, err := xmppclient.New(s.cfg.Client.login(), s.log, xmppclient.Options{
		Dial: opts.Dial, Available: true, OnUp: s.userUp, Node: ns.JicofoNode, Resume: resumeTime,
		Identity: xmppclient.Identity{Category: "client", Type: "bot", Name: "Parley focus"},
		Features: []string{ns.MUC, ns.FeatureTerminateRestart},
		Software: xmppclient.Software{Name: "Parley focus", Version: s.version},
	})
	if err != nil {
		return err
	}
	s.user = user
	user.HandlePresence(s.handlePresence)
	user.HandleMessage(s.handleMessage)
	user.HandleIQ(ns.Jingle, "jingle", s.handleOccupant)
	for _, space := range []string{ns.Audio, ns.Video, ns.Desktop} {
		user.HandleIQ(space, "mute", s.handleOccupant)
	}
	if s.cfg.ClientProxy != "" {
		user.HandleIQ(ns.Focus, "conference", s.handleProxied)
	}
	return s.keepBrewery()
}

// makeComponent prepares the connection that receives conference requests.
func (s *Service) makeComponent(opts Options) error {
	if !s.cfg.Component.Enabled {
		return nil
	}
	c, err := xmppclient.New(s.cfg.Component.login(), s.log, xmppclient.Options{
		Dial:     opts.Dial,
		Identity: xmppclient.Identity{Category: "component", Type: "generic", Name: "Parley focus"},
		Features: []string{ns.Focus},
		Software: xmppclient.Software{Name: "Parley focus", Version: s.version},
	})
	if err != nil {
		return err
	}
	c.HandleIQ(ns.Focus, "conference", s.handleConference)
	s.component = c
	return nil
}

// Ready is closed when the listener for HTTP requests, if there is one, is bound.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Connected reports whether the focus is logged in as user and, if configured, as
// component.
func (s *Service) Connected() bool {
	return s.user.Connected() && (s.component == nil || s.component.Connected())
}

// Run logs in, stays logged in, and serves conferences until ctx is done; then it
// leaves all rooms and closes its streams.
func (s *Service) Run(ctx context.Context) error {
	stopHTTP, err := s.serveHTTP()
	if err != nil {
		return err
	}
	close(s.ready)

	// The streams outlive the conferences, which say goodbye over them.
	streams, closeStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer closeStreams()
	var clients sync.WaitGroup
	var clientErr error
	var errOnce sync.Once
	run := func(c *xmppclient.Client) {
		clients.Go(func() {
			if err := c.Run(streams); err != nil {
				errOnce.Do(func() { clientErr = err })
			}
		})
	}
	before := s.memory.rooms(s.key)
	s.mu.Lock()
	s.running, s.before = ctx, before
	s.mu.Unlock()
	run(s.user)
	if s.component != nil {
		run(s.component)
	}
	clients.Go(func() { s.doctor.run(ctx) })

	<-ctx.Done()
	stopHTTP()
	s.stopConferences()
	closeStreams()
	clients.Wait()
	s.memory.close()
	return clientErr
}

// stopConferences begins no more conferences and waits for those that run to end;
// their loops stop by the context they were given.
func (s *Service) stopConferences() {
	s.mu.Lock()
	s.running = nil
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(stopTimeout):
		s.log.Warn("Some conferences did not end in time.")
	}
}

// userUp is called after each login of the user: it finds the services of the rooms
// and returns to the rooms we were in.
func (s *Service) userUp(ctx context.Context) {
	s.findServices(ctx)
	s.mu.Lock()
	again := s.rejoin
	s.rejoin = true
	var all []*conference.Conference
	for _, c := range s.conferences {
		all = append(all, c)
	}
	s.mu.Unlock()
	if again {
		for _, c := range all {
			c.Reconnected()
		}
		return
	}
	s.returnToRooms()
}

// returnToRooms begins the conferences of the last life, once we are logged in and know the
// bridges they are on.
func (s *Service) returnToRooms() {
	s.mu.Lock()
	due := s.rejoin && s.gathered && !s.returned
	s.returned = s.returned || due
	list := s.before
	s.mu.Unlock()
	if !due {
		return
	}
	for _, room := range list {
		s.log.WithField(logx.Room, room).Info("Returning to a room of before.")
		s.ask("", room, conference.Request{StartAudioMuted: -1, StartVideoMuted: -1, RTCStats: true}, func(bool) {})
	}
}

// findServices asks the main domain for the services whose messages we act on.
func (s *Service) findServices(ctx context.Context) {
	info, err := s.user.Info(ctx, s.cfg.Domain, "")
	if err != nil {
		if !errors.Is(err, xmppclient.ErrDisconnected) && ctx.Err() == nil {
			s.log.WithError(err).WithField(logx.Host, s.cfg.Domain).Warn("The server does not say which room services it has.")
		}
		return
	}
	found := make(map[string]string)
	for _, id := range info.Identities {
		if id.Category == "component" && id.Name != "" {
			found[id.Type] = id.Name
		}
	}
	s.mu.Lock()
	s.services = found
	s.mu.Unlock()
}

// service is the address of a room service, "" if there is none.
func (s *Service) service(kind string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.services[kind]
}

// find returns the conference of the room, or nil.
func (s *Service) find(room string) *conference.Conference {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conferences[s.key(room)]
}

// all lists the conferences by room.
func (s *Service) all() []*conference.Conference {
	s.mu.Lock()
	out := make([]*conference.Conference, 0, len(s.conferences))
	for _, c := range s.conferences {
		out = append(out, c)
	}
	s.mu.Unlock()
	slices.SortFunc(out, func(a, b *conference.Conference) int { return strings.Compare(a.Addr(), b.Addr()) })
	return out
}

// link is a conference's way to the server.
type link struct{ s *Service }

// Send implements conference.Link. What cannot be sent is lost with the connection,
// and the conference hears of that.
func (l link) Send(o xmppclient.Outgoing) {
	if err := l.s.user.Send(o); err != nil {
		l.s.log.WithError(err).Debug("A stanza was not sent.")
	}
}

// Request implements conference.Link.
func (l link) Request(iq xmppclient.IQ, done func(*xmppclient.Stanza, error)) {
	if err := l.s.user.Ask(iq, 0, done); err != nil {
		done(nil, err)
	}
}

// Self implements conference.Link.
func (l link) Self() string { return l.s.user.Addr() }
