// Package metrics holds counters and gauges cheap enough for the packet path,
// and writes them in the Prometheus text format.
//
// A [Counter] or [Gauge] is one atomic word; its zero value is ready, so it may
// stand as a plain field in the struct that counts, and its owner attaches it to
// a [Set] once. Nothing here allocates or locks when counting. Names are
// parley_<part>_<noun>_<unit>[_total] (style: the unit may be missing for plain
// numbers). Histograms and summaries are left out.
//
// Serving the text is the business of the assembly.
package metrics

import "sync/atomic"

// Counter only grows. It must not be copied after its first use.
type Counter struct{ v atomic.Uint64 }

// Inc adds one.
func (c *Counter) Inc() { c.v.Add(1) }

// Add adds n.
func (c *Counter) Add(n uint64) { c.v.Add(n) }

// Value is what was counted so far.
func (c *Counter) Value() uint64 { return c.v.Load() }

// Gauge goes up and down. It must not be copied after its first use.
type Gauge struct{ v atomic.Int64 }

// Inc adds one.
func (g *Gauge) Inc() { g.v.Add(1) }

// Dec takes one away.
func (g *Gauge) Dec() { g.v.Add(-1) }

// Add adds n, which may be negative.
func (g *Gauge) Add(n int64) { g.v.Add(n) }

// Set replaces the value.
func (g *Gauge) Set(n int64) { g.v.Store(n) }

// Value is the present value.
func (g *Gauge) Value() int64 { return g.v.Load() }
