package xmppd

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/account"
	"parley/xmppd/dataform"
	"parley/xmppd/module"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// selection is a set of accounts administrators count and list.
type selection struct {
	node, noun, num, jids string
	find                  func(a *administration) ([]string, error)
}

var selections = []selection{
	{"registered-users", "registered users", "registeredusersnum", "registereduserjids", func(a *administration) ([]string, error) {
		return a.accountsWhere(func(account.Account) bool { return true })
	}},
	{"disabled-users", "disabled users", "disabledusersnum", "disableduserjids", func(a *administration) ([]string, error) {
		return a.accountsWhere(func(x account.Account) bool { return x.Disabled })
	}},
	{"online-users", "users online", "onlineusersnum", "onlineuserjids", func(a *administration) ([]string, error) {
		return a.onlineWhere(func(*router.Session) bool { return true }), nil
	}},
	{"active-users", "users at their devices", "activeusersnum", "activeuserjids", func(a *administration) ([]string, error) {
		return a.onlineWhere(func(s *router.Session) bool { return !s.Idle() }), nil
	}},
	{"idle-users", "users not at their devices", "idleusersnum", "idleuserjids", func(a *administration) ([]string, error) {
		active := a.onlineWhere(func(s *router.Session) bool { return !s.Idle() })
		all := a.onlineWhere(func(*router.Session) bool { return true })
		return slices.DeleteFunc(all, func(x string) bool { return slices.Contains(active, x) }), nil
	}},
}

func (a *administration) accountsWhere(is func(account.Account) bool) (out []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	list, err := a.accounts.List(ctx, a.domain)
	for _, x := range list {
		if is(x) {
			out = append(out, x.String())
		}
	}
	return out, err
}

// onlineWhere are the accounts with a session that is so.
func (a *administration) onlineWhere(is func(*router.Session) bool) []string {
	seen := make(map[string]bool)
	for _, s := range a.users.All() {
		if !s.Info().Anonymous && is(s) {
			seen[s.Addr().Bare().String()] = true
		}
	}
	out := make([]string, 0, len(seen))
	for x := range seen {
		out = append(out, x)
	}
	slices.Sort(out)
	return out
}

func (a *administration) countCommands() (out []adhocCommand) {
	for _, x := range selections {
		out = append(out, adhocCommand{"get-" + x.node + "-num", "Count " + x.noun, nil,
			func(*module.Request, dataform.Values) (*dataform.Form, []byte, string) {
				list, err := x.find(a)
				if err != nil {
					return nil, nil, a.problem(err)
				}
				f := &dataform.Form{Type: "result", FormType: ns.Admin}
				return f.Add(x.num, "text-single", "The number of "+x.noun, strconv.Itoa(len(list))), nil, ""
			}})
	}
	return out
}

// pages are how many addresses an administrator may want to see.
var pages = []string{"25", "50", "75", "100", "150", "200", "none"}

func (a *administration) listCommands() (out []adhocCommand) {
	ask := func() *dataform.Form {
		f := &dataform.Form{Type: "form", FormType: ns.Admin}
		f.Add("max_items", "list-single", "The most to show", "100")
		f.Fields[0].Options = pages
		return f
	}
	for _, x := range selections {
		node := "get-" + x.node
		if x.node != "active-users" && x.node != "idle-users" {
			node += "-list" // as the XEP names them
		}
		out = append(out, adhocCommand{node, "List " + x.noun, ask,
			func(_ *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
				list, err := x.find(a)
				if err != nil {
					return nil, nil, a.problem(err)
				}
				most, _ := v.Text("max_items")
				if n, err := strconv.Atoi(most); err == nil && n >= 0 && n < len(list) {
					list = list[:n]
				}
				f := &dataform.Form{Type: "result", FormType: ns.Admin}
				return f.Add(x.jids, "jid-multi", "", list...), nil, ""
			}})
	}
	return out
}

