package module

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

var (
	errNotYours = stanza.Err(stanza.Auth, stanza.Forbidden, "")
	errNobody   = stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
	errBlocked  = &stanza.Error{Type: stanza.Cancel, Condition: stanza.NotAcceptable, App: []byte(`<blocked xmlns="` + ns.BlockingError + `"/>`)}
)

// block notes a block in memory.
func (p *People) block(owner, addr stanza.Addr) {
	if p.blocks[owner] == nil {
		p.blocks[owner] = make(map[stanza.Addr]bool)
	}
	p.blocks[owner][addr] = true
}

// Blocked says whether an account has blocked an address (XEP-0191, 2): the full
// one, the bare one, the domain with the resource, or the domain.
func (p *People) Blocked(owner, other stanza.Addr) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if len(p.blocks) == 0 {
		return false
	}
	list := p.blocks[owner.Bare()]
	if len(list) == 0 || other.Bare() == owner.Bare() || other == owner.Host() {
		return false
	}
	if list[other] || list[other.Bare()] || list[other.Host()] {
		return true
	}
	if !other.IsFull() || other.Local() == "" {
		return false
	}
	x, err := stanza.NewAddr("", other.Domain(), other.Resource())
	return err == nil && list[x]
}

func (p *People) list(owner stanza.Addr) []stanza.Addr {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []stanza.Addr
	for a := range p.blocks[owner] {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b stanza.Addr) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// Guard makes blocks work in both directions (XEP-0191, 3.3).
func (p *People) Guard(h *router.Hooks, r *router.Router) {
	h.OnBlocked(p.Blocked)
	h.OnSending(func(s *router.Session, st *stanza.Stanza) *stanza.Stanza {
		if st.To.IsZero() || !p.Blocked(s.Addr(), st.To) {
			return st
		}
		if st.MayBounce() || st.Kind == stanza.Presence && st.Type != stanza.ErrorType {
			// Straight to the session: the answer seems to come from the blocked address.
			s.Deliver(s.Addr(), stanza.ErrorReply(st, errBlocked).Encode())
		}
		return nil
	})
	h.OnReceiving(func(_ *router.Users, st *stanza.Stanza) *stanza.Stanza {
		if !p.Blocked(st.To, st.From) {
			return st
		}
		// Presence and what nobody waits for an answer to is dropped in silence.
		if st.IsRequest() || st.Kind == stanza.Message && st.Type != stanza.Groupchat && st.Type != stanza.Headline {
			r.Bounce(st, errNobody)
		}
		return nil
	})
}

type blockXML struct {
	Items []struct {
		JID string `xml:"jid,attr"`
	} `xml:"item"`
}

// Blocking answers urn:xmpp:blocking.
func (s *Service) Blocking(p *People, users func() *router.Users) {
	s.OnAccount(stanza.Get, ns.Blocking, "blocklist", ns.Blocking, func(r *Request) ([]byte, *stanza.Error) {
		if !r.Own() {
			return nil, errNotYours
		}
		p.mu.Lock()
		p.asked[r.Session.Addr()] = true
		p.mu.Unlock()
		full := r.Session.Addr()
		r.Session.OnEnd(func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.asked, full)
		})
		var b stanza.Builder
		writeItems(b.Start(ns.Blocking, "blocklist"), p.list(full.Bare()))
		return b.Bytes(), nil
	})
	s.OnAccount(stanza.Set, ns.Blocking, "block", "", func(r *Request) ([]byte, *stanza.Error) {
		return p.change(r, users(), s.router, true)
	})
	s.OnAccount(stanza.Set, ns.Blocking, "unblock", "", func(r *Request) ([]byte, *stanza.Error) {
		return p.change(r, users(), s.router, false)
	})
	s.features = append(s.features, ns.Blocking)
}

func writeItems(b *stanza.Builder, list []stanza.Addr) {
	for _, a := range list {
		b.Empty("", "item", "jid", a.String())
	}
	b.End()
}

