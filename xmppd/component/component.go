// Package component is the accepting side of XEP-0114: services outside this
// process, or inside it over an in-memory connection, that serve a domain of ours
// after proving a shared secret.
//
// A Component is the router's Host of its domain whether it is connected or not;
// while it is not, whoever asks it hears "Component unavailable" at once. Its lock
// guards only who is connected and is never held while anything is sent.
package component

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// Options are the rules for all components.
type Options struct {
	// KickOld lets a new connection of a component replace one that is alive; otherwise
	// only one that gives no sign of life is replaced, and the new one is refused.
	KickOld bool
	// LoginTime is how long a connection may take to prove its secret.
	LoginTime time.Duration
}

// signTime is how long a connection that is in the way of a new one may take for a sign of
// life. One whose network went without a word would be in the way for a quarter of an hour.
const signTime = 3 * time.Second

// notConnected is the application condition Prosody's peers know.
const notConnected = `<not-connected xmlns="xmpp:prosody.im/protocol/component"/>`

// Component is the Host of one external service.
type Component struct {
	domain string
	secret string
	router *router.Router
	log    *logrus.Entry

	mu  sync.Mutex // guards cur; leaf lock
	cur *conn      // nil while not connected
}

// Domain is the address of the component.
func (c *Component) Domain() string { return c.domain }

// Connected says whether the service is there.
func (c *Component) Connected() bool { return c.current() != nil }

func (c *Component) current() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cur
}

// HandleStanza is router.Host.HandleStanza.
func (c *Component) HandleStanza(st *stanza.Stanza, _ *router.Session) {
	if c.Deliver(st.To, st.Encode()) {
		return
	}
	e := stanza.Err(stanza.Wait, stanza.RemoteServerTimeout, "Component unavailable")
	e.App = []byte(notConnected)
	if st.Kind != stanza.Presence {
		c.router.Bounce(st, e)
	}
}

// Deliver is router.Deliverer.Deliver.
func (c *Component) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	cur := c.current()
	return cur != nil && cur.carrier.Deliver(to, e)
}

// Server accepts components.
type Server struct {
	o      Options
	router *router.Router
	log    *logrus.Entry
	list   map[string]*Component // not changed after New
}

// New makes a Server for the given secrets by domain, and puts the components in
// charge of their domains.
func New(o Options, r *router.Router, secrets map[string]string, log *logrus.Entry) (*Server, error) {
	s := &Server{o: o, router: r, log: log, list: make(map[string]*Component)}
	for domain, secret := range secrets {
		c := &Component{domain: domain, secret: secret, router: r, log: log.WithField(logx.Component, domain)}
		if err := r.Add(domain, c); err != nil {
			return nil, err
		}
		s.list[domain] = c
	}
	return s, nil
}

// Component finds a component by its domain, or nil.
func (s *Server) Component(domain string) *Component { return s.list[domain] }

// Accept is the stream.Acceptor of component streams.
func (s *Server) Accept(c stream.Carrier, m stream.Meta) stream.Handler {
	x := &conn{srv: s, carrier: c, remote: stream.RemoteText(m.Client)}
	x.timer = time.AfterFunc(s.o.LoginTime, func() {
		c.Fail(stream.Err(stream.ConnectionTimeout, "The handshake took too long"))
	})
	return x
}

// conn is one stream of a component. It is confined to the carrier's reading
// goroutine; carrier may be used from any.
type conn struct {
	srv     *Server
	carrier stream.Carrier
	remote  string
	timer   *time.Timer

	comp *Component
	id   string
	up   bool

	sign atomic.Pointer[chan struct{}] // closed at the next stanza, if somebody waits for it
}

// Header is stream.Handler.Header.
func (c *conn) Header(h stream.Header) {
	if c.comp != nil {
		c.carrier.Fail(stream.Err(stream.PolicyViolation, "The stream is open already"))
		return
	}
	c.id = router.NewID()
	comp := c.srv.list[strings.ToLower(h.To)]
	c.carrier.Header(stream.Header{ID: c.id, From: h.To})
	switch {
	case h.To == "":
		c.carrier.Fail(stream.Err(stream.ImproperAddressing, "The stream header needs a to"))
	case comp == nil:
		c.srv.log.WithField(logx.Component, logx.Shorten(h.To, 100)).WithField(logx.Remote, c.remote).
			Warn("unknown component refused")
		c.carrier.Fail(stream.Err(stream.HostUnknown, "No component of that name is configured"))
	default:
		c.comp = comp
	}
}

