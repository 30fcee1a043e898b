package xmppd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// boshPeer is a scripted BOSH client.
type boshPeer struct {
	t    *testing.T
	url  string
	sid  string
	rid  int64
	http *http.Client
}

func (w *world) bosh(query string) *boshPeer {
	tr := &http.Transport{}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &boshPeer{t: w.t, url: w.web.URL + "/http-bind" + query, rid: 4000000, http: &http.Client{Transport: tr, Timeout: 2 * patience}}
}

// post sends a body as a beacon would and returns the answer.
func (p *boshPeer) post(body string) string {
	res, err := p.http.Post(p.url, "text/plain;charset=UTF-8", strings.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/xml; charset=utf-8" {
		p.t.Errorf("answer %d %s: %v", res.StatusCode, res.Header.Get("Content-Type"), err)
	}
	return string(b)
}

// ask sends the next request.
func (p *boshPeer) ask(attrs, content string) string {
	p.rid++
	return p.post(p.body(p.rid, attrs, content))
}

func (p *boshPeer) body(rid int64, attrs, content string) string {
	return fmt.Sprintf(`<body rid="%d" sid="%s" xmlns="http://jabber.org/protocol/httpbind" %s>%s</body>`, rid, p.sid, attrs, content)
}

func (p *boshPeer) create(to string) string {
	p.rid++
	got := p.post(fmt.Sprintf(`<body content="text/xml; charset=utf-8" hold="1" rid="%d" to="%s" ver="1.6" wait="60" xml:lang="en" xmlns="http://jabber.org/protocol/httpbind" xmlns:xmpp="urn:xmpp:xbosh" xmpp:version="1.0"/>`, p.rid, to))
	if m := regexp.MustCompile(` sid="([^"]+)"`).FindStringSubmatch(got); m != nil {
		p.sid = m[1]
	}
	return got
}

// login creates, authenticates, restarts and binds.
func (p *boshPeer) login(to string) (jid string) {
	p.t.Helper()
	p.create(to)
	want(p.t, p.ask("", `<auth mechanism="ANONYMOUS" xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`), `<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/></body>$`)
	got := p.ask(`to="`+to+`" xml:lang="en" xmpp:restart="true" xmlns:xmpp="urn:xmpp:xbosh"`, "")
	want(p.t, got, `<stream:features xmlns="jabber:client"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind">`)
	if strings.Contains(got, "urn:xmpp:sm:") {
		p.t.Error("stream management is offered on BOSH")
	}
	return want(p.t, p.ask("", `<iq type="set" id="_bind_auth_2" xmlns="jabber:client"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`),
		`<iq xmlns="jabber:client" type="result" id="_bind_auth_2"><bind [^>]*><jid>([^<]*)</jid></bind></iq></body>$`)[1]
}

func want(t *testing.T, got, pattern string) []string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(got)
	if m == nil {
		t.Fatalf("got  %s\nwant %s", got, pattern)
	}
	return m
}

func TestBOSH(t *testing.T) {
	w := start(t)
	p := w.bosh("?room=demo&token=" + token(t, nil))
	got := p.create("meet.example.com")
	for _, a := range []string{`authid="` + p.sid + `"`, `wait="60"`, `inactivity="60"`, `polling="5"`, `requests="2"`, `hold="1"`, `secure="true"`,
		`ver="1.6"`, `from="meet.example.com"`, `xmpp:version="1.0"`, `xmlns:xmpp="urn:xmpp:xbosh"`, `xmlns:stream="http://etherx.jabber.org/streams"`,
		`<stream:features xmlns="jabber:client"><mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><mechanism>ANONYMOUS</mechanism></mechanisms></stream:features></body>`} {
		if !strings.Contains(got, a) {
			t.Errorf("creation answer lacks %s: %s", a, got)
		}
	}
	jid := w.bosh("?room=demo&token=" + token(t, nil)).login("meet.example.com")
	p = w.bosh("?room=demo&token=" + token(t, nil))
	mine := p.login("meet.example.com")
	if mine == jid {
		t.Error("two sessions have one address")
	}

	// A request is held until something arrives for it.
	held := make(chan string, 1)
	p.rid++
	body := p.body(p.rid, "", "")
	go func() { held <- p.post(body) }()
	focus := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	focus.say(`<message to='%s' id='x'><body>hi</body></message>`, mine)
	want(t, <-held, `<message xmlns="jabber:client" to="`+regexp.QuoteMeta(mine)+`" id="x" from="focus@auth.meet.example.com/focus"><body>hi</body></message></body>$`)

	// A newer request makes the held one be answered, empty.
	p.rid++
	body = p.body(p.rid, "", "")
	go func() { held <- p.post(body) }()
	waitHeld(t, w, p.sid)
	got = p.ask("", `<iq type="get" id="p" to="meet.example.com" xmlns="jabber:client"><ping xmlns="urn:xmpp:ping"/></iq>`)
	want(t, got, `<iq xmlns="jabber:client" [^>]*id="p" from="meet.example.com"/></body>$`)
	if empty := <-held; strings.Contains(empty, "<iq") {
		t.Errorf("held request got %s", empty)
	}

	// The network repeats a request: same answer, nothing done twice.
	again := p.post(p.body(p.rid, "", `<iq type="get" id="other" to="meet.example.com" xmlns="jabber:client"><ping xmlns="urn:xmpp:ping"/></iq>`))
	if again != got {
		t.Errorf("repeated: %s", again)
	}

	// Elements without a namespace are the client's stanzas.
	want(t, p.ask("", `<iq type="get" id="q" to="meet.example.com"><ping xmlns="urn:xmpp:ping"/></iq>`), `id="q" from="meet.example.com"/></body>$`)

	// One request too early waits for its turn.
	early := make(chan string, 1)
	p.rid += 2
	body = p.body(p.rid, "", `<iq type="get" id="second" to="meet.example.com" xmlns="jabber:client"><ping xmlns="urn:xmpp:ping"/></iq>`)
	go func() { early <- p.post(body) }()
	want(t, p.post(p.body(p.rid-1, "", `<iq type="get" id="first" to="meet.example.com" xmlns="jabber:client"><ping xmlns="urn:xmpp:ping"/></iq>`)), `id="first"`)
	want(t, <-early, `id="second"`)

	// The payload of the last request still counts.
	p.rid++
	focusAddr := "focus@auth.meet.example.com/focus"
	p.post(p.body(p.rid, "", `<presence to="`+focusAddr+`" xmlns="jabber:client"/><iq type="get" id="z" to="meet.example.com"><ping xmlns="urn:xmpp:ping"/></iq>`))
	focus.expect(`<presence [^>]*from="` + regexp.QuoteMeta(mine) + `"/>`)
	got = p.ask(`type="terminate"`, `<message to="`+focusAddr+`" id="bye" xmlns="jabber:client"><body>bye</body></message>`)
	want(t, got, `type="terminate"`)
	focus.expect(`id="bye"`)
	focus.expect(`<presence [^>]*type="unavailable"[^>]*from="` + regexp.QuoteMeta(mine) + `"`)
	want(t, p.ask("", ""), `<body xmlns="http://jabber.org/protocol/httpbind" type="terminate" condition="item-not-found"/>`)
}

