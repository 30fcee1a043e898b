package xmppd

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"parley/internal/admin"
	"parley/xmppd/account"
	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// shell are the words of Prosody's admin shell that scripts use (mod_admin_shell). They
// stand for themselves and behind the word shell, there also as calls: shell
// "user:create('a@b', 'pw')".
func (s *Server) shell() []admin.Command {
	list := slices.Concat(s.userVerbs(), s.mucVerbs(), s.serverVerbs())
	return append(list, admin.Command{Name: "shell", Usage: "SECTION VERB ARG…", Help: "say a verb as Prosody's shell spells it",
		Run: func(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
			return runShell(ctx, list, args, in, out)
		}})
}

func runShell(ctx context.Context, list []admin.Command, args []string, in io.Reader, out io.Writer) error {
	if len(args) == 1 {
		args = callWords(args[0])
	}
	if len(args) > 3 && strings.HasPrefix(args[3], ":") && args[0] == "muc" && args[1] == "room" {
		// muc room ROOM :destroy
		args = append([]string{"muc", strings.TrimPrefix(args[3], ":"), args[2]}, args[4:]...)
	}
	for _, c := range list {
		words := strings.Fields(c.Name)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return c.Run(ctx, args[len(words):], in, out)
		}
	}
	return admin.Usagef("there is no such verb; `help` lists them")
}

// callWords makes words of a call: user:create('a@b', "pw") is user create a@b pw.
func callWords(call string) []string {
	head, rest, ok := strings.Cut(strings.TrimSpace(call), "(")
	if !ok {
		return strings.Fields(call)
	}
	words := strings.FieldsFunc(head, func(r rune) bool { return r == ':' || r == '.' })
	rest = strings.TrimSuffix(strings.TrimSpace(rest), ")")
	for rest = strings.TrimLeft(rest, " ,"); rest != ""; rest = strings.TrimLeft(rest, " ,") {
		if q := rest[0]; q == '"' || q == '\'' {
			value, after, _ := strings.Cut(rest[1:], string(q))
			words, rest = append(words, value), after
			continue
		}
		value, after, _ := strings.Cut(rest, ",")
		words, rest = append(words, strings.TrimSpace(value)), after
	}
	return words
}

// verb makes a command that takes a number of words and says OK in the end.
func verb(name, usage, help string, least, most int, run func(ctx context.Context, a []string, out io.Writer) (string, error)) admin.Command {
	return admin.Command{Name: name, Usage: usage, Help: help, Run: func(ctx context.Context, args []string, _ io.Reader, out io.Writer) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return admin.Usagef("%s needs %s", name, usage)
		}
		text, err := run(ctx, args, out)
		if err == nil && text != "" {
			fmt.Fprintln(out, "OK: "+text)
		}
		return err
	}}
}

// accountOf reads an account's address.
func (s *Server) accountOf(text string) (stanza.Addr, error) {
	a, err := stanza.ParseAddr(text)
	if err != nil || a.Local() == "" || s.users[a.Domain()] == nil {
		return a, fmt.Errorf("%q is no account of this server", text)
	}
	return a.Bare(), nil
}

