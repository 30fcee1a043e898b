package rtp

import (
	"sync/atomic"
	"time"
)

// Add adds the counters of another shard. Busy becomes the greater one.
func (s *Stats) Add(o Stats) {
	s.PacketsReceived += o.PacketsReceived
	s.BytesReceived += o.BytesReceived
	s.PacketsSent += o.PacketsSent
	s.BytesSent += o.BytesSent
	for i := range o.Stages {
		s.Stages[i].In += o.Stages[i].In
		s.Stages[i].Dropped += o.Stages[i].Dropped
	}
	s.ArenaExhausted += o.ArenaExhausted
	s.EventsDropped += o.EventsDropped
	s.Panics += o.Panics
	for i := range o.Tossed {
		s.Tossed[i] += o.Tossed[i]
	}
	s.Recovered += o.Recovered
	s.Excess += o.Excess
	s.Refused += o.Refused
	s.Busy = max(s.Busy, o.Busy)
	for i := range o.Transit {
		s.Transit[i] += o.Transit[i]
	}
	s.Endpoints += o.Endpoints
}

// published is what anyone may read of an endpoint. The shard writes it every time it
// publishes, not for every packet.
type published struct{ p atomic.Pointer[EndpointStats] }

func (p *published) snapshot() EndpointStats {
	if s := p.p.Load(); s != nil {
		return *s
	}
	return EndpointStats{}
}

// shardStats counts on the shard's goroutine and is published with each tick.
type shardStats struct {
	now       Stats
	published atomic.Pointer[Stats]
}

func (s *shardStats) snapshot() Stats {
	if p := s.published.Load(); p != nil {
		return *p
	}
	return Stats{}
}

func (s *shardStats) publish() {
	c := s.now
	s.published.Store(&c)
}

// publishInterval is how often snapshots and layers are published.
const publishInterval = 500 * time.Millisecond

// rate measures bytes per second over the last two publishing intervals and a bit.
type rate struct {
	bytes  uint64
	recent [4]uint64
	spans  [4]int64
	at     int
	since  int64
}

// begin forgets everything; what is added counts from now on.
func (r *rate) begin(now int64) { *r = rate{since: now} }

func (r *rate) add(n int) { r.bytes += uint64(n) }

// roll closes an interval at now (microseconds) and returns bit/s.
func (r *rate) roll(now int64) int {
	if r.since != 0 {
		r.recent[r.at], r.spans[r.at] = r.bytes, now-r.since
		r.at = (r.at + 1) % len(r.recent)
	}
	r.bytes, r.since = 0, now
	var bytes uint64
	var span int64
	for i := range r.recent {
		bytes += r.recent[i]
		span += r.spans[i]
	}
	if span == 0 {
		return 0
	}
	// A rate that has only begun is rather told too low than by its first burst.
	span = max(span, publishInterval.Microseconds())
	return int(float64(bytes) * 8e6 / float64(span))
}
