package xmppd

import (
	"context"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

const (
	sasl2    = `xmlns='urn:xmpp:sasl:2'`
	allOfIt  = `<bind xmlns='urn:xmpp:bind:0'><tag>Talk</tag><enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='urn:xmpp:sm:3' resume='true' max='30'/><inactive xmlns='urn:xmpp:csi:0'/><enable xmlns='urn:nobody'/></bind>`
	agentOne = `<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>Talk</software></user-agent>`
)

// sasl2Login logs alice in and asks for more; the answer is left to be expected.
func sasl2Login(p *peer, password, asks string) {
	p.t.Helper()
	c, err := scram.SHA256.NewClient("alice", password, "")
	if err != nil {
		p.t.Fatal(err)
	}
	conv := c.NewConversation()
	first, _ := conv.Step("")
	p.say(`<authenticate %s mechanism='SCRAM-SHA-256'><initial-response>%s</initial-response>%s</authenticate>`,
		sasl2, base64.StdEncoding.EncodeToString([]byte(first)), asks)
	b, _ := base64.StdEncoding.DecodeString(p.expect(`^[^<]*<challenge xmlns="urn:xmpp:sasl:2">([^<]*)</challenge>`)[1])
	second, err := conv.Step(string(b))
	if err != nil {
		p.t.Fatal(err)
	}
	p.say(`<response %s>%s</response>`, sasl2, base64.StdEncoding.EncodeToString([]byte(second)))
}

func (w *world) alice(name string) *peer {
	w.t.Helper()
	p := w.tcp(name, "meet.example.com")
	p.expect(`<authentication xmlns="urn:xmpp:sasl:2"><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism>` +
		`<inline><sm xmlns="urn:xmpp:sm:3"/><bind xmlns="urn:xmpp:bind:0"><inline><feature var="urn:xmpp:carbons:2"/>` +
		`<feature var="urn:xmpp:csi:0"/><feature var="urn:xmpp:sm:3"/></inline></bind></inline></authentication>.*</stream:features>`)
	return p
}

func startAlice(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	w := start(t, change...)
	if err := w.Accounts().Create(context.Background(), "alice", "meet.example.com", "correct horse"); err != nil {
		t.Fatal(err)
	}
	return w
}

// Log-in, binding and what a client wants to be on, in one answer; then what was lost is
// taken up again the same way.
func TestLoginInOneRoundTrip(t *testing.T) {
	w := startAlice(t)
	p := w.alice("one")
	sasl2Login(p, "correct horse", agentOne+allOfIt)
	m := p.expect(`^<success xmlns="urn:xmpp:sasl:2"><additional-data>[^<]+</additional-data>` +
		`<authorization-identifier>(alice@meet.example.com/Talk~[A-Za-z0-9_-]{12})</authorization-identifier>` +
		`<bound xmlns="urn:xmpp:bind:0"><enabled xmlns="urn:xmpp:sm:3" id="([A-Za-z0-9_-]+)" resume="true" max="30"/></bound></success>` +
		`<stream:features>([^\n]*)</stream:features>`)
	jid, tok := m[1], m[2]
	if strings.Contains(m[3], "<bind") || strings.Contains(m[3], "urn:xmpp:sm") {
		t.Errorf("features of a bound stream: %s", m[3])
	}
	// The counters run, and carbons are on.
	p.say(`<presence><priority>1</priority></presence><r xmlns='urn:xmpp:sm:3'/>`)
	p.expect(`<a xmlns="urn:xmpp:sm:3" h="1"/>`)
	other := w.account("alice", "meet.example.com", "correct horse", "other")
	other.say(`<message to='focus@auth.meet.example.com' type='chat' id='c'><body>copy</body></message>`)
	p.expect(`<sent xmlns="urn:xmpp:carbons:2">`)

	p.end()
	eventually(t, func() bool { return w.Server.c2s.Stats().Hibernating == 1 })
	other.say(`<message to='%s' type='chat' id='late'><body>late</body></message>`, jid)
	other.say(`<iq to='meet.example.com' type='get' id='sync'><ping xmlns='urn:xmpp:ping'/></iq>`)
	other.expect(`id="sync"`)
	back := w.alice("back")
	sasl2Login(back, "correct horse", agentOne+`<resume xmlns='urn:xmpp:sm:3' previd='`+tok+`' h='2'/>`+allOfIt)
	back.expect(`^<success xmlns="urn:xmpp:sasl:2"><additional-data>[^<]+</additional-data><authorization-identifier>` + regexp.QuoteMeta(jid) +
		`</authorization-identifier><resumed xmlns="urn:xmpp:sm:3" h="1" previd="` + tok + `"/></success><stream:features>`)
	back.expect(`id="late"`)
	if n := len(w.users["meet.example.com"].Sessions("alice")); n != 2 {
		t.Errorf("%d sessions", n)
	}
}

// The next log-in of an installation takes the place of one that died unseen, even if
// what it wanted to take up is gone.
func TestNextLoginOfAnInstallation(t *testing.T) {
	w := startAlice(t, func(c *Config) { c.Sessions.SessionsPerAccount = 2 })
	first := w.alice("first")
	sasl2Login(first, "correct horse", agentOne+allOfIt)
	jid := first.expect(`<authorization-identifier>([^<]+)</authorization-identifier>.*</stream:features>`)[1]
	second := w.alice("second")
	sasl2Login(second, "correct horse", agentOne+`<resume xmlns='urn:xmpp:sm:3' previd='gone' h='2'/>`+allOfIt)
	second.expect(`<authorization-identifier>` + regexp.QuoteMeta(jid) + `</authorization-identifier>` +
		`<failed xmlns="urn:xmpp:sm:3"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed><bound xmlns="urn:xmpp:bind:0"><enabled `)
	if got := first.ended(); !strings.Contains(got, "<conflict ") {
		t.Errorf("the first heard %q", got)
	}
	// Another installation is another session; a third is one too many.
	third := w.alice("third")
	sasl2Login(third, "correct horse", `<bind xmlns='urn:xmpp:bind:0'/>`)
	third.expect(`<authorization-identifier>alice@meet.example.com/[A-Za-z0-9_-]{12}</authorization-identifier><bound xmlns="urn:xmpp:bind:0"></bound></success><stream:features>.*<sm xmlns="urn:xmpp:sm:3">`)
	// The first again takes the place of its own, which is not one more.
	again := w.alice("again")
	sasl2Login(again, "correct horse", agentOne+allOfIt)
	again.expect(`<authorization-identifier>` + regexp.QuoteMeta(jid) + `</authorization-identifier><bound `)
	fourth := w.alice("fourth")
	sasl2Login(fourth, "correct horse", `<bind xmlns='urn:xmpp:bind:0'><tag>x</tag></bind>`)
	fourth.expect(`<authorization-identifier>alice@meet.example.com</authorization-identifier>` +
		`<failed xmlns="urn:xmpp:bind:0"><resource-constraint xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed></success><stream:features><bind `)
}

// Who asks for nothing else binds as ever, without a new header.
func TestSASL2WithoutBinding(t *testing.T) {
	w := startAlice(t)
	p := w.alice("plain")
	sasl2Login(p, "correct horse", "")
	p.expect(`<authorization-identifier>alice@meet.example.com</authorization-identifier></success><stream:features><bind [^\n]*</stream:features>`)
	if jid := p.bind("home"); jid != "alice@meet.example.com/home" {
		t.Errorf("bound %s", jid)
	}
}

func TestSASL2Refusals(t *testing.T) {
	w := startAlice(t, func(c *Config) { c.Sessions.LoginAttempts = 10 })
	p := w.alice("refused")
	sasl2Login(p, "wrong", allOfIt)
	p.expect(`^<failure xmlns="urn:xmpp:sasl:2"><not-authorized xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/><text>`)
	p.say(`<authenticate %s mechanism='PLAIN'><initial-response>AGEAYg==</initial-response></authenticate>`, sasl2)
	p.expect(`<failure xmlns="urn:xmpp:sasl:2"><encryption-required xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/></failure>`)
	p.say(`<authenticate %s mechanism='HT'/>`, sasl2)
	p.expect(`<invalid-mechanism xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
	p.say(`<authenticate %s mechanism='SCRAM-SHA-1'><initial-response>?</initial-response></authenticate>`, sasl2)
	p.expect(`<incorrect-encoding xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
	// An answer in the words of the other log-in belongs to no attempt.
	p.say(`<authenticate %s mechanism='SCRAM-SHA-1'/>`, sasl2)
	p.expect(`<challenge xmlns="urn:xmpp:sasl:2"/>`)
	p.say(`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>bixuPWEscj14</response>`)
	p.expect(`<malformed-request xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
	p.say(`<authenticate %s mechanism='SCRAM-SHA-1'/><abort %s/>`, sasl2, sasl2)
	p.expect(`<failure xmlns="urn:xmpp:sasl:2"><aborted xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/></failure>`)
	// What was asked for with an attempt that failed is not given to the next.
	sasl2Login(p, "correct horse", "")
	p.expect(`<authorization-identifier>alice@meet.example.com</authorization-identifier></success><stream:features><bind `)
	p.say(`<authenticate %s mechanism='SCRAM-SHA-1'/>`, sasl2)
	if got := p.ended(); !strings.Contains(got, "unsupported-stanza-type") {
		t.Errorf("a second log-in heard %q", got)
	}

	web := w.websocketPeer("web", "")
	web.say(wsOpen, w.cfg.Domain)
	if f := web.expect(`<stream:features.*</stream:features>`)[0]; strings.Contains(f, "sasl:2") {
		t.Errorf("web clients are offered %s", f)
	}
}

// Who names a session that is not his gets neither it nor the name of its owner.
func TestSessionOfSomebodyElse(t *testing.T) {
	w := startAlice(t)
	other := w.account("jvb", "auth.meet.example.com", "jvbpw", "x")
	tok := other.enable()
	for _, asks := range []string{"", "<bind xmlns='urn:xmpp:bind:0'><tag>\x7f</tag></bind>", "<bind xmlns='urn:xmpp:bind:0'/>"} {
		p := w.alice("thief")
		sasl2Login(p, "correct horse", `<resume xmlns='urn:xmpp:sm:3' previd='`+tok+`' h='0'/>`+asks)
		p.expect(`<authorization-identifier>alice@meet.example.com(/[^<]+)?</authorization-identifier><failed xmlns="urn:xmpp:sm:3"><item-not-found `)
	}
	other.say(`<iq type='get' id='mine' to='auth.meet.example.com'><ping xmlns='urn:xmpp:ping'/></iq>`)
	other.expect(`id="mine"`)
}
