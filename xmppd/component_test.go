package xmppd

import (
	"strings"
	"testing"
)

func TestComponentRefusals(t *testing.T) {
	w := start(t)
	const open = `<stream:stream xmlns="jabber:component:accept" xmlns:stream="http://etherx.jabber.org/streams" to="focus.meet.example.com">`
	for _, tt := range []struct{ name, say, want string }{
		{"secret", open + `<handshake>0000</handshake>`, "not-authorized"},
		{"no handshake", open + `<iq type="get" from="focus.meet.example.com" to="meet.example.com" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, "not-authorized"},
		{"unknown", strings.Replace(open, "focus.", "nobody.", 1), "host-unknown"},
		{"login host", strings.Replace(open, "focus.", "", 1), "host-unknown"},
		{"no to", strings.Replace(open, ` to="focus.meet.example.com"`, "", 1), "improper-addressing"},
		{"namespace", strings.Replace(open, "component:accept", "client", 1), "invalid-namespace"},
		{"garbage", `GET / HTTP/1.1` + "\r\n\r\n", "bad-format"},
		{"markup", `<!DOCTYPE x>`, "restricted-xml"},
		{"not well formed", open + `<handshake></x>`, "not-well-formed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := connPeer(t, tt.name, dial(t, w.comps))
			p.say("%s", tt.say)
			got := p.ended()
			if !strings.Contains(got, `<`+tt.want+` xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`) || !strings.HasSuffix(got, `</stream:error></stream:stream>`) {
				t.Errorf("heard %q", got)
			}
		})
	}
	t.Run("second", func(t *testing.T) {
		first := w.component()
		p := connPeer(t, "second", dial(t, w.comps))
		p.say(open)
		id := p.expect(` id="([^"]+)"`)[1]
		p.say(`<handshake>%s</handshake>`, strings.ToUpper(digest(id, "s3cret")))
		ping := first.expect(`<iq to="focus.meet.example.com" type="get" id="([^"]+)" from="focus.meet.example.com"><ping xmlns="urn:xmpp:ping"/></iq>`)[1]
		first.say(`<iq type="result" from="focus.meet.example.com" to="focus.meet.example.com" id="%s"/>`, ping)
		if got := p.ended(); !strings.Contains(got, "<conflict ") {
			t.Errorf("heard %q", got)
		}
		first.say(`<iq type="get" from="focus.meet.example.com" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`)
		first.expect(`<iq to="focus.meet.example.com" type="error" id="1"[^>]*><error type="modify"><bad-request`)
		first.say(`<iq type="get" from="x@focus.meet.example.com/y" to="meet.example.com" id="2"><ping xmlns="urn:xmpp:ping"/></iq>`)
		first.expect(`<iq to="x@focus.meet.example.com/y" type="result" id="2" from="meet.example.com"/>`)
		first.say(`<message from="meet.example.com" to="x@meet.example.com"/>`)
		if got := first.ended(); !strings.Contains(got, "<invalid-from ") {
			t.Errorf("heard %q", got)
		}
	})
}

// A component whose connection went without a word is not locked out by it.
func TestComponentReplacesSilentOne(t *testing.T) {
	t.Parallel()
	w := start(t)
	silent := w.component()
	second := w.component()
	second.say(`<iq type="get" from="focus.meet.example.com" to="meet.example.com" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`)
	second.expect(`<iq to="focus.meet.example.com" type="result" id="1" from="meet.example.com"/>`)
	if got := silent.ended(); !strings.Contains(got, "<conflict ") {
		t.Errorf("heard %q", got)
	}
}

func TestComponentUnavailable(t *testing.T) {
	w := start(t)
	focus := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	ask := func() {
		t.Helper()
		focus.say(`<iq type='set' to='focus.meet.example.com' id='1'><conference xmlns='http://jitsi.org/protocol/focus'/></iq>`)
		focus.expect(`<iq [^>]*type="error" id="1" from="focus.meet.example.com"><error type="wait"><remote-server-timeout xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>` +
			`<text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">Component unavailable</text><not-connected xmlns="xmpp:prosody.im/protocol/component"/></error></iq>`)
	}
	ask()
	comp := w.component()
	comp.say(`</stream:stream>`)
	comp.ended()
	eventually(t, func() bool { return !w.components.Component("focus.meet.example.com").Connected() })
	ask()
	// A component that is gone may come back.
	w.component()
}

