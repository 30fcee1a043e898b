package jwtauth

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

// How long fetched keys are used.
const (
	usualAge   = 6 * time.Hour    // when the answer does not say
	leastAge   = time.Minute      // even when it says less
	mostAge    = 24 * time.Hour   // even when it says more
	ahead      = time.Minute      // fetched again so long before the answer is too old
	lateAge    = 90 * time.Minute // beyond its time a key is used while a new one is fetched, or is gone from the set
	deadAge    = 24 * time.Hour   // beyond its time a key is used if the server does not answer
	pause      = 30 * time.Second // between two attempts for the same key, or for a set that did not come
	setPause   = 5 * time.Second  // after a set that came, which a maker of tokens may replace at any moment
	maxFlights = 8                // fetches under way
	perMinute  = 60               // attempts in all to fetch what is not known
	maxKid     = 512              // bytes of a kid
)

// The reasons for which no fetch is begun; they go into the cause of a refusal.
var (
	errKidTooLong  = errors.New("the kid is too long")
	errTooMany     = errors.New("too many unknown keys are asked for")
	errShutDown    = errors.New("the server stops")
	errNotThereYet = errors.New("it was looked for a moment ago")
)

// IsUnknown says that a key could not be fetched because there is none: the fault of who
// made the token.
func IsUnknown(err error) bool {
	return errors.Is(err, errNoKey) || errors.Is(err, errNotThereYet) || errors.Is(err, errKidTooLong) || errors.Is(err, errTooMany)
}

// remote are keys that come from a server. Known keys are answered from memory; an
// unknown one is fetched while its log-in waits, once for all who wait. Keys that get
// old are fetched again behind the back of those who use them.
//
// Strangers choose the kid of a token, so what one makes the server fetch is bounded:
// a kid that is not there is remembered, and attempts are counted.
type remote struct {
	source *source
	report func(Fetch)
	size   int

	ctx    context.Context // of the fetches; ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// mu guards all below and is held only for look-ups.
	mu      sync.Mutex
	keys    map[string]*held
	flights map[string]*flight // by what is fetched: a kid, or "" for the set
	missed  map[string]miss    // likewise: what was fetched, or not, a moment ago
	tried   attempts           // to fetch what was not known
	closed  bool
}

// held is a key in memory.
type held struct {
	key  any
	due  time.Time // when it is to be fetched again
	gone time.Time // when it is forgotten, if the last set lacks it
	used time.Time
}

// miss says that there is no sense in asking again before until.
type miss struct {
	until time.Time
	err   error
}

// flight is a fetch under way.
type flight struct {
	done chan struct{}
	err  error // set when done is closed
}

