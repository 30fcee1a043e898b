package router

import (
	"errors"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
	"parley/xmppd/stanza"
)

// Host serves one domain: what is addressed to it, to any node on it, and to any resource.
type Host interface {
	// HandleStanza takes a stanza whose to is on the Host's domain. from is the
	// local session that sent it, nil if a component, another Host or the server
	// did. st.From is always set and true. It must not block.
	HandleStanza(st *stanza.Stanza, from *Session)
}

// Deliverer is a Host that can take an encoded stanza without a Stanza being made
// for each recipient. The result is false if nobody is at that address.
type Deliverer interface {
	Deliver(to stanza.Addr, e *stanza.Encoded) bool
}

// ErrDomainTaken is returned by Add for a domain that has a Host.
var ErrDomainTaken = errors.New("domain is served already")

// Router knows the Hosts of this server. Its methods may be called from any goroutine.
type Router struct {
	log    *logrus.Entry
	admins atomic.Pointer[map[stanza.Addr]bool]

	// mu guards the tables below and is never held while a stanza is handed on.
	mu      sync.RWMutex
	hosts   map[string]Host
	tenants []tenantRule

	calls calls
}

type tenantRule struct {
	prefix, base string // prefix "conference.", base ".meet.example.com"
	host         Host
}

// New makes an empty Router.
func New(log *logrus.Entry) *Router {
	r := &Router{log: log, hosts: make(map[string]Host)}
	r.SetAdmins(nil)
	r.calls.m = make(map[callKey]*call)
	return r
}

// SetAdmins names the bare addresses that may do everything (Prosody's admins).
func (r *Router) SetAdmins(bare []stanza.Addr) {
	m := make(map[stanza.Addr]bool, len(bare))
	for _, a := range bare {
		m[a.Bare()] = true
	}
	r.admins.Store(&m)
}

// IsAdmin says whether the account behind an address is an administrator.
func (r *Router) IsAdmin(a stanza.Addr) bool { return (*r.admins.Load())[a.Bare()] }

// Add puts a Host in charge of a domain.
func (r *Router) Add(domain string, h Host) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hosts[domain] != nil {
		return fmt.Errorf("%s: %w", domain, ErrDomainTaken)
	}
	r.hosts[domain] = h
	return nil
}

// Remove ends h's charge of a domain; another Host's is left alone.
func (r *Router) Remove(domain string, h Host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hosts[domain] == h {
		delete(r.hosts, domain)
	}
}

// AddTenants sends what is addressed to LABEL.TENANT.BASE to h, with the address
// unchanged; TENANT is one label (Jitsi's mod_muc_domain_mapper).
func (r *Router) AddTenants(label, base string, h Host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tenants = append(r.tenants, tenantRule{prefix: label + ".", base: "." + base, host: h})
}

// Host is the Host of a domain, or nil.
func (r *Router) Host(domain string) Host {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if h := r.hosts[domain]; h != nil {
		return h
	}
	for _, t := range r.tenants {
		if label, ok := tenantLabel(domain, t.prefix, t.base); ok && label != "" {
			return t.host
		}
	}
	return nil
}

// Domains are all domains with a Host, sorted.
func (r *Router) Domains() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]string, 0, len(r.hosts))
	for d := range r.hosts {
		out = append(out, d)
	}
	sort.Strings(out)
	return out
}

// Route hands a stanza to its recipient. It needs a from and a to. from is the
// sending session, or nil. If nobody takes the stanza the sender hears an error.
func (r *Router) Route(st *stanza.Stanza, from *Session) {
	if st.IsReply() && r.calls.answer(st) {
		return
	}
	h := r.Host(st.To.Domain())
	if h == nil {
		r.Bounce(st, stanza.Err(stanza.Cancel, stanza.RemoteServerNotFound, "This server does not talk to other servers"))
		return
	}
	if r.log.Logger.IsLevelEnabled(logrus.TraceLevel) {
		r.log.WithField(logx.Stanza, st.String()).Trace("routing")
	}
	h.HandleStanza(st, from)
}

// Send is Route for what a Host or the server itself says.
func (r *Router) Send(st *stanza.Stanza) { r.Route(st, nil) }

// Deliver hands an encoded stanza to one recipient of many; to replaces its own
// to. It is the fan-out path: no stanza is copied for sessions and components. The
// result is false if there is nobody at the address; no error is sent to anyone.
func (r *Router) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	switch h := r.Host(to.Domain()).(type) {
	case nil:
		return false
	case Deliverer:
		return h.Deliver(to, e)
	default:
		r.Route(e.Stanza().WithTo(to), nil)
		return true
	}
}

// Bounce answers a stanza with an error, if the rules allow an answer at all.
func (r *Router) Bounce(st *stanza.Stanza, e *stanza.Error) {
	if !st.MayBounce() && !(st.Kind == stanza.Presence && st.Type != stanza.ErrorType) {
		return
	}
	r.Route(stanza.ErrorReply(st, e), nil)
}

// Reply sends the result of a request; content may be nil.
func (r *Router) Reply(req *stanza.Stanza, content []byte) {
	r.Route(stanza.Result(req, content), nil)
}

// Session finds a bound session by its full address, or nil.
func (r *Router) Session(full stanza.Addr) *Session {
	if u, ok := r.Host(full.Domain()).(*Users); ok {
		return u.Session(full)
	}
	return nil
}

func tenantLabel(domain, prefix, base string) (string, bool) {
	if len(domain) <= len(prefix)+len(base) || domain[:len(prefix)] != prefix || domain[len(domain)-len(base):] != base {
		return "", false
	}
	label := domain[len(prefix) : len(domain)-len(base)]
	for i := 0; i < len(label); i++ {
		if label[i] == '.' {
			return "", false
		}
	}
	return label, true
}
