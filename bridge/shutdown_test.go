package bridge

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWaysOut: what states a bridge goes through, and when it is gone.
func TestWaysOut(t *testing.T) {
	cfg := ShutdownConfig{Limit: time.Hour, MinEndpoints: 1, Delay: time.Minute}
	for name, c := range map[string]struct {
		endpoints int
		act       func(d *shutdown, endpoints *atomic.Int32)
		states    []lifeState
		after     time.Duration
		gone      bool
	}{
		"graceful and empty": {0, func(d *shutdown, _ *atomic.Int32) { d.ask(true) },
			[]lifeState{gracefulShutdown, shuttingDown}, 0, true},
		"graceful until few are left": {5, func(d *shutdown, n *atomic.Int32) {
			d.ask(true)
			time.Sleep(10 * time.Minute)
			n.Store(1)
			time.Sleep(30 * time.Second)
			n.Store(0)
		}, []lifeState{gracefulShutdown, shuttingDown}, 10*time.Minute + 30*time.Second, true},
		"graceful, but nobody leaves": {5, func(d *shutdown, _ *atomic.Int32) { d.ask(true) },
			[]lifeState{gracefulShutdown, shuttingDown}, time.Hour + time.Minute, true},
		"graceful, then forced": {5, func(d *shutdown, _ *atomic.Int32) {
			d.ask(true)
			time.Sleep(5 * time.Minute)
			d.ask(false)
			d.ask(true) // is not taken back
		}, []lifeState{gracefulShutdown, shuttingDown}, 6 * time.Minute, true},
		"forced": {5, func(d *shutdown, _ *atomic.Int32) { d.ask(false) },
			[]lifeState{shuttingDown}, time.Minute, true},
		"never asked": {5, func(*shutdown, *atomic.Int32) {}, nil, 2 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int32
				n.Store(int32(c.endpoints))
				var states []lifeState
				d := newShutdown(cfg, func() int { return int(n.Load()) }, func(s lifeState) { states = append(states, s) })
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
				defer cancel()
				began := time.Now()
				done := make(chan bool)
				go func() { done <- d.run(ctx) }()
				go c.act(d, &n)
				if gone := <-done; gone != c.gone {
					t.Errorf("gone: %v", gone)
				}
				if took := time.Since(began); took < c.after || took > c.after+2*leaveInterval {
					t.Errorf("took %v, want %v", took, c.after)
				}
				if !slices.Equal(states, c.states) {
					t.Errorf("went through %v", states)
				}
			})
		})
	}
}
