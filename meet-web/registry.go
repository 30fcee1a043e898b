package meetweb

import (
	"maps"
	"slices"
	"sync"
)

// Registry knows where the bridges' channels listen, by server id. Only ids in
// it are ever dialled, so an address in a URL reaches nothing else.
type Registry struct {
	mu    sync.Mutex // guards addrs
	addrs map[string]string
}

// NewRegistry holds a copy of addrs.
func NewRegistry(addrs map[string]string) *Registry {
	r := &Registry{addrs: map[string]string{}}
	maps.Copy(r.addrs, addrs)
	return r
}

// Set adds or moves a bridge.
func (r *Registry) Set(id, addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addrs[id] = addr
}

// Remove forgets a bridge.
func (r *Registry) Remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.addrs, id)
}

// Lookup finds a bridge's address.
func (r *Registry) Lookup(id string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	addr, ok := r.addrs[id]
	return addr, ok
}

// IDs lists the known bridges.
func (r *Registry) IDs() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.addrs))
}