func (s *Server) userVerbs() []admin.Command {
	disable := func(off bool, done string) func(context.Context, []string, io.Writer) (string, error) {
		return func(ctx context.Context, a []string, _ io.Writer) (string, error) {
			x, err := s.accountOf(a[0])
			if err != nil {
				return "", err
			}
			if err := s.accounts.SetDisabled(ctx, x.Local(), x.Domain(), off); err != nil {
				return "", err
			}
			if off {
				(&administration{Server: s, users: s.users[x.Domain()]}).endSessions(x, stream.NotAuthorized, "The account was disabled")
			}
			return done, nil
		}
	}
	return []admin.Command{
		verb("user create", "JID PASSWORD [ROLE]", "make an account", 2, 3, func(ctx context.Context, a []string, _ io.Writer) (string, error) {
			x, err := s.accountOf(a[0])
			if err != nil {
				return "", err
			}
			if err := s.accounts.Create(ctx, x.Local(), x.Domain(), a[1]); err != nil {
				return "", err
			}
			role := roleMember
			if len(a) == 3 {
				role = a[2]
				if err := s.setRole(x, role); err != nil {
					return "", err
				}
			}
			return fmt.Sprintf("Created %s with role '%s'", x, role), nil
		}),
		verb("user password", "JID PASSWORD", "give an account a new password", 2, 2, func(ctx context.Context, a []string, _ io.Writer) (string, error) {
			x, err := s.accountOf(a[0])
			if err != nil {
				return "", err
			}
			return "User password changed", s.accounts.SetPassword(ctx, x.Local(), x.Domain(), a[1])
		}),
		verb("user delete", "JID", "remove an account", 1, 1, func(ctx context.Context, a []string, _ io.Writer) (string, error) {
			x, err := s.accountOf(a[0])
			if err != nil {
				return "", err
			}
			return "User deleted", s.accounts.Delete(ctx, x.Local(), x.Domain())
		}),
		verb("user disable", "JID", "bar an account from logging in", 1, 1, disable(true, "User disabled")),
		verb("user enable", "JID", "let an account log in again", 1, 1, disable(false, "User enabled")),
		verb("user list", "HOST [PATTERN]", "list the accounts of a host", 1, 2, s.listUsers),
		verb("user role", "JID [HOST]", "say what an account may do", 1, 2, func(_ context.Context, a []string, _ io.Writer) (string, error) {
			x, err := s.accountOf(a[0])
			if err != nil {
				return "", err
			}
			if s.router.IsAdmin(x) {
				return roleAdmin, nil
			}
			return roleMember, nil
		}),
		verb("user set_role", "JID [HOST] ROLE", "let an account administrate, or not", 2, 3, func(_ context.Context, a []string, _ io.Writer) (string, error) {
			x, err := s.accountOf(a[0])
			if err != nil {
				return "", err
			}
			return "Role of " + x.String() + " set to " + a[len(a)-1], s.setRole(x, a[len(a)-1])
		}),
	}
}

// Roles of accounts, in Prosody's words.
const (
	roleMember = "prosody:member"
	roleAdmin  = "prosody:admin"
)

func (s *Server) setRole(x stanza.Addr, role string) error {
	list := slices.DeleteFunc(slices.Clone(*s.notices.admins.Load()), func(a string) bool { return a == x.String() })
	switch strings.TrimPrefix(role, "prosody:") {
	case "admin", "operator":
		if !s.users[x.Domain()].HasAccount(x.Local()) {
			return fmt.Errorf("%s does not exist", x)
		}
		list = append(list, x.String())
	case "member", "registered", "guest":
		if slices.Contains(s.cfg.Admins, x.String()) {
			return fmt.Errorf("%s is an administrator by the configuration; change admins there", x)
		}
	default:
		return fmt.Errorf("there is no role %q; there are %s and %s", role, roleMember, roleAdmin)
	}
	err := s.notices.set(noticeAdmins, strings.Join(list, "\n"))
	s.router.SetAdmins(s.admins())
	return err
}

func (s *Server) listUsers(ctx context.Context, a []string, out io.Writer) (string, error) {
	if s.users[a[0]] == nil {
		return "", account.ErrDomain
	}
	list, err := s.accounts.List(ctx, a[0])
	if err != nil {
		return "", err
	}
	n := 0
	for _, x := range list {
		if len(a) == 2 {
			if ok, err := path.Match(a[1], x.Name); err != nil || !ok && !strings.Contains(x.Name, a[1]) {
				continue
			}
		}
		n++
		fmt.Fprintln(out, x)
	}
	if len(a) == 1 {
		return fmt.Sprintf("Showing all %d users", n), nil
	}
	return fmt.Sprintf("Showing %d of %d users", n, len(list)), nil
}

