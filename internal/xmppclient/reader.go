package xmppclient

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"parley/internal/wire/ns"
)

// Bounds of a received stanza. The server is trusted, but its users are not; the
// largest honest stanzas are offers of large meetings, about 100 KiB.
const (
	DefaultMaxStanza = 1 << 20
	DefaultMaxDepth  = 64
)

var (
	errStreamEnd   = errors.New("stream closed by the server")
	errTooLarge    = errors.New("stanza too large")
	errTooDeep     = errors.New("stanza nested too deeply")
	errRestricted  = errors.New("restricted XML in the stream")
	errUnbalanced  = errors.New("end tag does not match")
	errBeforeStart = errors.New("text outside of stanzas")
)

// stanzaReader cuts a stream into its top-level elements. It is confined to the
// goroutine that reads the connection.
type stanzaReader struct {
	rec   *recorder
	dec   *xml.Decoder
	max   int
	depth int
	stack []xml.Name
	space string // default namespace of the open stream
}

func newStanzaReader(r io.Reader, max, depth int) *stanzaReader {
	rec := &recorder{r: bufio.NewReaderSize(r, 16<<10), max: max}
	return &stanzaReader{rec: rec, dec: xml.NewDecoder(rec), max: max, depth: depth, space: ns.Client}
}

// recorder keeps the bytes the decoder has taken since the last drop. The decoder takes
// them one by one, so it never holds more than one byte that is not part of a token.
type recorder struct {
	r    *bufio.Reader
	buf  []byte
	base int64 // stream offset of buf[0]
	max  int
	err  error // of the connection, once there was one
}

// ReadByte implements io.ByteReader.
func (r *recorder) ReadByte() (byte, error) {
	if len(r.buf) > r.max {
		return 0, errTooLarge
	}
	c, err := r.r.ReadByte()
	if err != nil {
		r.err = err
		return 0, err
	}
	r.buf = append(r.buf, c)
	return c, nil
}

// Read implements io.Reader; xml.Decoder prefers ReadByte.
func (r *recorder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

// drop forgets everything before the stream offset.
func (r *recorder) drop(offset int64) {
	n := copy(r.buf, r.buf[offset-r.base:])
	r.buf, r.base = r.buf[:n], offset
	if cap(r.buf) > 64<<10 && n == 0 {
		r.buf = nil // one large stanza must not keep its memory for ever
	}
}

// open reads the stream header and returns its start tag, prefixes left as they are.
func (s *stanzaReader) open() (xml.StartElement, error) {
	for {
		tok, err := s.dec.RawToken()
		if err != nil {
			return xml.StartElement{}, noEOF(err)
		}
		switch t := tok.(type) {
		case xml.ProcInst:
			if t.Target != "xml" {
				return xml.StartElement{}, errRestricted
			}
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return xml.StartElement{}, errBeforeStart
			}
		case xml.StartElement:
			if t.Name.Local != "stream" {
				return xml.StartElement{}, fmt.Errorf("<%s/> instead of a stream header", t.Name.Local)
			}
			if a, ok := attr(t, "xmlns"); ok {
				s.space = a
			}
			s.rec.drop(s.dec.InputOffset())
			return t.Copy(), nil
		default:
			return xml.StartElement{}, errRestricted
		}
	}
}

// next reads the next top-level element. At the end of the stream it returns errStreamEnd.
func (s *stanzaReader) next() (*Stanza, error) {
	for {
		begin := s.dec.InputOffset()
		s.rec.drop(begin)
		tok, err := s.dec.RawToken()
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			return s.rest(t.Copy(), begin)
		case xml.EndElement:
			return nil, errStreamEnd
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return nil, errBeforeStart
			}
		default:
			return nil, errRestricted
		}
	}
}

// rest reads to the end of the element that began with start.
func (s *stanzaReader) rest(start xml.StartElement, begin int64) (*Stanza, error) {
	st := &Stanza{Name: qualified(start.Name)}
	for _, a := range start.Attr {
		if a.Name.Space != "" {
			continue
		}
		switch a.Name.Local {
		case "type":
			st.Type = a.Value
		case "id":
			st.ID = a.Value
		case "from":
			st.From = a.Value
		case "to":
			st.To = a.Value
		}
	}
	s.stack = append(s.stack[:0], start.Name)
	for len(s.stack) > 0 {
		tok, err := s.dec.RawToken()
		if err != nil {
			return nil, noEOF(err)
		}
		if err := s.token(st, start, tok); err != nil {
			return nil, err
		}
	}
	end := s.dec.InputOffset()
	st.Raw = append([]byte(nil), s.rec.buf[begin-s.rec.base:end-s.rec.base]...)
	s.rec.drop(end)
	return st, nil
}

func (s *stanzaReader) token(st *Stanza, root xml.StartElement, tok xml.Token) error {
	switch t := tok.(type) {
	case xml.StartElement:
		if len(s.stack) >= s.depth {
			return errTooDeep
		}
		if len(s.stack) == 1 && st.Payload.Local == "" {
			st.Payload = s.resolve(root, t)
		}
		s.stack = append(s.stack, t.Name)
	case xml.EndElement:
		if s.stack[len(s.stack)-1] != t.Name {
			return errUnbalanced
		}
		s.stack = s.stack[:len(s.stack)-1]
	case xml.CharData:
	default:
		return errRestricted
	}
	return nil
}

// resolve gives the child's name its namespace. Declarations can stand on the child or
// on the stanza; the stream's own default namespace counts as jabber:client.
func (s *stanzaReader) resolve(root, child xml.StartElement) xml.Name {
	want := "xmlns"
	if child.Name.Space != "" {
		want = child.Name.Space
	}
	for _, e := range []xml.StartElement{child, root} {
		for _, a := range e.Attr {
			declares := a.Name.Local
			if want == "xmlns" && a.Name.Space != "" || want != "xmlns" && a.Name.Space != "xmlns" {
				continue
			}
			if declares == want {
				if a.Value == s.space || a.Value == ns.Component {
					return xml.Name{Space: ns.Client, Local: child.Name.Local}
				}
				return xml.Name{Space: a.Value, Local: child.Name.Local}
			}
		}
	}
	if want == "stream" {
		return xml.Name{Space: ns.Stream, Local: child.Name.Local}
	}
	return xml.Name{Space: ns.Client, Local: child.Name.Local}
}

// qualified is the name as written, e.g. stream:features.
func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

func attr(e xml.StartElement, name string) (string, bool) {
	for _, a := range e.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

// noEOF turns an end inside an element into the error it is.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
