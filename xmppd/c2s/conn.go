package c2s

import (
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/sasl"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// state is how far a stream has come:
//
//	fresh → opened → proved → ready → bound → over
//	  (header) (success) (header) (bind, resume)
//
// STARTTLS leads from opened back to fresh, a log-in by SASL2 from opened to ready or to
// bound. Every state may lead to over.
type state uint8

const (
	fresh  state = iota // no header yet, or a new one is expected
	opened              // features with mechanisms were sent
	proved              // logged in; a new header is expected
	ready               // features with bind were sent
	bound               // has a session
	over
)

func (s state) String() string {
	return [...]string{"fresh", "opened", "proved", "ready", "bound", "over"}[s]
}

// conn is one stream of a client. It is confined to the carrier's reading goroutine.
type conn struct {
	srv     *Server
	carrier stream.Carrier
	meta    stream.Meta
	log     *logrus.Entry
	timer   *time.Timer // ends the stream if it is not bound in time

	state    state
	host     *Host
	attempts int
	exchange sasl.Exchange
	mech     string
	inline   *inline // what is asked for with a log-in by SASL2; nil in the older one
	id       sasl.Identity

	triedBound bool // a mechanism bound to TLS
	sess       *session
	lang       string // of the stream, unless it is ours
	entered    bool   // counted for its address
	rate       rate
	exempt     bool // from rate
}

func (c *conn) web() bool { return c.meta.Transport != stream.TCP }

func (c *conn) secure() bool {
	if t, ok := c.carrier.(stream.TLSStarter); ok {
		return t.Secure()
	}
	return c.meta.Secure
}

// encrypted says whether a password may be shown.
func (c *conn) encrypted() bool {
	if t, ok := c.carrier.(stream.TLSStarter); ok {
		return t.Encrypted()
	}
	return c.meta.Secure
}

func (c *conn) fail(condition, text string) {
	c.carrier.Fail(stream.Err(condition, text))
}

// Header is stream.Handler.Header.
func (c *conn) Header(h stream.Header) {
	switch c.state {
	case over:
		return
	case proved:
	case fresh, opened: // the latter is a client that restarts for no reason
		// A log-in begun before, in the clear perhaps, was for the host of then.
		c.exchange, c.inline = nil, nil
	default:
		c.fail(stream.PolicyViolation, "The stream is open already")
		return
	}
	to, err := stanza.ParseAddr(h.To)
	host := c.srv.hosts[to.Domain()]
	answer := stream.Header{ID: router.NewID(), Version: "1.0", Lang: "en", From: h.To}
	if from, err := stanza.ParseAddr(h.From); err == nil {
		answer.To = from.String() // as it came: some clients insist on it
	}
	if host != nil {
		answer.From = host.Domain
	}
	c.carrier.Header(answer)
	switch {
	case err != nil:
		c.fail(stream.ImproperAddressing, "The stream header needs a host in to")
		return
	case host == nil || to.String() != to.Domain():
		c.fail(stream.HostUnknown, "This server does not serve that host")
		return
	case c.state == proved && host != c.host:
		c.fail(stream.HostUnknown, "The host must stay the same after log-in")
		return
	case !understood(h.Version):
		c.fail(stream.UnsupportedVersion, "")
		return
	}
	c.lang = ""
	if h.Lang != "" && !strings.EqualFold(h.Lang, "en") && len(h.Lang) <= 35 {
		c.lang = h.Lang
	}
	c.host = host
	c.log = c.srv.log.WithField(logx.Host, host.Domain)
	if c.state == proved {
		c.state = ready
		c.carrier.Features(c.boundFeatures())
		return
	}
	c.state = opened
	c.carrier.Features(c.loginFeatures())
}

// understood says whether we speak a stream's version: any 1.x, and later ones, whose
// speakers must understand ours (RFC 6120 §4.7.5). Without one it is a client of old.
func understood(version string) bool {
	if version == "" {
		return true
	}
	major, minor, ok := strings.Cut(version, ".")
	n, err := strconv.ParseUint(major, 10, 31)
	_, err2 := strconv.ParseUint(minor, 10, 31)
	return ok && err == nil && err2 == nil && n >= 1
}

func (c *conn) canStartTLS() bool {
	t, ok := c.carrier.(stream.TLSStarter)
	return ok && t.CanStartTLS()
}

// mustStartTLS says whether nobody may log in before the stream is encrypted. Who is
// on this machine need not, as in Jitsi's installations (mod_secure_interfaces):
// nobody else can listen there.
func (c *conn) mustStartTLS() bool {
	return c.host.RequireTLS && !c.web() && !c.secure() && !c.meta.Client.IsLoopback()
}

func (c *conn) loginFeatures() []byte {
	var b stanza.Builder
	if c.canStartTLS() {
		b.Start(ns.StartTLS, "starttls")
		if c.mustStartTLS() {
			b.Empty("", "required")
		}
		b.End()
	}
	if c.mustStartTLS() {
		return b.Bytes()
	}
	b.Start(ns.SASL, "mechanisms")
	for _, m := range c.mechanisms() {
		b.Leaf("", "mechanism", m)
	}
	b.End()
	if bound := c.bindings(); len(bound) > 0 {
		b.Start(ns.ChannelBinding, "sasl-channel-binding")
		for _, x := range bound {
			b.Empty("", "channel-binding", "type", string(x.Type))
		}
		b.End()
	}
	if !c.web() {
		// Web clients of meetings would only read more.
		c.offerSASL2(&b)
	}
	if c.host.Register != nil && !c.web() {
		b.Empty(ns.RegisterFeature, "register")
	}
	return b.Bytes()
}

func (c *conn) boundFeatures() []byte {
	var b stanza.Builder
	b.Start(ns.Bind, "bind").Empty("", "required").End()
	if !c.web() {
		// Web clients would spend a round trip on it (strophejs, core.js).
		b.Start(ns.Session, "session").Empty("", "optional").End()
	}
	c.sessionFeatures(&b, true)
	return b.Bytes()
}

// sessionFeatures are what a session has, managed or with management still to be had.
func (c *conn) sessionFeatures(b *stanza.Builder, manageable bool) {
	if c.meta.Transport != stream.BOSH && manageable {
		b.Start(ns.SM2, "sm").Empty("", "optional").End()
		b.Start(ns.SM3, "sm").Empty("", "optional").End()
	}
	if c.meta.Transport != stream.BOSH {
		b.Empty(ns.CSI, "csi")
	}
	if c.host.Accounts != nil && !c.id.Anonymous {
		b.Empty(ns.RosterVersion, "ver").Empty(ns.PreApproval, "sub")
	}
	b.Start(ns.Limits, "limits").Leaf("", "max-bytes", strconv.Itoa(c.srv.cfg.StanzaBytes)).End()
	if c.host.Features != nil {
		b.Raw(c.host.Features())
	}
}

// Element is stream.Handler.Element.
func (c *conn) Element(st *stanza.Stanza) {
	switch c.state {
	case opened:
		c.login(st)
	case ready:
		c.bindOrResume(st)
	case bound:
		c.bound(st)
	case over:
	default:
		c.fail(stream.NotAuthorized, "The stream must be opened again first")
	}
}

// End is stream.Handler.End: the client is done for good.
func (c *conn) End() {
	c.finish()
	if c.state == bound {
		c.sess.leave(c)
	}
	c.state = over
	c.carrier.End()
}

// Lost is stream.Handler.Lost.
func (c *conn) Lost(err error) {
	c.finish()
	if c.state == bound {
		c.sess.lost(c, err)
	} else {
		c.log.WithField(logx.Reason, err).WithField("state", c.state).Debug("stream lost before a session was bound")
	}
	c.state = over
}

func (c *conn) finish() {
	c.timer.Stop()
	if c.entered {
		c.entered = false
		c.srv.exit(c.meta.Client)
	}
}

// Idle is stream.Handler.Idle.
func (c *conn) Idle() bool {
	if c.state == bound && c.sess.request(c) {
		return true
	}
	if c.meta.Transport == stream.TCP {
		c.carrier.Element([]byte(" "))
	}
	return false
}