// roomOf finds the host of a room.
func (s *Server) roomOf(text string) (*muc.Host, stanza.Addr, error) {
	a, err := stanza.ParseAddr(text)
	if err == nil && a.Local() != "" {
		for _, h := range s.rooms {
			if h.Domain() == a.Domain() || s.router.Host(a.Domain()) == router.Host(h) {
				return h, a.Bare(), nil
			}
		}
	}
	return nil, a, fmt.Errorf("%q is no address of a room here", text)
}

func (s *Server) mucVerbs() []admin.Command {
	onRoom := func(name, usage, help string, least, most int, run func(h *muc.Host, room stanza.Addr, a []string, out io.Writer) (string, error)) admin.Command {
		return verb(name, usage, help, least, most, func(_ context.Context, a []string, out io.Writer) (string, error) {
			h, room, err := s.roomOf(a[0])
			if err != nil {
				return "", err
			}
			return run(h, room, a[1:], out)
		})
	}
	affiliate := func(h *muc.Host, room stanza.Addr, a []string, _ io.Writer) (string, error) {
		who, err := stanza.ParseAddr(a[0])
		aff, ok := muc.ParseAffiliation(a[1])
		if err != nil || !ok {
			return "", fmt.Errorf("%s %s is not an address and one of owner, admin, member, none, outcast", a[0], a[1])
		}
		return who.Bare().String() + " is now " + a[1], h.Affiliate(room, who.Bare(), aff, strings.Join(a[2:], " "))
	}
	return []admin.Command{
		verb("muc list", "HOST", "list the rooms of a host", 1, 1, s.listRooms),
		onRoom("muc create", "ROOM@HOST", "open a room that stays when it is empty", 1, 1, func(h *muc.Host, room stanza.Addr, _ []string, _ io.Writer) (string, error) {
			return "Room created", h.CreateRoom(room, stanza.Addr{})
		}),
		onRoom("muc destroy", "ROOM@HOST [REASON]", "end a room; everybody inside leaves", 1, -1, func(h *muc.Host, room stanza.Addr, a []string, _ io.Writer) (string, error) {
			return "Room destroyed", h.DestroyRoom(room, strings.Join(a, " "))
		}),
		onRoom("muc kick", "ROOM@HOST NICK [REASON]", "put somebody out of a room", 2, -1, func(h *muc.Host, room stanza.Addr, a []string, _ io.Writer) (string, error) {
			return a[0] + " was kicked", h.KickOccupant(room, a[0], strings.Join(a[1:], " "))
		}),
		onRoom("muc occupants", "ROOM@HOST [FILTER]", "list who is in a room", 1, 2, listOccupants),
		onRoom("muc affiliations", "ROOM@HOST [FILTER]", "list who owns, administrates or may enter a room", 1, 2, listAffiliations),
		onRoom("muc affiliation", "ROOM@HOST JID AFFILIATION [REASON]", "let somebody own, administrate or enter a room, or not", 3, -1, affiliate),
		onRoom("muc set_affiliation", "ROOM@HOST JID AFFILIATION", "the same in Prosody's words", 3, -1, affiliate),
	}
}

func (s *Server) listRooms(_ context.Context, a []string, out io.Writer) (string, error) {
	for _, h := range s.rooms {
		if h.Domain() != a[0] {
			continue
		}
		rooms := h.Rooms()
		for _, r := range rooms {
			fmt.Fprintln(out, r.Address)
		}
		return plural(len(rooms), "room"), nil
	}
	return "", fmt.Errorf("%s has no rooms", a[0])
}

func listOccupants(h *muc.Host, room stanza.Addr, a []string, out io.Writer) (string, error) {
	list, err := h.Occupants(room)
	n := 0
	for _, o := range list {
		line := fmt.Sprintf("%-12s %-40s %s", o.Role, strings.Join(o.Real, " "), o.Nick)
		if len(a) == 0 || strings.Contains(line, a[0]) {
			n++
			fmt.Fprintln(out, line)
		}
	}
	return plural(n, "occupant") + " listed", err
}

