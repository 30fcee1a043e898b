package xmppd

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/account"
	"parley/xmppd/dataform"
	"parley/xmppd/module"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// administration is what administrators may do with the accounts of one host by XMPP
// (XEP-0133). Messages to new accounts are left out.
type administration struct {
	*Server
	domain string
	users  *router.Users
}

const noAnswer = "The server could not do it; its log says why."

func (s *Server) adminCommands(domain string, users *router.Users) []adhocCommand {
	a := &administration{Server: s, domain: domain, users: users}
	var out []adhocCommand
	for _, c := range slices.Concat(a.accountCommands(), a.countCommands(), a.listCommands(), a.noticeCommands(), a.leaveCommands()) {
		c.node = ns.Admin + "#" + c.node
		out = append(out, c)
	}
	return out
}

// one asks for accounts, or one, and further fields: pairs of name and type.
func one(field, kind, label string, more ...string) func() *dataform.Form {
	return func() *dataform.Form {
		f := &dataform.Form{Type: "form", FormType: ns.Admin}
		f.Add(field, kind, label)
		for i := 0; i+1 < len(more); i += 2 {
			f.Add(more[i], more[i+1], "")
		}
		return f
	}
}

// each does something for each account of the form; full addresses keep their resource.
func (a *administration) each(do func(ctx context.Context, x stanza.Addr) error) func(*module.Request, dataform.Values) (*dataform.Form, []byte, string) {
	return func(_ *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
		list := append(slices.Clone(v["accountjids"]), v["accountjid"]...)
		if len(list) == 0 {
			return nil, nil, "Name an account."
		}
		ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
		defer cancel()
		for _, text := range list {
			x, problem := a.own(text)
			if problem == "" {
				problem = a.problem(do(ctx, x))
			}
			if problem != "" {
				return nil, nil, text + ": " + problem
			}
		}
		return nil, nil, ""
	}
}

// own reads an address of this host's accounts.
func (a *administration) own(text string) (x stanza.Addr, problem string) {
	x, err := stanza.ParseAddr(strings.TrimSpace(text))
	if err != nil || x.Local() == "" {
		return x, "this is no account's address."
	}
	if x.Domain() != a.domain {
		return x, "this account is on another server."
	}
	return x, ""
}

// problem is an error as an administrator may read it.
func (a *administration) problem(err error) string {
	var managed *account.ManagedError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, account.ErrNotFound), errors.Is(err, account.ErrExists), errors.Is(err, account.ErrName),
		errors.Is(err, account.ErrDomain), errors.Is(err, account.ErrPassword), errors.As(err, &managed), errors.Is(err, errNobody):
		return err.Error() + "."
	}
	a.log.WithError(err).Error("an administrator's command failed")
	return noAnswer
}

var errNobody = errors.New("nobody is logged in there")

func (a *administration) accountCommands() []adhocCommand {
	jids := func(label string) func() *dataform.Form { return one("accountjids", "jid-multi", label) }
	return []adhocCommand{
		{"add-user", "Add a user", one("accountjid", "jid-single", "The address of the new account", "password", "text-private", "password-verify", "text-private"), a.addUser},
		{"delete-user", "Delete users", jids("The accounts to delete"), a.each(func(ctx context.Context, x stanza.Addr) error {
			return a.accounts.Delete(ctx, x.Local(), a.domain)
		})},
		{"disable-user", "Disable users", jids("The accounts to disable"), a.each(func(ctx context.Context, x stanza.Addr) error {
			if err := a.accounts.SetDisabled(ctx, x.Local(), a.domain, true); err != nil {
				return err
			}
			a.endSessions(x.Bare(), stream.NotAuthorized, "The account was disabled")
			return nil
		})},
		{"reenable-user", "Re-enable users", jids("The accounts to enable again"), a.each(func(ctx context.Context, x stanza.Addr) error {
			return a.accounts.SetDisabled(ctx, x.Local(), a.domain, false)
		})},
		{"end-user-session", "End sessions", jids("The accounts or sessions to end"), a.each(func(_ context.Context, x stanza.Addr) error {
			if a.endSessions(x, stream.PolicyViolation, "Ended by an administrator") == 0 {
				return errNobody
			}
			return nil
		})},
		{"change-user-password", "Change a password", one("accountjid", "jid-single", "The account", "password", "text-private"), a.changePassword},
		{"get-user-roster", "Show a contact list", jids("The account"), a.userRoster},
		{"get-user-lastlogin", "Show when a user was here last", jids("The account"), a.lastLogin},
		{"user-stats", "Show what is known about a user", jids("The account"), a.userStats},
	}
}

