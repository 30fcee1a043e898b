package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xdg-go/scram"

	"parley/internal/wire/ns"
)

// server is where a play is performed.
type server struct {
	websocket string // URL of /xmpp-websocket
	domain    string
	secret    []byte // of tokens
	ports     map[string]int
}

func uniqueRoom() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return "play" + hex.EncodeToString(b[:])
}

// actor is a web client, or a service: its line, and the little a client does by itself.
type actor struct {
	name     string
	claims   map[string]string
	ignored  []*element
	features []string

	line   line
	jid    string
	resume string // token of the stream, for taking the session up again

	// mu guards what follows. got counts stanzas since the stream was enabled. news has room for one signal that something came.
	mu    sync.Mutex
	inbox []*element
	end   error
	got   int
	sent  []string // likewise
	news  chan struct{}
	read  sync.WaitGroup
}

func newActor(name string, args map[string]string) *actor {
	a := &actor{name: name, claims: args, features: features, news: make(chan struct{}, 1)}
	for _, f := range strings.Split(args["lacks"], ",") {
		a.features = slices.DeleteFunc(slices.Clone(a.features), func(g string) bool { return strings.HasSuffix(g, "/"+f) || g == f })
	}
	return a
}

// features is what lib-jitsi-meet of 2026 announces, from the recording token.
var features = []string{
	"http://jabber.org/protocol/caps", "http://jitsi.org/json-encoded-sources",
	"http://jitsi.org/receive-multiple-video-streams", "http://jitsi.org/remb", "http://jitsi.org/source-name",
	"http://jitsi.org/start-muted-room-metadata", "http://jitsi.org/tcc", "http://jitsi.org/visitors-1",
	"urn:ietf:rfc:4588", "urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:dtls:0", "urn:xmpp:jingle:apps:rtp:1",
	"urn:xmpp:jingle:apps:rtp:audio", "urn:xmpp:jingle:apps:rtp:video", "urn:xmpp:jingle:transports:ice-udp:1",
	"urn:xmpp:rayo:client:1",
}

// connect logs in. A refused log-in gives the failure element.
func (a *actor) connect(srv server, v vars) (failure *element, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), stageTime)
	defer cancel()
	if failure, err = a.login(ctx, srv, v); failure != nil || err != nil {
		return failure, err
	}
	if a.claims["via"] == "component" {
		a.start()
		return nil, nil
	}
	if err := a.bind(ctx); err != nil {
		return nil, err
	}
	if a.claims["via"] != "" { // stream management is for WebSockets
		a.start()
		return nil, nil
	}
	e, err := a.ask(ctx, `<enable resume="true" xmlns="`+ns.SM3+`"/>`, "enabled")
	if err != nil {
		return nil, err
	}
	a.resume = e.attr("id")
	a.start()
	return nil, nil
}

// login opens a line and a stream, and shows the token or proves the password.
func (a *actor) login(ctx context.Context, srv server, v vars) (failure *element, err error) {
	arg := func(key, def string) string {
		if text := a.claims[key]; text != "" {
			def = text
		}
		return strings.ReplaceAll(def, "{domain}", srv.domain)
	}
	host := arg("host", srv.domain)
	q := url.Values{"room": {v["roomname"]}}
	if token, err := makeToken(a.claims, srv, v); err != nil {
		return nil, err
	} else if token != "" && a.claims["account"] == "" {
		q.Set("token", token)
	}
	if a.resume != "" {
		q.Set("previd", a.resume)
	}
	switch a.claims["via"] {
	case "component":
		if a.line, err = dialComponent(ctx, fmt.Sprintf("127.0.0.1:%d", srv.ports["components"]), a.claims["secret"]); err != nil {
			return nil, err
		}
		var refused *refusedLine
		if err = a.line.open(ctx, host); errors.As(err, &refused) {
			return refused.element, nil
		}
		a.jid = host
		return nil, err
	case "bosh":
		a.line = newBOSH(strings.NewReplacer("ws://", "http://", "/xmpp-websocket", "/http-bind").Replace(srv.websocket) + "?" + q.Encode())
	default:
		if a.line, err = dialWebSocket(ctx, srv.websocket+"?"+q.Encode()); err != nil {
			return nil, err
		}
	}
	if err := a.line.open(ctx, host); err != nil {
		return nil, err
	}
	if name := a.claims["account"]; name != "" {
		failure, err = a.scram(ctx, name, a.claims["password"])
	} else {
		failure, err = a.authenticate(ctx, `<auth mechanism="ANONYMOUS" xmlns="`+ns.SASL+`"/>`)
	}
	if failure != nil || err != nil {
		return failure, err
	}
	return nil, a.line.open(ctx, host)
}

