package stanza

import (
	"bytes"
	"encoding/xml"

	"parley/internal/wire/ns"
)

// Kind tells the three stanzas and the other elements of a stream apart.
type Kind uint8

// The kinds.
const (
	Other Kind = iota // stream negotiation, stream management
	IQ
	Message
	Presence
)

func (k Kind) String() string {
	switch k {
	case IQ:
		return "iq"
	case Message:
		return "message"
	case Presence:
		return "presence"
	}
	return "other"
}

// Values of the type attribute that the server itself acts on.
const (
	Get         = "get"
	Set         = "set"
	ResultType  = "result"
	ErrorType   = "error"
	Unavailable = "unavailable"
	Groupchat   = "groupchat"
	Chat        = "chat"
	Headline    = "headline"
	Normal      = "normal"
	Subscribe   = "subscribe"
	Subscribed  = "subscribed"
	Unsubscribe = "unsubscribe"
	Unsubbed    = "unsubscribed"
	Probe       = "probe"
)

// Stanza is a top-level element of a stream. Do not change one you were handed;
// use the With… methods, which make copies that share the bytes.
type Stanza struct {
	Kind  Kind
	Name  string // "iq", "message", "presence", "auth", …
	Space string // namespace; ns.Client for the three stanzas, whatever stream they came on
	Type  string
	ID    string
	Lang  string // xml:lang
	From  Addr
	To    Addr

	// Malformed names the address attribute ("to" or "from") that is no address, else "".
	// c2s and component answer such stanzas; a Host never sees one. To is then the bare
	// address in it, if there is one: who enters a room with an impossible nick has to
	// hear from which room the refusal comes.
	Malformed string

	attrs    []byte // other attributes, raw, each with a blank before it
	inner    []byte // content, raw
	children []Child
}

// Child is a direct child element of a stanza.
type Child struct {
	Space string // namespace; ns.Client when the element carries none of its own
	Name  string

	start, end int // range in Stanza.inner
}

// Is compares namespace and local name.
func (c Child) Is(space, name string) bool { return c.Name == name && c.Space == space }

// New makes a stanza without content.
func New(k Kind, typ string, from, to Addr, id string) *Stanza {
	return &Stanza{Kind: k, Name: k.String(), Space: ns.Client, Type: typ, From: from, To: to, ID: id}
}

// Result makes the answer to an iq of type get or set. content may be nil.
func Result(req *Stanza, content []byte) *Stanza {
	r := New(IQ, ResultType, req.To, req.From, req.ID)
	return r.WithContent(content)
}

// ErrorReply makes the error answer to a stanza: addresses swapped, same id, and
// for an iq the request's payload is left out, as most servers do.
func ErrorReply(req *Stanza, e *Error) *Stanza {
	r := New(req.Kind, ErrorType, req.To, req.From, req.ID)
	return r.WithContent(e.XML())
}

// IsRequest says that the stanza is an iq that must be answered.
func (s *Stanza) IsRequest() bool { return s.Kind == IQ && (s.Type == Get || s.Type == Set) }

// IsReply says that the stanza is an iq that answers another.
func (s *Stanza) IsReply() bool { return s.Kind == IQ && (s.Type == ResultType || s.Type == ErrorType) }

// MayBounce says that an error may be sent back: never to an error, an answer, or
// a presence that only informs (RFC 6120 §8.3.1, RFC 6121 §8).
func (s *Stanza) MayBounce() bool {
	switch s.Kind {
	case IQ:
		return s.IsRequest()
	case Message:
		return s.Type != ErrorType
	}
	return false
}

// Children are the direct child elements, in order.
func (s *Stanza) Children() []Child { return s.children }

// Child finds the first child of that name; an empty name matches any.
func (s *Stanza) Child(space, name string) (Child, bool) {
	for _, c := range s.children {
		if c.Space == space && (name == "" || c.Name == name) {
			return c, true
		}
	}
	return Child{}, false
}

