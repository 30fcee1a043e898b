package stream

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// EventKind is what a Reader found.
type EventKind uint8

// The kinds of event.
const (
	Opened  EventKind = iota // a stream header
	Element                  // a complete element
	Closed                   // the end tag of the stream
)

// Event is what a Reader found. Header or Stanza is set.
type Event struct {
	Kind   EventKind
	Header Header
	Stanza *stanza.Stanza
}

const (
	readSize  = 2 << 10  // of the buffer of an idle stream
	keepSize  = 16 << 10 // a larger buffer is given back when it is empty
	maxHeader = 8 << 10
)

// Reader cuts an XML stream into its elements. It is confined to the carrier's
// reading goroutine. It keeps at most one element of at most the limit.
type Reader struct {
	r       io.Reader
	buf     []byte
	scan    scanner
	opts    stanza.Options
	foreign string
	open    bool // the header was read
}

// NewReader reads a stream whose default namespace must be space (ns.Client or ns.Component).
func NewReader(r io.Reader, space string, limit int) *Reader {
	x := &Reader{r: r, opts: stanza.Options{Default: space}, foreign: space}
	x.opts.Bytes = limit
	if space != ns.Client {
		x.opts.Foreign = space
	}
	return x
}

// SetLimit changes the size of the largest element.
func (r *Reader) SetLimit(bytes int) { r.opts.Bytes = bytes }

// Restart expects a new stream header, from another reader if src is not nil.
// Bytes read ahead are kept in the first case, and thrown away in the second,
// where they would have been said before encryption began.
func (r *Reader) Restart(src io.Reader) {
	r.open = false
	r.scan = scanner{}
	if src != nil {
		r.r = src
		r.buf = nil
	}
}

// Buffered says whether bytes were read ahead.
func (r *Reader) Buffered() bool { return len(bytes.TrimLeft(r.buf, " \t\r\n")) > 0 }

// Next reads until an event is complete. The error is an *Error when the peer's
// XML was at fault, otherwise that of the underlying reader. After a timeout Next
// may be called again.
func (r *Reader) Next() (Event, error) {
	for {
		end, err := r.scan.next(r.buf, r.open)
		if err != nil {
			return Event{}, err
		}
		if end > 0 {
			return r.take(end)
		}
		if r.scan.start > 0 {
			r.drop(r.scan.start)
		}
		limit := r.limit()
		if len(r.buf) > limit {
			return Event{}, Err(PolicyViolation, "stanza too large")
		}
		if err := r.fill(limit); err != nil {
			return Event{}, err
		}
	}
}

func (r *Reader) limit() int {
	switch {
	case !r.open:
		return maxHeader
	case r.opts.Bytes > 0:
		return r.opts.Bytes
	}
	return stanza.DefaultLimits.Bytes
}

