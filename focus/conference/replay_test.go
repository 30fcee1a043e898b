package conference_test

import (
	"regexp"
	"strings"
	"testing"

	"parley/internal/wiretest"
)

// These tests send what real clients sent, and compare what the bridge and the other
// client hear with what an unmodified Jicofo made of it.

var sidAttr = regexp.MustCompile(` sid='[^']*'`)

// say sends a recorded request of the client in its present session.
func (c *client) say(file string) string {
	c.w.t.Helper()
	payload := sidAttr.ReplaceAllString(inner(recorded(c.w.t, file)), ` sid='`+c.sid+`'`)
	return c.w.callAs(c.addr(), "set", payload)
}

var statsID = regexp.MustCompile(` stats-id='[^']*'`)

// heard compares the newest request to the bridge about the client with the recorded one.
func (b *fakeBridge) heard(t *testing.T, nick, file string) {
	t.Helper()
	var got string
	for _, m := range b.got() {
		if len(m.Endpoints) == 1 && m.Endpoints[0].ID == nick {
			got = encode(t, m)
		}
	}
	want := statsID.ReplaceAllString(blank(inner(recorded(t, file))), ` stats-id='S-`+nick+`'`)
	if d := wiretest.Diff([]byte(want), []byte(blank(got))); d != "" {
		t.Errorf("%s: the bridge hears (-recorded +ours):\n%s", file, d)
	}
}

// told compares the newest stanza to the client with the recorded one.
func (c *client) told(file string) {
	c.w.t.Helper()
	c.mu.Lock()
	got := inner(c.raw[len(c.raw)-1])
	c.mu.Unlock()
	if d := wiretest.Diff([]byte(blank(inner(recorded(c.w.t, file)))), []byte(blank(got))); d != "" {
		c.w.t.Errorf("%s: %s hears (-recorded +ours):\n%s", file, c.nick, d)
	}
	if err := wiretest.CheckNamespaces([]byte(got)); err != nil {
		c.w.t.Error(err)
	}
}

func replay(t *testing.T, year, first, second string, then func(w *world, b *fakeBridge, one, two *client)) {
	play(t, func(w *world) {
		b := w.bridge("jvb-a")
		manual := func(c *client) { c.manual = true }
		one, two := w.enter(first, 1, manual), w.enter(second, 2, manual)
		for _, c := range []*client{one, two} {
			same(t, c.nick+" accepts", c.say(year+"-accept-"+c.nick), "ok")
			w.settle()
			b.heard(t, c.nick, year+"-update-"+c.nick)
		}
		one.told(year + "-told-" + first)
		two.told(year + "-told-" + second)
		if then != nil {
			then(w, b, one, two)
		}
		one.check()
		two.check()
	})
}

func TestReplayClientsOf2026(t *testing.T) {
	replay(t, "2026", "6d827112", "1335311d", func(w *world, b *fakeBridge, one, two *client) {
		same(t, "screen share", two.say("2026-share"), "ok")
		w.settle()
		b.heard(t, two.nick, "2026-share-update")
		one.told("2026-share-told")
	})
}

func TestReplayClientOf2023(t *testing.T) {
	replay(t, "2023", "a8cf75ac", "3da2a9ea", func(_ *world, _ *fakeBridge, one, _ *client) {
		if !strings.Contains(recorded(t, "2023-accept-"+one.nick), " ssrc=") {
			t.Error("the recording is not that of an old client")
		}
	})
}
