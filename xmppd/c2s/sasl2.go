package c2s

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/sasl"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// inline is what a client asks for together with a log-in by SASL2 (XEP-0388 §2.4), so
// that all of it costs one round trip.
type inline struct {
	agent  string // its own name of this installation, the same at each log-in; may be ""
	resume *resumption
	bind   *binding
}

// resumption asks for a session of before (XEP-0198, inline in SASL2).
type resumption struct{ token, handled string }

// binding asks for a new session (XEP-0386).
type binding struct {
	tag      string // what kind of client it is, for the resource; may be ""
	carbons  bool
	inactive bool
	manage   bool   // stream management
	resume   string // its attributes
	max      string
}

type bindXML struct {
	Tag  string `xml:"tag"`
	Asks []struct {
		XMLName xml.Name
		Resume  string `xml:"resume,attr"`
		Max     string `xml:"max,attr"`
	} `xml:",any"`
}

// maxTag bounds what a client says about its kind; more is cut off.
const maxTag = 64

// readInline takes the request apart; false if it cannot be understood. What it asks
// for and we do not know is skipped (XEP-0386 §4.1).
func readInline(st *stanza.Stanza) (*inline, bool) {
	in := &inline{}
	for _, ch := range st.Children() {
		switch {
		case ch.Is(ns.SASL2, "user-agent"):
			in.agent = st.ChildAttr(ch, "id")
		case ch.Is(ns.SM3, "resume"):
			in.resume = &resumption{st.ChildAttr(ch, "previd"), st.ChildAttr(ch, "h")}
		case ch.Is(ns.Bind2, "bind"):
			var x bindXML
			if err := st.Decode(ch, &x); err != nil {
				return in, false
			}
			in.bind = &binding{tag: cut(x.Tag, maxTag)}
			for _, ask := range x.Asks {
				switch ask.XMLName {
				case xml.Name{Space: ns.Carbons, Local: "enable"}:
					in.bind.carbons = true
				case xml.Name{Space: ns.CSI, Local: "inactive"}:
					in.bind.inactive = true
				case xml.Name{Space: ns.SM3, Local: "enable"}:
					in.bind.manage, in.bind.resume, in.bind.max = true, ask.Resume, ask.Max
				}
			}
		}
	}
	return in, true
}

// cut is at most n characters of s.
func cut(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// resource is what a session of the client is called: the same after each log-in of one
// installation, so that a new session takes the place of one that died unseen, and not
// to be guessed by others (XEP-0386 §4.2).
func (in *inline) resource() string {
	if in.bind.tag == "" {
		return ""
	}
	if in.agent == "" {
		return in.bind.tag + "~" + router.NewID()[:12]
	}
	sum := sha256.Sum256([]byte(in.agent))
	return in.bind.tag + "~" + base64.RawURLEncoding.EncodeToString(sum[:9])
}

// offerSASL2 adds what can be asked for with a log-in.
func (c *conn) offerSASL2(b *stanza.Builder) {
	list := c.mechanisms()
	if len(list) == 0 {
		return
	}
	b.Start(ns.SASL2, "authentication")
	for _, m := range list {
		b.Leaf("", "mechanism", m)
	}
	b.Start("", "inline").Empty(ns.SM3, "sm").Start(ns.Bind2, "bind").Start("", "inline")
	for _, f := range []string{ns.Carbons, ns.CSI, ns.SM3} {
		b.Empty("", "feature", "var", f)
	}
	b.End().End().End().End()
}

// authenticate begins an attempt by SASL2.
func (c *conn) authenticate(st *stanza.Stanza) {
	in, ok := readInline(st)
	c.inline, c.exchange, c.mech = in, nil, st.Attr("mechanism")
	if !ok {
		c.refuse(&sasl.Failure{Condition: sasl.MalformedRequest})
		return
	}
	initial := ""
	if ch, ok := st.Child(ns.SASL2, "initial-response"); ok {
		if initial = st.ChildText(ch); initial == "" {
			initial = "=" // there and empty, which is not the same as none
		}
	}
	c.auth(c.mech, initial)
}

// succeed answers a proved log-in with all that was asked for. The stream goes on
// without a new header, and its features follow at once (XEP-0388 §2.6.3).
func (c *conn) succeed(answer []byte) {
	in := c.inline
	c.inline = nil
	c.state = ready
	addr, err := stanza.NewAddr(c.id.Name, c.host.Domain, "")
	if err != nil {
		c.fail(stream.InternalServerError, "")
		return
	}
	var failed []byte
	if r := in.resume; r != nil {
		var problem *stream.Error
		failed, problem = c.takeOver(ns.SM3, r.token, r.handled, func(s *session, resumed []byte) {
			c.success(answer, s.rs.Addr(), resumed)
			var b stanza.Builder
			c.sessionFeatures(&b, false)
			c.carrier.Features(b.Bytes())
		})
		switch {
		case problem != nil:
			c.carrier.Fail(problem)
			return
		case failed == nil:
			return
		}
	}
	if in.bind != nil {
		c.bindInline(in, answer, addr, failed)
		return
	}
	c.success(answer, addr, failed)
	c.carrier.Features(c.boundFeatures())
}

// success says that the log-in is proved, and what became of the rest.
func (c *conn) success(answer []byte, addr stanza.Addr, parts ...[]byte) {
	var b stanza.Builder
	b.Start(ns.SASL2, "success")
	if len(answer) > 0 {
		b.Leaf("", "additional-data", base64.StdEncoding.EncodeToString(answer))
	}
	b.Leaf("", "authorization-identifier", addr.String())
	for _, p := range parts {
		b.Raw(p)
	}
	c.carrier.Element(b.End().Bytes())
}

// bindInline makes a new session. What cannot be bound may be tried again by the request
// of RFC 6120.
func (c *conn) bindInline(in *inline, answer []byte, bare stanza.Addr, failed []byte) {
	addr, e := c.address(in.resource())
	if e != nil {
		var b stanza.Builder
		b.Start(ns.Bind2, "failed").Empty(ns.Stanzas, e.Condition).End()
		c.success(answer, bare, failed, b.Bytes())
		c.carrier.Features(c.boundFeatures())
		return
	}
	s := newSession(c, addr)
	var b stanza.Builder
	b.Start(ns.Bind2, "bound")
	if in.bind.manage {
		s.mu.Lock()
		b.Raw(s.manageLocked(ns.SM3, in.bind.resume, in.bind.max))
		s.mu.Unlock()
	}
	b.End()
	// Said before anything can reach the session, whose address others may know.
	c.success(answer, addr, failed, b.Bytes())
	var f stanza.Builder
	c.sessionFeatures(&f, !in.bind.manage)
	c.carrier.Features(f.Bytes())
	if !c.open(s) {
		return
	}
	c.attach(s)
	if in.bind.carbons {
		c.host.Users.Carbons(s.rs, true)
	}
	if in.bind.inactive {
		s.setActive(c, false)
	}
	c.log.WithField("transport", c.meta.Transport).Info("session opened")
}
