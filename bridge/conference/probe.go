package conference

import (
	"time"

	"parley/bridge/endpoint"
)

// leastPadding is the share of a probe that is padding even if the media alone would fill it.
const leastPadding = 0.2

// probe has padding sent when it is time to see whether a receiver can take more.
func (c *Conference) probe(e *endpoint.Endpoint, now time.Time) {
	r := &e.Receive.Result
	if e.Bandwidth(c.cfg.Trust) < 0 || r.Ideal <= r.Target {
		return
	}
	before := e.Estimator.Bitrate()
	p, ok := e.Estimator.Try(r.Ideal, now)
	c.bandwidthMoved(e, before)
	if ok {
		padding := max(p.Rate-r.Target, int64(leastPadding*float64(p.Rate)))
		e.Leg.Probe(int(padding), p.Time)
	}
}
