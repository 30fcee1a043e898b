package bridge

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrShutdown is how Run ends after Shutdown.
var ErrShutdown = errors.New("the bridge was shut down")

// ShutdownConfig says how the bridge goes when it is told to.
type ShutdownConfig struct {
	// Limit is how long a graceful shutdown waits for the conferences to end by themselves.
	Limit time.Duration `yaml:"limit"`
	// MinEndpoints ends the wait when no more than that many participants are left.
	MinEndpoints int `yaml:"min_endpoints"`
	// Delay is how long the bridge then announces that it goes, so that the focus moves
	// whoever is left, before it does.
	Delay time.Duration `yaml:"delay"`
	// OnSignal is how long a bridge of its own process waits at Ctrl-C or SIGTERM until its
	// conferences have ended, as a graceful shutdown does; 0 ends them at once. A second
	// signal does so, too.
	OnSignal time.Duration `yaml:"on_signal"`
	// REST allows POST /colibri/shutdown on the private address.
	REST bool `yaml:"rest"`
}

func (c ShutdownConfig) validate() error {
	switch {
	case c.Limit < 0:
		return errors.New("shutdown.limit: must not be negative")
	case c.MinEndpoints < 0:
		return errors.New("shutdown.min_endpoints: must not be negative")
	case c.Delay < 0:
		return errors.New("shutdown.delay: must not be negative")
	case c.OnSignal < 0:
		return errors.New("shutdown.on_signal: must not be negative")
	}
	return nil
}

// lifeState is how far the bridge is on its way out:
//
//	running ── graceful ──► graceful shutdown ── empty, or limit ──► shutting down ── delay ──► end
//	   └──────────────────────── forced ──────────────────────────────────┘
type lifeState int32

const (
	running lifeState = iota
	gracefulShutdown
	shuttingDown
)

// String returns the name as /debug shows it.
func (s lifeState) String() string {
	return [...]string{"RUNNING", "GRACEFUL_SHUTDOWN", "SHUTTING_DOWN"}[s]
}

// leaveInterval is how often somebody who waits for the endpoints to leave looks.
const leaveInterval = time.Second

// shutdown is the bridge's way out. Its goroutine is that of run; everything else may be
// called from anywhere.
type shutdown struct {
	cfg       ShutdownConfig
	endpoints func() int
	changed   func(lifeState)

	state                    atomic.Int32
	askGraceful, askForced   chan struct{} // closed by ask
	onceGraceful, onceForced sync.Once
}

func newShutdown(cfg ShutdownConfig, endpoints func() int, changed func(lifeState)) *shutdown {
	return &shutdown{
		cfg: cfg, endpoints: endpoints, changed: changed,
		askGraceful: make(chan struct{}), askForced: make(chan struct{}),
	}
}

// now is the present state.
func (d *shutdown) now() lifeState { return lifeState(d.state.Load()) }

// ask starts the way out; what was asked before is not taken back.
func (d *shutdown) ask(graceful bool) {
	if graceful {
		d.onceGraceful.Do(func() { close(d.askGraceful) })
		return
	}
	d.onceForced.Do(func() { close(d.askForced) })
}

// run waits until the bridge was asked to go and has done all of it: then it returns true;
// false when ctx is done before.
func (d *shutdown) run(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-d.askForced:
	case <-d.askGraceful:
		d.enter(gracefulShutdown)
		if !d.wait(ctx, d.cfg.Limit, d.cfg.MinEndpoints, d.askForced) {
			return false
		}
	}
	d.enter(shuttingDown)
	return d.wait(ctx, d.cfg.Delay, 0, nil)
}

func (d *shutdown) enter(s lifeState) {
	d.state.Store(int32(s))
	d.changed(s)
}

// wait returns true when no more endpoints than few are left, after the limit, or when cut
// is closed; false when ctx is done.
func (d *shutdown) wait(ctx context.Context, limit time.Duration, few int, cut <-chan struct{}) bool {
	end := time.NewTimer(limit)
	defer end.Stop()
	look := time.NewTicker(leaveInterval)
	defer look.Stop()
	for d.endpoints() > few {
		select {
		case <-ctx.Done():
			return false
		case <-cut:
			return true
		case <-end.C:
			return true
		case <-look.C:
		}
	}
	return true
}

// Shutdown makes the bridge go: gracefully, it takes no new conferences and goes when those
// it has are over; otherwise the focus is told to move them, and a little later it goes.
// Run then returns ErrShutdown.
func (s *Service) Shutdown(graceful bool) {
	s.conferences.Stop()
	s.shutdown.ask(graceful)
}

// Patience is how long Run may take to return after its context is done.
func (s *Service) Patience() time.Duration { return s.cfg.Shutdown.OnSignal }

// endpointCount is how many endpoints there are now.
func (s *Service) endpointCount() int {
	n := 0
	for _, c := range s.conferences.List() {
		n += c.Summary().Endpoints
	}
	return n
}

// lifeChanged tells the focus how far the way out is.
func (s *Service) lifeChanged(state lifeState) {
	s.log.WithField("state", state.String()).Info("the bridge is going")
	s.announce()
}
