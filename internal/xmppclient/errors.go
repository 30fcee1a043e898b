package xmppclient

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"

	"parley/internal/wire/ns"
)

// Errors of the connection.
var (
	// ErrNotConnected is returned while there is no session with the server.
	ErrNotConnected = errors.New("not connected to the XMPP server")
	// ErrTimeout says that no answer to an IQ came in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrDisconnected ends IQs that were open when the connection was lost.
	ErrDisconnected = errors.New("connection to the XMPP server lost")
	// ErrQueueFull says that the server takes our stanzas too slowly; the connection is given up.
	ErrQueueFull = errors.New("the XMPP server does not take our stanzas")
	// ErrTooManyOpen says that too many IQs wait for an answer.
	ErrTooManyOpen = errors.New("too many requests wait for an answer")
	// ErrCredentials says that the server refused password or secret.
	ErrCredentials = errors.New("the XMPP server refuses our password or secret")
	// ErrClosed is what OnDown hears when Run ends because its context is done.
	ErrClosed = errors.New("client closed")
	// ErrLeft says that a room was left, or never entered.
	ErrLeft = errors.New("not in the room")
)

// StanzaError is the error of a stanza (RFC 6120 §8.3): what a peer answered, or what we
// answer.
type StanzaError struct {
	Type      string // cancel, auth, modify, wait
	Condition string // e.g. item-not-found
	Text      string

	// Detail are further elements inside our error, e.g. COLIBRI's reason.
	Detail []any
	// Echo stands after the error in our answer, e.g. the request's element.
	Echo any

	raw []byte // the received error element
}

// Conditions of stanza errors (RFC 6120 §8.3.3).
const (
	BadRequest            = "bad-request"
	Conflict              = "conflict"
	FeatureNotImplemented = "feature-not-implemented"
	Forbidden             = "forbidden"
	Gone                  = "gone"
	InternalServerError   = "internal-server-error"
	ItemNotFound          = "item-not-found"
	NotAcceptable         = "not-acceptable"
	NotAllowed            = "not-allowed"
	NotAuthorized         = "not-authorized"
	RecipientUnavailable  = "recipient-unavailable"
	RegistrationRequired  = "registration-required"
	RemoteServerTimeout   = "remote-server-timeout"
	ResourceConstraint    = "resource-constraint"
	ServiceUnavailable    = "service-unavailable"
	UndefinedCondition    = "undefined-condition"
	UnexpectedRequest     = "unexpected-request"
)

// usualType is the type RFC 6120 associates with a condition; cancel where not listed.
var usualType = map[string]string{
	BadRequest: "modify", Forbidden: "auth", NotAcceptable: "modify", NotAuthorized: "auth",
	RecipientUnavailable: "wait", RegistrationRequired: "auth", RemoteServerTimeout: "wait",
	ResourceConstraint: "wait", UnexpectedRequest: "wait",
}

// NewError is a StanzaError with the usual type for that condition.
func NewError(condition, text string) *StanzaError {
	typ, ok := usualType[condition]
	if !ok {
		typ = "cancel"
	}
	return &StanzaError{Type: typ, Condition: condition, Text: text}
}

// Error implements error.
func (e *StanzaError) Error() string {
	if e.Text == "" {
		return e.Condition
	}
	return e.Condition + ": " + e.Text
}

// Decode reads the received error element into v, to find what stands beside the
// condition, e.g. a colibri.StanzaError.
func (e *StanzaError) Decode(v any) error {
	if e.raw == nil {
		return errors.New("not a received error")
	}
	return newDecoder(e.raw).Decode(v)
}

// IsCondition says whether err is a StanzaError with that condition.
func IsCondition(err error, condition string) bool {
	var e *StanzaError
	return errors.As(err, &e) && e.Condition == condition
}

// UnmarshalXML implements xml.Unmarshaler.
func (e *StanzaError) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	var v struct {
		Type  string `xml:"type,attr"`
		Text  string `xml:"urn:ietf:params:xml:ns:xmpp-stanzas text"`
		Inner []byte `xml:",innerxml"`
		Any   []struct {
			XMLName xml.Name
		} `xml:",any"`
	}
	if err := d.DecodeElement(&v, &start); err != nil {
		return err
	}
	*e = StanzaError{Type: v.Type, Text: v.Text}
	for _, c := range v.Any {
		if c.XMLName.Space == ns.Stanzas {
			e.Condition = c.XMLName.Local
			break
		}
	}
	e.raw = append(append([]byte("<error>"), v.Inner...), "</error>"...)
	return nil
}

func (e *StanzaError) appendTo(b *bytes.Buffer) error {
	fmt.Fprintf(b, `<error type="%s"><%s xmlns="%s"/>`, e.Type, e.Condition, ns.Stanzas)
	if e.Text != "" {
		fmt.Fprintf(b, `<text xmlns="%s">`, ns.Stanzas)
		_ = xml.EscapeText(b, []byte(e.Text))
		b.WriteString("</text>")
	}
	for _, d := range e.Detail {
		if err := appendPayload(b, d); err != nil {
			return err
		}
	}
	b.WriteString("</error>")
	return appendPayload(b, e.Echo)
}