// The layout of 2018: a bridge as component, found by disco, talking to the focus.
func TestBridgeComponentOf2018(t *testing.T) {
	w := start(t, func(c *Config) { c.Components["jitsi-videobridge.meet.example.com"] = "br1dge" })
	jvb := connPeer(t, "jvb", dial(t, w.comps))
	jvb.say(`<?xml version="1.0"?><stream:stream xmlns="jabber:component:accept" xmlns:stream="http://etherx.jabber.org/streams" to="jitsi-videobridge.meet.example.com">`)
	jvb.say(`<handshake>%s</handshake>`, digest(jvb.expect(` id="([^"]+)"`)[1], "br1dge"))
	jvb.expect(`<handshake/>`)
	focus := w.component()
	user := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	user.say(`<iq type='get' to='meet.example.com' id='items'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>`)
	items := user.expect(`<iq [^>]*id="items"[^>]*>.*</iq>`)[0]
	for _, want := range []string{"conference", "focus", "jitsi-videobridge"} {
		if !strings.Contains(items, `<item jid="`+want+`.meet.example.com"/>`) {
			t.Errorf("%s is not listed: %s", want, items)
		}
	}
	if strings.Contains(items, "internal.") || strings.Contains(items, `jid="auth.`) {
		t.Errorf("listed: %s", items)
	}
	user.say(`<iq type='get' to='jitsi-videobridge.meet.example.com' id='v'><query xmlns='jabber:iq:version'/></iq>`)
	jvb.expect(`<iq to="jitsi-videobridge.meet.example.com" type="get" id="v" from="focus@auth.meet.example.com/focus"><query xmlns='jabber:iq:version'/></iq>`)
	jvb.say(`<iq from='jitsi-videobridge.meet.example.com' to='focus@auth.meet.example.com/focus' type='result' id='v'><query xmlns='jabber:iq:version'><name>x</name></query></iq>`)
	user.expect(`<iq [^>]*type="result" id="v" from="jitsi-videobridge.meet.example.com"><query xmlns='jabber:iq:version'><name>x</name></query></iq>`)
	focus.say(`<iq from='focus.meet.example.com/x' to='jitsi-videobridge.meet.example.com' type='set' id='c'><conference-modify xmlns='jitsi:colibri2'/></iq>`)
	jvb.expect(`<iq to="jitsi-videobridge.meet.example.com" type="set" id="c" from="focus.meet.example.com/x"><conference-modify xmlns='jitsi:colibri2'/></iq>`)
}

func TestClientProxy(t *testing.T) {
	w := start(t, func(c *Config) {
		c.Components = nil
		c.ClientProxies = map[string]string{"focus.meet.example.com": "focus@auth.meet.example.com"}
	})
	ann := w.account("jvb", "auth.meet.example.com", "jvbpw", "a/b@c")
	ask := func(id string) {
		ann.say(`<iq type='set' to='focus.meet.example.com' id='%s'><conference xmlns='http://jitsi.org/protocol/focus'/></iq>`, id)
	}
	ask("1")
	ann.expect(`<iq [^>]*type="error" id="1" from="focus.meet.example.com"><error type="cancel"><service-unavailable`)
	focus := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	other := w.account("focus", "auth.meet.example.com", "focuspw", "other")
	focus.say(`<presence/>`)
	focus.expect(`<presence [^>]*from="focus@auth.meet.example.com/focus"/>`)
	ask("2")
	const from = `focus.meet.example.com/jvb@auth.meet.example.com/a/b@c`
	focus.expect(`<iq to="focus@auth.meet.example.com/focus" type="set" id="2" from="` + from + `"><conference xmlns='http://jitsi.org/protocol/focus'/></iq>`)
	focus.say(`<iq type='result' to='%s' id='2'><conference xmlns='http://jitsi.org/protocol/focus' ready='true'/></iq>`, from)
	ann.expect(`<iq to="jvb@auth.meet.example.com/a/b@c" type="result" id="2" from="focus.meet.example.com"><conference xmlns='http://jitsi.org/protocol/focus' ready='true'/></iq>`)
	ann.say(`<message to='focus.meet.example.com' id='3'><body>x</body></message>`)
	ann.expect(`type="error" id="3"[^>]*><error type="cancel"><feature-not-implemented`)
	ann.say(`<presence to='focus.meet.example.com' id='4'/>`)
	ann.expect(`type="error" id="4"[^>]*><error type="cancel"><bad-request`)
	focus.say(`<iq type='get' to='%s' id='5'><ping xmlns='urn:xmpp:ping'/></iq>`, from)
	focus.expect(`type="error" id="5"[^>]*><error type="cancel"><feature-not-implemented`)
	focus.say(`<presence type='unavailable'/>`)
	focus.expect(`type="unavailable"`)
	focus.say(`</stream:stream>`)
	focus.ended()
	ask("6")
	other.expect(`<iq to="focus@auth.meet.example.com/other" type="set" id="6"`)
}

