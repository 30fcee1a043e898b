package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"parley/bridge"
	"parley/internal/admin"
	"parley/internal/logx"
	"parley/internal/metrics"
	meetweb "parley/meet-web"
	"parley/xmppd"
)

// Part is one of the services.
type Part string

// The parts.
const (
	XMPPD  Part = "xmppd"
	Focus  Part = "focus"
	Bridge Part = "bridge"
	Web    Part = "web"
)

// All is every part, in the order of their start. They stop the other way
// round, but for the web front, which carries the others' farewells and goes last.
var All = []Part{XMPPD, Web, Bridge, Focus}

// Options are what the door hands in.
type Options struct {
	Parts      []Part   // All, or one
	ConfigFile string   // "" means none
	Data       string   // "" means DefaultData
	Environ    []string // as of os.Environ

	Program string    // how the binary was called, for commands in texts
	Stdout  io.Writer // the start text
	Stderr  io.Writer // the log
}

// form is the subcommand these options are for.
func (o Options) form() string {
	if len(o.Parts) > 1 {
		return "serve"
	}
	return string(o.Parts[0])
}

// About is the line of `parley version`.
func About() string {
	return fmt.Sprintf("Parley %s (%s %s/%s)", Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

const (
	partGrace = 4 * time.Second  // for one part to say goodbye
	startWait = 15 * time.Second // for a part to bind its listeners

	dialTimeout = 5 * time.Second
)

// service is one part that was built and can run.
type service struct {
	part     Part
	run      func(context.Context) error
	ready    <-chan struct{} // nil: there is nothing to wait for
	commands []admin.Command
	status   func() []string // facts for `ctl status`
	patience time.Duration   // how long run may take to return beyond what every part may
	discard  func()          // lets go of what was opened, if run is never called; may be nil

	begun  bool // run was called
	cancel context.CancelFunc
	ended  chan struct{}
}

// instance is a running process. It belongs to the goroutine in Run.
type instance struct {
	opts    Options
	cfg     Config
	data    data
	log     *logrus.Entry
	metrics *metrics.Set
	certs   *certificates
	started time.Time
	links   map[string]*link // in-process ways by address; empty when the parts are apart
	checks  []func() error   // of health, one per part that has something to say

	reloading sync.Mutex // one reload at a time

	web      *meetweb.Server // nil where it does not run
	services []*service      // in the order of their start
	failed   chan error      // the first end of a service that nobody asked for
}

// The addresses of parts in the same process. They stand in the derived
// settings, so an operator who names an address gets the network.
const (
	nearC2S        = "in-process:5222"
	nearComponents = "in-process:5347"
	nearHTTP       = "in-process:5280"
	nearBridge     = "in-process:9090"
)

// dial opens a connection to another part: in-process if it is here.
func (in *instance) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if l := in.links[addr]; l != nil {
		return l.dial(ctx, network, addr)
	}
	return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, addr)
}

// Run reads the settings, starts the parts and serves until ctx is done or one
// of them fails. When an administrator restarts the service, all of it is done anew.
func Run(ctx context.Context, o Options) error {
	o.thrifty()
	for {
		if err := runOnce(ctx, o); !errors.Is(err, xmppd.ErrRestart) || ctx.Err() != nil {
			return err
		}
	}
}

func runOnce(ctx context.Context, o Options) error {
	in := &instance{opts: o, started: time.Now(), metrics: metrics.NewSet(), failed: make(chan error, len(o.Parts))}
	if err := in.settle(); err != nil {
		return err
	}
	locks, err := in.lockParts()
	defer func() {
		for _, l := range locks {
			l.release()
		}
	}()
	if err != nil {
		return err
	}
	defer in.discard()
	if err := in.prepare(); err != nil {
		return err
	}
	return in.serve(ctx)
}

// discard lets go of services that were built but never ran.
func (in *instance) discard() {
	for _, s := range in.services {
		if !s.begun && s.discard != nil {
			s.discard()
		}
	}
}

// settle reads the settings and opens the data directory.
func (in *instance) settle() error {
	var strangers []string
	cfg, err := Load(in.opts.ConfigFile, in.opts.Environ, func(v string) { strangers = append(strangers, v) })
	if err != nil {
		return err
	}
	if in.log, err = logx.New(cfg.Log, in.opts.Stderr); err != nil {
		return inPart("log", err)
	}
	for _, name := range strangers {
		in.log.WithField(logx.Name, name).Warn("environment variable looks like a setting but is none")
	}
	if in.data, err = openData(in.opts.Data); err != nil {
		return err
	}
	if err := cfg.derive(in.opts.Parts, in.data, in.data.loadSecrets); err != nil {
		return err
	}
	if err := cfg.validate(in.opts.Parts); err != nil {
		return err
	}
	in.cfg = cfg
	return nil
}

