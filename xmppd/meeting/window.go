package meeting

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"parley/internal/network"
)

// window counts what happened within a span of time.
type window struct{ times []time.Time }

// take counts one more, unless there were most already; 0 is any number.
func (w *window) take(now time.Time, most int, span time.Duration) bool {
	if most == 0 {
		return true
	}
	w.times = slices.DeleteFunc(w.times, func(t time.Time) bool { return now.Sub(t) >= span })
	if len(w.times) >= most {
		return false
	}
	w.times = append(w.times, now)
	return true
}

// over says that nothing was counted within the span.
func (w *window) over(now time.Time, span time.Duration) bool {
	n := len(w.times)
	return n == 0 || now.Sub(w.times[n-1]) >= span
}

// maxAddresses bounds the addresses that are counted; beyond, nobody new may.
const maxAddresses = 10000

// perAddress counts per network of clients. The zero value is ready.
type perAddress struct {
	mu sync.Mutex // guards m; leaf lock
	m  map[netip.Prefix]*window
}

func (p *perAddress) take(client netip.Addr, now time.Time, most int, span time.Duration) bool {
	a := network.Of(client)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = make(map[netip.Prefix]*window)
	}
	if len(p.m) >= maxAddresses {
		for k, w := range p.m {
			if w.over(now, span) {
				delete(p.m, k)
			}
		}
	}
	w := p.m[a]
	if w == nil {
		if len(p.m) >= maxAddresses {
			return false
		}
		w = &window{}
		p.m[a] = w
	}
	return w.take(now, most, span)
}
