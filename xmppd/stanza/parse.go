package stanza

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"parley/internal/wire/ns"
)

// Limits bound one element. The zero value of a field means DefaultLimits' value.
type Limits struct {
	Bytes    int // of the whole element
	Depth    int // of elements inside each other
	Attrs    int // of one start tag
	Children int // direct ones
}

// DefaultLimits are those of a client stream.
var DefaultLimits = Limits{Bytes: 256 << 10, Depth: 64, Attrs: 64, Children: 4096}

// Options say in which stream an element was found.
type Options struct {
	Limits
	// Default is the namespace the stream declared; "" is ns.Client.
	Default string
	// Foreign is a namespace that means ns.Client on this carrier, for instance
	// ns.Component. The stanza comes out in ns.Client.
	Foreign string
	// Prefixes are further xmlns:… declarations of the stream header, raw, each
	// with a blank before it. The prefix stream need not be among them.
	Prefixes string
}

func (o *Options) limits() Limits {
	l := DefaultLimits
	if o == nil {
		return l
	}
	if o.Bytes > 0 {
		l.Bytes = o.Bytes
	}
	if o.Depth > 0 {
		l.Depth = o.Depth
	}
	if o.Attrs > 0 {
		l.Attrs = o.Attrs
	}
	if o.Children > 0 {
		l.Children = o.Children
	}
	return l
}

// Parse reads exactly one element. The stanza keeps b, which must not change
// afterwards. The error is always a *ParseError.
func Parse(b []byte, o *Options) (*Stanza, error) {
	p := parser{b: b, lim: o.limits(), def: ns.Client}
	if o != nil {
		p.foreign = o.Foreign
		if o.Default != "" {
			p.def = o.Default
		}
	}
	if len(b) > p.lim.Bytes {
		return nil, tooMuch("stanza too large")
	}
	if err := validChars(b); err != nil {
		return nil, err
	}
	s, err := p.element()
	if err != nil {
		return nil, err
	}
	if p.i != len(b) {
		return nil, malformed("something follows the element")
	}
	if p.rewrite {
		prefixes := ""
		if o != nil {
			prefixes = o.Prefixes
		}
		return rewrite(b, p.def, p.foreign, prefixes, p.lim)
	}
	return s, nil
}

// index finds the child elements in content that we or Parse made.
func index(content []byte) []Child {
	if len(content) == 0 {
		return nil
	}
	l := DefaultLimits
	l.Children = len(content)
	p := parser{b: content, lim: l, def: ns.Client, open: true}
	s := &Stanza{Space: ns.Client}
	if err := p.content(s); err != nil {
		panic("stanza: own content: " + err.Error())
	}
	return s.children
}

// parser walks over one element. It allocates nothing but the stanza.
type parser struct {
	b       []byte
	i       int
	lim     Limits
	def     string
	foreign string
	open    bool // content without an element around it

	// rewrite is set when the bytes cannot be relayed as they are: prefixes,
	// CDATA, names outside ASCII, a foreign namespace inside.
	rewrite bool
	again   bool // these bytes come from rewrite
	inner   int  // where the content begins
	stack   []span
	stack0  [16]span
}

type span struct{ from, to int }

type attr struct {
	name  []byte
	value []byte // raw
	quote byte
}

func (p *parser) element() (*Stanza, error) {
	s := &Stanza{}
	if p.i >= len(p.b) || p.b[p.i] != '<' {
		return nil, malformed("an element was expected")
	}
	if p.i+1 < len(p.b) && (p.b[p.i+1] == '!' || p.b[p.i+1] == '?') {
		return nil, restricted("only elements may stand here")
	}
	p.i++
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	p.stack = append(p.stack0[:0], span{p.i - len(name), p.i})
	s.Name = intern(name)
	s.Space = p.def
	var from, to []byte
	var seen [8]attr
	attrs := seen[:0]
	empty := false
	for {
		a, end, selfClosed, err := p.attr()
		if err != nil {
			return nil, err
		}
		if end {
			empty = selfClosed
			break
		}
		if err := p.checkAttr(attrs, a); err != nil {
			return nil, err
		}
		attrs = append(attrs, a)
		switch string(a.name) {
		case "xmlns":
			s.Space = unescape(a.value)
		case "type":
			s.Type = unescape(a.value)
		case "id":
			s.ID = unescape(a.value)
		case "xml:lang":
			s.Lang = unescape(a.value)
		case "from":
			from = a.value
		case "to":
			to = a.value
		default:
			if bytes.IndexByte(a.name, ':') < 0 {
				s.attrs = appendRaw(s.attrs, a)
			}
		}
	}
	if p.foreign != "" && s.Space == p.foreign {
		s.Space = ns.Client
	}
	s.setKind()
	s.setAddrs(from, to)
	p.inner = p.i
	if empty {
		return s, nil
	}
	return s, p.content(s)
}

