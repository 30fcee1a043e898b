// Package muctest is for plays of rooms: clients with scripted stanzas on a server
// that consists of a router, login hosts and one host of rooms. Plays run in a
// testing/synctest bubble, so nothing waits for real time.
package muctest

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// The names the plays are written with.
const (
	Domain = "meet.example.com"
	Auth   = "auth.meet.example.com"
	Rooms  = "conference.meet.example.com"
	Room   = "demo@conference.meet.example.com"
	Ann    = "aa11bb22-7c1e-4f0b-9d7e-1f6f3a6c5e21@meet.example.com/Rz1"
	Bob    = "cc33dd44-0b5a-4e53-8a5e-5a0de2b8f111@meet.example.com/Rz2"
	Focus  = "focus@auth.meet.example.com/focus"
)

// World is a server with a login host, a host of accounts, and rooms.
type World struct {
	T      *testing.T
	Router *router.Router
	Users  map[string]*router.Users
	Host   *muc.Host
}

// New makes a world; change may alter the default configuration of the rooms, hooks
// may be nil. focus@ and jvb@ of the account host are administrators.
func New(t *testing.T, change func(*muc.Config), hooks *muc.Hooks) *World {
	t.Helper()
	rt := router.New(logx.Discard())
	rt.SetAdmins([]stanza.Addr{stanza.MustAddr("focus@auth.meet.example.com"), stanza.MustAddr("jvb@auth.meet.example.com")})
	w := &World{T: t, Router: rt, Users: map[string]*router.Users{}}
	for _, d := range []string{Domain, Auth} {
		w.Users[d] = router.NewUsers(rt, d, router.UsersOptions{Service: nobody{rt}})
		require.NoError(t, rt.Add(d, w.Users[d]))
	}
	cfg := muc.DefaultConfig()
	cfg.AccountRooms = false // plays of meetings; those of plain rooms turn it on
	if change != nil {
		change(&cfg)
	}
	host, err := muc.NewHost(Rooms, cfg, rt, hooks, logx.Discard())
	require.NoError(t, err)
	require.NoError(t, rt.Add(Rooms, host))
	w.Host = host
	t.Cleanup(host.Close)
	return w
}

// nobody answers for the login host itself.
type nobody struct{ rt *router.Router }

func (n nobody) HandleStanza(st *stanza.Stanza, _ *router.Session) {
	n.rt.Bounce(st, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, ""))
}

// Client is a session whose sink writes down what it hears.
type Client struct {
	Addr    stanza.Addr
	Session *router.Session
	w       *World

	mu     sync.Mutex // guards the fields below
	heard  []string
	closed bool
}

// Deliver implements router.Sink.
func (c *Client) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.heard = append(c.heard, string(e.Append(nil, to, "jabber:client")))
	return true
}

// Kick implements router.Sink.
func (c *Client) Kick(string, string) {}

// Login binds a session.
func (w *World) Login(full string, info router.Info) *Client {
	w.T.Helper()
	c := &Client{w: w, Addr: stanza.MustAddr(full)}
	c.Session = router.NewSession(c.Addr, c, &info)
	require.Nil(w.T, w.Users[c.Addr.Domain()].Bind(c.Session))
	return c
}

// Web is a browser: it did not log in to an account.
func (w *World) Web(full string) *Client { return w.Login(full, router.Info{Anonymous: true}) }

// Account is somebody with a password.
func (w *World) Account(full string) *Client { return w.Login(full, router.Info{}) }

// Vanish ends the session without a word from it.
func (c *Client) Vanish() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.w.Users[c.Addr.Domain()].Unbind(c.Session, "")
}

// expand resolves the short forms the plays are written in.
func expand(s string) string {
	for _, n := range [][2]string{
		{"xmlns=muc#user", ns.MUCUser}, {"xmlns=muc#admin", ns.MUCAdmin}, {"xmlns=muc#owner", ns.MUCOwner}, {"xmlns=muc", ns.MUC},
		{"xmlns=info", ns.DiscoInfo}, {"xmlns=data", ns.Data}, {"xmlns=stanzas", ns.Stanzas}, {"xmlns=delay", ns.Delay},
		{"xmlns=oid", ns.OccupantID}, {"xmlns=ping", ns.Ping}, {"xmlns=nick", ns.Nick}, {"xmlns=jitmeet", ns.JitMeet}, {"xmlns=conference", ns.Conference},
	} {
		s = strings.ReplaceAll(s, n[0]+">", `xmlns="`+n[1]+`">`)
		s = strings.ReplaceAll(s, n[0]+"/>", `xmlns="`+n[1]+`"/>`)
		s = strings.ReplaceAll(s, n[0]+" ", `xmlns="`+n[1]+`" `)
	}
	return strings.NewReplacer("ROOM", Room, "ANNBARE", stanza.MustAddr(Ann).Bare().String(), "BOBBARE", stanza.MustAddr(Bob).Bare().String(),
		"ANN", Ann, "BOB", Bob, "FOCUS", Focus).Replace(s)
}

// Send sends a stanza in the short form of the plays.
func (c *Client) Send(xml string) {
	c.w.T.Helper()
	st, err := stanza.Parse([]byte(expand(xml)), nil)
	require.NoError(c.w.T, err, xml)
	c.w.Users[c.Addr.Domain()].FromSession(c.Session, st)
}