// openData makes sure that there is a data directory.
func openData(dir string) (data, error) {
	if dir == "" {
		var err error
		if dir, err = DefaultData(); err != nil {
			return "", err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the data directory: %w", err)
	}
	d := data(dir)
	return d, d.make()
}

// lockParts keeps a second process off the same data.
func (in *instance) lockParts() (held []*lock, err error) {
	for _, part := range in.opts.Parts {
		l, err := in.data.tryLock(string(part))
		var taken heldError
		if errors.As(err, &taken) {
			return held, fmt.Errorf("parley %s already runs with its data in %s (process %s); stop it, or give this one another --data", in.opts.form(), in.data, taken.pid)
		}
		if err != nil {
			return held, err
		}
		held = append(held, l)
	}
	return held, nil
}

// prepare builds all services; nothing is bound yet.
func (in *instance) prepare() error {
	if err := in.openCertificate(); err != nil {
		return err
	}
	processMetrics(in.metrics, in.started)
	in.warnOfFewFiles(openFiles())
	if len(in.opts.Parts) > 1 {
		in.links = map[string]*link{}
		for _, addr := range []string{nearC2S, nearComponents, nearHTTP, nearBridge} {
			in.links[addr] = newLink(addr)
		}
	}
	for _, part := range in.opts.Parts {
		s, err := builders[part](in)
		if err != nil {
			return inPart(string(part), err)
		}
		s.part, s.ended = part, make(chan struct{})
		in.services = append(in.services, s)
	}
	return nil
}

// builders make the services, a file each.
var builders = map[Part]func(*instance) (*service, error){
	XMPPD: (*instance).buildXMPPD, Web: (*instance).buildWeb, Bridge: (*instance).buildBridge, Focus: (*instance).buildFocus,
}

// openCertificate loads the certificate, which only those with TLS listeners need.
func (in *instance) openCertificate() error {
	if !slices.Contains(in.opts.Parts, XMPPD) && !slices.Contains(in.opts.Parts, Web) {
		return nil
	}
	in.certs = &certificates{certFile: in.cfg.TLS.CertFile, keyFile: in.cfg.TLS.KeyFile}
	if in.cfg.TLS.CertFile == "" {
		in.certs.certFile, in.certs.keyFile = in.data.certificate(), in.data.key()
	}
	if err := in.renewCertificate(time.Now()); err != nil {
		return err
	}
	in.warnOfCertificate(time.Now())
	return nil
}

// serve starts everything, waits, and stops everything.
func (in *instance) serve(ctx context.Context) error {
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	var side sync.WaitGroup
	defer side.Wait()
	defer stopBackground()

	key, addr := in.cfg.Metrics.of(in.opts.Parts)
	obs, err := newObserver(key, addr, in.metrics, in.health, in.cfg.Metrics.Profiles)
	if err != nil {
		return explainPort(err)
	}
	if obs != nil {
		side.Go(func() { obs.run(background) })
	}
	control, err := in.control()
	if err != nil {
		return err
	}
	if in.certs != nil {
		side.Go(func() { in.watchCertificate(background) })
	}
	side.Go(func() {
		if err := control.Serve(background); err != nil {
			in.log.WithError(err).Error("the control socket stopped")
		}
	})

	err = in.start(ctx)
	if err == nil && ctx.Err() == nil {
		in.greet()
		select {
		case <-ctx.Done():
			in.log.Info("stopping; once more to stop at once")
		case err = <-in.failed:
			switch {
			case errors.Is(err, bridge.ErrShutdown):
				in.log.Info("the bridge was told to go")
				err = nil
			case errors.Is(err, xmppd.ErrShutdown):
				err = nil // the XMPP server has said so
			}
		}
	}
	in.stop()
	if err != nil {
		return explainPort(err)
	}
	in.log.Info("stopped")
	return nil
}

// control opens the control socket with every part's commands and our own.
func (in *instance) control() (*admin.Server, error) {
	table, err := admin.NewTable(in.commands()...)
	if err != nil {
		return nil, err
	}
	name := Part("")
	if len(in.opts.Parts) == 1 {
		name = in.opts.Parts[0]
	}
	return admin.Listen(in.data.socket(name), table, in.log)
}

// start runs the services one after the other, each when the one before is ready.
func (in *instance) start(ctx context.Context) error {
	for _, s := range in.services {
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		s.cancel, s.begun = cancel, true
		go func() {
			defer close(s.ended)
			err := s.run(own)
			if own.Err() == nil { // nobody asked for it
				if err == nil {
					err = errors.New("stopped by itself")
				}
				in.failed <- inPart(string(s.part), err)
			} else if err != nil {
				in.log.WithField(logx.Part, s.part).WithError(err).Warn("part did not stop cleanly")
			}
		}()
		if s.ready == nil {
			continue
		}
		select {
		case <-s.ready:
		case err := <-in.failed:
			return err
		case <-ctx.Done():
			return nil
		case <-time.After(startWait):
			return fmt.Errorf("%s did not open its listeners within %s", s.part, startWait)
		}
	}
	return nil
}

// stop ends the services politely: focus and bridge take leave of the server,
// the server of its clients, and the web front carries that to the browsers.
func (in *instance) stop() {
	order := slices.Clone(in.services)
	slices.Reverse(order)
	slices.SortStableFunc(order, func(a, b *service) int { return lastIfWeb(a) - lastIfWeb(b) })
	for _, s := range order {
		if s.cancel == nil {
			continue // was never started
		}
		s.cancel()
		select {
		case <-s.ended:
		case <-time.After(partGrace + s.patience):
			in.log.WithField(logx.Part, s.part).Warn("part takes long to stop; going on without it")
		}
	}
	for _, l := range in.links {
		l.Close()
	}
}

func lastIfWeb(s *service) int {
	if s.part == Web {
		return 1
	}
	return 0
}

// serveHTTP serves h on a link until ctx is done.
func serveHTTP(ctx context.Context, l *link, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	return srv.Serve(l) // ends with the close above, or with the link
}