func (s *Stanza) setKind() {
	if s.Space != ns.Client {
		return
	}
	switch s.Name {
	case "iq":
		s.Kind = IQ
	case "message":
		s.Kind = Message
	case "presence":
		s.Kind = Presence
	}
}

func (s *Stanza) setAddrs(from, to []byte) {
	var err error
	if len(from) > 0 {
		if s.From, err = ParseAddr(unescape(from)); err != nil {
			s.Malformed = "from"
		}
	}
	if len(to) > 0 {
		text := unescape(to)
		if s.To, err = ParseAddr(text); err != nil {
			s.Malformed = "to"
			bare, _, _ := strings.Cut(text, "/")
			s.To, _ = ParseAddr(bare)
		}
	}
}

func appendRaw(dst []byte, a attr) []byte {
	dst = append(append(append(dst, ' '), a.name...), '=', a.quote)
	return append(append(dst, a.value...), a.quote)
}

// content reads up to and with the end tag of the outermost element.
func (p *parser) content(s *Stanza) error {
	childStart := 0
	for {
		next := bytes.IndexByte(p.b[p.i:], '<')
		if next < 0 {
			if p.open && len(p.stack) == 0 {
				return checkText(p.b[p.i:])
			}
			return malformed("the element does not end")
		}
		if err := checkText(p.b[p.i : p.i+next]); err != nil {
			return err
		}
		p.i += next
		at := p.i
		if p.i+1 >= len(p.b) {
			return malformed("the element does not end")
		}
		depth := len(p.stack)
		if p.open {
			depth++
		}
		switch p.b[p.i+1] {
		case '/':
			done, err := p.endTag()
			if err != nil {
				return err
			}
			if depth == 2 {
				s.children[len(s.children)-1].end = p.i - p.inner
			}
			if done {
				s.inner = p.b[p.inner:at:at]
				if len(s.inner) == 0 {
					s.inner = nil
				}
				return nil
			}
		case '!':
			if err := p.cdata(); err != nil {
				return err
			}
		case '?':
			return restricted("processing instructions are not allowed")
		default:
			childStart = at - p.inner
			space, name, empty, err := p.startTag(s.Space)
			if err != nil {
				return err
			}
			if depth == 1 {
				if len(s.children) >= p.lim.Children {
					return tooMuch("too many child elements")
				}
				s.children = append(s.children, Child{Space: space, Name: intern(name), start: childStart, end: p.i - p.inner})
			}
			if !empty {
				if depth >= p.lim.Depth {
					return tooMuch("elements are nested too deeply")
				}
			}
		}
	}
}

// startTag reads a start tag inside the element and pushes it unless it is empty.
// space is only right for direct children; nobody needs it deeper.
func (p *parser) startTag(parent string) (space string, name []byte, empty bool, err error) {
	p.i++
	if name, err = p.name(); err != nil {
		return "", nil, false, err
	}
	at := span{p.i - len(name), p.i}
	space = parent
	var seen [8]attr
	attrs := seen[:0]
	for {
		a, end, selfClosed, err := p.attr()
		if err != nil {
			return "", nil, false, err
		}
		if end {
			empty = selfClosed
			break
		}
		if err := p.checkAttr(attrs, a); err != nil {
			return "", nil, false, err
		}
		attrs = append(attrs, a)
		if string(a.name) == "xmlns" {
			space = unescape(a.value)
			if p.foreign != "" && space == p.foreign {
				p.rewrite = true
			}
		}
	}
	if !empty {
		if p.stack == nil {
			p.stack = p.stack0[:0]
		}
		p.stack = append(p.stack, at)
	}
	return space, name, empty, nil
}