// endSessions ends the sessions of an account, or the one of a full address.
func (a *administration) endSessions(x stanza.Addr, condition, text string) (n int) {
	for _, s := range a.users.Sessions(x.Local()) {
		if x.IsBare() || s.Addr() == x {
			s.Kick(condition, text)
			n++
		}
	}
	return n
}

func (a *administration) addUser(_ *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
	text, _ := v.Text("accountjid")
	password, _ := v.Text("password")
	again, _ := v.Text("password-verify")
	x, problem := a.own(text)
	switch {
	case problem != "":
		return nil, nil, text + ": " + problem
	case password != again:
		return nil, nil, "The two passwords differ."
	}
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	return nil, nil, a.problem(a.accounts.Create(ctx, x.Local(), a.domain, password))
}

func (a *administration) changePassword(r *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
	password, _ := v.Text("password")
	return a.each(func(ctx context.Context, x stanza.Addr) error {
		return a.accounts.SetPassword(ctx, x.Local(), a.domain, password)
	})(r, v)
}

// named reads the one account a form asks about.
func (a *administration) named(v dataform.Values) (x stanza.Addr, problem string) {
	list := v["accountjids"]
	if len(list) != 1 {
		return x, "Name one account."
	}
	if x, problem = a.own(list[0]); problem == "" && !a.users.HasAccount(x.Local()) {
		problem = account.ErrNotFound.Error() + "."
	}
	return x.Bare(), problem
}

func (a *administration) about(x stanza.Addr) *dataform.Form {
	f := &dataform.Form{Type: "result", FormType: ns.Admin}
	return f.Add("accountjids", "jid-multi", "", x.String())
}

func (a *administration) userRoster(_ *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
	x, problem := a.named(v)
	if problem != "" {
		return nil, nil, problem
	}
	var b stanza.Builder
	b.Start(ns.Roster, "query")
	for _, c := range a.users.Contacts(x) {
		if c.Listed {
			c.AppendItem(&b)
		}
	}
	return a.about(x), b.End().Bytes(), ""
}

// stamp is a point in time as XEP-0082 writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func (a *administration) lastLogin(_ *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
	x, problem := a.named(v)
	if problem != "" {
		return nil, nil, problem
	}
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	seen, err := a.accounts.Seen(ctx, x.Local(), a.domain)
	if err != nil {
		return nil, nil, a.problem(err)
	}
	for _, s := range a.users.Sessions(x.Local()) {
		if seen.Before(s.Since()) {
			seen = s.Since()
		}
	}
	f := a.about(x)
	if !seen.IsZero() {
		f.Add("lastlogin", "text-single", "Last log-in", stamp(seen))
	}
	return f, nil, ""
}

func (a *administration) userStats(_ *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
	x, problem := a.named(v)
	if problem != "" {
		return nil, nil, problem
	}
	var addrs, resources []string
	for _, s := range a.users.Sessions(x.Local()) {
		addrs = append(addrs, stream.RemoteText(s.Info().Client))
		resources = append(resources, s.Addr().Resource())
	}
	n := 0
	for _, c := range a.users.Contacts(x) {
		if c.Listed {
			n++
		}
	}
	f := a.about(x)
	f.Add("ipaddresses", "text-multi", "Addresses", addrs...)
	f.Add("rostersize", "text-single", "Contacts", strconv.Itoa(n))
	f.Add("onlineresources", "text-multi", "Sessions", resources...)
	return f, nil, ""
}
