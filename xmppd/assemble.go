package xmppd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"parley/internal/logx"
	"parley/jwtauth"
	"parley/xmppd/account"
	"parley/xmppd/bosh"
	"parley/xmppd/c2s"
	"parley/xmppd/component"
	"parley/xmppd/meeting"
	"parley/xmppd/module"
	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/sasl"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// product is the name of the software, and node its address in entity capabilities.
const (
	product = "Parley"
	node    = "https://parley.invalid/"
)

// resourceShortage are errors of accept that go away by themselves.
func isResourceShortage(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) ||
		errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}

// assemble makes the hosts and puts them in charge of their domains.
func (s *Server) assemble(ctx context.Context) error {
	if err := s.accounts.Ensure(ctx); err != nil {
		return err
	}
	contacts, err := newRoster(ctx, s.db)
	if err != nil {
		return err
	}
	s.accounts.OnDelete(func(name, domain string) { s.accountGone(contacts, name, domain) })
	s.router = router.New(s.log)
	if s.notices, err = openNotices(ctx, s.db); err != nil {
		return err
	}
	s.router.SetAdmins(s.admins())
	if err := s.openServices(ctx); err != nil {
		return err
	}
	var verifier *jwtauth.Verifier
	if s.cfg.Authentication == ByToken {
		if verifier, err = s.newVerifier(); err != nil {
			return err
		}
	}
	hosts, err := s.loginHosts(contacts, verifier)
	if err != nil {
		return err
	}
	s.c2s = c2s.New(s.cfg.Sessions, s.router, hosts, s.log)
	s.bosh = bosh.New(bosh.Options{
		MaxWait: s.cfg.BOSH.MaxWait, Inactivity: s.cfg.BOSH.Inactivity, MaxSessions: s.cfg.BOSH.MaxSessions,
		Limit: s.cfg.Sessions.StanzaBytes, Queue: s.cfg.SendQueue, Knows: s.c2s.Knows, Recovered: s.recovered,
	}, s.c2s.Accept)
	if s.components, err = component.New(component.Options{KickOld: s.cfg.KickOldComponent, LoginTime: s.cfg.Sessions.LoginTime},
		s.router, s.cfg.Components, s.log); err != nil {
		return err
	}
	for domain, target := range s.cfg.ClientProxies {
		p, err := module.NewProxy(s.router, domain, stanza.MustAddr(target))
		if err != nil {
			return err
		}
		if err := s.router.Add(domain, p); err != nil {
			return err
		}
	}
	return s.roomHosts(ctx, verifier)
}

// accountGone ends what an account that was removed has left: its sessions, and the
// subscriptions of others. Nobody who takes the name later inherits anything.
func (s *Server) accountGone(contacts *roster, name, domain string) {
	owner, err := stanza.NewAddr(name, domain, "")
	u := s.users[domain]
	if err != nil || u == nil {
		return
	}
	for _, x := range u.Sessions(name) {
		x.Kick(stream.NotAuthorized, "The account was removed")
	}
	if left := slices.DeleteFunc(slices.Clone(*s.notices.admins.Load()), func(a string) bool { return a == owner.String() }); len(left) < len(*s.notices.admins.Load()) {
		if err := s.notices.set(noticeAdmins, strings.Join(left, "\n")); err != nil {
			s.log.WithError(err).Error("removed account is still an administrator")
		}
		s.router.SetAdmins(s.admins())
	}
	for _, c := range u.Contacts(owner) {
		if _, err := u.Remove(owner, c.Addr); err != nil {
			s.log.WithError(err).Error("contacts of a removed account cannot be told")
		}
	}
	s.services.forget(owner)
	if err := contacts.forget(owner); err != nil {
		s.log.WithError(err).Error("contact list of a removed account cannot be removed")
	}
}

func (s *Server) admins() []stanza.Addr {
	var out []stanza.Addr
	add := func(text string) {
		if a, err := stanza.ParseAddr(text); err == nil {
			out = append(out, a)
		}
	}
	for _, a := range slices.Concat(s.cfg.Admins, *s.notices.admins.Load()) {
		add(a)
	}
	for _, a := range s.cfg.ServiceAccounts {
		add(a.Name + "@" + a.Domain)
	}
	for domain := range s.cfg.Components {
		add(domain)
	}
	return out
}

func (s *Server) loginHosts(contacts *roster, verifier *jwtauth.Verifier) ([]*c2s.Host, error) {
	main := &c2s.Host{Domain: s.cfg.Domain, Hibernate: s.cfg.Hibernate, RequireTLS: s.cfg.RequireTLS,
		Anonymous: s.cfg.Authentication != ByAccount, WebPasswords: true}
	if verifier != nil {
		main.Verifier = s.loginVerifier(verifier)
	}
	if s.cfg.Authentication == ByAccount || s.cfg.PasswordAccounts {
		main.Accounts = s.accounts
	}
	hosts := []*c2s.Host{main, {Domain: s.cfg.AuthDomain, Accounts: s.accounts, WebPasswords: true,
		Hibernate: s.cfg.ServiceHibernate, RequireTLS: s.cfg.RequireTLS}}
	if s.cfg.GuestDomain != "" {
		hosts = append(hosts, &c2s.Host{Domain: s.cfg.GuestDomain, Anonymous: true, AnonymousTCP: true, Hibernate: s.cfg.Hibernate, RequireTLS: s.cfg.RequireTLS})
	}
	if s.cfg.RecorderDomain != "" {
		hosts = append(hosts, &c2s.Host{Domain: s.cfg.RecorderDomain, Accounts: s.accounts, WebPasswords: true,
			Hibernate: s.cfg.Hibernate, RequireTLS: s.cfg.RequireTLS})
	}
	if s.cfg.Shared.Domain != "" {
		shared, err := account.NewShared(s.cfg.Shared.Secret, s.cfg.Shared.Previous)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, &c2s.Host{Domain: s.cfg.Shared.Domain, Accounts: shared, WebPasswords: true,
			Hibernate: s.cfg.ServiceHibernate, RequireTLS: s.cfg.RequireTLS})
	}
	for _, h := range hosts {
		if err := s.loginHost(h, contacts); err != nil {
			return nil, err
		}
	}
	return hosts, nil
}

