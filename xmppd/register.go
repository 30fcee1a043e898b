package xmppd

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"parley/internal/logx"
	"parley/internal/network"
	"parley/internal/wire/ns"
	"parley/xmppd/account"
	"parley/xmppd/module"
	"parley/xmppd/stanza"
)

// RegistrationConfig is whether people may make accounts themselves (XEP-0077).
type RegistrationConfig struct {
	// Enabled lets anybody who reaches the server make an account on the main domain,
	// and lets owners of accounts change their password and remove their account.
	Enabled bool `yaml:"enabled"`
	// PerHour is how many accounts may be made from one address in an hour.
	PerHour int `yaml:"per_hour"`
}

// registration answers jabber:iq:register for the accounts of one host.
type registration struct {
	*Server
	domain string

	mu    sync.Mutex // guards the fields below; leaf lock
	since time.Time
	made  map[netip.Prefix]int // since then
}

type registerQuery struct {
	Username *string   `xml:"username"`
	Password *string   `xml:"password"`
	Remove   *struct{} `xml:"remove"`
}

// stranger answers somebody who has not logged in.
func (x *registration) stranger(from netip.Addr, st *stanza.Stanza) ([]byte, *stanza.Error) {
	if st.Type == stanza.Get {
		var b stanza.Builder
		b.Start(ns.Register, "query").Leaf("", "instructions", "Choose a user name and a password.").Empty("", "username").Empty("", "password")
		return b.End().Bytes(), nil
	}
	var q registerQuery
	payload, _ := st.Payload()
	if st.Decode(payload, &q) != nil || q.Remove != nil {
		return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "")
	}
	if q.Username == nil || q.Password == nil || *q.Username == "" || *q.Password == "" {
		return nil, stanza.Err(stanza.Modify, stanza.NotAcceptable, "A user name and a password are needed")
	}
	if !x.allow(from, time.Now()) {
		return nil, stanza.Err(stanza.Wait, stanza.ResourceConstraint, "Too many accounts were made from your address; try again later")
	}
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	if err := x.accounts.Create(ctx, *q.Username, x.domain, *q.Password); err != nil {
		return nil, x.refusal(err)
	}
	x.log.WithField(logx.Remote, logx.IP(from.String())).WithField(logx.Host, x.domain).Info("account registered")
	return nil, nil
}

// maxSources bounds how many addresses are remembered; beyond, all share one number.
const maxSources = 10000

// allow counts an attempt to make an account.
func (x *registration) allow(client netip.Addr, now time.Time) bool {
	from := network.Of(client)
	x.mu.Lock()
	defer x.mu.Unlock()
	if now.Sub(x.since) > time.Hour {
		x.since, x.made = now, make(map[netip.Prefix]int)
	}
	if _, ok := x.made[from]; !ok && len(x.made) >= maxSources {
		from = netip.Prefix{}
	}
	x.made[from]++
	return x.made[from] <= x.cfg.Registration.PerHour
}

func (x *registration) refusal(err error) *stanza.Error {
	var managed *account.ManagedError
	switch {
	case errors.Is(err, account.ErrExists):
		return stanza.Err(stanza.Cancel, stanza.Conflict, "That name is taken")
	case errors.Is(err, account.ErrName):
		return stanza.Err(stanza.Modify, stanza.JIDMalformed, "That is no user name")
	case errors.Is(err, account.ErrPassword):
		return stanza.Err(stanza.Modify, stanza.NotAcceptable, err.Error())
	case errors.As(err, &managed):
		return stanza.Err(stanza.Cancel, stanza.NotAllowed, "This account belongs to the server")
	case errors.Is(err, account.ErrNotFound):
		return stanza.Err(stanza.Auth, stanza.RegistrationRequired, "")
	}
	x.log.WithError(err).Error("registration")
	return stanza.Err(stanza.Wait, stanza.InternalServerError, "")
}

// owner answers somebody about his own account.
func (x *registration) owner(r *module.Request) ([]byte, *stanza.Error) {
	if r.Session == nil || r.Account && !r.Own() || r.Session.Addr().Domain() != x.domain {
		return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "")
	}
	if r.Session.Info().Anonymous {
		return nil, stanza.Err(stanza.Cancel, stanza.NotAllowed, "You have no account")
	}
	me := r.Session.Addr()
	if r.Type == stanza.Get {
		var b stanza.Builder
		b.Start(ns.Register, "query").Empty("", "registered").Leaf("", "username", me.Local()).Empty("", "password")
		return b.End().Bytes(), nil
	}
	var q registerQuery
	if r.Decode(r.Payload, &q) != nil {
		return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "")
	}
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	if q.Remove != nil {
		return x.remove(ctx, r, q)
	}
	switch {
	case q.Username == nil || q.Password == nil || *q.Password == "":
		return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "A user name and a password are needed")
	case *q.Username != me.Local():
		return nil, stanza.Err(stanza.Cancel, stanza.NotAllowed, "That is not your name")
	}
	if err := x.accounts.SetPassword(ctx, me.Local(), x.domain, *q.Password); err != nil {
		return nil, x.refusal(err)
	}
	return nil, nil
}

// remove cancels an account; the answer goes out before its sessions end (XEP-0077, 3.2).
func (x *registration) remove(ctx context.Context, r *module.Request, q registerQuery) ([]byte, *stanza.Error) {
	if q.Username != nil || q.Password != nil {
		return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "")
	}
	me := r.Session.Addr()
	if err := x.accounts.MayDelete(me.Local(), x.domain); err != nil {
		return nil, x.refusal(err)
	}
	x.router.Reply(r.Stanza, nil)
	if err := x.accounts.Delete(ctx, me.Local(), x.domain); err != nil {
		x.log.WithError(err).Error("registration")
	}
	return nil, module.Answered
}
