package xmppd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// childDatabase tells the test binary to be a server, see TestServeAsChild.
const childDatabase = "PARLEY_TEST_DATABASE"

// TestServeAsChild is no test of its own: it is the process that TestKilled kills. It
// ends with its input.
func TestServeAsChild(t *testing.T) {
	file := os.Getenv(childDatabase)
	if file == "" {
		t.Skip("only as a child of TestKilled")
	}
	w := start(t, func(c *Config) { c.Database, c.Rooms.AccountRooms = file, true })
	for _, name := range []string{"alice", "bob"} {
		err := w.Accounts().Create(context.Background(), name, domain, "pw of "+name)
		if err != nil && !strings.Contains(err.Error(), "exist") {
			t.Fatal(err)
		}
	}
	fmt.Printf("\nserving %s\n", w.c2s.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// elsewhere is a listener of another process.
type elsewhere struct {
	net.Listener
	at net.Addr
}

func (e elsewhere) Addr() net.Addr { return e.at }

// child runs a server in a process of its own; kill ends it without a word.
func child(t *testing.T, file string) (w *world, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServeAsChild$", "-test.count=1")
	// It is killed, so it cleans up nothing.
	cmd.Env = append(os.Environ(), childDatabase+"="+file, "TMPDIR="+filepath.Dir(file))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dead := false
	kill = func() {
		if !dead {
			dead = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			_ = in.Close()
		}
	}
	t.Cleanup(kill)
	said := bufio.NewScanner(out)
	for said.Scan() {
		if at, ok := strings.CutPrefix(said.Text(), "serving "); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return &world{t: t, c2s: elsewhere{at: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(at))}}, kill
		}
		t.Log(said.Text())
	}
	t.Fatal("the server did not start")
	return nil, nil
}

// seen looks for a message to bob in the archive of who sent it.
func seen(t *testing.T, a *peer) {
	t.Helper()
	bodies, _, _ := a.history("", mam("with", bob))
	has(t, strings.Join(bodies, ","), "for the archive")
}

// lasting is what alice says to a server, and what another one must know of it that has
// nothing but the database of the first.
type lasting struct {
	name       string
	say, check func(t *testing.T, a *peer)
}

// everythingThatLasts: each is killed for, so nothing that comes later may have saved it.
func everythingThatLasts() []lasting {
	const room = "kept@conference.meet.example.com"
	const form = `<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>` +
		`<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>` +
		`<field var='muc#roomconfig_persistentroom'><value>1</value></field><field var='muc#roomconfig_roomname'><value>The kept one</value></field></x></query>`
	return []lasting{
		{"roster",
			func(t *testing.T, a *peer) {
				has(t, a.ask("set", "", `<query xmlns='jabber:iq:roster'><item jid='carol@example.com' name='Carol'/></query>`), result)
			},
			func(t *testing.T, a *peer) {
				has(t, a.ask("get", "", `<query xmlns='jabber:iq:roster'/>`), `name="Carol"`)
			}},
		{"card, blocks, notes, bookmarks",
			func(t *testing.T, a *peer) {
				has(t, a.ask("set", "", `<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>`), result)
				has(t, a.ask("set", "", `<block xmlns='urn:xmpp:blocking'><item jid='eve@example.com'/></block>`), result)
				has(t, a.ask("set", "", `<query xmlns='jabber:iq:private'><n xmlns='urn:example:n'>note</n></query>`), result)
				has(t, a.ask("set", "", `<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:bookmarks:1'><item id='`+room+`'><conference xmlns='urn:xmpp:bookmarks:1' name='marked'/></item></publish></pubsub>`), result)
			},
			func(t *testing.T, a *peer) {
				has(t, a.ask("get", "", `<vCard xmlns='vcard-temp'/>`), `<FN>Alice</FN>`)
				has(t, a.ask("get", "", `<blocklist xmlns='urn:xmpp:blocking'/>`), `eve@example.com`)
				has(t, a.ask("get", "", `<query xmlns='jabber:iq:private'><n xmlns='urn:example:n'/></query>`), `note`)
				has(t, a.ask("get", "", `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub>`), `name="marked"`)
			}},
		{"room",
			func(t *testing.T, a *peer) {
				a.say(`<presence to='%s/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>`, room)
				a.expect(`(?s)code="110".*<subject`)
				has(t, a.ask("set", room, form), result)
				has(t, a.ask("set", room, `<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='outcast' jid='eve@example.com'/></query>`), result)
			},
			func(t *testing.T, a *peer) {
				has(t, a.ask("get", room, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `The kept one`)
				a.say(`<presence to='%s/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>`, room)
				a.expect(`(?s)code="110".*<subject`)
				has(t, a.ask("get", room, `<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='outcast'/></query>`), `eve@example.com`)
			}},
		{"message for the absent",
			func(t *testing.T, a *peer) {
				a.enable()
				a.say(`<message to='%s' type='chat' id='m'><body>are you there</body></message><r xmlns='urn:xmpp:sm:3'/>`, bob)
				a.expect(`<a xmlns="urn:xmpp:sm:3" h="1"`)
			},
			func(*testing.T, *peer) {}},
		{"what was said to somebody",
			func(t *testing.T, a *peer) {
				a.enable()
				a.say(`<message to='%s' type='chat' id='m2'><body>for the archive</body></message><r xmlns='urn:xmpp:sm:3'/>`, bob)
				a.expect(`<a xmlns="urn:xmpp:sm:3" h="1"`)
			}, seen},
		{"what was said in a room, and its subject",
			func(t *testing.T, a *peer) {
				a.say(`<presence to='%s/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>`, room)
				a.expect(`(?s)code="110".*<subject`)
				a.say(`<message to='%s' type='groupchat' id='s1'><subject>as long as it stands</subject></message>`, room)
				a.expect(`(?s)id="s1".*as long as it stands`)
				for i := range 20 {
					a.say(`<message to='%s' type='groupchat' id='g%d'><body>said %d.</body></message>`, room, i, i)
				}
				a.expect(`(?s)id="g19".*said 19\..*<stanza-id`)
			},
			func(t *testing.T, a *peer) {
				a.say(`<presence to='%s/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>`, room)
				a.expect(`(?s)code="110".*<subject>as long as it stands`)
				bodies, _, _ := a.history(room, mam())
				if n := len(bodies); n != 20 {
					t.Errorf("%d messages of 20: %v", n, bodies)
				}
			}},
	}
}

// TestKilled: what was acknowledged is there when the process was killed the moment
// after.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "parley.db")
	login := func(w *world, name string) *peer { return w.account(name, domain, "pw of "+name, name[:1]) }
	for _, tt := range everythingThatLasts() {
		w, kill := child(t, file)
		tt.say(t, login(w, "alice"))
		kill()
		w, kill = child(t, file)
		t.Run(tt.name, func(t *testing.T) { tt.check(t, login(w, "alice")) })
		kill()
	}
	w, _ := child(t, file)
	b := login(w, "bob")
	b.say(`<presence/>`)
	b.expect(`(?s)<message [^>]*id="m".*<body>are you there</body>.*<delay xmlns="urn:xmpp:delay"`)
}
