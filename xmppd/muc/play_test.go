package muc_test

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
	"go.uber.org/goleak"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	domain = "meet.example.com"
	rooms  = "conference.meet.example.com"
	room   = "demo@conference.meet.example.com"
	ann    = "aa11bb22-7c1e-4f0b-9d7e-1f6f3a6c5e21@meet.example.com/Rz1"
	bob    = "cc33dd44-0b5a-4e53-8a5e-5a0de2b8f111@meet.example.com/Rz2"
	focus  = "focus@auth.meet.example.com/focus"
)

// world is a server with a login host, an account host, and rooms.
type world struct {
	t     *testing.T
	rt    *router.Router
	users map[string]*router.Users
	host  *muc.Host
}

func newWorld(t *testing.T, change func(*muc.Config), hooks *muc.Hooks) *world {
	t.Helper()
	rt := router.New(logx.Discard())
	rt.SetAdmins([]stanza.Addr{stanza.MustAddr("focus@auth.meet.example.com"), stanza.MustAddr("jvb@auth.meet.example.com")})
	w := &world{t: t, rt: rt, users: map[string]*router.Users{}}
	for _, d := range []string{domain, "auth.meet.example.com"} {
		w.users[d] = router.NewUsers(rt, d, router.UsersOptions{Service: nobody{rt}})
		require.NoError(t, rt.Add(d, w.users[d]))
	}
	cfg := muc.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	host, err := muc.NewHost(rooms, cfg, rt, hooks, logx.Discard())
	require.NoError(t, err)
	require.NoError(t, rt.Add(rooms, host))
	w.host = host
	t.Cleanup(host.Close)
	return w
}

// nobody answers for the login host itself.
type nobody struct{ rt *router.Router }

func (n nobody) HandleStanza(st *stanza.Stanza, _ *router.Session) {
	n.rt.Bounce(st, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, ""))
}

// client is a session whose sink writes down what it hears.
type client struct {
	w    *world
	addr stanza.Addr
	s    *router.Session

	mu     sync.Mutex // guards the fields below
	heard  []string
	closed bool
}

func (c *client) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.heard = append(c.heard, string(e.Append(nil, to, "jabber:client")))
	return true
}

func (c *client) Kick(string, string) {}

func (w *world) login(full string, info router.Info) *client {
	w.t.Helper()
	c := &client{w: w, addr: stanza.MustAddr(full)}
	c.s = router.NewSession(c.addr, c, &info)
	require.Nil(w.t, w.users[c.addr.Domain()].Bind(c.s))
	return c
}

func (w *world) web(full string) *client     { return w.login(full, router.Info{Anonymous: true}) }
func (w *world) account(full string) *client { return w.login(full, router.Info{}) }

// vanish ends the session without a word from it.
func (c *client) vanish() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.w.users[c.addr.Domain()].Unbind(c.s, "")
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
	return strings.NewReplacer("ROOM", room, "ANNBARE", ann[:strings.Index(ann, "/")], "BOBBARE", bob[:strings.Index(bob, "/")],
		"ANN", ann, "BOB", bob, "FOCUS", focus).Replace(s)
}

func (c *client) send(xml string) {
	c.w.t.Helper()
	st, err := stanza.Parse([]byte(expand(xml)), nil)
	require.NoError(c.w.t, err, xml)
	c.w.users[c.addr.Domain()].FromSession(c.s, st)
}

// take is what was heard since the last call.
func (c *client) take() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.heard
	c.heard = nil
	return h
}

// hears checks that exactly these stanzas came, in this order. The value "*" of an
// attribute or a text stands for anything.
func (c *client) hears(want ...string) {
	c.w.t.Helper()
	got := c.take()
	if len(got) != len(want) {
		c.w.t.Fatalf("heard %d stanzas instead of %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		c.same(want[i], got[i])
	}
}

// hearsAmong checks that a stanza came, among others.
func (c *client) hearsAmong(want string) {
	c.w.t.Helper()
	got := c.take()
	w := parse(c.w.t, expand(want))
	for _, g := range got {
		if matches(w, parse(c.w.t, g)) == "" {
			return
		}
	}
	c.w.t.Fatalf("not heard:\n%s\nbut:\n%s", expand(want), strings.Join(got, "\n"))
}

func (c *client) same(want, got string) {
	c.w.t.Helper()
	if d := matches(parse(c.w.t, expand(want)), parse(c.w.t, got)); d != "" {
		c.w.t.Fatalf("%s\nwant %s\n got %s", d, expand(want), got)
	}
}

func (c *client) join(nick string, inside ...string) {
	c.w.t.Helper()
	c.send(`<presence to="ROOM/` + nick + `"><x xmlns=muc/>` + strings.Join(inside, "") + `</presence>`)
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

// play runs a test in a bubble of its own time.
func play(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t) })
}

// meeting is a world with the focus, Ann and Bob in the room, and all ears empty.
func meeting(t *testing.T, change func(*muc.Config), hooks *muc.Hooks) (w *world, f, a, b *client) {
	t.Helper()
	w = newWorld(t, change, hooks)
	f, a, b = w.account(focus), w.web(ann), w.web(bob)
	f.join("focus")
	f.take()
	a.join("aa11bb22")
	b.join("cc33dd44")
	f.take()
	a.take()
	b.take()
	return w, f, a, b
}
