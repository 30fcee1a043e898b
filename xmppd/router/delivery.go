package router

import (
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// Offline keeps messages for accounts nobody is logged in to (XEP-0160).
type Offline interface {
	// Keep stores a message; false if the account has too many already.
	Keep(owner stanza.Addr, st *stanza.Stanza) (bool, error)
	// Take removes what was kept and returns it, oldest first.
	Take(owner stanza.Addr) ([]*stanza.Stanza, error)
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
	switch st.Kind {
	case stanza.Presence:
		u.sent(s, st)
		return
	case stanza.Message:
		if u.copying.Load() > 0 && copied(st) {
			to := st.To
			if to.IsZero() {
				to = s.addr.Bare()
			}
			u.copy(s.addr.Bare(), "sent", st.WithTo(to), map[*Session]bool{s: true})
		}
	}
	if st.To.IsZero() {
		// RFC 6120 §10.3: without to, the server acts for the account.
		u.HandleStanza(st.WithTo(s.addr.Bare()), s)
		return
	}
	u.r.Route(st, s)
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
		u.toFull(st)
	case st.Kind == stanza.IQ:
		u.iqToBare(st, from)
	default:
		u.toBare(st)
	}
}

// iqToBare lets the server answer for an account. A stranger learns nothing about
// which accounts there are, except where the answer is the same for all.
func (u *Users) iqToBare(st *stanza.Stanza, from *Session) {
	if st.IsRequest() && st.From.Bare() != st.To && !u.exists(st.To.Local()) {
		p, _ := st.Payload()
		switch p.Space {
		case ns.Roster, ns.DiscoItems, ns.LastActive, ns.VCardTemp:
		default:
			u.unavailable(st)
			return
		}
	}
	u.opts.Service.HandleStanza(st, from)
}

// exists says whether there is an account, or at least a session, of that name.
func (u *Users) exists(local string) bool {
	u.mu.RLock()
	online := len(u.byUser[local]) > 0
	u.mu.RUnlock()
	return online || u.opts.Exists != nil && u.opts.Exists(local)
}

func (u *Users) toFull(st *stanza.Stanza) {
	if s := u.Session(st.To); s != nil {
		if st.Kind == stanza.Message {
			if u.copying.Load() > 0 && copied(st) {
				u.copy(st.To.Bare(), "received", st, map[*Session]bool{s: true})
			}
			st = withoutPrivate(st)
		}
		if s.Deliver(st.To, st.Encode()) {
			return
		}
	}
	// RFC 6121 §8.5.3.2: nobody has that resource.
	switch {
	case st.Kind != stanza.Message:
		u.unavailable(st)
	case st.Type == stanza.Chat:
		u.toBare(st)
	case st.Type != stanza.Headline:
		u.unavailable(st)
	}
}

// toBare delivers a message to an account (RFC 6121 §8.5.2).
func (u *Users) toBare(st *stanza.Stanza) {
	switch st.Type {
	case stanza.Groupchat:
		u.unavailable(st)
		return
	case stanza.ErrorType:
		return
	}
	best := u.best(st)
	got := make(map[*Session]bool, len(best))
	out := withoutPrivate(st)
	e := out.Encode()
	for _, s := range best {
		if s.Deliver(st.To, e) {
			got[s] = true
		}
	}
	switch {
	case len(got) > 0:
		if u.copying.Load() > 0 && copied(st) {
			u.copy(st.To.Bare(), "received", st, got)
		}
	case st.Type != stanza.Headline:
		u.keep(st)
	}
}

// best are the available sessions a message to an account goes to: those with the
// highest priority, for a headline all that are not negative.
func (u *Users) best(st *stanza.Stanza) (best []*Session) {
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
	return best
}

// Undelivered takes a message a session was sent but never acknowledged, and finds
// it another recipient (XEP-0198 §5).
func (u *Users) Undelivered(st *stanza.Stanza) { u.toBare(st.WithTo(st.To.Bare())) }

// keep stores a message for later, or refuses it. From guests nothing is kept: they
// must not fill an account's store, nor learn from the answer which accounts there are.
func (u *Users) keep(st *stanza.Stanza) {
	owner := st.To.Bare()
	if u.opts.Offline == nil || u.opts.Exists == nil || u.r.guest(st.From) || !u.opts.Exists(owner.Local()) {
		u.unavailable(st)
		return
	}
	if !lasting(st) {
		return
	}
	ok, err := u.opts.Offline.Keep(owner, st)
	if err != nil {
		u.r.log.WithError(err).Error("message cannot be kept")
	}
	if !ok || err != nil {
		u.unavailable(st)
	}
}

// guest says whether an address is that of a session without an account.
func (r *Router) guest(from stanza.Addr) bool {
	u, ok := r.Host(from.Domain()).(*Users)
	if !ok {
		return false
	}
	s := u.Session(from)
	return s != nil && s.Info().Anonymous
}

// lasting says that a message still means something later: not a mere chat state,
// and not marked otherwise (XEP-0160 §3, XEP-0334).
func lasting(st *stanza.Stanza) bool {
	if st.Has(ns.Hints, "no-store") {
		return false
	}
	if st.Has(ns.Hints, "store") {
		return true
	}
	for _, c := range st.Children() {
		if c.Space != ns.ChatStates && c.Space != ns.Hints && !c.Is(ns.Client, "thread") {
			return true
		}
	}
	return false
}

// deliverKept gives a session what came while nobody was there.
func (u *Users) deliverKept(s *Session) {
	if u.opts.Offline == nil || s.Info().Anonymous {
		return
	}
	list, err := u.opts.Offline.Take(s.addr.Bare())
	if err != nil {
		u.r.log.WithError(err).Error("kept messages cannot be read")
	}
	for _, st := range list {
		s.Deliver(st.To, st.Encode())
	}
}

func (u *Users) unavailable(st *stanza.Stanza) {
	u.r.Bounce(st, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, ""))
}
