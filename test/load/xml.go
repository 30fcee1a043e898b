//go:build linux

package main

import (
	"bytes"
	"strings"
)

// element finds the first whole element of a stream. size is 0 if more bytes are
// needed. A stream's own start and end tags, and an XML declaration, come alone.
func element(b []byte) (el []byte, size int) {
	i, depth := 0, 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\n') {
		i++
	}
	start := i
	for {
		open := bytes.IndexByte(b[i:], '<')
		if open < 0 {
			return nil, 0
		}
		i += open
		end := tagEnd(b, i)
		if end < 0 {
			return nil, 0
		}
		tag := b[i : end+1]
		i = end + 1
		switch {
		case tag[1] == '?':
		case tag[1] == '/':
			depth--
		case tag[len(tag)-2] == '/':
		case depth == 0 && bytes.HasPrefix(tag, []byte("<stream:stream")):
		default:
			depth++
		}
		if depth <= 0 {
			return b[start:i], i
		}
	}
}

// tagEnd is where the tag that begins at i ends; a > inside quotes does not end it.
func tagEnd(b []byte, i int) int {
	var quote byte
	for ; i < len(b); i++ {
		c := b[i]
		switch {
		case quote != 0:
			// Most bytes of a tag are in its values.
			k := bytes.IndexByte(b[i:], quote)
			if k < 0 {
				return -1
			}
			i, quote = i+k, 0
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i
		}
	}
	return -1
}

// attr is the value of an attribute of the first tag, as written.
func attr(el []byte, name string) []byte {
	end := tagEnd(el, 0)
	if end < 0 {
		return nil
	}
	tag := el[:end]
	for {
		k := bytes.Index(tag, []byte(name))
		if k < 1 {
			return nil
		}
		v := tag[k+len(name):]
		if tag[k-1] == ' ' && len(v) > 1 && v[0] == '=' {
			q := bytes.IndexByte(v[2:], v[1])
			if q < 0 {
				return nil
			}
			return v[2 : 2+q]
		}
		tag = v
	}
}

// text is what stands in the first element of that name.
func text(el []byte, name string) string {
	_, rest, ok := strings.Cut(string(el), "<"+name)
	if !ok {
		return ""
	}
	_, rest, _ = strings.Cut(rest, ">")
	rest, _, _ = strings.Cut(rest, "</"+name+">")
	return rest
}