// authenticate takes the last step of a log-in.
func (a *actor) authenticate(ctx context.Context, text string) (failure *element, err error) {
	e, err := a.ask(ctx, text, "")
	switch {
	case err != nil:
		return nil, err
	case e.name.Local == "failure":
		return e, nil
	case e.name.Local != "success":
		return nil, fmt.Errorf("%s instead of success", e)
	}
	return nil, nil
}

// scram proves a password, as web clients do it.
func (a *actor) scram(ctx context.Context, name, password string) (failure *element, err error) {
	client, err := scram.SHA1.NewClient(name, password, "")
	if err != nil {
		return nil, err
	}
	conv := client.NewConversation()
	first, err := conv.Step("")
	if err != nil {
		return nil, err
	}
	enc := base64.StdEncoding
	e, err := a.ask(ctx, `<auth mechanism="SCRAM-SHA-1" xmlns="`+ns.SASL+`">`+enc.EncodeToString([]byte(first))+`</auth>`, "")
	if err != nil || e.name.Local == "failure" {
		return e, err
	}
	challenge, err := enc.DecodeString(e.text)
	if err != nil {
		return nil, err
	}
	proof, err := conv.Step(string(challenge))
	if err != nil {
		return nil, err
	}
	return a.authenticate(ctx, `<response xmlns="`+ns.SASL+`">`+enc.EncodeToString([]byte(proof))+`</response>`)
}

// ask writes a frame and reads the next, which must have that name if one is given.
func (a *actor) ask(ctx context.Context, text, want string) (*element, error) {
	if err := a.write(ctx, text); err != nil {
		return nil, err
	}
	e, err := a.line.read(ctx)
	if err == nil && want != "" && e.name.Local != want {
		err = fmt.Errorf("%s instead of <%s/>", e, want)
	}
	return e, err
}

// isTooLate resumes a session that is gone.
func (a *actor) isTooLate(srv server, v vars) (*element, error) {
	ctx, cancel := context.WithTimeout(context.Background(), stageTime)
	defer cancel()
	if failure, err := a.login(ctx, srv, v); failure != nil || err != nil {
		return nil, fmt.Errorf("log-in: %s %w", failure, err)
	}
	return a.ask(ctx, fmt.Sprintf(`<resume h="%d" previd="%s" xmlns="%s"/>`, a.got, escape(a.resume), ns.SM3), "failed")
}

func (a *actor) start() {
	a.mu.Lock()
	a.end = nil
	a.mu.Unlock()
	a.read.Add(1)
	go a.readAll()
}

// loseConnection cuts without a word, as a vanishing network does.
func (a *actor) loseConnection() error {
	a.hangUp()
	return nil
}

// takeUp resumes the session on a new connection, and sends again what the old one lost on
// its way (XEP-0198, section 5).
func (a *actor) takeUp(srv server, v vars) error {
	ctx, cancel := context.WithTimeout(context.Background(), stageTime)
	defer cancel()
	if failure, err := a.login(ctx, srv, v); failure != nil || err != nil {
		return fmt.Errorf("log-in: %s %w", failure, err)
	}
	text := fmt.Sprintf(`<resume h="%d" previd="%s" xmlns="%s"/>`, a.got, escape(a.resume), ns.SM3)
	e, err := a.ask(ctx, text, "resumed")
	if err != nil {
		return err
	}
	h, err := strconv.Atoi(e.attr("h"))
	if err != nil || h < 0 || h > len(a.sent) || e.attr("previd") != a.resume {
		return fmt.Errorf("%s after %d stanzas", e, len(a.sent))
	}
	for _, text := range a.sent[h:] {
		if err := a.write(ctx, text); err != nil {
			return err
		}
	}
	a.start()
	return nil
}

func (a *actor) bind(ctx context.Context) error {
	for _, req := range []string{"bind xmlns='" + ns.Bind + "'", "session xmlns='" + ns.Session + "'"} {
		if err := a.write(ctx, "<iq id='b' type='set' xmlns='jabber:client'><"+req+"/></iq>"); err != nil {
			return err
		}
		e, err := a.line.read(ctx)
		if err != nil {
			return err
		}
		if e.attr("type") != "result" {
			return fmt.Errorf("bind: %s", e)
		}
		if b := e.child("bind"); b != nil {
			a.jid = b.child("jid").text
		}
	}
	return nil
}

func (a *actor) write(ctx context.Context, text string) error {
	return a.line.write(ctx, text)
}

