package router

import (
	"sync"

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
	// Hooks are the services of accounts; may be nil.
	Hooks *Hooks
}

// Users is the Host of a domain people log in to. It delivers by RFC 6121 §8;
// messages to nobody online are refused, not stored.
type Users struct {
	r      *Router
	domain string
	opts   UsersOptions

	// mu guards the tables: a session is in both or in neither. Never held while
	// a stanza is handed on.
	mu       sync.RWMutex
	sessions map[stanza.Addr]*Session
	byUser   map[string][]*Session // local part → sessions
}

// NewUsers makes the Host of a login domain; Router.Add puts it to work.
func NewUsers(r *Router, domain string, opts UsersOptions) *Users {
	return &Users{r: r, domain: domain, opts: opts,
		sessions: make(map[stanza.Addr]*Session), byUser: make(map[string][]*Session)}
}

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
	u.gone(s, status)
	s.end()
}

// FromSession takes a stanza a session has sent. Its from was checked or is empty;
// the session's address is put there.
func (u *Users) FromSession(s *Session, st *stanza.Stanza) {
	if st.From != s.addr {
		st = st.WithFrom(s.addr)
	}
	if st = u.opts.Hooks.askSending(s, st); st == nil {
		return
	}
	switch {
	case st.Kind == stanza.Presence:
		u.sent(s, st)
	case st.To.IsZero():
		// RFC 6120 §10.3: without to, the server acts for the account.
		u.HandleStanza(st.WithTo(s.addr.Bare()), s)
	default:
		u.r.Route(st, s)
	}
}

// Deliver hands an encoded stanza to one session.
func (u *Users) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	if to.IsFull() {
		s := u.Session(to)
		return s != nil && (u.opts.Hooks.isBlocked(to.Bare(), e.Stanza().From) || s.Deliver(to, e))
	}
	u.r.Route(e.Stanza().WithTo(to), nil)
	return true
}

// HandleStanza delivers by RFC 6121 §8.5.
func (u *Users) HandleStanza(st *stanza.Stanza, from *Session) {
	if st.To.Local() == "" {
		u.opts.Service.HandleStanza(st, from)
		return
	}
	if st = u.opts.Hooks.askReceiving(u, st); st == nil {
		return
	}
	switch {
	case st.Kind == stanza.Presence:
		u.received(st)
	case st.To.IsFull():
		u.toFull(st, from)
	case st.Kind == stanza.IQ:
		u.opts.Service.HandleStanza(st, from)
	default:
		u.toBare(st)
	}
}

func (u *Users) toFull(st *stanza.Stanza, from *Session) {
	if s := u.Session(st.To); s != nil && s.Deliver(st.To, st.Encode()) {
		return
	}
	// §8.5.3.2: nobody has that resource.
	if st.Kind == stanza.Message && (st.Type == "" || st.Type == stanza.Normal || st.Type == stanza.Chat) {
		u.toBare(st)
		return
	}
	u.unavailable(st)
}

// toBare delivers a message to an account (§8.5.2).
func (u *Users) toBare(st *stanza.Stanza) {
	switch st.Type {
	case stanza.Groupchat:
		u.unavailable(st)
		return
	case stanza.ErrorType:
		return
	}
	var best []*Session
	top := 0
	for _, s := range u.Sessions(st.To.Local()) {
		prio, ok := s.presence.priority()
		switch {
		case !ok || prio < 0:
		case st.Type == stanza.Headline:
			best = append(best, s)
		case prio > top || len(best) == 0:
			best, top = append(best[:0], s), prio
		case prio == top:
			best = append(best, s)
		}
	}
	e := st.Encode()
	delivered := false
	for _, s := range best {
		delivered = s.Deliver(st.To, e) || delivered
	}
	if !delivered && st.Type != stanza.Headline {
		u.unavailable(st)
	}
}

func (u *Users) unavailable(st *stanza.Stanza) {
	u.r.Bounce(st, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, ""))
}
