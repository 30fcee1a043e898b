package stanza

// Encoded is a stanza serialised once for any number of recipients: all but the
// to attribute and the xmlns a carrier may want, which Append splices in. It
// copies nothing, so it is cheap to make even for one recipient.
type Encoded struct {
	st   *Stanza
	head []byte // attributes but to
}

// Encode prepares s for sending. s.To is only a default; Append names the recipient.
func (s *Stanza) Encode() *Encoded {
	n := len(s.Type) + len(s.ID) + len(s.Lang) + len(s.From.full) + len(s.attrs) + 48
	h := make([]byte, 0, n)
	if s.Type != "" {
		h = AppendAttr(h, "type", s.Type)
	}
	if s.ID != "" {
		h = AppendAttr(h, "id", s.ID)
	}
	if !s.From.IsZero() {
		h = AppendAttr(h, "from", s.From.full)
	}
	if s.Lang != "" {
		h = AppendAttr(h, "xml:lang", s.Lang)
	}
	h = append(h, s.attrs...)
	return &Encoded{st: s, head: h}
}

// Stanza is what was encoded.
func (e *Encoded) Stanza() *Stanza { return e.st }

// Size is about the number of bytes Append writes; it may be too large, never too small
// by more than the escaping of the address.
func (e *Encoded) Size(to Addr, xmlns string) int {
	return 2*len(e.st.Name) + len(e.head) + len(e.st.inner) + len(to.full) + len(xmlns) + 22
}

// Append writes the stanza for one recipient. xmlns is written as default
// namespace if it is not empty: ns.Client on carriers where each stanza stands
// alone (WebSocket, BOSH), "" inside a TCP stream that has declared it.
func (e *Encoded) Append(dst []byte, to Addr, xmlns string) []byte {
	s := e.st
	dst = append(dst, '<')
	dst = append(dst, s.Name...)
	if xmlns != "" {
		dst = AppendAttr(dst, "xmlns", xmlns)
	}
	if !to.IsZero() {
		dst = AppendAttr(dst, "to", to.full)
	}
	dst = append(dst, e.head...)
	if len(s.inner) == 0 {
		return append(dst, '/', '>')
	}
	dst = append(dst, '>')
	dst = append(dst, s.inner...)
	dst = append(dst, '<', '/')
	dst = append(dst, s.Name...)
	return append(dst, '>')
}

// Append writes s to its own recipient, see Encoded.Append.
func (s *Stanza) Append(dst []byte, xmlns string) []byte {
	return s.Encode().Append(dst, s.To, xmlns)
}

// String is the stanza as text, for logs at trace level and tests.
func (s *Stanza) String() string { return string(s.Append(nil, "")) }
