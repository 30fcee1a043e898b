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

	mu   sync.Mutex // guards seen: the bridges present since we last entered, and who each really is
	seen map[string]string
}

// whois is a presence as far as it says who is behind an occupant (XEP-0045 §7.2.3).
type whois struct {
	Item struct {
		JID string `xml:"jid,attr"`
	} `xml:"item"`
}

// keepBrewery stays in the brewery, across reconnects.
func (s *Service) keepBrewery() error {
	if s.cfg.Bridge.Brewery == noBrewery {
		s.gathered = true
		return nil
	}
	b := &brewery{s: s, self: s.cfg.Bridge.Brewery + "/" + s.cfg.Client.Username, seen: make(map[string]string)}
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
		b.forget(st.From)
		b.s.bridgeGone(st.From)
		return
	}
	var stats colibri.Stats
	if found, err := st.DecodeChild(ns.Colibri1, "stats", &stats); !found || err != nil {
		return
	}
	var who whois
	_, _ = st.DecodeChild(ns.MUCUser, "x", &who) // rooms may hide it
	if b.note(st.From, who.Item.JID) {
		b.s.log.WithField(logx.Bridge, st.From).Info("A bridge came back under its name.")
		b.s.bridges.Renew(st.From)
		for _, c := range b.s.all() {
			c.BridgeReturned(st.From)
		}
	}
	b.s.bridgeReport(st.From, &stats)
}

// note remembers who a bridge is, and reports whether it was somebody else before: JVB, which
// keeps its nick, was killed and started again before the room let go of the old one, or it
// has only lost its connection.
func (b *brewery) note(addr, real string) (returned bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.seen[addr]
	b.seen[addr] = real
	return old != "" && real != "" && old != real
}

func (b *brewery) forget(addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.seen, addr)
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
		_, seen := b.seen[st.Addr]
		here := st.Static || seen
		b.mu.Unlock()
		if !here {
			b.s.bridgeGone(st.Addr)
		}
	}
	b.s.mu.Lock()
	b.s.gathered = true
	b.s.mu.Unlock()
	b.s.returnToRooms()
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