func (s *Server) loginHost(h *c2s.Host, contacts *roster) error {
	svc := module.NewService(s.router)
	o := router.UsersOptions{Service: svc}
	var list router.Roster
	// Who shows a shared secret has no account: nothing is kept for him.
	kept := h.Accounts == sasl.Accounts(s.accounts)
	if kept {
		list = contacts
		o.Roster = contacts
		o.Offline = &offline{db: s.db, max: s.cfg.OfflineMessages, now: time.Now}
		o.Exists = func(local string) bool {
			ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
			defer cancel()
			ok, err := s.accounts.Exists(ctx, local, h.Domain)
			if err != nil {
				s.log.WithError(err).WithField(logx.Host, h.Domain).Error("account cannot be looked up")
			}
			return ok
		}
	}
	if s.services != nil && kept {
		o.Hooks = s.hooks()
	}
	if kept {
		o.Arrived = s.arrived
		if o.Hooks == nil {
			o.Hooks = &router.Hooks{}
		}
		o.Hooks.OnSending(s.shun)
		o.Hooks.OnReceiving(s.shunned)
	}
	h.Users = router.NewUsers(s.router, h.Domain, o)
	svc.Ping()
	svc.Version(product, s.opts.Version)
	svc.Time(time.Now)
	svc.LastActivity(s.started, time.Now)
	svc.Roster(func() *router.Users { return h.Users }, list, s.log)
	svc.ExternalServices(s.external)
	d := module.Disco{Node: node, Identities: []module.Identity{{Category: "server", Type: "im", Name: product}}, Contacts: s.cfg.Services.Contacts}
	if s.services != nil && kept {
		s.services.answers(svc, h, &d, s.cfg.Services.Archive.Accounts)
	} else {
		svc.Gone()
	}
	if h.Domain == s.cfg.Domain {
		d.Items = s.items
		// Clients take the addresses of a meeting's services from here.
		for _, m := range s.cfg.Meeting.List() {
			d.Identities = append(d.Identities, module.Identity{Category: "component", Type: m.Type, Name: m.Addr})
		}
		if s.cfg.Meeting.TellServices {
			h.Welcome = func(rs *router.Session) *stanza.Stanza { return s.rules.Welcome(rs) }
		}
	}
	s.people(svc, h, &d)
	svc.Disco(d)
	if kept {
		(&adhoc{router: s.router, users: h.Users, list: s.adminCommands(h.Domain, h.Users)}).install(svc)
	}
	caps := svc.Caps(d)
	h.Features = func() []byte { return caps }
	s.users[h.Domain] = h.Users
	return s.router.Add(h.Domain, h.Users)
}

// items are the hosts below the main domain that people may ask about.
func (s *Server) items() []module.Item {
	var out []module.Item
	inner := map[string]bool{s.cfg.BreweryDomain: true}
	for _, h := range s.rules.Hosts() {
		inner[h.Domain()] = true // lobbies and breakout rooms are found through their meeting
	}
	for _, d := range s.router.Domains() {
		if s.users[d] == nil && !inner[d] && strings.HasSuffix(d, "."+s.cfg.Domain) {
			out = append(out, module.Item{Addr: d})
		}
	}
	return out
}

func (s *Server) roomHosts(ctx context.Context, verifier *jwtauth.Verifier) error {
	meetings, err := s.roomHost(ctx, s.cfg.ConferenceDomain, s.cfg.Rooms)
	if err != nil {
		return err
	}
	if s.rules, err = meeting.Install(meetings, s.meetingConfig(), verifier, s.log.WithField(logx.Host, s.cfg.ConferenceDomain)); err != nil {
		return err
	}
	context.AfterFunc(s.base, s.rules.Close)
	if err := s.guardFocus(); err != nil {
		return err
	}
	brewery, err := s.roomHost(ctx, s.cfg.BreweryDomain, s.cfg.Brewery)
	if err != nil {
		return err
	}
	brewery.Hooks().OnRequest(s.rules.TellRecorder)
	s.rooms = []*muc.Host{meetings, brewery}
	s.router.AddTenants(strings.TrimSuffix(s.cfg.ConferenceDomain, "."+s.cfg.Domain), s.cfg.Domain, meetings)
	for _, h := range s.rooms {
		if err := s.router.Add(h.Domain(), h); err != nil {
			return err
		}
	}
	s.rooms = append(s.rooms, s.rules.Hosts()...) // in charge of their domains already
	return nil
}

func (s *Server) roomHost(ctx context.Context, domain string, cfg muc.Config) (*muc.Host, error) {
	h, err := muc.NewHost(domain, cfg, s.router, nil, s.log.WithField(logx.Host, domain))
	if err != nil {
		return nil, err
	}
	if s.services != nil && s.cfg.Services.Archive.Rooms && domain == s.cfg.ConferenceDomain {
		h.SetArchive(s.services.archive)
	}
	return h, h.Keep(ctx, s.db)
}

var (
	_ sasl.Accounts      = (*account.Accounts)(nil)
	_ sasl.TokenVerifier = (*jwtauth.Verifier)(nil)
)
