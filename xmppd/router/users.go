package router

import (
	"sync"
	"sync/atomic"

	"parley/xmppd/stanza"
)

// UsersOptions are what a login host leaves to others.
type UsersOptions struct {
	// Service answers what is addressed to the domain itself, and iqs to bare
	// addresses, which the server answers for the account. xmppd/module has one.
	Service Host
	// Exists says whether an account exists; nil where there are none.
	Exists func(local string) bool
	// Roster keeps contact lists; nil where there are none.
	Roster Roster
	// Offline keeps messages for accounts nobody is logged in to; nil: they are refused.
	Offline Offline
	// Arrived is called when a session becomes available; may be nil.
	Arrived func(s *Session)
	// Hooks are the services of accounts; may be nil.
	Hooks *Hooks
}

// Users is the Host of a domain people log in to. It delivers by RFC 6121 §8 and
// copies to further devices by XEP-0280.
type Users struct {
	r      *Router
	domain string
	opts   UsersOptions

	// mu guards the tables: a session is in both or in neither. Never held while
	// a stanza is handed on.
	mu       sync.RWMutex
	sessions map[stanza.Addr]*Session
	byUser   map[string][]*Session // local part → sessions

	// lists is held while an entry of a contact list is read and written, and while
	// sessions hear of it. It comes before mu; nothing else is taken under it.
	lists   sync.Mutex
	copying atomic.Int64 // sessions that want copies
}

// NewUsers makes the Host of a login domain; Router.Add puts it to work.
func NewUsers(r *Router, domain string, opts UsersOptions) *Users {
	return &Users{r: r, domain: domain, opts: opts,
		sessions: make(map[stanza.Addr]*Session), byUser: make(map[string][]*Session)}
}

// Router is the router the Host belongs to.
func (u *Users) Router() *Router { return u.r }

// Domain is the domain.
func (u *Users) Domain() string { return u.domain }

// Session finds a session by full address, or nil.
func (u *Users) Session(full stanza.Addr) *Session {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.sessions[full]
}

// Sessions are those of one account, by the local part.
func (u *Users) Sessions(local string) []*Session {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return append([]*Session(nil), u.byUser[local]...)
}

// All are the sessions of the domain.
func (u *Users) All() []*Session {
	u.mu.RLock()
	defer u.mu.RUnlock()
	out := make([]*Session, 0, len(u.sessions))
	for _, s := range u.sessions {
		out = append(out, s)
	}
	return out
}

// Count is the number of sessions.
func (u *Users) Count() int {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return len(u.sessions)
}

// Bind registers a session. If another has its address nothing is registered and
// that one is returned: the caller ends it first.
func (u *Users) Bind(s *Session) (holder *Session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if holder = u.sessions[s.addr]; holder != nil {
		return holder
	}
	u.sessions[s.addr] = s
	local := s.addr.Local()
	u.byUser[local] = append(u.byUser[local], s)
	return nil
}

// Unbind ends a session: those who saw it available hear that it is gone, with
// status as the reason, then Done is closed. Unbinding twice does nothing.
func (u *Users) Unbind(s *Session, status string) {
	u.mu.Lock()
	if u.sessions[s.addr] != s {
		u.mu.Unlock()
		return
	}
	delete(u.sessions, s.addr)
	local := s.addr.Local()
	list := u.byUser[local]
	for i, o := range list {
		if o == s {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(u.byUser, local)
	} else {
		u.byUser[local] = list
	}
	u.mu.Unlock()
	u.Carbons(s, false)
	u.gone(s, status)
	s.end()
}
