package c2s

import (
	"slices"
	"time"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// bindOrResume takes the first element after the log-in.
func (c *conn) bindOrResume(st *stanza.Stanza) {
	switch {
	case st.Name == "resume" && (st.Space == ns.SM3 || st.Space == ns.SM2):
		c.resume(st)
	case st.Name == "enable" && (st.Space == ns.SM3 || st.Space == ns.SM2):
		c.carrier.Element(smFailed(st.Space, stanza.UnexpectedRequest, nil))
	case st.Kind == stanza.IQ && st.Type == stanza.Set && st.Has(ns.Bind, "bind"):
		c.bind(st)
	case st.Kind != stanza.Other:
		// RFC 6120 §7.1: nothing may be sent before binding.
		c.fail(stream.NotAuthorized, "Bind a resource first")
	default:
		c.fail(stream.UnsupportedStanzaType, "")
	}
}

type bindRequest struct {
	Resource string `xml:"resource"`
}

func (c *conn) bind(st *stanza.Stanza) {
	if !validIQ(st) {
		c.reply(st, stanza.Err(stanza.Modify, stanza.BadRequest, "The request needs an id"))
		return
	}
	payload, _ := st.Child(ns.Bind, "bind")
	var req bindRequest
	if err := st.Decode(payload, &req); err != nil {
		c.reply(st, stanza.Err(stanza.Modify, stanza.BadRequest, ""))
		return
	}
	addr, e := c.address(req.Resource)
	if e != nil {
		c.reply(st, e)
		return
	}
	s := newSession(c, addr)
	if !c.open(s) {
		return
	}
	c.attach(s)
	if c.host.Welcome != nil {
		if w := c.host.Welcome(s.rs); w != nil {
			c.carrier.Deliver(addr, w.Encode())
		}
	}
	var b stanza.Builder
	b.Start(ns.Bind, "bind").Leaf("", "jid", addr.String()).End()
	res := stanza.New(stanza.IQ, stanza.ResultType, stanza.Addr{}, stanza.Addr{}, st.ID).WithContent(b.Bytes())
	c.carrier.Deliver(stanza.Addr{}, res.Encode())
	c.log.WithField("transport", c.meta.Transport).Info("session opened")
}

// address is the full address of a new session; without a wish it gets a resource of
// its own.
func (c *conn) address(resource string) (stanza.Addr, *stanza.Error) {
	if resource == "" {
		resource = router.NewID()[:12]
	}
	addr, err := stanza.NewAddr(c.id.Name, c.host.Domain, resource)
	if err != nil {
		return addr, stanza.Err(stanza.Modify, stanza.BadRequest, "This resource is not allowed")
	}
	// A session that has the address ends, see open.
	others := slices.DeleteFunc(c.host.Users.Sessions(addr.Local()), func(x *router.Session) bool { return x.Addr() == addr })
	if len(others) >= c.srv.cfg.SessionsPerAccount {
		return addr, stanza.Err(stanza.Wait, stanza.ResourceConstraint, "Too many sessions of this account")
	}
	return addr, nil
}

// open lets stanzas reach a session; one that has its address ends. It is false when
// the server stops.
func (c *conn) open(s *session) bool {
	for holder := c.host.Users.Bind(s.rs); holder != nil; holder = c.host.Users.Bind(s.rs) {
		holder.Kick(stream.Conflict, "Replaced by new connection")
		c.host.Users.Unbind(holder, "Replaced by new connection")
	}
	if !c.srv.add(s) {
		c.srv.remove(s, s.sm.token, 0)
		c.host.Users.Unbind(s.rs, "")
		c.fail(stream.SystemShutdown, "")
		return false
	}
	return true
}

// attach makes c the stream of a session.
func (c *conn) attach(s *session) {
	c.timer.Stop()
	c.sess = s
	c.state = bound
	c.log = c.log.WithField(logx.Address, logx.JID(s.rs.Addr().String()))
	if c.srv.router.IsAdmin(s.rs.Addr()) {
		c.exempt = true
		c.carrier.SetLimits(c.srv.cfg.AdminStanzaBytes, c.srv.cfg.AdminSendQueue)
	}
}

func (c *conn) info() *router.Info {
	return &router.Info{
		Token: c.id.Token, Anonymous: c.id.Anonymous,
		Room: c.meta.Room, Prefix: c.meta.Prefix, Region: c.meta.Region, UserName: c.meta.UserName,
		Client: c.meta.Client, Agent: c.meta.Agent, Transport: c.meta.Transport, Secure: c.secure(),
	}
}

// reply answers a stanza that cannot be routed, because it has no session or no
// usable address.
func (c *conn) reply(st *stanza.Stanza, e *stanza.Error) {
	if st.Type == stanza.ErrorType || st.IsReply() {
		return
	}
	r := stanza.New(st.Kind, stanza.ErrorType, st.To, stanza.Addr{}, st.ID).WithContent(e.XML())
	to := stanza.Addr{}
	if c.sess != nil {
		to = c.sess.rs.Addr()
		c.sess.Deliver(to, r.Encode())
		return
	}
	c.carrier.Deliver(to, r.Encode())
}

// bound takes what a bound client sends.
func (c *conn) bound(st *stanza.Stanza) {
	c.slow(len(st.Content()))
	if st.Kind == stanza.Other {
		switch {
		case st.Space == ns.SM3 || st.Space == ns.SM2:
			c.manage(st)
		case st.Space == ns.CSI && (st.Name == "active" || st.Name == "inactive"):
			c.sess.setActive(c, st.Name == "active")
		default:
			c.fail(stream.UnsupportedStanzaType, "Only iq, message and presence are expected")
		}
		return
	}
	s := c.sess
	if !s.received(c) {
		return // the session is gone, or on another stream
	}
	addr := s.rs.Addr()
	switch {
	case st.Malformed == "from", !st.From.IsZero() && st.From != addr && st.From != addr.Bare():
		c.fail(stream.InvalidFrom, "from must be the bound address")
	case st.Malformed == "to":
		c.reply(st, stanza.Err(stanza.Modify, stanza.JIDMalformed, ""))
	case st.Kind == stanza.IQ && !validIQ(st):
		c.reply(st, stanza.Err(stanza.Modify, stanza.BadRequest, "An iq needs an id, a type, and one child if it asks"))
	case st.Kind == stanza.IQ && st.Type == stanza.Set && c.serverIQ(st):
	default:
		if c.lang != "" && st.Lang == "" && st.Kind != stanza.IQ {
			// RFC 6120 §8.1.5: what was implied by the stream is lost behind it.
			st = st.Copy()
			st.Lang = c.lang
		}
		c.host.Users.FromSession(s.rs, st)
	}
}

// slow does not read on for a while from a session that sends too much. Over BOSH
// others wait for the goroutine; there each request is bounded in size anyway.
func (c *conn) slow(size int) {
	if c.exempt || c.meta.Transport == stream.BOSH {
		return
	}
	if nap := c.rate.take(time.Now(), size, &c.srv.cfg); nap > 0 {
		t := time.NewTimer(nap)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.sess.rs.Done():
		}
	}
}

func validIQ(st *stanza.Stanza) bool {
	if st.ID == "" {
		return false
	}
	switch st.Type {
	case stanza.Get, stanza.Set:
		return len(st.Children()) == 1
	case stanza.ResultType, stanza.ErrorType:
		return true
	}
	return false
}

// serverIQ answers requests that concern the stream itself.
func (c *conn) serverIQ(st *stanza.Stanza) bool {
	if !st.To.IsZero() && st.To != c.sess.rs.Addr().Host() && st.To != c.sess.rs.Addr().Bare() {
		return false
	}
	switch {
	case st.Has(ns.Session, "session"):
		addr := c.sess.rs.Addr()
		c.sess.Deliver(addr, stanza.New(stanza.IQ, stanza.ResultType, st.To, addr, st.ID).Encode())
	case st.Has(ns.Bind, "bind"):
		c.reply(st, stanza.Err(stanza.Cancel, stanza.NotAllowed, "A resource is bound already"))
	default:
		return false
	}
	return true
}
