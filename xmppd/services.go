package xmppd

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/archive"
	"parley/xmppd/c2s"
	"parley/xmppd/module"
	"parley/xmppd/pubsub"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
	"parley/xmppd/upload"
)

// services are what ordinary clients use beside meetings.
type services struct {
	pubsub  *pubsub.Service
	people  *module.People
	archive *archive.Archive
	upload  *upload.Host // nil unless enabled
	convert *convert
}

// openServices opens what the services keep.
func (s *Server) openServices(ctx context.Context) error {
	if !s.cfg.Services.Enabled {
		return nil
	}
	var err error
	x := &services{}
	if x.people, err = module.NewPeople(ctx, s.cfg.Services.People, s.db, s.log); err != nil {
		return err
	}
	if x.pubsub, err = pubsub.New(ctx, s.cfg.Services.PubSub, s.db, s.router, s.log); err != nil {
		return err
	}
	if x.archive, err = archive.Open(ctx, s.cfg.Services.Archive, s.db, s.router, s.log); err != nil {
		x.pubsub.Close()
		return err
	}
	x.convert = newConvert(x, func(domain string) *router.Users { return s.users[domain] })
	s.services = x
	if s.cfg.Services.Upload.Enabled {
		if x.upload, err = upload.Open(ctx, s.cfg.Services.Upload, s.db, s.router, s.log); err != nil {
			return fmt.Errorf("services.upload.%w", err)
		}
		if err := s.router.Add(s.cfg.Services.UploadDomain, x.upload); err != nil {
			return err
		}
	}
	return s.router.Add(s.cfg.Services.PubSubDomain, x.pubsub.Host())
}

// close ends what runs.
func (x *services) close() {
	if x != nil {
		x.pubsub.Close()
		x.archive.Close()
		if x.upload != nil {
			x.upload.Close()
		}
	}
}

// routes are the paths of files.
func (x *services) routes() map[string]http.Handler {
	if x == nil || x.upload == nil {
		return nil
	}
	return map[string]http.Handler{upload.Path: x.upload}
}

// forget removes what belonged to an account.
func (x *services) forget(account stanza.Addr) {
	if x != nil {
		x.pubsub.Forget(account)
		x.people.Forget(account)
		x.archive.Forget(account)
		if x.upload != nil {
			x.upload.Forget(account)
		}
	}
}

// hooks joins the services in on what goes to and from accounts.
func (s *Server) hooks() *router.Hooks {
	h, x := &router.Hooks{}, s.services
	x.people.Guard(h, s.router)
	if s.cfg.Services.Archive.Accounts {
		x.archive.Watch(h, func(domain string) *router.Users { return s.users[domain] })
	}
	h.OnOutgoingPresence(x.people.Avatar)
	h.OnPresence(x.pubsub.Presence)
	h.OnSubscribed(x.pubsub.Subscribed)
	return h
}

// answers adds what the services answer for the accounts of a host.
func (x *services) answers(svc *module.Service, h *c2s.Host, d *module.Disco, archives bool) {
	users := func() *router.Users { return h.Users }
	svc.Private(x.people, x.convert)
	svc.VCard(x.people, users)
	svc.Blocking(x.people, users)
	node := func(r *module.Request) ([]byte, *stanza.Error) {
		x.pubsub.Account(h.Users, r.Stanza, r.Session)
		return nil, module.Answered
	}
	for _, typ := range []string{stanza.Get, stanza.Set} {
		svc.OnAccount(typ, ns.PubSub, "pubsub", "", node)
		svc.OnAccount(typ, ns.PubSubOwner, "pubsub", "", node)
	}
	for _, f := range pubsub.AccountFeatures() {
		svc.Feature(f)
	}
	svc.Feature(ns.AvatarConvert)
	svc.Feature(ns.BookCompat)
	svc.Feature(ns.BookCompatPEP)
	if archives {
		x.archives(svc)
	}
	pep := module.Identity{Category: "pubsub", Type: "pep"}
	d.Account = append(d.Account, pep)
	// Some clients look for it on the domain, as in the time before XEP-0163 1.2.
	d.Identities = append(d.Identities, pep)
	d.Features = append(d.Features, ns.PubSub, ns.PubSub+"#publish", ns.PubSub+"#access-whitelist")
	d.Known = func(r *module.Request) bool { return h.Users.Subscribed(r.To.Bare(), r.From.Bare()) }
	d.Nodes = node
}

// archives answers about the archives of accounts, to their owners.
func (x *services) archives(svc *module.Service) {
	own := func(next func(r *module.Request) ([]byte, *stanza.Error)) module.Answer {
		return func(r *module.Request) ([]byte, *stanza.Error) {
			if !r.Own() || r.Session.Info().Anonymous {
				return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "")
			}
			return next(r)
		}
	}
	query := own(func(r *module.Request) ([]byte, *stanza.Error) {
		x.archive.Query(r.To, r.Stanza)
		return nil, module.Answered
	})
	prefs := own(func(r *module.Request) ([]byte, *stanza.Error) { return x.archive.Preferences(r.To, r.Stanza) })
	svc.OnAccount(stanza.Set, ns.MAM, "query", ns.MAM, query)
	svc.OnAccount(stanza.Get, ns.MAM, "query", ns.MAMExtended, query)
	svc.OnAccount(stanza.Get, ns.MAM, "metadata", ns.StanzaID, query)
	svc.OnAccount(stanza.Get, ns.MAM, "prefs", "", prefs)
	svc.OnAccount(stanza.Set, ns.MAM, "prefs", "", prefs)
}

// external lists the STUN and TURN servers, with credentials for the asker.
func (s *Server) external(r *module.Request, typ string) []module.ExternalService {
	var out []module.ExternalService
	for _, x := range s.cfg.Services.External {
		if typ != "" && x.Type != typ {
			continue
		}
		e := module.ExternalService{Type: x.Type, Host: x.Host, Transport: x.Transport, Username: x.Username, Password: x.Password}
		if x.Port > 0 {
			e.Port = strconv.Itoa(x.Port)
		}
		if x.Secret != "" {
			ttl := x.TTL
			if ttl == 0 {
				ttl = 24 * time.Hour
			}
			e.Expires = time.Now().Add(ttl)
			e.Username, e.Password = turnCredentials(x.Secret, e.Expires)
		}
		e.Restricted = e.Username != ""
		out = append(out, e)
	}
	return out
}

// turnCredentials are those of TURN servers that share a secret with us (coturn's
// use-auth-secret).
func turnCredentials(secret string, until time.Time) (name, password string) {
	name = strconv.FormatInt(until.Unix(), 10)
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(name))
	return name, base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
