package c2s

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

const domain = "meet.example.com"

// paper is a carrier that writes down what it is given.
type paper struct {
	said  []string
	ended bool
}

func (p *paper) Header(stream.Header)  {}
func (p *paper) Features(inner []byte) {}
func (p *paper) Element(xml []byte)    { p.said = append(p.said, string(xml)) }
func (p *paper) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	if p.ended {
		return false
	}
	p.said = append(p.said, string(e.Append(nil, to, ns.Client)))
	return true
}
func (p *paper) Fail(e *stream.Error) { p.Element([]byte(e.Error())); p.ended = true }
func (p *paper) End()                 { p.ended = true }
func (p *paper) Restart()             {}
func (p *paper) SetLimits(int, int)   {}

// take is what was written since the last call.
func (p *paper) take() string {
	synctest.Wait()
	s := strings.Join(p.said, "")
	p.said = nil
	return s
}

// office is a server with one host that lets anybody in.
type office struct {
	t   *testing.T
	srv *Server
	rt  *router.Router
}

func newOffice(t *testing.T) *office {
	rt := router.New(logx.Discard())
	users := router.NewUsers(rt, domain, router.UsersOptions{Service: silent{}})
	if err := rt.Add(domain, users); err != nil {
		t.Fatal(err)
	}
	h := &Host{Domain: domain, Users: users, Anonymous: true, Hibernate: 60 * time.Second}
	return &office{t: t, rt: rt, srv: New(DefaultConfig(), rt, []*Host{h}, logx.Discard())}
}

type silent struct{}

func (silent) HandleStanza(*stanza.Stanza, *router.Session) {}

// client is a stream on paper.
type client struct {
	*paper
	stream.Handler
	t *testing.T
}

func (o *office) client(previd string) *client {
	p := &paper{}
	c := &client{paper: p, t: o.t, Handler: o.srv.Accept(p, stream.Meta{Transport: stream.WebSocket, Secure: true, Previd: previd})}
	c.Handler.Header(stream.Header{To: domain, Version: "1.0"})
	c.says(`<auth xmlns="` + ns.SASL + `" mechanism="ANONYMOUS"/>`)
	c.Handler.Header(stream.Header{To: domain, Version: "1.0"})
	if got := c.take(); got != `<success xmlns="`+ns.SASL+`"/>` {
		o.t.Fatalf("log-in: %s", got)
	}
	return c
}

func (c *client) says(xml string) {
	c.t.Helper()
	st, err := stanza.Parse([]byte(xml), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.Handler.Element(st)
}

// leave says goodbye.
func (c *client) leave() { c.Handler.End() }

var (
	boundJID    = regexp.MustCompile(`<jid>([^<]+)</jid>`)
	enabledWith = regexp.MustCompile(`^<enabled xmlns="urn:xmpp:sm:3" id="([A-Za-z0-9_-]+)" resume="true" max="60"/>$`)
)

// session binds and enables stream management.
func (o *office) session() (c *client, jid stanza.Addr, tok string) {
	o.t.Helper()
	c = o.client("")
	c.says(`<iq type="set" id="b"><bind xmlns="` + ns.Bind + `"/></iq>`)
	jid = stanza.MustAddr(boundJID.FindStringSubmatch(c.take())[1])
	c.says(`<enable xmlns="urn:xmpp:sm:3" resume="true"/>`)
	m := enabledWith.FindStringSubmatch(c.take())
	if m == nil {
		o.t.Fatal("stream management is not enabled as clients want it")
	}
	return c, jid, m[1]
}

func (o *office) message(to stanza.Addr, id string) {
	o.rt.Send(stanza.New(stanza.Message, "chat", stanza.MustAddr(domain), to, id))
}

func resume(tok string, h int) string {
	return fmt.Sprintf(`<resume xmlns="urn:xmpp:sm:3" h="%d" previd="%s"/>`, h, tok)
}

var errCut = errors.New("the network is gone")

// A session waits for its client for a minute, and no longer (XEP-0198 §5).
func TestHibernationTime(t *testing.T) {
	for _, away := range []time.Duration{time.Second, 59 * time.Second, 61 * time.Second} {
		t.Run(away.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t)
				ann, jid, tok := o.session()
				o.message(jid, "one")
				// Neither the answer to bind nor <r/> and <a/> count (XEP-0198 §4).
				ann.says(`<r xmlns="urn:xmpp:sm:3"/>`)
				if got := ann.take(); !strings.Contains(got, `id="one"`) || !strings.HasSuffix(got, `<a xmlns="urn:xmpp:sm:3" h="0"/>`) {
					t.Errorf("heard %s", got)
				}
				ann.says(`<message to="` + domain + `" id="m"/>`)
				ann.Lost(errCut)
				o.message(jid, "two")
				time.Sleep(away)
				back := o.client(tok)
				back.says(resume(tok, 1))
				got := back.take()
				if away > time.Minute {
					// Without h: nobody can prove to be the guest of before.
					if got != `<failed xmlns="urn:xmpp:sm:3"><item-not-found xmlns="`+ns.Stanzas+`"/></failed>` {
						t.Errorf("too late: %s", got)
					}
					back.leave()
					return
				}
				if !strings.HasPrefix(got, `<resumed xmlns="urn:xmpp:sm:3" h="1" previd="`+tok+`"/>`) || strings.Contains(got, `id="one"`) || !strings.Contains(got, `id="two"`) {
					t.Errorf("resumed: %s", got)
				}
				o.message(jid, "three") // the address is the same
				if got := back.take(); !strings.Contains(got, `to="`+jid.String()+`"`) || !strings.Contains(got, `id="three"`) {
					t.Errorf("afterwards: %s", got)
				}
				back.leave()
			})
		})
	}
}

// Nobody takes up the session of another, and the later of two wins.
func TestResumeIsForTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		ann, jid, tok := o.session()
		bob := o.client("") // who does not show it at log-in is somebody else
		bob.says(resume(tok, 0))
		if got := bob.take(); !strings.Contains(got, "<failed") || !strings.Contains(got, "item-not-found") {
			t.Errorf("Bob heard %s", got)
		}
		bob.leave()
		second := o.client(tok) // while the first is still open
		second.says(resume(tok, 0))
		third := o.client(tok)
		third.says(resume(tok, 0))
		for _, c := range []*client{second, third} {
			if got := c.take(); !strings.HasPrefix(got, "<resumed") {
				t.Errorf("heard %s", got)
			}
		}
		if !ann.ended || !second.ended || third.ended {
			t.Error("the last one does not win")
		}
		o.message(jid, "x")
		if got := third.take(); !strings.Contains(got, `id="x"`) {
			t.Errorf("heard %s", got)
		}
		third.leave()
	})
}

// What a client was not seen to get is kept, up to 500 stanzas by default.
func TestQueueIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		ann, jid, tok := o.session()
		ann.Lost(errCut)
		const n = 500
		for i := range n {
			o.message(jid, fmt.Sprint("m", i))
		}
		back := o.client(tok)
		back.says(resume(tok, 0))
		got := back.take()
		at := -1
		for i := range n {
			next := strings.Index(got, fmt.Sprintf(`id="m%d"`, i))
			if next <= at {
				t.Fatalf("message %d is missing or out of order", i)
			}
			at = next
		}
		back.leave()
	})
}
