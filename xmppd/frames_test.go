package xmppd

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/jwtauth"
)

// frame waits for one frame as it came.
func (p *peer) frame() string {
	p.t.Helper()
	select {
	case f, ok := <-p.in:
		if !ok {
			p.t.Fatalf("%s: the stream is over", p.name)
		}
		return f
	case <-time.After(patience):
		p.t.Fatalf("%s: no frame", p.name)
		return ""
	}
}

// Web clients read bytes rather than XML: each frame is one element, its namespace stands
// on it, and only the features have a prefix (RFC 7395 §3.3; strophejs, websocket.js).
func TestFrames(t *testing.T) {
	w := start(t)
	p := w.websocketPeer("ann", "?room=demo&token="+token(t, nil))
	stanzaOf := func(kind string) string { return `^<` + kind + ` xmlns="jabber:client"[ >][^\x00]*</` + kind + `>$` }
	const (
		features = `^<stream:features xmlns:stream="http://etherx.jabber.org/streams"[ >].*</stream:features>$`
		open     = `^<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" from="meet.example.com" id="[^"]+" version="1.0" xml:lang="en"/>$`
	)
	for _, step := range []struct {
		say    string
		frames []string
	}{
		{fmt.Sprintf(wsOpen, w.cfg.Domain), []string{open, features}},
		{`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`, []string{`^<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>$`}},
		{fmt.Sprintf(wsOpen, w.cfg.Domain), []string{open, `^<stream:features [^>]*><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><required/></bind>.*<sm xmlns="urn:xmpp:sm:3">.*</stream:features>$`}},
		{`<iq xmlns="jabber:client" type="set" id="_bind_auth_2"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>`, []string{`^<iq xmlns="jabber:client" type="result" id="_bind_auth_2"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>[0-9a-f]{8}-[^<]*</jid></bind></iq>$`}},
		{`<enable xmlns="urn:xmpp:sm:3" resume="true"/>`, []string{`^<enabled xmlns="urn:xmpp:sm:3" id="[A-Za-z0-9_-]+" resume="true" max="60"/>$`}},
		{`<iq xmlns="jabber:client" type="get" to="meet.example.com" id="d"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`, []string{stanzaOf("iq")}},
		{`<iq xmlns="jabber:client" type="get" to="nobody.example.com" id="e"><ping xmlns="urn:xmpp:ping"/></iq>`, []string{stanzaOf("iq")}},
		{`<presence xmlns="jabber:client" to="demo@conference.meet.example.com/aa"><x xmlns="http://jabber.org/protocol/muc"/></presence>`, []string{stanzaOf("presence")}},
		{`<r xmlns="urn:xmpp:sm:3"/>`, []string{`^<a xmlns="urn:xmpp:sm:3" h="3"/>$`}},
		{`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`, []string{`^<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />$`}}, // compared as a text, with the space
	} {
		p.send(step.say)
		for _, want := range step.frames {
			if got := p.frame(); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("after %s\n%s is not\n%s", step.say, got, want)
			}
		}
	}
	p.ended()
}

// failureText is how web clients find the reason of a refused log-in (lib-jitsi-meet,
// xmpp.ts, FAILURE_REGEX).
var failureText = regexp.MustCompile(`<failure.*><not-allowed/><text>(.*)</text></failure>`)

// Every reason for which a token is refused is found in the bytes, as it is.
func TestRefusalsAreReadable(t *testing.T) {
	w := start(t)
	good := token(t, nil)
	part := strings.Split(good, ".")
	late := func(c *jwtauth.Config, g *jwtauth.Grant) { g.NotBefore = time.Now().Add(time.Hour) }
	for _, tt := range []struct{ token, want string }{
		{"", "token required"},
		{"abc", "Invalid token"},
		{"!." + part[1] + "." + part[2], "Invalid header"},
		{part[0] + ".!." + part[2], "Invalid body"},
		{good[:len(good)-1] + "!", "Invalid signature"},
		{token(t, func(c *jwtauth.Config, _ *jwtauth.Grant) { c.Algorithm = "HS512"; c.Secret += c.Secret }), "Invalid or incorrect alg"},
		{token(t, func(c *jwtauth.Config, _ *jwtauth.Grant) { c.AppID = "other" }), "invalid 'iss' claim"},
		{token(t, func(c *jwtauth.Config, _ *jwtauth.Grant) { c.Audiences = []string{"other"} }), "invalid 'aud' claim"},
		{token(t, late), "Not acceptable by nbf"},
	} {
		p := w.websocketPeer(tt.want, "?token="+tt.token)
		p.say(wsOpen, w.cfg.Domain)
		p.expect(`</stream:features>`)
		p.say(`<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>`)
		m := failureText.FindStringSubmatch(p.frame())
		if m == nil || m[1] != tt.want {
			t.Errorf("%q is not found: %q", tt.want, m)
		}
	}
}
