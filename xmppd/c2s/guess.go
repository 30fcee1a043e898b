package c2s

import (
	"net/netip"
	"sync"
	"time"

	"parley/internal/network"
)

const (
	// guessSpan is the time wrong passwords are counted over.
	guessSpan = time.Minute
	// maxGuessers bounds the networks that are counted; those beyond are not until the next
	// span, since who merely comes late must not suffer for them.
	maxGuessers = 1 << 16
)

// guesses counts wrong passwords by where they come from, so that nobody tries out many of
// them on many connections, or keeps the server busy with checking them.
type guesses struct {
	limit int // in a span; 0 is none

	mu    sync.Mutex // guards the fields below; leaf lock
	since time.Time
	wrong map[netip.Prefix]int
}

// counts says whether an address is counted: those of this machine and this process, where
// our own services log in, are not.
func (g *guesses) counts(from netip.Addr) bool {
	return g.limit > 0 && from.IsValid() && !from.Unmap().IsLoopback()
}

// tooMany says whether no more passwords are taken from there for now.
func (g *guesses) tooMany(from netip.Addr, now time.Time) bool {
	if !g.counts(from) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return now.Sub(g.since) < guessSpan && g.wrong[network.Of(from)] >= g.limit
}

// failed counts a wrong password.
func (g *guesses) failed(from netip.Addr, now time.Time) {
	if !g.counts(from) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.since) >= guessSpan {
		g.since, g.wrong = now, make(map[netip.Prefix]int)
	}
	key := network.Of(from)
	if _, known := g.wrong[key]; known || len(g.wrong) < maxGuessers {
		g.wrong[key]++
	}
}
