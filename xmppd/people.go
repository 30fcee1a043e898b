package xmppd

import (
	"context"
	"strconv"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/c2s"
	"parley/xmppd/module"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// people adds to a host what ordinary clients expect around their account: copies
// for further devices, registration, last activity.
func (s *Server) people(svc *module.Service, h *c2s.Host, d *module.Disco) {
	d.Features = append(d.Features, ns.CapsOptimize)
	if h.Accounts == nil {
		return
	}
	d.Features = append(d.Features, ns.Carbons, ns.OfflineFeature, ns.Commands)
	carbons := func(on bool) module.Answer {
		return func(r *module.Request) ([]byte, *stanza.Error) {
			if r.Session == nil || r.Account && !r.Own() {
				return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "")
			}
			h.Users.Carbons(r.Session, on)
			return nil, nil
		}
	}
	for name, on := range map[string]bool{"enable": true, "disable": false} {
		svc.OnHost(stanza.Set, ns.Carbons, name, "", carbons(on))
		svc.OnAccount(stanza.Set, ns.Carbons, name, "", carbons(on))
	}
	svc.OnAccount(stanza.Get, ns.LastActive, "query", ns.LastActive, func(r *module.Request) ([]byte, *stanza.Error) {
		return s.lastActive(r, h.Users)
	})
	if s.cfg.Registration.Enabled && h.Domain == s.cfg.Domain {
		x := &registration{Server: s, domain: h.Domain}
		h.Register = x.stranger
		d.Features = append(d.Features, ns.Register)
		for _, typ := range []string{stanza.Get, stanza.Set} {
			svc.OnHost(typ, ns.Register, "query", "", x.owner)
			svc.OnAccount(typ, ns.Register, "query", "", x.owner)
		}
	}
}

// lastActive is XEP-0012 for an account.
func (s *Server) lastActive(r *module.Request, users *router.Users) ([]byte, *stanza.Error) {
	if !users.MayHear(r.To.Bare(), r.From.Bare()) {
		return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "")
	}
	seconds := 0
	if len(users.Sessions(r.To.Local())) == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
		defer cancel()
		seen, err := s.accounts.Seen(ctx, r.To.Local(), users.Domain())
		if err != nil || seen.IsZero() {
			return nil, stanza.Err(stanza.Cancel, stanza.ItemNotFound, "")
		}
		seconds = int(time.Since(seen).Seconds())
	}
	var b stanza.Builder
	return b.Empty(ns.LastActive, "query", "seconds", strconv.Itoa(seconds)).Bytes(), nil
}

// arrived greets an account's session, and notes when it ends.
func (s *Server) arrived(x *router.Session) {
	if x.Info().Anonymous {
		return
	}
	if text := *s.notices.motd.Load(); text != "" && x.Addr().Domain() != s.cfg.AuthDomain {
		s.say(x, text)
	}
	if text := *s.notices.welcome.Load(); text != "" && x.Addr().Domain() == s.cfg.Domain && s.firstTime(x) {
		s.say(x, text)
	}
	x.OnEnd(func() {
		ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
		defer cancel()
		// An account that is gone, or a server that stops, need not be noted.
		if err := s.accounts.Saw(ctx, x.Addr().Local(), x.Addr().Domain(), time.Now()); err != nil {
			s.log.WithError(err).Debug("end of a session not noted")
		}
	})
}

// firstTime says that no session of the account has ended yet.
func (s *Server) firstTime(x *router.Session) bool {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	seen, err := s.accounts.Seen(ctx, x.Addr().Local(), x.Addr().Domain())
	return err == nil && seen.IsZero()
}

// serves says whether a domain is one of this server.
func (s *Server) serves(domain string) bool { return s.router.Host(domain) != nil }

var errShunned = stanza.Err(stanza.Cancel, stanza.NotAcceptable, "This address is blocked")

// shun keeps what accounts say from the addresses administrators blocked.
func (s *Server) shun(x *router.Session, st *stanza.Stanza) *stanza.Stanza {
	if !s.notices.shuns(st.To, s.serves) {
		return st
	}
	if st.MayBounce() || st.Kind == stanza.Presence && st.Type != stanza.ErrorType {
		// Straight to the session, since the answer seems to come from the blocked address.
		x.Deliver(x.Addr(), stanza.ErrorReply(st, errShunned).Encode())
	}
	return nil
}

// shunned keeps what those say from accounts.
func (s *Server) shunned(_ *router.Users, st *stanza.Stanza) *stanza.Stanza {
	if !s.notices.shuns(st.From, s.serves) {
		return st
	}
	if st.MayBounce() {
		s.router.Bounce(st, errShunned)
	}
	return nil
}
