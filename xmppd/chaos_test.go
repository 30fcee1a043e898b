package xmppd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// chaosSize is how many clients there are and for how long; PARLEY_CHAOS=1m makes
// it 500 for a minute.
func chaosSize() (clients int, d time.Duration) {
	if d, err := time.ParseDuration(os.Getenv("PARLEY_CHAOS")); err == nil {
		return 500, d
	}
	return 30, 1500 * time.Millisecond
}

const chaosRooms = 3

// guest is a person in the chaos. Its fields belong to its goroutine, heard to the
// one that reads for it until that has ended.
type guest struct {
	url  string
	conn *websocket.Conn
	jid  string
	room string
	nick atomic.Pointer[string]
	in   chan *stanza.Stanza
	over chan struct{}

	heard    []string // ids of what was said, in order
	wrong    []string // what was not for us
	whispers int      // what was for us alone
	closed   error
}

// TestChaos: clients come, join rooms, talk, leave and are cut at random. All in a room
// hear the same in the same order, nobody hears what is not his, and nothing is left.
func TestChaos(t *testing.T) {
	n, d := chaosSize()
	w := start(t, func(c *Config) {
		c.Authentication, c.Hibernate = Anonymously, time.Second
		c.Rooms.RestrictCreation, c.Rooms.StrictNicks, c.Meeting.FocusFirst = false, false, false
	})
	url := "ws" + strings.TrimPrefix(w.web.URL, "http") + "/xmpp-websocket"
	witnesses := make([]*guest, chaosRooms)
	for i := range witnesses {
		g, err := arrive(url)
		if err != nil {
			t.Fatal(err)
		}
		witnesses[i] = g
		if err := g.join(i, "witness"); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now().Add(d)
	var mu sync.Mutex
	var stays []*guest
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for time.Now().Before(end) {
				g, err := live(url, i)
				if err != nil {
					t.Errorf("guest %d: %v", i, err)
					return
				}
				mu.Lock()
				stays = append(stays, g)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	said, whispers := 0, 0
	for i, g := range witnesses {
		// His own word comes last.
		g.say("last" + strconv.Itoa(i))
		if err := g.wait(func(st *stanza.Stanza) bool { return st.ID == "last"+strconv.Itoa(i) }); err != nil {
			t.Errorf("witness %d: %v", i, err)
		}
		g.cut()
		said += len(g.heard)
		whispers += g.whispers
	}
	for _, g := range append(stays, witnesses...) {
		if len(g.wrong) > 0 {
			t.Errorf("%s in %s heard %s", g.jid, g.room, g.wrong[0])
		}
		for i, x := range witnesses {
			if x.room == g.room && !within(g.heard, x.heard) {
				t.Errorf("%s heard room %d in another order than its witness", g.jid, i)
			}
		}
	}
	t.Logf("%d stays, %d messages, %d whispers", len(stays), said, whispers)
	if whispers == 0 {
		t.Error("no whisper arrived")
	}
	eventually(t, func() bool { return w.Server.c2s.Stats().Sessions == 0 })
	if st := w.Server.Stats(); st.Panics > 0 || st.Rooms["conference.meet.example.com"].Occupants != 0 {
		t.Errorf("left: %+v", st)
	}
}

// within says that part is in whole, in that order, without gaps.
func within(part, whole []string) bool {
	if len(part) == 0 {
		return true
	}
	for i, x := range whole {
		if x == part[0] {
			return len(whole)-i >= len(part) && strings.Join(whole[i:i+len(part)], " ") == strings.Join(part, " ")
		}
	}
	return false
}

// live is one stay: arrive, join, talk, and go one way or another.
func live(url string, i int) (*guest, error) {
	g, err := arrive(url)
	if err != nil {
		return nil, err
	}
	defer g.cut()
	if err := g.join(rand.IntN(chaosRooms), "g"+strconv.Itoa(i)+"-"+g.jid[:8]); err != nil {
		return g, err
	}
	for range rand.IntN(6) {
		id := "m" + strconv.FormatUint(rand.Uint64(), 36)
		g.say(id)
		if rand.IntN(3) > 0 {
			if err := g.wait(func(st *stanza.Stanza) bool { return st.ID == id }); err != nil {
				return g, err
			}
		}
		g.whisper("witness")
	}
	switch rand.IntN(3) {
	case 0:
		g.write(`<presence xmlns="jabber:client" type="unavailable" to="%s"/>`, g.room)
	case 1:
		g.write(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`)
	}
	return g, nil
}

func (g *guest) write(format string, args ...any) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = g.conn.Write(ctx, websocket.MessageText, []byte(fmt.Sprintf(format, args...)))
}

func (g *guest) say(id string) {
	g.write(`<message xmlns="jabber:client" type="groupchat" to="%s" id="%s"><body>x</body></message>`, g.room, id)
}

// whisper says something to one occupant alone.
func (g *guest) whisper(nick string) {
	g.write(`<message xmlns="jabber:client" type="chat" to="%s/%s"><body>for %s</body></message>`, g.room, nick, nick)
}

// wait reads until something is as wanted.
func (g *guest) wait(is func(*stanza.Stanza) bool) error {
	timeout := time.After(2 * patience)
	for {
		select {
		case st, ok := <-g.in:
			if !ok {
				return fmt.Errorf("the stream ended: %w", g.closed)
			}
			if is(st) {
				return nil
			}
		case <-timeout:
			return errors.New("nothing came")
		}
	}
}

func named(name string) func(*stanza.Stanza) bool {
	return func(st *stanza.Stanza) bool { return st.Name == name }
}

// arrive logs in.
func arrive(url string) (*guest, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(1 << 20)
	g := &guest{url: url, conn: c, in: make(chan *stanza.Stanza, 4096), over: make(chan struct{})}
	go g.read()
	for _, x := range [][2]string{
		{fmt.Sprintf(wsOpen, domain), "features"},
		{`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`, "success"},
		{fmt.Sprintf(wsOpen, domain), "features"},
	} {
		g.write("%s", x[0])
		if err := g.wait(named(x[1])); err != nil {
			return nil, err
		}
	}
	g.write(`<iq xmlns="jabber:client" type="set" id="b"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`)
	return g, g.wait(func(st *stanza.Stanza) bool {
		b, ok := st.Child(ns.Bind, "bind")
		if ok {
			g.jid = stanza.Text([]byte(strings.TrimSuffix(strings.TrimPrefix(string(st.Raw(b)), `<bind xmlns="`+ns.Bind+`">`), "</bind>")))
		}
		return ok
	})
}

func (g *guest) join(room int, nick string) error {
	g.nick.Store(&nick)
	g.room = fmt.Sprintf("chaos%d@conference.%s", room, domain)
	g.write(`<presence xmlns="jabber:client" to="%s/%s"><x xmlns="http://jabber.org/protocol/muc"/></presence>`, g.room, nick)
	return g.wait(func(st *stanza.Stanza) bool { return st.Kind == stanza.Message && st.Has(ns.Client, "subject") })
}

// read takes what comes until the socket ends.
func (g *guest) read() {
	defer close(g.over)
	defer close(g.in)
	me := ""
	for {
		_, b, err := g.conn.Read(context.Background())
		if err != nil {
			g.closed = err
			return
		}
		st, err := stanza.Parse(b, nil)
		if err != nil {
			g.wrong = append(g.wrong, string(b))
			continue
		}
		switch to := st.To.String(); {
		case to == "":
		case me == "":
			me = to
		case me != to:
			g.wrong = append(g.wrong, string(b))
		}
		if body, ok := st.Child(ns.Client, "body"); ok && st.Type == stanza.Chat {
			g.whispers++
			if nick := g.nick.Load(); nick == nil || st.ChildText(body) != "for "+*nick {
				g.wrong = append(g.wrong, string(b))
			}
		}
		if st.Type == stanza.Groupchat && st.Has(ns.Client, "body") && !st.Has(ns.Delay, "delay") {
			g.heard = append(g.heard, st.ID)
		}
		select {
		case g.in <- st:
		default: // nobody waits for so much
		}
	}
}

// cut ends the socket without a word.
func (g *guest) cut() {
	_ = g.conn.CloseNow()
	<-g.over
}
