package stream

import (
	"bytes"
	"encoding/xml"
	"errors"
	"slices"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// ErrTruncated is returned by ReadBody for a body that does not end.
var ErrTruncated = errors.New("the body does not end")

// Body is the wrapper of a BOSH request (XEP-0124) and what it carries.
type Body struct {
	attrs    []xml.Attr
	Elements []*stanza.Stanza
}

// Attr is the value of an attribute without namespace.
func (b *Body) Attr(name string) string { return b.AttrNS("", name) }

// AttrNS is the value of an attribute.
func (b *Body) AttrNS(space, name string) string { return valueOf(b.attrs, space, name) }

func valueOf(attrs []xml.Attr, space, name string) string {
	for _, a := range attrs {
		if a.Name.Space == space && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// ReadBody reads a whole request. Elements that carry no namespace, or the body's,
// are taken to be in jabber:client, as clients of old mean them. When the error is
// not nil the attributes of the body may have been read nevertheless.
func ReadBody(b []byte, limit int) (*Body, error) {
	body := &Body{}
	end, start, kind, err := piece(b, false)
	if err != nil {
		return body, err
	}
	if end == 0 || kind != openTag {
		return body, ErrTruncated
	}
	raw := b[start:end]
	prefixes, err := body.head(raw)
	if err != nil {
		return body, err
	}
	b = b[end:]
	if bytes.HasSuffix(raw, []byte("/>")) {
		return body, onlyBlank(b)
	}
	o := stanza.Options{Default: ns.HTTPBind, Foreign: ns.HTTPBind, Prefixes: prefixes}
	o.Bytes = limit
	for {
		end, start, kind, err := piece(b, true)
		switch {
		case err != nil:
			return body, err
		case end == 0:
			return body, ErrTruncated
		case kind == closeTag:
			if string(bytes.TrimRight(b[start:end], " \t\r\n>")) != "</body" {
				return body, Err(NotWellFormed, "an end tag does not match its start")
			}
			return body, onlyBlank(b[end:])
		}
		st, err := stanza.Parse(bytes.Clone(b[start:end]), &o)
		if err != nil {
			return body, streamError(err)
		}
		body.Elements = append(body.Elements, st)
		b = b[end:]
	}
}

func piece(b []byte, open bool) (end, start int, kind tagKind, err error) {
	var s scanner
	end, err = s.next(b, open)
	return end, s.start, s.kind, err
}

func onlyBlank(b []byte) error {
	if len(bytes.TrimSpace(b)) > 0 {
		return Err(NotWellFormed, "something follows the body")
	}
	return nil
}

func (body *Body) head(raw []byte) (prefixes string, err error) {
	if len(raw) > maxHeader {
		return "", Err(PolicyViolation, "the start tag of the body is too long")
	}
	attrs, ok := plainHead(raw, "<body")
	if !ok || valueOf(attrs, "", "xmlns") != ns.HTTPBind {
		tok, err := xml.NewDecoder(bytes.NewReader(raw)).Token()
		t, ok := tok.(xml.StartElement)
		if err != nil || !ok || t.Name.Local != "body" || t.Name.Space != ns.HTTPBind || bytes.HasPrefix(raw, []byte("<body:")) {
			return "", Err(NotWellFormed, "a body was expected")
		}
		attrs = t.Attr
	}
	body.attrs = attrs
	var p []byte
	for _, a := range attrs {
		if a.Name.Space == "xmlns" && a.Name.Local != "stream" {
			p = stanza.AppendAttr(p, "xmlns:"+a.Name.Local, a.Value)
		}
	}
	return string(p), nil
}

// plainHead reads a start tag, of a body or a stream, as nearly all clients write it,
// several times as fast as encoding/xml, which is left to judge all others: no references,
// nothing but printable ASCII, every prefix declared right there.
func plainHead(raw []byte, tag string) ([]xml.Attr, bool) {
	rest, ok := strings.CutPrefix(string(raw), tag) // of which all names and values are parts
	if !ok {
		return nil, false
	}
	attrs := make([]xml.Attr, 0, 12)
	for {
		trimmed := strings.TrimLeft(rest, " ")
		if trimmed == ">" || trimmed == "/>" {
			break
		}
		name, value, after, ok := plainAttr(trimmed)
		twice := slices.ContainsFunc(attrs, func(a xml.Attr) bool { return a.Name.Local == name })
		if !ok || twice || len(trimmed) == len(rest) {
			return nil, false
		}
		attrs, rest = append(attrs, xml.Attr{Name: xml.Name{Local: name}, Value: value}), after
	}
	return attrs, named(attrs)
}

// plainAttr cuts one attribute off.
func plainAttr(s string) (name, value, rest string, ok bool) {
	name, s, ok = strings.Cut(s, "=")
	if !ok || name == "" || s == "" || s[0] != '"' && s[0] != '\'' {
		return "", "", "", false
	}
	value, rest, ok = strings.Cut(s[1:], s[:1])
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		ok = ok && (letter || i > 0 && (c == ':' || c == '-' || c >= '0' && c <= '9'))
	}
	for i := range len(value) {
		c := value[i]
		ok = ok && c >= ' ' && c <= '~' && c != '&' && c != '<'
	}
	return name, value, rest, ok
}

// named puts namespaces in the place of prefixes; false if that needs a closer look.
func named(attrs []xml.Attr) bool {
	for i := range attrs {
		a := &attrs[i]
		prefix, local, ok := strings.Cut(a.Name.Local, ":")
		switch {
		case !ok:
		case prefix == "xmlns" && local != "" && local != "xml" && local != "xmlns" && !strings.Contains(local, ":") && a.Value != "":
			a.Name = xml.Name{Space: prefix, Local: local}
		case prefix == "xmlns":
			return false
		}
	}
	for i := range attrs {
		a := &attrs[i]
		prefix, local, ok := strings.Cut(a.Name.Local, ":")
		if !ok {
			continue
		}
		if a.Name = (xml.Name{Space: ns.XML, Local: local}); prefix != "xml" {
			k := slices.IndexFunc(attrs, func(d xml.Attr) bool { return d.Name.Space == "xmlns" && d.Name.Local == prefix })
			if k < 0 {
				return false
			}
			a.Name.Space = attrs[k].Value
		}
		if local == "" || strings.Contains(local, ":") {
			return false
		}
	}
	return true
}