func (a *administration) noticeCommands() []adhocCommand {
	edit := func(field, kind, label string, now func() []string) func() *dataform.Form {
		return func() *dataform.Form {
			f := &dataform.Form{Type: "form", FormType: ns.Admin}
			return f.Add(field, kind, label, now()...)
		}
	}
	motd := func() []string { return strings.FieldsFunc(*a.notices.motd.Load(), newline) }
	welcome := func() []string { return strings.FieldsFunc(*a.notices.welcome.Load(), newline) }
	nothing := func() []string { return nil }
	blocked := func() []string { return slices.Sorted(maps.Keys(*a.notices.blocked.Load())) }
	allowed := func() []string { return slices.Sorted(maps.Keys(*a.notices.allowed.Load())) }
	return []adhocCommand{
		{"announce", "Tell everybody who is online", edit("announcement", "text-multi", "What to tell", nothing), a.announce},
		{"set-motd", "Set the message of the day", edit("motd", "text-multi", "What those who log in are told", nothing), a.setNotice("motd", noticeMotd)},
		{"edit-motd", "Edit the message of the day", edit("motd", "text-multi", "What those who log in are told", motd), a.setNotice("motd", noticeMotd)},
		{"delete-motd", "Delete the message of the day", nil, func(*module.Request, dataform.Values) (*dataform.Form, []byte, string) {
			return nil, nil, a.problem(a.notices.set(noticeMotd, ""))
		}},
		{"set-welcome", "Set the welcome message", edit("welcome", "text-multi", "What those are told who log in for the first time", welcome), a.setNotice("welcome", noticeWelcome)},
		{"delete-welcome", "Delete the welcome message", nil, func(*module.Request, dataform.Values) (*dataform.Form, []byte, string) {
			return nil, nil, a.problem(a.notices.set(noticeWelcome, ""))
		}},
		{"edit-blacklist", "Edit the list of blocked addresses", edit("blacklistjids", "jid-multi", "Addresses and domains nobody here talks with", blocked), a.setList("blacklistjids", noticeBlocked)},
		{"edit-whitelist", "Edit the list of allowed addresses", edit("whitelistjids", "jid-multi", "Addresses and domains people here may talk with besides this server's; empty: all", allowed), a.setList("whitelistjids", noticeAllowed)},
		{"edit-admin", "Edit the list of administrators", edit("adminjids", "jid-multi", "Administrators", a.adminAddrs), a.setAdmins},
	}
}

func newline(r rune) bool { return r == '\n' }

// say is a message from the domain to one session.
func (s *Server) say(to *router.Session, text string) {
	from, err := stanza.ParseAddr(to.Addr().Domain())
	if err != nil {
		return
	}
	var b stanza.Builder
	b.Leaf("", "body", text)
	to.Deliver(to.Addr(), stanza.New(stanza.Message, stanza.Headline, from, to.Addr(), "").WithContent(b.Bytes()).Encode())
}

func (a *administration) announce(_ *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
	text, _ := v.Text("announcement")
	if strings.TrimSpace(text) == "" {
		return nil, nil, "Say something."
	}
	for _, s := range a.users.All() {
		if s.Available() {
			a.say(s, text)
		}
	}
	return nil, nil, ""
}

// setNotice keeps a text.
func (a *administration) setNotice(field, name string) func(*module.Request, dataform.Values) (*dataform.Form, []byte, string) {
	return func(_ *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
		text, _ := v.Text(field)
		return nil, nil, a.problem(a.notices.set(name, text))
	}
}

// setList keeps a list of addresses.
func (a *administration) setList(field, name string) func(*module.Request, dataform.Values) (*dataform.Form, []byte, string) {
	return func(r *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
		var list []string
		for _, text := range v[field] {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			x, err := stanza.ParseAddr(text)
			if err != nil {
				return nil, nil, text + " is no address."
			}
			if name == noticeBlocked && (r.From.Domain() == x.String() || r.From.Bare() == x.Bare()) {
				return nil, nil, "You would block yourself."
			}
			list = append(list, x.String())
		}
		return nil, nil, a.problem(a.notices.set(name, strings.Join(list, "\n")))
	}
}

// adminAddrs are the administrators that are people.
func (a *administration) adminAddrs() []string {
	list := slices.Concat(a.cfg.Admins, *a.notices.admins.Load())
	slices.Sort(list)
	return slices.Compact(list)
}

func (a *administration) setAdmins(_ *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
	var list []string
	for _, text := range v["adminjids"] {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		x, err := stanza.ParseAddr(text)
		if err != nil || x.Local() == "" || a.Server.users[x.Domain()] == nil || !a.Server.users[x.Domain()].HasAccount(x.Local()) {
			return nil, nil, text + " is no account of this server."
		}
		if !slices.Contains(a.cfg.Admins, x.Bare().String()) {
			list = append(list, x.Bare().String())
		}
	}
	for _, x := range a.cfg.Admins {
		if !slices.Contains(v["adminjids"], x) {
			return nil, nil, x + " is an administrator by the configuration; change admins there."
		}
	}
	problem := a.problem(a.notices.set(noticeAdmins, strings.Join(list, "\n")))
	a.router.SetAdmins(a.admins())
	return nil, nil, problem
}
