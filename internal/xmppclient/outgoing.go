package xmppclient

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// Outgoing is a stanza that can be sent: IQ, Message or Presence.
type Outgoing interface {
	// header is name, type, id, to, from; payloads are the children.
	header() (name, typ, id, to, from string)
	payloads() []any
}

// Raw is a payload that is XML already. It must be well-formed and carry its namespace.
type Raw []byte

// IQ is a request or an answer.
type IQ struct {
	Type    string // get, set, result or error
	ID      string // made by the client if empty
	To      string // "" is the own account
	From    string // components only; "" is the component's address
	Payload any    // a value for encoding/xml, Raw, or nil
}

func (i IQ) header() (string, string, string, string, string) {
	return NameIQ, i.Type, i.ID, i.To, i.From
}
func (i IQ) payloads() []any { return []any{i.Payload} }

// Message is a message stanza.
type Message struct {
	Type    string
	ID      string
	To      string
	From    string
	Payload []any
}

func (m Message) header() (string, string, string, string, string) {
	return NameMessage, m.Type, m.ID, m.To, m.From
}
func (m Message) payloads() []any { return m.Payload }

// Presence is a presence stanza.
type Presence struct {
	Type    string // "" is available
	ID      string
	To      string
	From    string
	Payload []any
}

func (p Presence) header() (string, string, string, string, string) {
	return NamePresence, p.Type, p.ID, p.To, p.From
}
func (p Presence) payloads() []any { return p.Payload }

// appendStanza writes the stanza to b. from replaces an empty sender.
func appendStanza(b *bytes.Buffer, o Outgoing, id, from string) error {
	name, typ, oid, to, ofrom := o.header()
	if oid == "" {
		oid = id
	}
	if ofrom == "" {
		ofrom = from
	}
	b.WriteByte('<')
	b.WriteString(name)
	writeAttr(b, "type", typ)
	writeAttr(b, "id", oid)
	writeAttr(b, "to", to)
	writeAttr(b, "from", ofrom)
	start := b.Len()
	b.WriteByte('>')
	for _, p := range o.payloads() {
		if err := appendPayload(b, p); err != nil {
			return err
		}
	}
	if b.Len() == start+1 {
		b.Truncate(start)
		b.WriteString("/>")
		return nil
	}
	b.WriteString("</")
	b.WriteString(name)
	b.WriteByte('>')
	return nil
}

func appendPayload(b *bytes.Buffer, p any) error {
	switch t := p.(type) {
	case nil:
		return nil
	case Raw:
		b.Write(t)
		return nil
	case *StanzaError:
		return t.appendTo(b)
	}
	out, err := xml.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode %T: %w", p, err)
	}
	b.Write(out)
	return nil
}

func writeAttr(b *bytes.Buffer, name, value string) {
	if value == "" {
		return
	}
	b.WriteByte(' ')
	b.WriteString(name)
	b.WriteString(`="`)
	_ = xml.EscapeText(b, []byte(value)) // a bytes.Buffer does not fail
	b.WriteByte('"')
}
