package stanza

import (
	"slices"
	"unicode/utf8"

	"parley/internal/wire/ns"
)

// Builder writes the content of a stanza. It puts xmlns only where the namespace
// differs from the parent's; the outermost parent is a stanza in jabber:client.
// The zero Builder is ready to use.
type Builder struct {
	buf   []byte
	stack []elem
}

type elem struct{ space, local string }

func (b *Builder) space() string {
	if n := len(b.stack); n > 0 {
		return b.stack[n-1].space
	}
	return ns.Client
}

func (b *Builder) tag(space, local string, attrs []string) string {
	b.buf = append(b.buf, '<')
	b.buf = append(b.buf, local...)
	if space == "" {
		space = b.space()
	}
	if space != b.space() {
		b.buf = AppendAttr(b.buf, "xmlns", space)
	}
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] != "" {
			b.buf = AppendAttr(b.buf, attrs[i], attrs[i+1])
		}
	}
	return space
}

// Start opens an element. An empty space is the parent's namespace. attrs are
// pairs of name and value; a pair with an empty value is left out.
func (b *Builder) Start(space, local string, attrs ...string) *Builder {
	space = b.tag(space, local, attrs)
	b.buf = append(b.buf, '>')
	b.stack = append(b.stack, elem{space, local})
	return b
}

// Empty writes an element without content.
func (b *Builder) Empty(space, local string, attrs ...string) *Builder {
	b.tag(space, local, attrs)
	b.buf = append(b.buf, '/', '>')
	return b
}

// Leaf writes an element that holds only text.
func (b *Builder) Leaf(space, local, text string, attrs ...string) *Builder {
	if text == "" {
		return b.Empty(space, local, attrs...)
	}
	return b.Start(space, local, attrs...).Text(text).End()
}

// Text writes escaped text.
func (b *Builder) Text(s string) *Builder {
	b.buf = AppendText(b.buf, s)
	return b
}

// Raw writes elements that are complete XML already, for instance Stanza.Raw of another stanza.
func (b *Builder) Raw(xml []byte) *Builder {
	b.buf = append(b.buf, xml...)
	return b
}

// Insert is Raw before the last back bytes: into an element that was written closed.
func (b *Builder) Insert(back int, xml []byte) *Builder {
	b.buf = slices.Insert(b.buf, len(b.buf)-back, xml...)
	return b
}

// End closes the element opened last.
func (b *Builder) End() *Builder {
	n := len(b.stack) - 1
	b.buf = append(b.buf, '<', '/')
	b.buf = append(b.buf, b.stack[n].local...)
	b.buf = append(b.buf, '>')
	b.stack = b.stack[:n]
	return b
}

// Bytes is what was written, with all open elements closed.
func (b *Builder) Bytes() []byte {
	for len(b.stack) > 0 {
		b.End()
	}
	return b.buf
}

// AppendAttr writes ` name="value"`, escaped.
func AppendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, '=', '"')
	dst = AppendText(dst, value)
	return append(dst, '"')
}

// AppendText writes s with the five special characters escaped; what XML cannot
// carry becomes U+FFFD.
func AppendText(dst []byte, s string) []byte {
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		width, esc := 1, ""
		switch {
		case c == '&':
			esc = "&amp;"
		case c == '<':
			esc = "&lt;"
		case c == '>':
			esc = "&gt;"
		case c == '"':
			esc = "&quot;"
		case c == '\'':
			esc = "&apos;"
		case c < ' ' && c != '\t' && c != '\n' && c != '\r':
			esc = "\uFFFD"
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			width = n
			if r == utf8.RuneError && n == 1 || r == 0xFFFE || r == 0xFFFF {
				esc = "\uFFFD"
			}
		}
		if esc != "" {
			dst = append(dst, s[last:i]...)
			dst = append(dst, esc...)
			last = i + width
		}
		i += width
	}
	return append(dst, s[last:]...)
}
