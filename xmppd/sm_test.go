package xmppd

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"parley/internal/logx"
)

func (p *peer) enable() (tok string) {
	p.t.Helper()
	p.say(`<enable xmlns="urn:xmpp:sm:3" resume="true"/>`)
	return p.expect(`<enabled xmlns="urn:xmpp:sm:3" id="([A-Za-z0-9_-]+)" resume="true" max="\d+"/>`)[1]
}

// again opens a new socket for a session to be resumed and logs in.
func (w *world) again(name, query string) *peer {
	w.t.Helper()
	p := w.websocketPeer(name, query)
	p.say(wsOpen, w.cfg.Domain)
	p.expect(`</stream:features>`)
	p.say(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`)
	p.expect(`^<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
	p.say(wsOpen, w.cfg.Domain)
	p.expect(`</stream:features>`)
	return p
}

func TestResume(t *testing.T) {
	w := start(t)
	query := "?room=demo&token=" + token(t, nil)
	ann, jid := w.webSession("ann", query)
	tok := ann.enable()
	focus := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	ann.say(`<presence xmlns="jabber:client" to="focus@auth.meet.example.com/focus"/>`)
	focus.expect(`<presence [^>]*from="` + regexp.QuoteMeta(jid) + `"/>`)
	focus.say(`<message to='%s' id='one'><body>1</body></message>`, jid)
	ann.expect(`id="one"`)

	// The socket vanishes; what is said meanwhile is kept, and nobody notices.
	ann.end()
	eventually(t, func() bool { return w.Server.c2s.Stats().Hibernating == 1 })
	focus.say(`<message to='%s' id='two'><body>2</body></message>`, jid)
	focus.say(`<iq to='auth.meet.example.com' type='get' id='sync'><ping xmlns='urn:xmpp:ping'/></iq>`)
	if m := focus.expect(`.*id="sync"[^>]*/>`)[0]; strings.Contains(m, "presence") || strings.Contains(m, "error") {
		t.Errorf("somebody noticed: %s", m)
	}
	back := w.again("back", query+"&previd="+tok)
	back.say(`<resume xmlns="urn:xmpp:sm:3" h="1" previd="%s"/>`, tok)
	back.expect(`^<resumed xmlns="urn:xmpp:sm:3" h="1" previd="` + tok + `"/>`)
	back.expect(`^<message xmlns="jabber:client" to="` + regexp.QuoteMeta(jid) + `" id="two"`)

	// A third socket takes over while the second is still open; the same token.
	third := w.again("third", query+"&previd="+tok)
	third.say(`<resume xmlns="urn:xmpp:sm:3" h="2" previd="%s"/>`, tok)
	third.expect(`^<resumed xmlns="urn:xmpp:sm:3" h="1" previd="` + tok + `"/>`)
	if got := back.ended(); !strings.Contains(got, "<conflict ") {
		t.Errorf("the old socket heard %q", got)
	}
	third.say(`<iq xmlns="jabber:client" type="get" to="meet.example.com" id="p"><ping xmlns="urn:xmpp:ping"/></iq>`)
	third.expect(`to="` + regexp.QuoteMeta(jid) + `" type="result" id="p"`)

	// Others cannot take it.
	thief := w.again("thief", query)
	thief.say(`<resume xmlns="urn:xmpp:sm:3" h="0" previd="%s"/>`, tok)
	thief.expect(`^<failed xmlns="urn:xmpp:sm:3"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`)
	// … and may bind afterwards.
	thief.bind("")

	// An orderly close is final.
	third.say(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`)
	third.ended()
	focus.expect(`<presence [^>]*type="unavailable" from="` + regexp.QuoteMeta(jid) + `"/>`)
	late := w.again("late", query+"&previd="+tok)
	late.say(`<resume xmlns="urn:xmpp:sm:3" h="2" previd="%s"/>`, tok)
	late.expect(`^<failed xmlns="urn:xmpp:sm:3"><item-not-found`)
}

func TestHibernationEnds(t *testing.T) {
	w := start(t, func(c *Config) { c.ServiceHibernate = time.Second })
	focus := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	jvb := w.account("jvb", "auth.meet.example.com", "jvbpw", "jvb")
	tok := jvb.enable()
	jvb.say(`<presence to='focus@auth.meet.example.com/focus'/>`)
	focus.expect(`<presence [^>]*from="jvb@auth.meet.example.com/jvb"/>`)
	jvb.end()
	eventually(t, func() bool { return w.Server.c2s.Stats().Hibernating == 1 })
	focus.say(`<iq to='jvb@auth.meet.example.com/jvb' type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>`)
	focus.expect(`<presence [^>]*type="unavailable" from="jvb@auth.meet.example.com/jvb"><status>Disconnected: Hibernating too long</status></presence>`)
	focus.expect(`<iq [^>]*type="error" id="q"[^>]*><error type="cancel"><recipient-unavailable`)
	p := w.tcp("jvb", "auth.meet.example.com")
	p.expect(`</stream:features>`)
	scramLogin(p, "SCRAM-SHA-1", scram.SHA1, "jvb", "jvbpw")
	p.say(header, "auth.meet.example.com")
	p.expect(`</stream:features>`)
	p.say(`<resume xmlns='urn:xmpp:sm:3' h='0' previd='%s'/>`, tok)
	p.expect(`<failed xmlns="urn:xmpp:sm:3" h="1"><item-not-found`)
}

func TestAcknowledgements(t *testing.T) {
	w := start(t)
	focus := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	ann, jid := w.webSession("ann", "?token="+token(t, nil))
	ann.enable()
	for i := range 7 {
		focus.say(`<message to='%s' id='x%d'><body>1</body></message>`, jid, i)
	}
	// All seven must be sent before six are acknowledged.
	ann.expect(`(?s)<r xmlns="urn:xmpp:sm:3"/>.*id="x6"`)
	ann.say(`<a xmlns="urn:xmpp:sm:3" h="6"/>`)
	ann.say(`<enable xmlns="urn:xmpp:sm:3" resume="true"/>`)
	ann.expect(`<failed xmlns="urn:xmpp:sm:3"><unexpected-request`)
	ann.say(`<a xmlns="urn:xmpp:sm:3" h="99"/>`)
	if got := ann.ended(); !strings.Contains(got, `<handled-count-too-high xmlns="urn:xmpp:sm:3" h="99" send-count="7"/>`) {
		t.Errorf("heard %q", got)
	}
}

func TestQueueOfTheAbsentIsBounded(t *testing.T) {
	w := start(t, func(c *Config) { c.Sessions.Unacked = 20 })
	focus := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	ann, jid := w.webSession("ann", "?token="+token(t, nil))
	ann.enable()
	ann.end()
	eventually(t, func() bool { return w.Server.c2s.Stats().Hibernating == 1 })
	for range 30 {
		focus.say(`<message to='%s' type='chat' id='x'><body>1</body></message>`, jid)
	}
	focus.expect(`type="error" id="x"`)
	eventually(t, func() bool { return w.users["meet.example.com"].Count() == 0 })
}

func TestStopIsPolite(t *testing.T) {
	w := start(t)
	comp := w.component()
	focus := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	ann, _ := w.webSession("ann", "?token="+token(t, nil))
	ann.enable()
	gone, _ := w.webSession("gone", "?token="+token(t, nil))
	gone.enable()
	gone.end()
	eventually(t, func() bool { return w.Server.c2s.Stats().Hibernating == 1 })
	waiting := w.tcp("waiting", "meet.example.com")
	p := w.bosh("?token=" + token(t, nil))
	p.login("meet.example.com")
	held := make(chan string, 1)
	p.rid++
	body := p.body(p.rid, "", "")
	go func() { held <- p.post(body) }()
	waitHeld(t, w, p.sid)
	began := time.Now()
	w.stop()
	if d := time.Since(began); d >= politeTime {
		t.Errorf("stopping took %v: somebody was waited for in vain", d)
	}
	for _, x := range []*peer{comp, focus, ann, waiting} {
		if got := x.ended(); !strings.Contains(got, `<system-shutdown xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`) {
			t.Errorf("%s heard %q", x.name, got)
		}
	}
	if got := <-held; !strings.Contains(got, "system-shutdown") {
		t.Errorf("BOSH heard %s", got)
	}
}

func TestPortTaken(t *testing.T) {
	l := listen(t)
	defer l.Close()
	cfg := testConfig(t)
	cfg.ComponentListen = l.Addr().String()
	s, err := New(cfg, logx.Discard(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(context.Background())
	if err == nil || !strings.HasPrefix(err.Error(), "component_listen: cannot listen on "+l.Addr().String()) {
		t.Errorf("Run: %v", err)
	}
}

func TestSlowReader(t *testing.T) {
	w := start(t, func(c *Config) { c.SendQueue = 64 << 10 })
	focus := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	// This one logs in and then reads nothing more.
	conn := dial(t, w.c2s)
	p := &peer{t: t, name: "slow", in: make(chan string, 1)}
	p.send = func(s string) { _, _ = conn.Write([]byte(s)) }
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		defer close(p.in)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			s := string(buf[:n])
			p.in <- s
			if strings.Contains(s, "bind1") {
				return
			}
		}
	}()
	p.say(header, "auth.meet.example.com")
	p.expect(`</stream:features>`)
	scramLogin(p, "SCRAM-SHA-1", scram.SHA1, "jvb", "jvbpw")
	p.say(header, "auth.meet.example.com")
	p.expect(`</stream:features>`)
	p.bind("slow")
	big := `<message to='jvb@auth.meet.example.com/slow' id='x'><body>` + strings.Repeat("x", 100<<10) + `</body></message>`
	done := make(chan struct{})
	go func() {
		defer close(done)
		for w.users["auth.meet.example.com"].Count() > 1 {
			focus.send(big)
		}
	}()
	select {
	case <-done:
	case <-time.After(3 * patience):
		t.Error("a session that does not read lives on")
	}
	focus.say(`<iq to='auth.meet.example.com' type='get' id='alive'><ping xmlns='urn:xmpp:ping'/></iq>`)
	focus.expect(`id="alive"`)
}
