package focus

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley/focus/selector"
	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/xmppclient"
)

// doctor asks every bridge how it is, again and again.
type doctor struct {
	s *Service

	mu     sync.Mutex // guards asking: the bridges whose answer is awaited
	asking map[string]bool
}

func newDoctor(s *Service) *doctor { return &doctor{s: s, asking: make(map[string]bool)} }

// run asks until ctx is done.
func (d *doctor) run(ctx context.Context) {
	if d.s.cfg.Bridge.HealthInterval == 0 {
		return
	}
	tick := time.NewTicker(d.s.cfg.Bridge.HealthInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.round(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (d *doctor) round(ctx context.Context) {
	for _, b := range d.s.bridges.List(time.Now()) {
		d.mu.Lock()
		busy := d.asking[b.Addr]
		d.asking[b.Addr] = true
		d.mu.Unlock()
		if !busy {
			d.check(ctx, b.Addr, false)
		}
	}
}

// check asks one bridge; last says that there was no answer the first time.
func (d *doctor) check(ctx context.Context, addr string, last bool) {
	link{d.s}.Request(xmppclient.IQ{Type: xmppclient.TypeGet, To: addr, Payload: colibri.HealthCheck{}}, func(_ *xmppclient.Stanza, err error) {
		if errors.Is(err, xmppclient.ErrTimeout) && !last && ctx.Err() == nil {
			time.AfterFunc(d.s.cfg.Bridge.HealthRetry, func() { d.check(ctx, addr, true) })
			return
		}
		d.mu.Lock()
		delete(d.asking, addr)
		d.mu.Unlock()
		d.judge(addr, err)
	})
}

// judge acts on an answer, or on none.
func (d *doctor) judge(addr string, err error) {
	log := d.s.log.WithError(err).WithField(logx.Bridge, addr)
	switch {
	case err == nil:
		d.s.bridgeChanged(addr, d.s.bridges.Healthy(addr, time.Now()))
	case errors.Is(err, xmppclient.ErrTimeout):
		// Its conferences stay until one of their requests fails: the media may flow.
		log.Warn("Health check timed out.")
		d.s.bridges.Failed(addr, time.Now())
	case xmppclient.IsCondition(err, xmppclient.InternalServerError), xmppclient.IsCondition(err, xmppclient.ServiceUnavailable):
		log.Warn("Health check failed.")
		d.s.bridges.Failed(addr, time.Now())
		d.s.bridgeChanged(addr, selector.Lost)
	default:
		log.Debug("Health check says nothing about the bridge.")
	}
}