func listAffiliations(h *muc.Host, room stanza.Addr, a []string, out io.Writer) (string, error) {
	list, err := h.Affiliations(room)
	var lines []string
	for who, aff := range list {
		if line := fmt.Sprintf("%-12s %s", aff, who); len(a) == 0 || strings.Contains(line, a[0]) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	for _, l := range lines {
		fmt.Fprintln(out, l)
	}
	return plural(len(lines), "affiliation") + " listed", err
}

func (s *Server) serverVerbs() []admin.Command {
	every := func(ctx context.Context, args []string, _ io.Reader, out io.Writer) error {
		if len(args) > 0 && (args[0] == "*" || strings.Contains(args[0], "@")) {
			args = nil
		}
		return s.runSessions(ctx, args, nil, out)
	}
	closing := func(text string, who func(*router.Session) bool) int {
		n := 0
		for _, u := range s.users {
			for _, x := range u.All() {
				if who(x) {
					x.Kick(stream.Reset, text)
					n++
				}
			}
		}
		return n
	}
	return []admin.Command{
		{Name: "c2s show", Usage: "[HOST]", Help: "list who is logged in", Run: every},
		verb("c2s count", "", "count who is logged in", 0, 0, func(context.Context, []string, io.Writer) (string, error) {
			return plural(s.c2s.Stats().Sessions, "client connection"), nil
		}),
		verb("c2s close", "JID [TEXT]", "end the sessions of an account, or one session", 1, -1, func(_ context.Context, a []string, _ io.Writer) (string, error) {
			who, err := stanza.ParseAddr(a[0])
			if err != nil {
				return "", err
			}
			n := closing(strings.Join(a[1:], " "), func(x *router.Session) bool { return x.Addr() == who || x.Addr().Bare() == who })
			return plural(n, "session") + " closed", nil
		}),
		verb("c2s closeall", "[TEXT]", "end all sessions", 0, -1, func(_ context.Context, a []string, _ io.Writer) (string, error) {
			return plural(closing(strings.Join(a, " "), func(*router.Session) bool { return true }), "session") + " closed", nil
		}),
		verb("host list", "", "list the domains that are served", 0, 0, func(_ context.Context, _ []string, out io.Writer) (string, error) {
			list := s.router.Domains()
			for _, d := range list {
				fmt.Fprintln(out, d)
			}
			return plural(len(list), "host"), nil
		}),
		verb("server version", "", "say which version runs", 0, 0, func(context.Context, []string, io.Writer) (string, error) {
			return product + " " + s.opts.Version, nil
		}),
		verb("server uptime", "", "say how long the server runs", 0, 0, func(context.Context, []string, io.Writer) (string, error) {
			return "This server has been running for " + time.Since(s.started).Round(time.Second).String(), nil
		}),
		verb("announce", "HOST TEXT", "tell everybody who is online on a host", 2, -1, func(_ context.Context, a []string, _ io.Writer) (string, error) {
			u := s.users[a[0]]
			if u == nil {
				return "", fmt.Errorf("nobody can log in to %s", a[0])
			}
			n := 0
			for _, x := range u.All() {
				if x.Available() {
					s.say(x, strings.Join(a[1:], " "))
					n++
				}
			}
			return "told " + plural(n, "session"), nil
		}),
		verb("mod_roster_command", "WORDS", "accepted for scripts of Jitsi's packages; nothing needs to be done here", 0, -1, func(context.Context, []string, io.Writer) (string, error) {
			return "nothing to do: services find each other without contact lists", nil
		}),
		verb("roster", "WORDS", "the same, as newer scripts spell it", 0, -1, func(context.Context, []string, io.Writer) (string, error) {
			return "nothing to do: services find each other without contact lists", nil
		}),
		verb("module", "WORDS", "accepted for scripts; services are always loaded", 0, -1, func(context.Context, []string, io.Writer) (string, error) {
			return "nothing to do: there are no modules to load", nil
		}),
	}
}
