package focus

import (
	"context"
	"sync"
	"time"

	"parley/focus/selector"
	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// brewery is the room bridges gather in. Every occupant that publishes statistics is
// a bridge, and its occupant address is where requests go.
type brewery struct {
	s    *Service
	self string

	mu   sync.Mutex // guards seen: the bridges present since we last entered
	seen map[string]bool
}

// keepBrewery stays in the brewery, across reconnects.
func (s *Service) keepBrewery() error {
	if s.cfg.Bridge.Brewery == noBrewery {
		return nil
	}
	b := &brewery{s: s, self: s.cfg.Bridge.Brewery + "/" + s.cfg.Client.Username, seen: make(map[string]bool)}
	_, err := s.user.Keep(b.self, xmppclient.RoomOptions{
		Payload:    []any{s.user.Caps()},
		OnPresence: b.handlePresence,
		OnLost:     b.handleLost,
		OnJoined:   b.handleJoined,
	})
	return err
}

func (b *brewery) handlePresence(st *xmppclient.Stanza) {
	if st.From == b.self {
		return
	}
	if st.Type == xmppclient.TypeUnavailable {
		b.note(st.From, false)
		b.s.bridgeGone(st.From)
		return
	}
	var stats colibri.Stats
	if found, err := st.DecodeChild(ns.Colibri1, "stats", &stats); !found || err != nil {
		return
	}
	b.note(st.From, true)
	b.s.bridgeReport(st.From, &stats)
}

func (b *brewery) note(addr string, present bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if present {
		b.seen[addr] = true
	} else {
		delete(b.seen, addr)
	}
}

// handleLost begins a new count of who is present. The bridges are kept meanwhile: it
// is our connection that broke, not theirs.
func (b *brewery) handleLost(error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.seen)
}

// handleJoined drops the bridges that left while we were away. All that are there
// have shown themselves before our own presence came back.
func (b *brewery) handleJoined(ctx context.Context, r *xmppclient.Room) {
	if r.Created() {
		if err := r.Configure(ctx, map[string]string{"muc#roomconfig_whois": "anyone"}); err != nil {
			b.s.log.WithError(err).Warn("The brewery could not be configured.")
		}
	}
	for _, st := range b.s.bridges.List(time.Now()) {
		b.mu.Lock()
		here := st.Static || b.seen[st.Addr]
		b.mu.Unlock()
		if !here {
			b.s.bridgeGone(st.Addr)
		}
	}
}

// bridgeReport folds a bridge's statistics in and tells the conferences what changed.
func (s *Service) bridgeReport(addr string, stats *colibri.Stats) {
	known := s.bridges.Known(addr)
	change := s.bridges.Report(addr, stats, time.Now())
	if !known {
		s.log.WithField(logx.Bridge, addr).Info("Added new videobridge.")
	}
	s.bridgeChanged(addr, change)
}

// bridgeGone forgets a bridge that left the brewery.
func (s *Service) bridgeGone(addr string) {
	if s.bridges.Remove(addr) {
		s.log.WithField(logx.Bridge, addr).Warn("Lost a bridge.")
		s.bridgeChanged(addr, selector.Lost)
	}
}

func (s *Service) bridgeChanged(addr string, change selector.Change) {
	if change == selector.Unchanged {
		return
	}
	for _, c := range s.all() {
		if change == selector.Added {
			c.BridgeAdded()
		} else {
			c.BridgeLost(addr)
		}
	}
}