func (p *parser) endTag() (done bool, err error) {
	n := len(p.stack)
	if n == 0 {
		return false, malformed("an end tag without its start")
	}
	open := p.b[p.stack[n-1].from:p.stack[n-1].to]
	rest := p.b[p.i+2:]
	if !bytes.HasPrefix(rest, open) {
		return false, malformed("an end tag does not match its start")
	}
	p.i += 2 + len(open)
	p.blank()
	if p.i >= len(p.b) || p.b[p.i] != '>' {
		return false, malformed("an end tag does not match its start")
	}
	p.i++
	p.stack = p.stack[:n-1]
	return n == 1 && !p.open, nil
}

var (
	cdataStart = []byte("<![CDATA[")
	cdataEnd   = []byte("]]>")
)

func (p *parser) cdata() error {
	if !bytes.HasPrefix(p.b[p.i:], cdataStart) {
		return restricted("comments and declarations are not allowed")
	}
	end := bytes.Index(p.b[p.i:], cdataEnd)
	if end < 0 {
		return malformed("the element does not end")
	}
	p.i += end + len(cdataEnd)
	p.rewrite = true
	return nil
}

// name reads an element name or attribute name.
func (p *parser) name() ([]byte, error) {
	n := nameLen(p.b[p.i:])
	if n == 0 {
		return nil, malformed("a name was expected")
	}
	name := p.b[p.i : p.i+n]
	p.i += n
	if c := name[0]; c == '-' || c == '.' || c >= '0' && c <= '9' {
		return nil, malformed("a name begins with a wrong character")
	}
	for _, c := range name {
		if c == ':' && !p.again || c >= utf8.RuneSelf {
			if string(name) != "xml:lang" {
				p.rewrite = true
			}
			break
		}
	}
	return name, nil
}

func nameLen(b []byte) int {
	i := 0
	for i < len(b) && nameByte[b[i]] {
		i++
	}
	return i
}

var nameByte = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '_' || c == '-' || c == '.' || c == ':' || c >= utf8.RuneSelf
	}
	return t
}()

func (p *parser) blank() bool {
	start := p.i
	for p.i < len(p.b) && isBlank(p.b[p.i]) {
		p.i++
	}
	return p.i > start
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// attr tries the next attribute; end is true at the end of the tag.
func (p *parser) attr() (a attr, end, selfClosed bool, err error) {
	blank := p.blank()
	if p.i >= len(p.b) {
		return a, false, false, malformed("a tag does not end")
	}
	switch p.b[p.i] {
	case '>':
		p.i++
		return a, true, false, nil
	case '/':
		if p.i+1 >= len(p.b) || p.b[p.i+1] != '>' {
			return a, false, false, malformed("a tag does not end")
		}
		p.i += 2
		return a, true, true, nil
	}
	if !blank {
		return a, false, false, malformed("a blank before an attribute is missing")
	}
	if a.name, err = p.name(); err != nil {
		return a, false, false, err
	}
	p.blank()
	if p.i >= len(p.b) || p.b[p.i] != '=' {
		return a, false, false, malformed("an attribute has no value")
	}
	p.i++
	p.blank()
	if p.i >= len(p.b) || p.b[p.i] != '"' && p.b[p.i] != '\'' {
		return a, false, false, malformed("an attribute value is not quoted")
	}
	a.quote = p.b[p.i]
	p.i++
	n := bytes.IndexByte(p.b[p.i:], a.quote)
	if n < 0 {
		return a, false, false, malformed("an attribute value does not end")
	}
	a.value = p.b[p.i : p.i+n]
	p.i += n + 1
	if bytes.IndexByte(a.value, '<') >= 0 {
		return a, false, false, malformed("an attribute value contains <")
	}
	return a, false, false, checkEntities(a.value)
}

func (p *parser) checkAttr(seen []attr, a attr) error {
	if len(seen) >= p.lim.Attrs {
		return tooMuch("too many attributes")
	}
	for _, s := range seen {
		if bytes.Equal(s.name, a.name) {
			return malformed("an attribute is given twice")
		}
	}
	return nil
}
