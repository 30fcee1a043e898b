package stream

import (
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// encodeTCP writes a stream as one document (RFC 6120 §4.2).
type encodeTCP struct{ space string }

func (c encodeTCP) AppendHeader(dst []byte, h Header) []byte {
	dst = append(dst, `<?xml version='1.0'?><stream:stream`...)
	dst = stanza.AppendAttr(dst, "xmlns", c.space)
	dst = stanza.AppendAttr(dst, "xmlns:stream", ns.Stream)
	for _, a := range [...][2]string{{"id", h.ID}, {"from", h.From}, {"to", h.To}, {"version", h.Version}, {"xml:lang", h.Lang}} {
		if a[1] != "" {
			dst = stanza.AppendAttr(dst, a[0], a[1])
		}
	}
	return append(dst, '>')
}

func (encodeTCP) AppendFeatures(dst, inner []byte) []byte {
	dst = append(dst, "<stream:features>"...)
	dst = append(dst, inner...)
	return append(dst, "</stream:features>"...)
}

func (encodeTCP) AppendElement(dst, xml []byte) []byte { return append(dst, xml...) }

func (encodeTCP) AppendStanza(dst []byte, to stanza.Addr, e *stanza.Encoded) []byte {
	return e.Append(dst, to, "")
}

func (encodeTCP) AppendError(dst []byte, e *Error) []byte {
	dst = append(dst, "<stream:error>"...)
	dst = append(dst, e.Content()...)
	return append(dst, "</stream:error>"...)
}

func (encodeTCP) AppendEnd(dst []byte) []byte { return append(dst, "</stream:stream>"...) }
