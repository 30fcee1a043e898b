package xmppd

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// person makes an account, once, and logs in to it.
func (w *world) person(name, resource string) *peer {
	w.t.Helper()
	err := w.Accounts().Create(context.Background(), name, "meet.example.com", "pw of "+name)
	if err != nil && !strings.Contains(err.Error(), "exist") {
		w.t.Fatal(err)
	}
	return w.account(name, "meet.example.com", "pw of "+name, resource)
}

var asked int

// ask sends a request and returns the whole answer. An empty to is left out.
func (p *peer) ask(typ, to, payload string) string {
	p.t.Helper()
	asked++
	id := fmt.Sprintf("ask%d", asked)
	if to != "" {
		to = " to='" + to + "'"
	}
	p.say("<iq type='%s' id='%s'%s>%s</iq>", typ, id, to, strings.ReplaceAll(payload, "%", "%%"))
	return p.expect(`(?s)<iq [^>]*id="` + id + `"[^>]*?(?:/>|>.*?</iq>)`)[0]
}

// friends lets each of two hear the other's presence; both are available afterwards.
func friends(a, b *peer, aAddr, bAddr string) {
	a.say("<presence/>")
	b.say("<presence/>")
	a.say("<presence to='%s' type='subscribe'/>", bAddr)
	b.expect(`<presence [^>]*type="subscribe"[^>]*/>`)
	b.say("<presence to='%s' type='subscribed'/>", aAddr)
	a.expect(`<presence [^>]*from="` + bAddr + `/[^>]*>`)
	b.say("<presence to='%s' type='subscribe'/>", aAddr)
	a.expect(`<presence [^>]*type="subscribe"[^>]*/>`)
	a.say("<presence to='%s' type='subscribed'/>", bAddr)
	b.expect(`<presence [^>]*from="` + aAddr + `/[^>]*>`)
}

// has checks an answer for substrings; one that begins with ! must not be there.
func has(t *testing.T, answer string, want ...string) {
	t.Helper()
	answer = strings.ReplaceAll(answer, "'", `"`)
	for _, x := range want {
		if no, not := strings.CutPrefix(x, "!"); not == strings.Contains(answer, strings.TrimPrefix(x, "!")) {
			if not {
				t.Errorf("%q should not be in %s", no, answer)
			} else {
				t.Errorf("%q is missing in %s", x, answer)
			}
		}
	}
}