// waitHeld waits until the session holds a request.
func waitHeld(t *testing.T, w *world, sid string) {
	t.Helper()
	eventually(t, func() bool { return w.Server.bosh.Holds(sid) })
}

// eventually polls a condition; for what has no event to wait for.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("waited in vain")
		case <-tick.C:
		}
	}
}

func TestBOSHRefusals(t *testing.T) {
	w := start(t)
	for _, tt := range []struct{ name, body, want string }{
		{"component", `<body rid="1" to="focus.meet.example.com" wait="60" xmlns="http://jabber.org/protocol/httpbind"/>`, "improper-addressing"},
		{"no to", `<body rid="1" wait="60" xmlns="http://jabber.org/protocol/httpbind"/>`, "improper-addressing"},
		{"rid", `<body rid="x" to="meet.example.com" wait="60" xmlns="http://jabber.org/protocol/httpbind"/>`, "bad-request"},
		{"wait", `<body rid="1" to="meet.example.com" wait="1.5" xmlns="http://jabber.org/protocol/httpbind"/>`, "bad-request"},
		{"sid", `<body rid="1" sid="nobody" xmlns="http://jabber.org/protocol/httpbind"/>`, "item-not-found"},
		{"garbage", `<body`, "bad-request"},
		{"other", `<html xmlns="http://jabber.org/protocol/httpbind"/>`, "bad-request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want(t, w.bosh("").post(tt.body), `type="terminate" condition="`+tt.want+`"`)
		})
	}
	t.Run("gap", func(t *testing.T) {
		p := w.bosh("?token=" + token(t, nil))
		p.login("meet.example.com")
		p.rid += 5
		want(t, p.ask("", ""), `type="terminate" condition="item-not-found"`)
		want(t, p.ask("", ""), `type="terminate" condition="item-not-found"`)
		eventually(t, func() bool { return w.Server.bosh.Len() == 0 })
	})
	t.Run("too large", func(t *testing.T) {
		p := w.bosh("?token=" + token(t, nil))
		p.login("meet.example.com")
		got := p.ask("", `<message to="meet.example.com" xmlns="jabber:client"><body>`+strings.Repeat("x", 300<<10)+`</body></message>`)
		want(t, got, `type="terminate" condition="remote-stream-error"><stream:error><policy-violation xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`)
	})
	t.Run("refused token", func(t *testing.T) {
		p := w.bosh("")
		p.create("meet.example.com")
		want(t, p.ask("", `<auth mechanism="ANONYMOUS" xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`),
			`<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><not-allowed/><text>token required</text></failure></body>`)
	})
}

func TestHTTPFront(t *testing.T) {
	w := start(t)
	do := func(method, path string, header ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequest(method, w.web.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := w.web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return res
	}
	for _, path := range []string{"/http-bind", "/xmpp-websocket"} {
		if res := do("GET", path); res.StatusCode != 200 {
			t.Errorf("GET %s: %d", path, res.StatusCode)
		}
		res := do("OPTIONS", path, "Origin", "https://example.com")
		if res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Origin") != "https://example.com" || res.Header.Get("Access-Control-Max-Age") != "7200" {
			t.Errorf("OPTIONS %s: %d %v", path, res.StatusCode, res.Header)
		}
	}
	res := do("GET", "/xmpp-websocket", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if res.StatusCode != http.StatusNotImplemented {
		t.Errorf("without subprotocol: %d", res.StatusCode)
	}
}
