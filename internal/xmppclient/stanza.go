package xmppclient

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"

	"parley/internal/wire/ns"
)

// Names of stanzas.
const (
	NameIQ       = "iq"
	NameMessage  = "message"
	NamePresence = "presence"
)

// Types of stanzas.
const (
	TypeGet         = "get"
	TypeSet         = "set"
	TypeResult      = "result"
	TypeError       = "error"
	TypeUnavailable = "unavailable"
	TypeGroupchat   = "groupchat"
	TypeChat        = "chat"
)

// Stanza is a received stanza. It is not changed after it was made, so it may be kept
// and handed to other goroutines.
type Stanza struct {
	Name string // iq, message or presence
	Type string
	ID   string
	From string // "" when the server itself speaks
	To   string
	// Payload is the name of the first child element; empty if there is none.
	Payload xml.Name
	// Raw is the whole element. The default namespace is jabber:client, declared or not.
	Raw []byte
}

// Decode reads the whole stanza into v, as encoding/xml does. Fields without a
// namespace match elements of any namespace.
func (s *Stanza) Decode(v any) error {
	if err := newDecoder(s.Raw).Decode(v); err != nil {
		return fmt.Errorf("decode %s: %w", s.Name, err)
	}
	return nil
}

// DecodePayload reads the first child element into v.
func (s *Stanza) DecodePayload(v any) error {
	if s.Payload.Local == "" {
		return fmt.Errorf("%s without payload", s.Name)
	}
	found, err := s.child(v, func(xml.Name) bool { return true })
	if err == nil && !found {
		err = fmt.Errorf("%s without payload", s.Name)
	}
	return err
}

// DecodeChild reads the first child element of that name into v and says whether there
// is one.
func (s *Stanza) DecodeChild(space, local string, v any) (bool, error) {
	return s.child(v, func(n xml.Name) bool { return n.Space == space && n.Local == local })
}

// HasChild says whether a child element of that name exists.
func (s *Stanza) HasChild(space, local string) bool {
	found, err := s.child(nil, func(n xml.Name) bool { return n.Space == space && n.Local == local })
	return found && err == nil
}

func (s *Stanza) child(v any, match func(xml.Name) bool) (bool, error) {
	d := newDecoder(s.Raw)
	if _, err := d.Token(); err != nil { // the stanza's own start
		return false, fmt.Errorf("decode %s: %w", s.Name, err)
	}
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("decode %s: %w", s.Name, err)
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if !match(start.Name) {
			if err := d.Skip(); err != nil {
				return false, fmt.Errorf("decode %s: %w", s.Name, err)
			}
			continue
		}
		if v == nil {
			return true, nil
		}
		if err := d.DecodeElement(v, &start); err != nil {
			return true, fmt.Errorf("decode %s: %w", start.Name.Local, err)
		}
		return true, nil
	}
}

// Err is the error of a stanza of type error, nil for all others.
func (s *Stanza) Err() error {
	if s.Type != TypeError {
		return nil
	}
	e := &StanzaError{}
	found, err := s.child(e, func(n xml.Name) bool { return n.Local == "error" })
	if !found || err != nil || e.Condition == "" {
		e.Type, e.Condition = "cancel", "undefined-condition"
	}
	return e
}

func newDecoder(raw []byte) *xml.Decoder {
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.DefaultSpace = ns.Client
	return d
}

// Parse reads one stanza from its bytes, for tests and for stanzas that come from
// somewhere else than a stream.
func Parse(raw []byte) (*Stanza, error) {
	st := newStanzaReader(bytes.NewReader(raw), len(raw)+1, DefaultMaxDepth)
	s, err := st.next()
	if err != nil {
		return nil, err
	}
	if s.Name != NameIQ && s.Name != NameMessage && s.Name != NamePresence {
		return nil, fmt.Errorf("<%s/> is no stanza", s.Name)
	}
	return s, nil
}
