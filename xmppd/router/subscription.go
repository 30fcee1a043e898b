package router

import (
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// subscriptionSent is the user's server in RFC 6121 §A.2: what an account says to a contact.
func (u *Users) subscriptionSent(s *Session, st *stanza.Stanza) {
	owner := s.addr.Bare()
	if st.To.IsZero() {
		u.r.Bounce(st.WithTo(owner), stanza.Err(stanza.Modify, stanza.BadRequest, "A subscription needs a to"))
		return
	}
	st = st.WithAddrs(owner, st.To.Bare())
	if st.To == owner {
		return // one hears oneself anyway
	}
	if u.rosterOf(s) == nil {
		u.r.Route(st, s)
		return
	}
	if st.Type == stanza.Subscribe && !u.mayAdd(s, st) {
		return
	}
	route := true
	before, after, err := u.Change(owner, st.To, func(c *Contact) {
		switch st.Type {
		case stanza.Subscribe:
			c.Listed = true
			c.Ask = !c.Subscription.To()
		case stanza.Unsubscribe:
			c.Ask = false
			c.Subscription = c.Subscription.with(false, c.Subscription.From())
		case stanza.Subscribed:
			route = c.Pending
			if c.Pending {
				c.Pending, c.Request, c.Listed, c.Approved = false, "", true, false
				c.Subscription = c.Subscription.with(c.Subscription.To(), true)
			} else if !c.Subscription.From() {
				c.Approved, c.Listed = true, true // RFC 6121 §3.4
			}
		case stanza.Unsubbed:
			route = c.Pending || c.Subscription.From()
			c.Pending, c.Request, c.Approved = false, "", false
			c.Subscription = c.Subscription.with(c.Subscription.To(), false)
		}
	})
	if err != nil {
		u.r.Bounce(st.WithFrom(s.addr), stanza.Err(stanza.Wait, stanza.InternalServerError, ""))
		return
	}
	if !route {
		return
	}
	u.r.Route(st, s)
	u.changedFrom(owner, st.To, before, after)
}

// mayAdd says whether a new contact still fits into the list.
func (u *Users) mayAdd(s *Session, st *stanza.Stanza) bool {
	list := u.contacts(s.addr)
	if len(list) < MaxContacts {
		return true
	}
	for _, c := range list {
		if c.Addr == st.To {
			return true
		}
	}
	u.r.Bounce(st.WithFrom(s.addr), stanza.Err(stanza.Wait, stanza.ResourceConstraint, "The contact list is full"))
	return false
}

// subscriptionReceived is the contact's server in RFC 6121 §A.3. Whoever has no
// account is silent (RFC 6121 §8.5.1).
func (u *Users) subscriptionReceived(st *stanza.Stanza) {
	owner := st.To
	if u.opts.Roster == nil || u.opts.Exists == nil || owner == st.From || !u.opts.Exists(owner.Local()) {
		return
	}
	if st.Type == stanza.Subscribe && len(u.contacts(owner)) >= 2*MaxContacts {
		return // a flood of requests is not kept
	}
	deliver, answer := false, ""
	before, after, err := u.change(owner, st.From, func(c *Contact) {
		switch st.Type {
		case stanza.Subscribe:
			switch {
			case c.Subscription.From():
				answer = stanza.Subscribed // RFC 6121 §3.1.3
			case c.Approved:
				answer, c.Approved, c.Pending = stanza.Subscribed, false, false
				c.Subscription = c.Subscription.with(c.Subscription.To(), true)
			case !c.Pending:
				deliver, c.Pending = true, true
				c.Request = requestText(st)
			}
		case stanza.Unsubscribe:
			deliver = c.Pending || c.Subscription.From()
			c.Pending, c.Request = false, ""
			c.Subscription = c.Subscription.with(c.Subscription.To(), false)
		case stanza.Subscribed:
			if deliver = c.Ask; deliver {
				c.Ask = false
				c.Subscription = c.Subscription.with(true, c.Subscription.From())
			}
		case stanza.Unsubbed:
			deliver = c.Ask || c.Subscription.To()
			c.Ask = false
			c.Subscription = c.Subscription.with(false, c.Subscription.From())
		}
	}, func() {
		if !deliver {
			return
		}
		e := st.Encode()
		for _, s := range u.Sessions(owner.Local()) {
			if s.Available() || st.Type != stanza.Subscribe && s.interested.Load() {
				s.Deliver(owner, e)
			}
		}
	})
	if err != nil {
		return
	}
	if answer != "" {
		u.r.Route(stanza.New(stanza.Presence, answer, owner, st.From, st.ID), nil)
	}
	u.changedFrom(owner, st.From, before, after)
}

// maxRequest bounds what is kept of a subscription request nobody saw yet.
const maxRequest = 4 << 10

// requestText is the request as it is shown to whoever logs in later (RFC 6121 §3.1.3).
func requestText(st *stanza.Stanza) string {
	if text := st.String(); len(text) <= maxRequest {
		return text
	}
	return st.WithContent(nil).String()
}

// changedFrom tells a contact the presence he may hear now, or may not hear any more.
func (u *Users) changedFrom(owner, contact stanza.Addr, before, after Contact) {
	now := after.Subscription.From()
	if now == before.Subscription.From() {
		return
	}
	if now {
		u.announce(owner, contact)
	} else {
		u.conceal(owner, contact)
	}
	u.opts.Hooks.tellSubscribed(u, owner, contact, now)
}

// announce sends an account's presences to one contact.
func (u *Users) announce(owner, contact stanza.Addr) {
	for _, s := range u.Sessions(owner.Local()) {
		if last := s.presence.last(); last != nil {
			u.r.Route(last.WithTo(contact), nil)
		}
	}
}

// conceal says goodbye to a contact who is subscribed no longer (RFC 6121 §3.2.2, §3.3.3).
func (u *Users) conceal(owner, contact stanza.Addr) {
	for _, s := range u.Sessions(owner.Local()) {
		if s.Available() {
			u.r.Route(stanza.New(stanza.Presence, stanza.Unavailable, s.addr, contact, ""), nil)
		}
	}
}

// probeContacts asks for the presence of those the session is subscribed to, and
// shows it the requests that came while nobody was online (RFC 6121 §4.2.2, §3.1.3).
func (u *Users) probeContacts(s *Session) {
	for _, c := range u.contactsOf(s) {
		if c.Subscription.To() {
			u.r.Route(stanza.New(stanza.Presence, stanza.Probe, s.addr, c.Addr, ""), nil)
		}
		if c.Pending {
			s.Deliver(s.addr, u.request(c, s.addr.Bare()).Encode())
		}
	}
}

// request is the subscription request of a contact, as it came.
func (u *Users) request(c Contact, owner stanza.Addr) *stanza.Stanza {
	if c.Request != "" {
		if st, err := stanza.Parse([]byte(c.Request), nil); err == nil {
			return st.WithAddrs(c.Addr, owner)
		}
	}
	return stanza.New(stanza.Presence, stanza.Subscribe, c.Addr, owner, "")
}

// probed answers a probe (RFC 6121 §4.3.2).
func (u *Users) probed(st *stanza.Stanza) {
	owner, asker := st.To.Bare(), st.From.Bare()
	if !u.MayHear(owner, asker) {
		if u.opts.Roster != nil {
			u.r.Route(stanza.New(stanza.Presence, stanza.Unsubbed, owner, asker, st.ID), nil)
		}
		return
	}
	found := false
	for _, s := range u.Sessions(owner.Local()) {
		if last := s.presence.last(); last != nil && (st.To.IsBare() || s.addr == st.To) {
			found = true
			u.r.Route(last.WithTo(st.From), nil)
		}
	}
	if !found {
		u.r.Route(stanza.New(stanza.Presence, stanza.Unavailable, owner, st.From, ""), nil)
	}
}

// MayHear says whether the asker may know about the account's presence: it is his
// own, or he is subscribed to it.
func (u *Users) MayHear(owner, asker stanza.Addr) bool {
	owner, asker = owner.Bare(), asker.Bare()
	if asker == owner {
		return true
	}
	if u.opts.Roster == nil {
		return false
	}
	u.settle()
	c, ok, err := u.opts.Roster.Contact(owner, asker)
	if err != nil {
		u.r.log.WithError(err).Error("roster cannot be read")
	}
	return err == nil && ok && c.Subscription.From()
}

// Remove takes a contact out of the list and ends the subscriptions both ways
// (RFC 6121 §2.5.2). had is false if he was not in it.
func (u *Users) Remove(owner, contact stanza.Addr) (had bool, err error) {
	owner, contact = owner.Bare(), contact.Bare()
	u.lists.Lock()
	c, had, err := u.opts.Roster.Contact(owner, contact)
	if err != nil || !had || !c.Listed {
		u.lists.Unlock()
		return false, err
	}
	ver, err := u.opts.Roster.RemoveContact(owner, contact)
	if err == nil {
		u.push(owner, Contact{Addr: contact, Subscription: SubRemove, Listed: true, Version: ver})
	}
	u.lists.Unlock()
	if err != nil {
		return true, err
	}
	if c.Subscription.To() || c.Ask {
		u.r.Route(stanza.New(stanza.Presence, stanza.Unsubscribe, owner, contact, ""), nil)
	}
	if c.Subscription.From() || c.Pending {
		u.r.Route(stanza.New(stanza.Presence, stanza.Unsubbed, owner, contact, ""), nil)
		u.changedFrom(owner, contact, c, Contact{})
	}
	return true, nil
}

// toSubscribers sends presence to those who are subscribed to a session's account.
func (u *Users) toSubscribers(s *Session, st *stanza.Stanza) {
	for _, c := range u.subscribers(s) {
		u.r.Route(st.WithTo(c), nil)
	}
}

// subscribers are the contacts that hear a session's presence.
func (u *Users) subscribers(s *Session) (out []stanza.Addr) {
	for _, c := range u.contactsOf(s) {
		if c.Subscription.From() && !u.opts.Hooks.isBlocked(s.addr.Bare(), c.Addr) {
			out = append(out, c.Addr)
		}
	}
	return out
}

// capsOf is the entity capabilities element of a presence, raw.
func capsOf(st *stanza.Stanza) string {
	if st == nil {
		return ""
	}
	c, ok := st.Child(ns.Caps, "c")
	if !ok {
		return ""
	}
	return string(st.Raw(c))
}

// leaner is st without capabilities that its hearers were told with last already
// (XEP-0115 §8.4).
func leaner(st, last *stanza.Stanza) *stanza.Stanza {
	if caps := capsOf(st); caps == "" || caps != capsOf(last) {
		return st
	}
	return st.Without(func(c stanza.Child) bool { return c.Is(ns.Caps, "c") })
}
