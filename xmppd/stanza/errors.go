package stanza

import "parley/internal/wire/ns"

// ParseError is why bytes are not an acceptable element. Condition is the stream
// error that ends the stream they came on (RFC 6120 §4.9.3).
type ParseError struct {
	Condition string
	Text      string
}

func (e *ParseError) Error() string { return e.Condition + ": " + e.Text }

func malformed(text string) error  { return &ParseError{Condition: "not-well-formed", Text: text} }
func restricted(text string) error { return &ParseError{Condition: "restricted-xml", Text: text} }
func tooMuch(text string) error    { return &ParseError{Condition: "policy-violation", Text: text} }

// Error types of RFC 6120 §8.3.2.
const (
	Auth   = "auth"
	Cancel = "cancel"
	Modify = "modify"
	Wait   = "wait"
)

// Conditions of RFC 6120 §8.3.3.
const (
	BadRequest            = "bad-request"
	Conflict              = "conflict"
	FeatureNotImplemented = "feature-not-implemented"
	Forbidden             = "forbidden"
	Gone                  = "gone"
	InternalServerError   = "internal-server-error"
	ItemNotFound          = "item-not-found"
	JIDMalformed          = "jid-malformed"
	NotAcceptable         = "not-acceptable"
	NotAllowed            = "not-allowed"
	NotAuthorized         = "not-authorized"
	PolicyViolation       = "policy-violation"
	RecipientUnavailable  = "recipient-unavailable"
	RegistrationRequired  = "registration-required"
	RemoteServerNotFound  = "remote-server-not-found"
	RemoteServerTimeout   = "remote-server-timeout"
	ResourceConstraint    = "resource-constraint"
	ServiceUnavailable    = "service-unavailable"
	UndefinedCondition    = "undefined-condition"
	UnexpectedRequest     = "unexpected-request"
)

// Error is a stanza error.
type Error struct {
	Type      string // Auth, Cancel, Modify or Wait
	Condition string
	Text      string // one sentence for people, may be empty
	By        string // address of the entity that refused, may be empty
	// App is an application condition: complete XML elements with their own xmlns.
	App []byte
}

// Err makes an error value; text may be empty.
func Err(typ, condition, text string) *Error {
	return &Error{Type: typ, Condition: condition, Text: text}
}

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Type + "/" + e.Condition
	}
	return e.Type + "/" + e.Condition + ": " + e.Text
}

// XML is the error as the element to put into a stanza.
func (e *Error) XML() []byte {
	var b Builder
	b.Start("", "error", "type", e.Type, "by", e.By)
	b.Empty(ns.Stanzas, e.Condition)
	if e.Text != "" {
		b.Start(ns.Stanzas, "text").Text(e.Text).End()
	}
	b.Raw(e.App)
	b.End()
	return b.Bytes()
}