// Has says whether such a child is there.
func (s *Stanza) Has(space, name string) bool {
	_, ok := s.Child(space, name)
	return ok
}

// Payload is the first child: what an iq asks for. ok is false without one.
func (s *Stanza) Payload() (Child, bool) {
	if len(s.children) == 0 {
		return Child{}, false
	}
	return s.children[0], true
}

// Content is all that stands inside the stanza, raw.
func (s *Stanza) Content() []byte { return s.inner }

// Raw is a child with its tags. Where the child is in jabber:client it need not carry an xmlns.
func (s *Stanza) Raw(c Child) []byte { return s.inner[c.start:c.end:c.end] }

// Decode reads a child into v with encoding/xml. Elements without a namespace of
// their own are in jabber:client.
func (s *Stanza) Decode(c Child, v any) error { return Decode(s.Raw(c), v) }

// Decode reads one element into v with encoding/xml, as Stanza.Decode does.
func Decode(raw []byte, v any) error {
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.DefaultSpace = ns.Client
	return d.Decode(v)
}

// Attr is the value of an attribute that has no field of its own.
func (s *Stanza) Attr(name string) string {
	v, _ := findAttr(s.attrs, name)
	return v
}

// ChildAttr is the value of an attribute of a direct child, or "".
func (s *Stanza) ChildAttr(c Child, name string) string {
	v, _ := s.ChildAttrOK(c, name)
	return v
}

// ChildAttrOK is ChildAttr; ok says whether the attribute is there.
func (s *Stanza) ChildAttrOK(c Child, name string) (value string, ok bool) {
	raw := s.Raw(c)
	return findAttr(raw[1+nameLen(raw[1:]):], name)
}

// ChildText is the text of a direct child, without that of elements inside it.
func (s *Stanza) ChildText(c Child) string { return Text(s.Raw(c)) }

// Copy is a shallow copy whose fields may be set.
func (s *Stanza) Copy() *Stanza {
	c := *s
	return &c
}

// WithTo is a copy for another recipient.
func (s *Stanza) WithTo(to Addr) *Stanza {
	c := s.Copy()
	c.To = to
	return c
}

// WithFrom is a copy from another sender.
func (s *Stanza) WithFrom(from Addr) *Stanza {
	c := s.Copy()
	c.From = from
	return c
}

// WithAddrs is a copy between two other addresses.
func (s *Stanza) WithAddrs(from, to Addr) *Stanza {
	c := s.Copy()
	c.From, c.To = from, to
	return c
}

// WithContent is a copy with other content: elements as a Builder writes them.
func (s *Stanza) WithContent(content []byte) *Stanza {
	c := s.Copy()
	c.inner = content
	c.children = index(content)
	return c
}

// With is a copy with elements added at the end.
func (s *Stanza) With(elements ...[]byte) *Stanza {
	n := len(s.inner)
	for _, e := range elements {
		n += len(e)
	}
	c := s.Copy()
	c.inner = append(make([]byte, 0, n), s.inner...)
	// The children that are there need not be looked for again.
	c.children = append(make([]Child, 0, len(s.children)+len(elements)), s.children...)
	for _, e := range elements {
		at := len(c.inner)
		c.inner = append(c.inner, e...)
		for _, k := range index(e) {
			k.start, k.end = k.start+at, k.end+at
			c.children = append(c.children, k)
		}
	}
	return c
}

// Without is a copy that lacks the children for which drop is true; the same
// stanza if there are none.
func (s *Stanza) Without(drop func(Child) bool) *Stanza {
	var inner []byte
	last, found := 0, false
	for _, c := range s.children {
		if !drop(c) {
			continue
		}
		found = true
		inner = append(inner, s.inner[last:c.start]...)
		last = c.end
	}
	if !found {
		return s
	}
	return s.WithContent(append(inner, s.inner[last:]...))
}
