package xmppd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"parley/internal/admin"
	"parley/xmppd/c2s"
	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// Stats are the numbers of the server, for status and metrics.
type Stats struct {
	Sessions c2s.Stats `json:"sessions"`
	// Accounts are the sessions that somebody logged in to with a password.
	Accounts   int                  `json:"accounts"`
	Components map[string]bool      `json:"components"` // connected or not
	Rooms      map[string]muc.Stats `json:"rooms"`      // by host
	// Panics are streams that ended by a fault in the server.
	Panics uint64 `json:"panics"`
}

// Stats counts what there is now.
func (s *Server) Stats() Stats {
	out := Stats{Sessions: s.c2s.Stats(), Components: make(map[string]bool), Rooms: make(map[string]muc.Stats), Panics: s.panics.Load()}
	for _, u := range s.users {
		for _, x := range u.All() {
			if !x.Info().Anonymous {
				out.Accounts++
			}
		}
	}
	for domain := range s.cfg.Components {
		out.Components[domain] = s.components.Component(domain).Connected()
	}
	for _, h := range s.rooms {
		out.Rooms[h.Domain()] = h.Stats()
	}
	return out
}

// Status says in a few phrases how busy the server is.
func (s *Server) Status() []string {
	st := s.Stats()
	rooms := st.Rooms[s.cfg.ConferenceDomain]
	out := []string{plural(st.Sessions.Sessions, "session"), plural(int(rooms.Rooms), "room"), plural(int(rooms.Occupants), "occupant")}
	for _, d := range sortedKeys(s.cfg.Components) {
		state := "not connected"
		if st.Components[d] {
			state = "connected"
		}
		out = append(out, d+" "+state)
	}
	return out
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Commands are the operator's verbs for sessions and rooms.
func (s *Server) Commands() []admin.Command {
	return append(s.shell(), []admin.Command{
		{Name: "rooms", Usage: "[HOST]", Help: "list the rooms and who is in them", Run: s.runRooms},
		{Name: "sessions", Usage: "[HOST]", Help: "list who is logged in, by which way and from where", Run: s.runSessions},
		{Name: "disconnect", Usage: "JID", Help: "end the sessions of an account, or one session", Run: s.runDisconnect},
	}...)
}

func (s *Server) runRooms(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
	if len(args) > 1 {
		return admin.Usagef("what is %q?", args[1])
	}
	found, n := len(args) == 0, 0
	for _, h := range s.rooms {
		if len(args) > 0 && args[0] != h.Domain() || len(args) == 0 && h.Domain() != s.cfg.ConferenceDomain {
			continue
		}
		found = true
		for _, r := range h.Rooms() {
			n++
			fmt.Fprintf(out, "%s   %s\n", r.Address, plural(len(r.Occupants), "occupant"))
			for _, o := range r.Occupants {
				fmt.Fprintf(out, "  %-16s %-12s %-12s %s\n", o.Nick, o.Affiliation, o.Role, strings.Join(o.Real, " "))
			}
		}
	}
	if !found {
		return fmt.Errorf("%s has no rooms", args[0])
	}
	fmt.Fprintln(out, plural(n, "room"))
	return nil
}

func (s *Server) runSessions(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
	if len(args) > 1 {
		return admin.Usagef("what is %q?", args[1])
	}
	var domains []string
	for d := range s.users {
		if len(args) == 0 || args[0] == d {
			domains = append(domains, d)
		}
	}
	if len(domains) == 0 {
		return fmt.Errorf("nobody can log in to %s", args[0])
	}
	slices.Sort(domains)
	n := 0
	for _, d := range domains {
		list := s.users[d].All()
		slices.SortFunc(list, func(a, b *router.Session) int { return strings.Compare(a.Addr().String(), b.Addr().String()) })
		for _, x := range list {
			n++
			i := x.Info()
			safe := "encrypted or trusted"
			if !i.Secure {
				safe = "in the clear"
			}
			fmt.Fprintf(out, "%s   %s from %s, %s\n", x.Addr(), i.Transport, stream.RemoteText(i.Client), safe)
		}
	}
	fmt.Fprintln(out, plural(n, "session"))
	return nil
}

func (s *Server) runDisconnect(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return admin.Usagef("say whom to disconnect, as in alice@meet.localhost")
	}
	addr, err := stanza.ParseAddr(args[0])
	u := s.users[addr.Domain()]
	if err != nil || u == nil || addr.Local() == "" {
		return fmt.Errorf("%q is no account of this server", args[0])
	}
	n := 0
	for _, x := range u.Sessions(addr.Local()) {
		if addr.IsBare() || x.Addr() == addr {
			x.Kick(stream.Reset, "Disconnected by the operator")
			n++
		}
	}
	fmt.Fprintln(out, plural(n, "session")+" ended")
	return nil
}
