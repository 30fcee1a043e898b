package stanza

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// validChars checks that b is UTF-8 and holds only characters XML 1.0 allows.
func validChars(b []byte) error {
	for i := 0; i < len(b); {
		c := b[i]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
				return malformed("a control character")
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return &ParseError{Condition: "unsupported-encoding", Text: "the text is not UTF-8"}
		}
		if r == 0xFFFE || r == 0xFFFF {
			return malformed("a character XML does not allow")
		}
		i += n
	}
	return nil
}

func checkText(b []byte) error {
	if bytes.Contains(b, cdataEnd) {
		return malformed("]]> in text")
	}
	return checkEntities(b)
}

func checkEntities(b []byte) error {
	for {
		i := bytes.IndexByte(b, '&')
		if i < 0 {
			return nil
		}
		b = b[i:]
		r, n := entity(b)
		if n == 0 {
			return malformed("an & that begins no character reference")
		}
		if r < 0 {
			return restricted("only the five predefined entities are allowed")
		}
		b = b[n:]
	}
}

// entity reads the reference at the start of b: the character and the length of
// the reference. n is 0 for no reference, r is -1 for an entity that is not predefined.
func entity(b []byte) (r rune, n int) {
	end := bytes.IndexByte(b[:min(len(b), 64)], ';')
	if end < 2 {
		return 0, 0
	}
	name := b[1:end]
	if name[0] == '#' {
		return charRef(name[1:]), end + 1
	}
	switch string(name) {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	if nameLen(name) != len(name) {
		return 0, 0
	}
	return -1, end + 1
}

func charRef(b []byte) rune {
	base := 10
	if len(b) > 0 && b[0] == 'x' {
		base, b = 16, b[1:]
	}
	if len(b) == 0 || b[0] == '+' || b[0] == '-' || b[0] == '_' {
		return -1
	}
	v, err := strconv.ParseUint(string(b), base, 21)
	r := rune(v)
	switch {
	case err != nil, r > utf8.MaxRune, r >= 0xD800 && r < 0xE000, r == 0xFFFE, r == 0xFFFF:
		return -1
	case r < ' ' && r != '\t' && r != '\n' && r != '\r':
		return -1
	}
	return r
}

// unescape resolves the references in text that was checked.
func unescape(b []byte) string {
	i := bytes.IndexByte(b, '&')
	if i < 0 {
		return intern(b)
	}
	out := make([]byte, 0, len(b))
	for i >= 0 {
		out = append(out, b[:i]...)
		r, n := entity(b[i:])
		if n == 0 {
			n, r = 1, '&'
		}
		out = utf8.AppendRune(out, r)
		b = b[i+n:]
		i = bytes.IndexByte(b, '&')
	}
	return string(append(out, b...))
}

// findAttr looks an attribute up in the raw bytes of a checked start tag, behind its name.
func findAttr(b []byte, name string) (string, bool) {
	p := parser{b: b}
	for p.i < len(b) {
		a, end, _, err := p.attr()
		if err != nil || end {
			return "", false
		}
		if string(a.name) == name {
			return unescape(a.value), true
		}
	}
	return "", false
}

// Text is the text directly inside one element, without that of elements inside it.
func Text(element []byte) string {
	p := parser{b: element, i: min(1, len(element))}
	p.i += nameLen(element[p.i:])
	for {
		_, end, empty, err := p.attr()
		if err != nil || empty {
			return ""
		}
		if end {
			return directText(element[p.i:])
		}
	}
}

// Text is the text directly inside s.
func (s *Stanza) Text() string { return directText(s.inner) }

func directText(b []byte) string {
	var out []byte
	depth := 0
	for len(b) > 0 {
		i := bytes.IndexByte(b, '<')
		if i < 0 {
			i = len(b)
		}
		if depth == 0 {
			out = append(out, b[:i]...)
		}
		b = b[i:]
		if len(b) < 2 {
			break
		}
		end := tagEnd(b)
		if end == 0 {
			break
		}
		switch {
		case b[1] == '/':
			if depth == 0 {
				return unescape(out)
			}
			depth--
		case b[end-2] != '/':
			depth++
		}
		b = b[end:]
	}
	return unescape(out)
}

// tagEnd is the length of the tag at the start of b, 0 if it does not end.
func tagEnd(b []byte) int {
	var quote byte
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return 0
}