// Element is stream.Handler.Element.
func (c *conn) Element(st *stanza.Stanza) {
	if c.sign.Load() != nil {
		if sign := c.sign.Swap(nil); sign != nil {
			close(*sign)
		}
	}
	switch {
	case c.comp == nil:
	case !c.up:
		c.handshake(st)
	case st.Kind == stanza.Other:
		c.carrier.Fail(stream.Err(stream.UnsupportedStanzaType, ""))
	default:
		c.stanza(st)
	}
}

func (c *conn) handshake(st *stanza.Stanza) {
	if st.Space != ns.Client || st.Name != "handshake" {
		c.carrier.Fail(stream.Err(stream.NotAuthorized, "The handshake was expected"))
		return
	}
	sum := sha1.Sum([]byte(c.id + c.comp.secret))
	want := hex.EncodeToString(sum[:])
	got := strings.ToLower(strings.TrimSpace(st.Text()))
	if c.comp.secret == "" || subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		c.comp.log.WithField(logx.Remote, c.remote).Warn("component refused: its secret is not the one configured")
		c.carrier.Fail(stream.Err(stream.NotAuthorized, "Given token does not match calculated token"))
		return
	}
	kick := c.srv.o.KickOld
	old := c.comp.take(c, kick)
	if old != nil && !kick && !old.alive() {
		kick = true
		old = c.comp.take(c, kick)
	}
	if old != nil {
		if !kick {
			c.comp.log.WithField(logx.Remote, c.remote).Warn("component refused: it is connected already")
			c.carrier.Fail(stream.Err(stream.Conflict, "Component already connected"))
			return
		}
		old.carrier.Fail(stream.Err(stream.Conflict, "Replaced by new connection"))
	}
	c.timer.Stop()
	c.up = true
	c.carrier.Element([]byte("<handshake/>"))
	c.comp.log.WithField(logx.Remote, c.remote).Info("component connected")
}

// alive asks the component for a sign of life: any stanza will do. It waits for it.
func (c *conn) alive() bool {
	sign := make(chan struct{})
	if !c.sign.CompareAndSwap(nil, &sign) {
		return true // somebody asks already, and will decide
	}
	defer c.sign.CompareAndSwap(&sign, nil)
	to := stanza.MustAddr(c.comp.domain)
	ping := stanza.New(stanza.IQ, stanza.Get, to, to, router.NewID()).WithContent([]byte(`<ping xmlns="` + ns.Ping + `"/>`))
	c.carrier.Deliver(to, ping.Encode())
	wait := time.NewTimer(signTime)
	defer wait.Stop()
	select {
	case <-sign:
		return true
	case <-wait.C:
		return false
	}
}

// take puts x in charge unless somebody is and may stay; that one is returned.
func (c *Component) take(x *conn, kick bool) (old *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old = c.cur
	if old == nil || kick {
		c.cur = x
	}
	return old
}

func (c *conn) stanza(st *stanza.Stanza) {
	if st.From.IsZero() && st.Malformed != "from" {
		st = st.WithFrom(stanza.MustAddr(c.comp.domain))
	}
	switch {
	case st.Malformed == "from" || st.From.Domain() != c.comp.domain:
		c.carrier.Fail(stream.Err(stream.InvalidFrom, "from must be an address of the component"))
	case st.Malformed == "to":
		c.refuse(st, stanza.Err(stanza.Modify, stanza.JIDMalformed, ""))
	case st.To.IsZero():
		c.refuse(st, stanza.Err(stanza.Modify, stanza.BadRequest, "Components need a to on every stanza"))
	default:
		c.srv.router.Route(st, nil)
	}
}

func (c *conn) refuse(st *stanza.Stanza, e *stanza.Error) {
	if st.IsReply() || st.Type == stanza.ErrorType {
		return
	}
	from := st.To
	if from.IsZero() {
		from = stanza.MustAddr(c.comp.domain)
	}
	r := stanza.New(st.Kind, stanza.ErrorType, from, st.From, st.ID).WithContent(e.XML())
	c.carrier.Deliver(st.From, r.Encode())
}

// End is stream.Handler.End.
func (c *conn) End() {
	c.carrier.End()
	c.gone("closed")
}

// Lost is stream.Handler.Lost.
func (c *conn) Lost(err error) { c.gone(err.Error()) }

// Idle is stream.Handler.Idle: a blank keeps the connection alive.
func (c *conn) Idle() bool {
	c.carrier.Element([]byte(" "))
	return false
}

func (c *conn) gone(reason string) {
	c.timer.Stop()
	if !c.up {
		return
	}
	c.up = false
	c.comp.mu.Lock()
	if c.comp.cur == c {
		c.comp.cur = nil
	}
	c.comp.mu.Unlock()
	c.comp.log.WithField(logx.Reason, reason).Info("component disconnected")
}

var (
	_ router.Host      = (*Component)(nil)
	_ router.Deliverer = (*Component)(nil)
)