// Take is what was heard since the last call, when all is quiet.
func (c *Client) Take() []string {
	synctest.Wait()
	return c.Heard()
}

// Heard is the same at this moment, for plays in real time.
func (c *Client) Heard() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.heard
	c.heard = nil
	return h
}

// Hears checks that exactly these stanzas came, in this order. The value "*" of an
// attribute or a text stands for anything.
func (c *Client) Hears(want ...string) {
	c.w.T.Helper()
	got := c.Take()
	if len(got) != len(want) {
		c.w.T.Fatalf("heard %d stanzas instead of %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		c.Same(want[i], got[i])
	}
}

// HearsAmong checks that a stanza came, among others.
func (c *Client) HearsAmong(want string) {
	c.w.T.Helper()
	got := c.Take()
	w := parse(c.w.T, expand(want))
	for _, g := range got {
		if matches(w, parse(c.w.T, g)) == "" {
			return
		}
	}
	c.w.T.Fatalf("not heard:\n%s\nbut:\n%s", expand(want), strings.Join(got, "\n"))
}

// Same compares one stanza with the short form.
func (c *Client) Same(want, got string) {
	c.w.T.Helper()
	if d := matches(parse(c.w.T, expand(want)), parse(c.w.T, got)); d != "" {
		c.w.T.Fatalf("%s\nwant %s\n got %s", d, expand(want), got)
	}
}

// Join asks to enter Room under a nick, with elements inside the presence.
func (c *Client) Join(nick string, inside ...string) {
	c.w.T.Helper()
	c.Send(`<presence to="ROOM/` + nick + `"><x xmlns=muc/>` + strings.Join(inside, "") + `</presence>`)
}

// node is an element as the comparison sees it.
type node struct {
	name  xml.Name
	attrs map[string]string
	kids  []*node
	text  string
}

func parse(t *testing.T, s string) *node {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(s))
	d.DefaultSpace = ns.Client
	root := &node{}
	stack := []*node{root}
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return root.kids[0]
		}
		require.NoError(t, err, s)
		top := stack[len(stack)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			n := &node{name: tok.Name, attrs: map[string]string{}}
			for _, a := range tok.Attr {
				if a.Name.Local != "xmlns" {
					n.attrs[a.Name.Local] = a.Value
				}
			}
			top.kids = append(top.kids, n)
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text += strings.TrimSpace(string(tok))
		}
	}
}

// matches says what is different, "" if nothing is. Occupant ids are random and
// only compared where the play writes one.
func matches(want, got *node) string {
	if want.name != got.name {
		return fmt.Sprintf("element %v instead of %v", got.name, want.name)
	}
	kids := got.kids
	if !slices.ContainsFunc(want.kids, func(k *node) bool { return k.name.Space == ns.OccupantID }) {
		kids = slices.DeleteFunc(slices.Clone(kids), func(k *node) bool { return k.name.Space == ns.OccupantID })
	}
	names := map[string]bool{}
	for k := range want.attrs {
		names[k] = true
	}
	for k := range got.attrs {
		names[k] = true
	}
	for _, k := range sorted(names) {
		w, g := want.attrs[k], got.attrs[k]
		if w != g && (w != "*" || g == "") {
			return fmt.Sprintf("%s: attribute %s is %q instead of %q", want.name.Local, k, g, w)
		}
	}
	if want.text != "*" && want.text != got.text {
		return fmt.Sprintf("%s: text %q instead of %q", want.name.Local, got.text, want.text)
	}
	if len(kids) != len(want.kids) {
		return fmt.Sprintf("%s: %d children instead of %d", want.name.Local, len(kids), len(want.kids))
	}
	for i := range kids {
		if d := matches(want.kids[i], kids[i]); d != "" {
			return want.name.Local + "/" + d
		}
	}
	return ""
}

func sorted(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// Canonical is a stanza in a form that can be compared: attributes sorted, every
// namespace written, and without what is different in every run: occupant ids,
// language tags, and the ids for which keep is false.
func Canonical(t *testing.T, stanza string, keep func(id string) bool) string {
	t.Helper()
	n := parse(t, stanza)
	if !keep(n.attrs["id"]) {
		delete(n.attrs, "id")
	}
	delete(n.attrs, "lang")
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *node) write(b *strings.Builder) {
	if n.name.Space == ns.OccupantID {
		return
	}
	fmt.Fprintf(b, "<{%s}%s", n.name.Space, n.name.Local)
	names := map[string]bool{}
	for k := range n.attrs {
		names[k] = true
	}
	for _, k := range sorted(names) {
		fmt.Fprintf(b, " %s=%q", k, n.attrs[k])
	}
	fmt.Fprintf(b, ">%s", n.text)
	kids := make([]string, 0, len(n.kids))
	for _, k := range n.kids {
		var kb strings.Builder
		k.write(&kb)
		kids = append(kids, kb.String())
	}
	if n.name.Local == "permissions" {
		sort.Strings(kids) // a set
	}
	b.WriteString(strings.Join(kids, "") + "</>")
}