func newRemote(c Config, report func(Fetch)) *remote {
	r := &remote{source: newSource(c), report: report, size: c.KeyCacheSize,
		keys: make(map[string]*held), flights: make(map[string]*flight), missed: make(map[string]miss)}
	if r.report == nil {
		r.report = func(Fetch) {}
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Close ends what is under way and waits for it.
func (r *remote) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.wg.Wait()
	r.source.client.CloseIdleConnections()
}

// errand is what has to be fetched to get a kid.
func (r *remote) errand(kid string) string {
	if r.source.base == "" {
		return ""
	}
	return kid
}

// warm begins to fetch a set before anybody needs it, so that its address is proved
// when the server starts.
func (r *remote) warm(now time.Time) {
	if r.source.base == "" {
		r.mu.Lock()
		defer r.mu.Unlock()
		_, _ = r.beginLocked(r.ctx, "", now, true)
	}
}

// key finds the key of a kid.
func (r *remote) key(ctx context.Context, kid string, now time.Time) (any, error) {
	if len(kid) > maxKid {
		return nil, errKidTooLong
	}
	r.mu.Lock()
	h := r.heldLocked(kid, now)
	if h != nil && now.Before(h.due.Add(lateAge)) {
		if !now.Before(h.due) {
			_, _ = r.beginLocked(ctx, r.errand(kid), now, true)
		}
		r.mu.Unlock()
		return h.key, nil
	}
	f, err := r.beginLocked(ctx, r.errand(kid), now, h != nil)
	r.mu.Unlock()
	if err == nil {
		err = f.wait(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch h := r.heldLocked(kid, now); {
	case h != nil: // the new one, or an old one while the server cannot be asked
		return h.key, nil
	case err == nil:
		err = errNoKey
	}
	return nil, err
}

// heldLocked is a key that may still be used.
func (r *remote) heldLocked(kid string, now time.Time) *held {
	h := r.keys[kid]
	if h == nil {
		return nil
	}
	if !now.Before(h.due.Add(deadAge)) || !h.gone.IsZero() && !now.Before(h.gone) {
		delete(r.keys, kid)
		return nil
	}
	h.used = now
	return h
}

// beginLocked sends for something, or joins who did. What is known already, or was, is
// not counted: there is only so much of it, and strangers cannot add to it.
func (r *remote) beginLocked(ctx context.Context, errand string, now time.Time, known bool) (*flight, error) {
	if f := r.flights[errand]; f != nil {
		return f, nil
	}
	if m, ok := r.missed[errand]; ok && now.Before(m.until) {
		return nil, m.err
	}
	switch {
	case r.closed:
		return nil, errShutDown
	case len(r.flights) >= maxFlights:
		return nil, errTooMany
	case !known:
		ok, fresh := r.tried.take(ctx, now)
		if fresh {
			maps.DeleteFunc(r.missed, func(_ string, m miss) bool { return !now.Before(m.until) })
		}
		if !ok {
			return nil, errTooMany
		}
	}
	f := &flight{done: make(chan struct{})}
	r.flights[errand] = f
	r.wg.Go(func() { r.fly(f, errand, now) })
	return f, nil
}

// fly fetches and writes down what came.
func (r *remote) fly(f *flight, errand string, now time.Time) {
	got, err := r.source.get(r.ctx, errand)
	r.mu.Lock()
	switch {
	case err == nil:
		r.takeLocked(got, now)
	case errors.Is(err, errNoKey):
		delete(r.keys, errand)
	}
	if m := (miss{until: now.Add(pause), err: err}); err != nil {
		r.missed[errand] = m
	} else if r.source.base == "" { // whatever is not in it now will not be in it at once
		r.missed[errand] = miss{until: now.Add(setPause), err: errNotThereYet}
	}
	delete(r.flights, errand)
	r.mu.Unlock()
	if r.ctx.Err() == nil {
		r.report(Fetch{URL: withoutQuery(r.source.address(errand)), Keys: len(got.keys), Err: err})
	}
	f.err = err
	close(f.done)
}

// takeLocked keeps fetched keys. Those a set no longer has are good for a while, for
// tokens that are under way.
func (r *remote) takeLocked(got fetched, now time.Time) {
	age := got.age
	if age == 0 {
		age = usualAge + ahead
	}
	due := now.Add(min(max(age-ahead, leastAge), mostAge))
	if r.source.base == "" {
		for kid, h := range r.keys {
			switch {
			case got.keys[kid] != nil:
			case !h.gone.IsZero() && !now.Before(h.gone):
				delete(r.keys, kid)
			case h.gone.IsZero():
				h.gone = now.Add(lateAge)
			}
			h.due = due
		}
	}
	for kid, key := range got.keys {
		if r.keys[kid] == nil && r.source.base != "" {
			r.roomLocked()
		}
		r.keys[kid] = &held{key: key, due: due, used: now}
	}
}

// roomLocked makes room for one more key.
func (r *remote) roomLocked() {
	if len(r.keys) < r.size {
		return
	}
	oldest := ""
	for kid, h := range r.keys {
		if o := r.keys[oldest]; o == nil || h.used.Before(o.used) {
			oldest = kid
		}
	}
	delete(r.keys, oldest)
}

func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
