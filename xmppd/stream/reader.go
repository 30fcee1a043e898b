package stream

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"

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
	Header *Header
	Stanza *stanza.Stanza
}

const (
	readSize  = 2 << 10  // of a buffer in its beginning
	keepSize  = 16 << 10 // a larger buffer is given back when it is empty
	maxHeader = 8 << 10
)

// readBuffers hold the buffers of those who have nothing to read.
var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// Reader cuts an XML stream into its elements. It is confined to the carrier's
// reading goroutine. It keeps at most one element of at most the limit, and no buffer
// while it waits for the first byte of one on a connection that is not encrypted.
type Reader struct {
	r       io.Reader
	raw     syscall.RawConn              // of r, may be nil
	try     func(fd uintptr) (done bool) // readTry, bound once, since that allocates
	tried   error                        // what the last try ended with
	buf     []byte
	scan    scanner
	opts    stanza.Options
	foreign string
	open    bool // the header was read
}

// NewReader reads a stream whose default namespace must be space (ns.Client or ns.Component).
func NewReader(r io.Reader, space string, limit int) *Reader {
	x := &Reader{r: r, raw: rawOf(r), opts: stanza.Options{Default: space}, foreign: space}
	x.opts.Bytes = limit
	x.try = x.readTry
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
		r.r, r.raw = src, rawOf(src)
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
		if len(r.buf) > r.limit() {
			return Event{}, Err(PolicyViolation, "stanza too large")
		}
		if err := r.fill(); err != nil {
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

// fill reads some more bytes, so that one more than the limit can be seen.
func (r *Reader) fill() error {
	if r.raw != nil {
		if err := r.raw.Read(r.try); err != nil {
			return err
		}
		return r.tried
	}
	r.grow()
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

// readTry reads what there is. If that is nothing it is called again when there is
// something.
func (r *Reader) readTry(fd uintptr) (done bool) {
	r.grow()
	n, err := readNow(fd, r.buf[len(r.buf):cap(r.buf)])
	switch {
	case err == syscall.EAGAIN:
		r.rest()
		return false
	case err == nil && n == 0:
		err = io.EOF
	case err == nil:
		r.buf = r.buf[:len(r.buf)+n]
	}
	r.tried = err
	return true
}

// grow makes room for at least one more byte.
func (r *Reader) grow() {
	switch have := len(r.buf); {
	case cap(r.buf) == 0:
		r.buf = readBuffers.Get().(*[readSize]byte)[:0]
	case cap(r.buf) == have:
		size := min(2*have, r.limit()+1)
		if size <= have {
			size = have + readSize
		}
		r.buf = append(make([]byte, 0, size), r.buf...)
	}
}

// rest gives an empty buffer back.
func (r *Reader) rest() {
	if len(r.buf) > 0 {
		return
	}
	if cap(r.buf) == readSize {
		readBuffers.Put((*[readSize]byte)(r.buf[:readSize]))
	}
	r.buf = nil
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
	for i := range r.scan.open {
		r.scan.open[i].from -= n
		r.scan.open[i].to -= n
	}
}

func (r *Reader) take(end int) (Event, error) {
	raw := bytes.Clone(r.buf[r.scan.start:end])
	kind := r.scan.kind
	r.scan = scanner{start: end, pos: end, open: r.scan.open[:0], begun: true}
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
		return Event{Kind: Opened, Header: &h}, nil
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
	t, err := startTag(raw)
	if err != nil {
		return Header{}, err
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
	switch {
	case t.Name.Space == ns.Stream && t.Name.Local == "stream":
	case t.Name.Space == ns.Stream:
		return h, Err(BadFormat, "a stream header was expected")
	case t.Name.Local == "stream" && !strings.Contains(t.Name.Space, ":"):
		return h, Err(BadNamespacePrefix, "the prefix of the stream header is not declared")
	case t.Name.Local == "stream" && t.Name.Space == r.foreign && declares(t.Attr, ns.Stream):
		return h, Err(BadNamespacePrefix, "the stream header lacks its prefix")
	default:
		return h, Err(InvalidNamespace, "a stream header was expected")
	}
	if h.Default != r.foreign {
		return h, Err(InvalidNamespace, "the default namespace must be "+r.foreign)
	}
	return h, nil
}

func startTag(raw []byte) (xml.StartElement, error) {
	if attrs, ok := plainHead(raw, "<stream:stream"); ok {
		if space := valueOf(attrs, "xmlns", "stream"); space != "" {
			return xml.StartElement{Name: xml.Name{Space: space, Local: "stream"}, Attr: attrs}, nil
		}
	}
	tok, err := xml.NewDecoder(bytes.NewReader(raw)).Token()
	if err != nil {
		return xml.StartElement{}, Err(NotWellFormed, "the stream header cannot be read")
	}
	t, ok := tok.(xml.StartElement)
	if !ok {
		return xml.StartElement{}, Err(NotWellFormed, "a stream header was expected")
	}
	return t, nil
}

func declares(attrs []xml.Attr, space string) bool {
	for _, a := range attrs {
		if a.Name.Space == "xmlns" && a.Value == space {
			return true
		}
	}
	return false
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