func TestClientStreamErrors(t *testing.T) {
	w := start(t)
	const open = `<stream:stream to='meet.example.com' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
	for _, tt := range []struct{ name, say, want string }{
		{"host", strings.Replace(open, "meet.", "nobody.", 1), "host-unknown"},
		{"component", strings.Replace(open, "meet.", "focus.meet.", 1), "host-unknown"},
		{"version", strings.Replace(open, "1.0", "0.9", 1), "unsupported-version"},
		{"namespace", strings.Replace(open, "jabber:client", "jabber:server", 1), "invalid-namespace"},
		{"too early", open + `<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>`, "not-authorized"},
		{"comment", open + `<!-- -->`, "restricted-xml"},
		{"large", open + `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>` + strings.Repeat("x", 300<<10), "policy-violation"},
		{"large header", `<stream:stream ` + strings.Repeat("a", 20<<10), "policy-violation"},
		{"latin", open + "<auth>\xe4</auth>", "unsupported-encoding"},
		{"text", open + "hello", "bad-format"},
		{"deep", open + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100), "policy-violation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := connPeer(t, tt.name, dial(t, w.c2s))
			p.say("%s", tt.say)
			got := p.ended()
			if !strings.HasPrefix(got, "<?xml version='1.0'?><stream:stream ") ||
				!strings.Contains(got, `<stream:error><`+tt.want+` xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`) || !strings.HasSuffix(got, `</stream:error></stream:stream>`) {
				t.Errorf("heard %q", got)
			}
		})
	}
}

func TestFromMustBeOwn(t *testing.T) {
	w := start(t)
	p := w.account("focus", "auth.meet.example.com", "focuspw", "focus")
	p.say(`<message from='focus@auth.meet.example.com' to='focus@auth.meet.example.com/focus' id='1'/>`)
	p.expect(`<message to="focus@auth.meet.example.com/focus" id="1" from="focus@auth.meet.example.com/focus"/>`)
	p.say(`<message from='jvb@auth.meet.example.com' to='focus@auth.meet.example.com/focus' id='2'/>`)
	if got := p.ended(); !strings.Contains(got, "<invalid-from ") {
		t.Errorf("heard %q", got)
	}
}

func TestTooManyAttempts(t *testing.T) {
	w := start(t)
	p := w.tcp("guesser", "meet.example.com")
	for range 5 {
		p.say(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>`)
		p.expect(`<failure xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><encryption-required/>`)
	}
	if got := p.ended(); !strings.Contains(got, "<policy-violation ") {
		t.Errorf("heard %q", got)
	}
}

func TestLoginTime(t *testing.T) {
	w := start(t, func(c *Config) { c.Sessions.LoginTime = 50_000_000 })
	p := connPeer(t, "half open", dial(t, w.c2s))
	if got := p.ended(); !strings.Contains(got, "<connection-timeout ") {
		t.Errorf("heard %q", got)
	}
	p = connPeer(t, "half open component", dial(t, w.comps))
	if got := p.ended(); !strings.Contains(got, "<connection-timeout ") {
		t.Errorf("heard %q", got)
	}
}

func TestWebSocketFrames(t *testing.T) {
	w := start(t)
	for _, tt := range []struct{ name, say, want string }{
		{"large", wsOpenTo + `` + "", ""},
		{"not an element", "hello", ""},
		{"garbage", "<a", "not-well-formed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := w.websocketPeer(tt.name, "")
			if tt.say == wsOpenTo {
				p.say(wsOpen, "meet.example.com")
				p.expect(`</stream:features>`)
				p.say(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl">%s</auth>`, strings.Repeat("x", 300<<10))
				tt.want = "<text xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\" xml:lang=\"en\">stanza too large</text>"
			} else {
				p.say("%s", tt.say)
			}
			if got := p.ended(); !strings.Contains(got, tt.want) {
				t.Errorf("heard %q", got)
			}
		})
	}
}

const wsOpenTo = "open first"
