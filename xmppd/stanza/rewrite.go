package stanza

import (
	"bytes"
	"encoding/xml"
	"io"
	"strconv"

	"parley/internal/wire/ns"
)

// rewrite puts an element with prefixes, CDATA or foreign namespaces into the one
// form we send: physical xmlns, no prefixes. It is the slow path; web clients and
// nearly all others never take it.
func rewrite(b []byte, def, foreign, prefixes string, lim Limits) (*Stanza, error) {
	var head []byte
	head = append(head, "<w"...)
	head = AppendAttr(head, "xmlns", def)
	if !bytes.Contains([]byte(prefixes), []byte(" xmlns:stream=")) {
		head = AppendAttr(head, "xmlns:stream", ns.Stream)
	}
	head = append(append(head, prefixes...), '>')
	d := xml.NewDecoder(io.MultiReader(bytes.NewReader(head), bytes.NewReader(b), bytes.NewReader([]byte("</w>"))))
	r := rewriter{foreign: foreign}
	for {
		// A long namespace declared once may be written out many times.
		if len(r.out.buf) > 2*lim.Bytes {
			return nil, tooMuch("stanza too large")
		}
		tok, err := d.Token()
		if err != nil {
			return nil, malformed("the element cannot be read")
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if err := r.start(t); err != nil {
				return nil, err
			}
		case xml.EndElement:
			r.declared = r.declared[:len(r.declared)-1]
			if len(r.declared) == 0 {
				return r.finish(lim)
			}
			r.out.End()
		case xml.CharData:
			r.out.Text(string(t))
		default:
			return nil, restricted("only elements and text are allowed")
		}
	}
}

type rewriter struct {
	foreign  string
	out      Builder
	declared [][]string // namespaces declared at each open element
}

func (r *rewriter) start(t xml.StartElement) error {
	var here []string
	var attrs []string
	n := 0
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			here = append(here, a.Value)
		}
	}
	r.declared = append(r.declared, here)
	for _, a := range t.Attr {
		switch {
		case a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns":
		case a.Name.Space == "":
			attrs = append(attrs, a.Name.Local, a.Value)
		case a.Name.Space == ns.XML:
			attrs = append(attrs, "xml:"+a.Name.Local, a.Value)
		case !r.knows(a.Name.Space):
			return &ParseError{Condition: "bad-namespace-prefix", Text: "a prefix is not declared"}
		default:
			n++
			p := "n" + strconv.Itoa(n)
			attrs = append(attrs, "xmlns:"+p, a.Name.Space, p+":"+a.Name.Local, a.Value)
		}
	}
	if len(r.declared) == 1 {
		return nil // the wrapper
	}
	space := t.Name.Space
	if space != "" && !r.knows(space) {
		return &ParseError{Condition: "bad-namespace-prefix", Text: "a prefix is not declared"}
	}
	if space == r.foreign && space != "" {
		space = ns.Client
	}
	r.write(space, t.Name.Local, attrs)
	return nil
}

// write is Builder.Start, but keeps empty attributes and an undeclared namespace as they were.
func (r *rewriter) write(space, local string, attrs []string) {
	b := &r.out
	b.buf = append(append(b.buf, '<'), local...)
	if space != b.space() {
		b.buf = AppendAttr(b.buf, "xmlns", space)
	}
	for i := 0; i+1 < len(attrs); i += 2 {
		b.buf = AppendAttr(b.buf, attrs[i], attrs[i+1])
	}
	b.buf = append(b.buf, '>')
	b.stack = append(b.stack, elem{space, local})
}

func (r *rewriter) knows(space string) bool {
	for _, at := range r.declared {
		for _, s := range at {
			if s == space {
				return true
			}
		}
	}
	return space == ns.XML
}

func (r *rewriter) finish(lim Limits) (*Stanza, error) {
	b := r.out.buf
	if err := validChars(b); err != nil {
		return nil, err
	}
	// Written out, an element may be longer than it came.
	lim.Bytes, lim.Attrs = 2*len(b)+1, 3*lim.Attrs
	p := parser{b: b, lim: lim, def: ns.Client, again: true}
	s, err := p.element()
	if err == nil && p.i != len(b) {
		err = malformed("something follows the element")
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}
