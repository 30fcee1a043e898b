package stream

import (
	"bytes"
	"strings"

	"parley/xmppd/stanza"
)

// scanner finds where the next piece of a stream ends. It remembers what it saw,
// so that each byte is looked at once however slowly they arrive. What can be judged
// before the end is judged at once: nesting, tags that do not match, the number of
// attributes. stanza.Parse is the strict judge of the rest.
type scanner struct {
	start int // where the piece begins
	pos   int // what was looked at
	depth int
	in    tagKind
	begin int // of the current tag
	quote byte
	attrs int     // of the current tag
	kind  tagKind // of the outermost tag
	begun bool    // something was read: an XML declaration may not come any more
	open  []nameAt
}

// nameAt is where the name of an open element stands.
type nameAt struct{ from, to int }

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
			if err := s.quoted(c); err != nil {
				return 0, err
			}
		case c == '"' || c == '\'':
			if s.in != closeTag {
				s.quote = c
				s.attrs++
			}
		case c == '<':
			return 0, Err(NotWellFormed, "a tag does not end")
		case c == '>':
			done, err := s.tag(b, open)
			if err != nil {
				return 0, err
			}
			if done {
				return s.pos, nil
			}
		}
	}
	return 0, nil
}

// quoted looks at a character of an attribute's value.
func (s *scanner) quoted(c byte) error {
	switch {
	case c == s.quote:
		s.quote = 0
	case c == '<':
		return Err(NotWellFormed, "an attribute value contains <")
	case s.attrs > stanza.DefaultLimits.Attrs:
		return Err(PolicyViolation, "too many attributes")
	}
	return nil
}

// text skips to the next tag; done is true when there is none yet.
func (s *scanner) text(b []byte) (done bool, err error) {
	n := bytes.IndexByte(b[s.pos:], '<')
	text := b[s.pos:]
	if n >= 0 {
		text = text[:n]
	}
	if s.depth == 0 {
		if rest := bytes.TrimLeft(text, " \t\r\n"); len(rest) > 0 {
			if !s.begun && (rest[0] == 0xFE || rest[0] == 0xFF || rest[0] == 0) {
				return false, Err(UnsupportedEncoding, "only UTF-8 is understood")
			}
			return false, Err(BadFormat, "text between elements")
		}
		s.start = s.pos + len(text) // white space is not kept
	}
	s.pos += len(text)
	if n < 0 {
		return true, nil
	}
	s.in, s.begin, s.attrs = openTag, s.pos, 0
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
	case 0:
		return Err(UnsupportedEncoding, "only UTF-8 is understood")
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
func (s *scanner) tag(b []byte, open bool) (bool, error) {
	in := s.in
	s.in = noTag
	switch {
	case in == instruction:
		if err := s.xmlDeclaration(b[s.begin:s.pos]); err != nil {
			return false, err
		}
		s.start = s.pos
		return false, nil
	case in == closeTag:
		s.depth--
		if s.depth < 0 {
			return true, nil // of the stream
		}
		last := len(s.open) - 1
		name := s.open[last]
		s.open = s.open[:last]
		if !bytes.Equal(b[name.from:name.to], bytes.TrimRight(b[s.begin+2:s.pos-1], " \t\r\n")) {
			return false, Err(NotWellFormed, "an end tag does not match its start")
		}
	case !open:
		return true, nil // the stream header, or what stands in its place
	case b[s.pos-2] == '/':
	default:
		if s.depth >= stanza.DefaultLimits.Depth {
			return false, Err(PolicyViolation, "elements are nested too deeply")
		}
		s.depth++
		s.open = append(s.open, nameAt{s.begin + 1, s.begin + 1 + bytes.IndexAny(b[s.begin+1:s.pos], " \t\r\n/>")})
	}
	return s.depth == 0, nil
}

// xmlDeclaration judges <?xml …?>, which only the beginning of a stream may have.
func (s *scanner) xmlDeclaration(tag []byte) error {
	if s.begun || !bytes.HasPrefix(tag, []byte("<?xml")) || len(tag) < 8 || !isBlank(tag[5]) {
		return Err(RestrictedXML, "processing instructions are not allowed")
	}
	s.begun = true
	_, rest, ok := bytes.Cut(tag, []byte("encoding"))
	if !ok {
		return nil
	}
	rest = bytes.Trim(rest, " \t\r\n=?>")
	if len(rest) < 2 || !strings.EqualFold(string(bytes.Trim(firstQuoted(rest), `"'`)), "utf-8") {
		return Err(UnsupportedEncoding, "only UTF-8 is understood")
	}
	return nil
}

// firstQuoted is the quoted value at the beginning, or nothing.
func firstQuoted(b []byte) []byte {
	if n := bytes.IndexByte(b[1:], b[0]); n >= 0 {
		return b[:n+2]
	}
	return nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