// change blocks or unblocks (XEP-0191, 3.3 to 3.5).
func (p *People) change(r *Request, u *router.Users, rt *router.Router, block bool) ([]byte, *stanza.Error) {
	if !r.Own() {
		return nil, errNotYours
	}
	var in blockXML
	if r.Decode(r.Payload, &in) != nil || block && len(in.Items) == 0 {
		return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "Name the addresses to block")
	}
	owner := r.Session.Addr().Bare()
	had := p.list(owner)
	var named, changed []stanza.Addr
	for _, i := range in.Items {
		a, err := stanza.ParseAddr(i.JID)
		if err != nil {
			return nil, stanza.Err(stanza.Modify, stanza.JIDMalformed, "")
		}
		if slices.Contains(named, a) {
			continue
		}
		named = append(named, a)
		if slices.Contains(had, a) != block {
			changed = append(changed, a)
		}
	}
	if !block && len(in.Items) == 0 {
		changed = had
	}
	if block && len(had)+len(changed) > p.cfg.MaxBlocked {
		return nil, stanza.Err(stanza.Wait, stanza.ResourceConstraint, "The block list is full")
	}
	if err := p.storeBlocks(owner, changed, block); err != nil {
		return nil, p.broken(err)
	}
	contacts := u.Contacts(owner)
	before := p.hidden(owner, contacts)
	if block {
		// Contacts see us go before the block takes effect.
		p.farewell(u, rt, owner, contacts, before, changed)
	}
	p.mu.Lock()
	for _, a := range changed {
		if block {
			p.block(owner, a)
		} else if delete(p.blocks[owner], a); len(p.blocks[owner]) == 0 {
			delete(p.blocks, owner)
		}
	}
	p.mu.Unlock()
	if !block {
		p.welcome(u, rt, owner, contacts, before)
	}
	p.push(u, owner, r.Payload.Name, named)
	return nil, nil
}

func (p *People) storeBlocks(owner stanza.Addr, list []stanza.Addr, block bool) error {
	query := `DELETE FROM blocked WHERE owner = ? AND addr = ?`
	if block {
		query = `INSERT OR IGNORE INTO blocked (owner, addr) VALUES (?, ?)`
	}
	return p.write(func(ctx context.Context, tx *sql.Tx) error {
		for _, a := range list {
			if _, err := tx.ExecContext(ctx, query, owner.String(), a.String()); err != nil {
				return err
			}
		}
		return nil
	})
}

// hidden are the contacts that hear our presence but are blocked.
func (p *People) hidden(owner stanza.Addr, contacts []router.Contact) map[stanza.Addr]bool {
	out := make(map[stanza.Addr]bool)
	for _, c := range contacts {
		if c.Subscription.From() && p.Blocked(owner, c.Addr) {
			out[c.Addr] = true
		}
	}
	return out
}

// farewell sends unavailable presence to contacts that will be blocked.
func (p *People) farewell(u *router.Users, rt *router.Router, owner stanza.Addr, contacts []router.Contact, before map[stanza.Addr]bool, list []stanza.Addr) {
	for _, c := range contacts {
		if before[c.Addr] || !c.Subscription.From() || !slices.Contains(list, c.Addr) && !slices.Contains(list, c.Addr.Host()) {
			continue
		}
		for _, x := range u.Sessions(owner.Local()) {
			if x.Available() {
				rt.Send(stanza.New(stanza.Presence, stanza.Unavailable, x.Addr(), c.Addr, ""))
			}
		}
	}
}

// welcome sends presence to contacts that are no longer blocked.
func (p *People) welcome(u *router.Users, rt *router.Router, owner stanza.Addr, contacts []router.Contact, before map[stanza.Addr]bool) {
	now := p.hidden(owner, contacts)
	for _, c := range contacts {
		if !before[c.Addr] || now[c.Addr] {
			continue
		}
		for _, x := range u.Sessions(owner.Local()) {
			if last := x.LastPresence(); last != nil {
				rt.Send(last.WithTo(c.Addr))
			}
		}
		if c.Subscription.To() {
			rt.Send(stanza.New(stanza.Presence, stanza.Probe, owner, c.Addr, ""))
		}
	}
}

// push tells the sessions that asked for the list.
func (p *People) push(u *router.Users, owner stanza.Addr, verb string, list []stanza.Addr) {
	var b stanza.Builder
	writeItems(b.Start(ns.Blocking, verb), list)
	for _, x := range u.Sessions(owner.Local()) {
		p.mu.RLock()
		asked := p.asked[x.Addr()]
		p.mu.RUnlock()
		if asked {
			x.Deliver(x.Addr(), stanza.New(stanza.IQ, stanza.Set, owner, x.Addr(), router.NewID()).WithContent(b.Bytes()).Encode())
		}
	}
}