// fill reads some more bytes, so that one more than limit can be seen.
func (r *Reader) fill(limit int) error {
	if cap(r.buf) == len(r.buf) {
		size := max(readSize, min(2*cap(r.buf), limit+1))
		if size <= len(r.buf) {
			size = len(r.buf) + readSize
		}
		r.buf = append(make([]byte, 0, size), r.buf...)
	}
	n, err := r.r.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

func (r *Reader) drop(n int) {
	rest := len(r.buf) - n
	if rest == 0 && cap(r.buf) > keepSize {
		r.buf = nil
	} else {
		copy(r.buf, r.buf[n:])
		r.buf = r.buf[:rest]
	}
	r.scan.start = 0
	r.scan.pos = max(0, r.scan.pos-n)
	r.scan.begin = max(0, r.scan.begin-n)
}

func (r *Reader) take(end int) (Event, error) {
	raw := bytes.Clone(r.buf[r.scan.start:end])
	kind := r.scan.kind
	r.scan = scanner{start: end, pos: end}
	r.drop(end)
	switch {
	case kind == closeTag:
		if name := string(bytes.TrimSpace(raw[2 : len(raw)-1])); name != "stream:stream" && !strings.HasSuffix(name, "stream") {
			return Event{}, Err(NotWellFormed, "an end tag does not match its start")
		}
		r.open = false
		return Event{Kind: Closed}, nil
	case !r.open:
		h, err := r.header(raw)
		if err != nil {
			return Event{}, err
		}
		r.open = true
		r.opts.Prefixes = h.Prefixes
		return Event{Kind: Opened, Header: h}, nil
	}
	st, err := stanza.Parse(raw, &r.opts)
	if err != nil {
		return Event{}, streamError(err)
	}
	return Event{Kind: Element, Stanza: st}, nil
}

func streamError(err error) error {
	var pe *stanza.ParseError
	if errors.As(err, &pe) {
		return Err(pe.Condition, pe.Text)
	}
	return err
}

// header reads the start tag of a stream.
func (r *Reader) header(raw []byte) (Header, error) {
	d := xml.NewDecoder(bytes.NewReader(raw))
	tok, err := d.Token()
	if err != nil {
		return Header{}, Err(NotWellFormed, "the stream header cannot be read")
	}
	t, ok := tok.(xml.StartElement)
	if !ok {
		return Header{}, Err(NotWellFormed, "a stream header was expected")
	}
	var h Header
	var prefixes []byte
	for _, a := range t.Attr {
		switch {
		case a.Name.Space == "xmlns":
			if a.Name.Local != "stream" {
				prefixes = stanza.AppendAttr(prefixes, "xmlns:"+a.Name.Local, a.Value)
			}
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			h.Default = a.Value
		case a.Name.Space == ns.XML && a.Name.Local == "lang":
			h.Lang = a.Value
		case a.Name.Space != "":
		case a.Name.Local == "from":
			h.From = a.Value
		case a.Name.Local == "to":
			h.To = a.Value
		case a.Name.Local == "id":
			h.ID = a.Value
		case a.Name.Local == "version":
			h.Version = a.Value
		}
	}
	h.Prefixes = string(prefixes)
	if t.Name.Local != "stream" || t.Name.Space != ns.Stream {
		return h, Err(InvalidNamespace, "a stream header was expected")
	}
	if h.Default != r.foreign {
		return h, Err(InvalidNamespace, "the default namespace must be "+r.foreign)
	}
	return h, nil
}

// tagKind is what kind of markup a scanner is inside.
type tagKind uint8

const (
	noTag tagKind = iota
	openTag
	closeTag
	instruction
	cdata
)

// scanner finds where the next piece of a stream ends. It remembers what it saw,
// so that each byte is looked at once however slowly they arrive. It checks only
// as much as it needs to find the end; stanza.Parse is the strict judge.
type scanner struct {
	start int // where the piece begins
	pos   int // what was looked at
	depth int
	in    tagKind
	begin int // of the current tag
	quote byte
	kind  tagKind // of the outermost tag
}

// next looks at b from where it stopped. end is 0 while the piece is incomplete.
// open says that the stream header was read.
func (s *scanner) next(b []byte, open bool) (end int, err error) {
	for s.pos < len(b) {
		if s.in == noTag {
			if done, err := s.text(b); done || err != nil {
				return 0, err
			}
			continue
		}
		c := b[s.pos]
		s.pos++
		switch {
		case s.in == cdata:
			if c == '>' && bytes.HasSuffix(b[s.begin:s.pos], []byte("]]>")) {
				s.in = noTag
			}
		case s.pos-1 == s.begin+1:
			if err := s.classify(c, open); err != nil {
				return 0, err
			}
		case s.in == declarationTag:
			if err := s.declaration(b); err != nil {
				return 0, err
			}
		case s.quote != 0:
			if c == s.quote {
				s.quote = 0
			}
		case c == '"' || c == '\'':
			if s.in != closeTag {
				s.quote = c
			}
		case c == '>':
			if s.tag(b, open) {
				return s.pos, nil
			}
		}
	}
	return 0, nil
}

// text skips to the next tag; done is true when there is none yet.
func (s *scanner) text(b []byte) (done bool, err error) {
	n := bytes.IndexByte(b[s.pos:], '<')
	text := b[s.pos:]
	if n >= 0 {
		text = text[:n]
	}
	if s.depth == 0 {
		if len(bytes.TrimLeft(text, " \t\r\n")) > 0 {
			return false, Err(BadFormat, "text between elements")
		}
		s.start = s.pos + len(text) // white space is not kept
	}
	s.pos += len(text)
	if n < 0 {
		return true, nil
	}
	s.in, s.begin = openTag, s.pos
	s.pos++
	return false, nil
}

// declarationTag marks a tag that begins with <! until it is known to be CDATA.
const declarationTag = tagKind(255)

// classify looks at the character behind <.
func (s *scanner) classify(c byte, open bool) error {
	switch c {
	case '/':
		s.in = closeTag
	case '?':
		if open || s.depth > 0 {
			return Err(RestrictedXML, "processing instructions are not allowed")
		}
		s.in = instruction
	case '!':
		if s.depth == 0 {
			return Err(RestrictedXML, "comments and declarations are not allowed")
		}
		s.in = declarationTag
	case '>', '<', ' ', '\t', '\r', '\n', '"', '\'':
		return Err(NotWellFormed, "a name was expected")
	}
	if s.depth == 0 && s.in != instruction {
		s.kind = s.in
	}
	return nil
}

func (s *scanner) declaration(b []byte) error {
	const want = "<![CDATA["
	got := b[s.begin:s.pos]
	if !strings.HasPrefix(want, string(got)) {
		return Err(RestrictedXML, "comments and declarations are not allowed")
	}
	if len(got) == len(want) {
		s.in = cdata
	}
	return nil
}

// tag takes the end of a tag; true when the piece is complete.
func (s *scanner) tag(b []byte, open bool) bool {
	in := s.in
	s.in = noTag
	switch {
	case in == instruction:
		s.start = s.pos // the XML declaration
		return false
	case in == closeTag:
		s.depth--
		if s.depth < 0 {
			return true // of the stream
		}
	case !open:
		return true // the stream header, or what stands in its place
	case b[s.pos-2] == '/':
	default:
		s.depth++
	}
	return s.depth == 0
}
