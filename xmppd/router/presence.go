package router

import (
	"strconv"
	"strings"
	"sync"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// maxDirected bounds the addresses one session may be available to by directed
// presence; the next one is refused with resource-constraint. An administrator may be in
// all rooms there are: so is the focus.
const (
	maxDirected      = 1000
	maxDirectedAdmin = 100_000
)

// presence is what a session has said about itself.
type presence struct {
	mu        sync.Mutex     // guards the fields; leaf lock
	available *stanza.Stanza // the last broadcast, nil while unavailable
	prio      int
	directed  map[stanza.Addr]struct{} // who got directed presence (RFC 6121 §4.6)
}

func (p *presence) priority() (prio int, available bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.prio, p.available != nil
}

func (p *presence) last() *stanza.Stanza {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.available
}

// direct notes a directed presence; false if there are limit of them.
func (p *presence) direct(to stanza.Addr, available bool, limit int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !available {
		delete(p.directed, to)
		return true
	}
	if p.directed == nil {
		p.directed = make(map[stanza.Addr]struct{}, 1)
	}
	if _, ok := p.directed[to]; !ok && len(p.directed) >= limit {
		return false
	}
	p.directed[to] = struct{}{}
	return true
}

// clear forgets everything and returns whom an unavailable presence is owed.
func (p *presence) clear() (was *stanza.Stanza, directed []stanza.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a := range p.directed {
		directed = append(directed, a)
	}
	was, p.available, p.directed = p.available, nil, nil
	return was, directed
}

// Available says whether the session has broadcast presence (RFC 6121 §4.2).
func (s *Session) Available() bool { return s.presence.last() != nil }

// sent takes presence a session sends.
func (u *Users) sent(s *Session, st *stanza.Stanza) {
	switch st.Type {
	case "", stanza.Unavailable:
		if st.Type == "" {
			st = u.opts.Hooks.askOutgoing(s, st)
		}
		switch {
		case !st.To.IsZero():
			limit := maxDirected
			if u.r.IsAdmin(s.addr) {
				limit = maxDirectedAdmin
			}
			if !s.presence.direct(st.To, st.Type == "", limit) {
				u.r.Bounce(st, stanza.Err(stanza.Wait, stanza.ResourceConstraint, "Too many directed presences"))
				return
			}
			u.r.Route(st, s)
		case st.Type == "":
			u.broadcast(s, st)
		default:
			u.leave(s, st)
		}
	case stanza.Subscribe, stanza.Subscribed, stanza.Unsubscribe, stanza.Unsubbed:
		u.subscriptionSent(s, st)
	case stanza.ErrorType, stanza.Probe:
		if !st.To.IsZero() {
			u.r.Route(st, s)
		}
	default:
		if st.To.IsZero() {
			st = st.WithTo(s.addr.Bare())
		}
		u.r.Bounce(st, stanza.Err(stanza.Modify, stanza.BadRequest, "There is no such type of presence"))
	}
}

// broadcast takes an available presence without to (RFC 6121 §4.2, §4.4).
func (u *Users) broadcast(s *Session, st *stanza.Stanza) {
	p := &s.presence
	p.mu.Lock()
	last, lastPrio := p.available, p.prio
	p.available, p.prio = st, priorityOf(st)
	prio := p.prio
	p.mu.Unlock()
	u.toOwn(s, st)
	u.toSubscribers(s, leaner(st, last))
	defer u.opts.Hooks.tellPresence(u, s, st)
	if prio >= 0 && (last == nil || lastPrio < 0) {
		defer u.deliverKept(s)
	}
	if last != nil {
		return
	}
	for _, o := range u.Sessions(s.addr.Local()) {
		if last := o.presence.last(); o != s && last != nil {
			s.Deliver(s.addr, last.WithTo(s.addr).Encode())
		}
	}
	u.probeContacts(s)
	if u.opts.Arrived != nil {
		u.opts.Arrived(s)
	}
}

// leave takes an unavailable presence without to (RFC 6121 §4.5).
func (u *Users) leave(s *Session, st *stanza.Stanza) {
	was, directed := s.presence.clear()
	var told map[stanza.Addr]bool
	if was != nil {
		u.toOwn(s, st)
		if list := u.subscribers(s); len(list) > 0 {
			told = make(map[stanza.Addr]bool, len(list))
			for _, c := range list {
				told[c] = true
				u.r.Route(st.WithTo(c), nil)
			}
		}
		u.opts.Hooks.tellPresence(u, s, st)
	}
	for _, a := range directed {
		if !told[a.Bare()] { // RFC 6121 §4.6.5: nobody needs to hear it twice
			u.r.Route(st.WithTo(a), nil)
		}
	}
}

// gone says unavailable for a session that ended without doing so.
func (u *Users) gone(s *Session, status string) {
	st := stanza.New(stanza.Presence, stanza.Unavailable, s.addr, stanza.Addr{}, "")
	if status != "" {
		var b stanza.Builder
		b.Leaf("", "status", status)
		st = st.WithContent(b.Bytes())
	}
	u.leave(s, st)
}

// toOwn sends presence to the account's available resources, the sender's too.
func (u *Users) toOwn(s *Session, st *stanza.Stanza) {
	e := st.Encode()
	for _, o := range u.Sessions(s.addr.Local()) {
		if o.Available() || o == s {
			o.Deliver(o.addr, e)
		}
	}
}

// received takes presence addressed to an account of this host.
func (u *Users) received(st *stanza.Stanza) {
	switch st.Type {
	case stanza.Subscribe, stanza.Subscribed, stanza.Unsubscribe, stanza.Unsubbed:
		u.subscriptionReceived(st.WithAddrs(st.From.Bare(), st.To.Bare()))
		return
	case stanza.Probe:
		u.probed(st)
		return
	}
	if st.To.IsFull() {
		if s := u.Session(st.To); s != nil {
			s.Deliver(st.To, st.Encode())
		}
		return // RFC 6121 §8.5.3.2.2: silently ignored without the resource
	}
	e := st.Encode()
	for _, s := range u.Sessions(st.To.Local()) {
		if s.Available() {
			s.Deliver(st.To, e)
		}
	}
}

func priorityOf(st *stanza.Stanza) int {
	c, ok := st.Child(ns.Client, "priority")
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(st.ChildText(c)))
	if err != nil || n < -128 || n > 127 {
		return 0
	}
	return n
}
