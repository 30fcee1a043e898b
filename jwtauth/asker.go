package jwtauth

import (
	"context"
	"net/netip"
	"time"

	"parley/internal/network"
)

// perAsker is how many attempts to fetch keys tokens from one network may cause within a
// minute. It is well below perMinute: who invents key after key must not use up what all
// others have.
const perAsker = 10

type askerKey struct{}

// AskedFrom notes where a token came from, for Verify: what it makes the server fetch is
// counted there. Tokens without such a note, and those from this machine, where a proxy
// may hide many people, count only together.
func AskedFrom(ctx context.Context, client netip.Addr) context.Context {
	client = client.Unmap()
	if !client.IsValid() || client.IsLoopback() {
		return ctx
	}
	return context.WithValue(ctx, askerKey{}, network.Of(client))
}

// askerOf is the network a token came from, if it is known.
func askerOf(ctx context.Context) (netip.Prefix, bool) {
	p, ok := ctx.Value(askerKey{}).(netip.Prefix)
	return p, ok
}

// attempts counts what is fetched for tokens within a minute.
type attempts struct {
	since time.Time
	all   int
	by    map[netip.Prefix]int
}

// take counts one more attempt, unless there were too many. It says whether a new minute
// has begun.
func (a *attempts) take(ctx context.Context, now time.Time) (ok, fresh bool) {
	if now.Sub(a.since) >= time.Minute || now.Before(a.since) {
		*a, fresh = attempts{since: now, by: make(map[netip.Prefix]int)}, true
	}
	from, known := askerOf(ctx)
	if a.all >= perMinute || known && a.by[from] >= perAsker {
		return false, fresh
	}
	a.all++
	if known {
		a.by[from]++ // at most perMinute of them
	}
	return true, fresh
}