func (a *actor) readAll() {
	defer a.read.Done()
	for {
		e, err := a.line.read(context.Background())
		a.mu.Lock()
		switch {
		case err != nil:
			a.end = err
		case e.name.Space == ns.SM3:
			a.acknowledge(e)
		default:
			a.got++
			if !a.answersLocked(e) {
				a.inbox = append(a.inbox, e)
			}
		}
		a.mu.Unlock()
		select {
		case a.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// acknowledge answers <r/>; <a/> needs nothing.
func (a *actor) acknowledge(e *element) {
	if e.name.Local != "r" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stageTime)
	defer cancel()
	_ = a.write(ctx, fmt.Sprintf(`<a h="%d" xmlns="%s"/>`, a.got, ns.SM3)) // a closed stream shows in the reader
}

// answersLocked does what every client does by itself: it says what it can (disco#info).
func (a *actor) answersLocked(e *element) bool {
	q := e.child("query")
	if e.name.Local != "iq" || e.attr("type") != "get" || q == nil || q.name.Space != ns.DiscoInfo {
		return false
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<iq type="result" xmlns="jabber:client" id="%s" to="%s"><query xmlns="%s" node="%s">`,
		escape(e.attr("id")), escape(e.attr("from")), ns.DiscoInfo, escape(q.attr("node")))
	for _, f := range a.features {
		b.WriteString(`<feature var="` + f + `"/>`)
	}
	b.WriteString("</query></iq>")
	ctx, cancel := context.WithTimeout(context.Background(), stageTime)
	defer cancel()
	a.sent = append(a.sent, b.String())
	_ = a.write(ctx, b.String()) // a closed stream shows in the reader
	return true
}

func (a *actor) send(e *element) error {
	if a.line == nil {
		return errors.New("not connected")
	}
	ctx, cancel := context.WithTimeout(context.Background(), stageTime)
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent = append(a.sent, e.String())
	return a.write(ctx, e.String())
}

// expect waits for a stanza that matches and takes it.
func (a *actor) expect(p *element, v vars) (vars, error) {
	_, v, err := a.take(p, v)
	return v, err
}

func (a *actor) take(p *element, v vars) (*element, vars, error) {
	deadline := time.After(stageTime)
	for {
		a.mu.Lock()
		var why []string
		for i, e := range a.inbox {
			w, err := match(p, e, v)
			if err == nil {
				a.inbox = append(a.inbox[:i], a.inbox[i+1:]...)
				a.mu.Unlock()
				return e, w, nil
			}
			why = append(why, mismatch(p, e, err))
		}
		end := a.end
		a.mu.Unlock()
		if end != nil {
			return nil, nil, fmt.Errorf("the connection ended (%w) before %s; there was%s", end, p, strings.Join(why, ""))
		}
		select {
		case <-a.news:
		case <-deadline:
			return nil, nil, fmt.Errorf("no %s; there was%s", p, strings.Join(why, ""))
		}
	}
}

// mismatch says why e is not p: at length if they are of one kind.
func mismatch(p, e *element, err error) string {
	text := e.String()
	if p.name != e.name || p.attrs[typeAttr] != e.attrs[typeAttr] {
		return fmt.Sprintf("\n  %.100s…", text)
	}
	return fmt.Sprintf("\n  %s\n    %v", text, err)
}

var typeAttr = xml.Name{Local: "type"}

// expectNothing asks the server something, and looks at what came before the answer.
func (a *actor) expectNothing(domain string) error {
	id := uniqueRoom()
	ping := fmt.Sprintf(`<iq xmlns='jabber:client' id='%s' to='%s' type='get'><ping xmlns='%s'/></iq>`, id, domain, ns.Ping)
	es, err := parseElements(ping)
	if err != nil {
		return err
	}
	if err := a.send(es[0]); err != nil {
		return err
	}
	pong, err := parseElements(fmt.Sprintf(`<iq xmlns='jabber:client' id='%s' type='result' play:more='x'/>`, id))
	if err != nil {
		return err
	}
	if _, err := a.expect(pong[0], vars{}); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var left []string
	for _, e := range a.inbox {
		ignored := false
		for _, p := range a.ignored {
			if _, err := match(p, e, vars{}); err == nil {
				ignored = true
			}
		}
		if !ignored {
			left = append(left, "\n  "+e.String())
		}
	}
	a.inbox = nil
	if len(left) > 0 {
		return fmt.Errorf("there came%s", strings.Join(left, ""))
	}
	return nil
}

func (a *actor) disconnect() error {
	ctx, cancel := context.WithTimeout(context.Background(), stageTime)
	defer cancel()
	err := a.line.end(ctx)
	a.hangUp()
	return err
}

func (a *actor) hangUp() {
	if a.line != nil {
		a.line.close()
		a.read.Wait()
	}
}
