package stream

import (
	"crypto/tls"
	"net/netip"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// Header is the opening of a stream in one direction.
type Header struct {
	From, To string
	ID       string
	Version  string
	Lang     string
	Default  string // default namespace
	Prefixes string // other declarations, see stanza.Options

	// BOSH only: Attrs holds further attributes of the session creation answer.
	Attrs []string
}

// Handler is what listens on a stream.
type Handler interface {
	// Header is called when the peer opens the stream and when it restarts it.
	Header(h Header)
	// Element is called for each top-level element.
	Element(st *stanza.Stanza)
	// End is called once when the peer closes the stream politely; the Handler
	// closes its side with Carrier.End.
	End()
	// Lost is called once when the stream ended in any other way. What the peer
	// should hear of it has been sent.
	Lost(err error)
	// Idle is called when nothing came for the carrier's idle time. It may send
	// something; answer says that the peer must react to it, so that after a second
	// silence the carrier gives the peer up.
	Idle() (answer bool)
}

// Carrier is the sending side of a stream. No method blocks.
type Carrier interface {
	// Header answers the peer's header.
	Header(h Header)
	// Features sends stream features; inner is what stands inside.
	Features(inner []byte)
	// Element sends one complete element that is no stanza.
	Element(xml []byte)
	// Deliver sends a stanza; false if the stream is over or ends because the
	// peer does not read.
	Deliver(to stanza.Addr, e *stanza.Encoded) bool
	// Fail ends the stream with a stream error.
	Fail(e *Error)
	// End ends the stream politely.
	End()
	// Restart expects a new header from the peer. Only the Handler may call it, from
	// inside one of its methods.
	Restart()
	// SetLimits changes the largest element taken from the peer, and how many bytes
	// may wait for him. Only the Handler may call it, from inside one of its methods.
	SetLimits(element, queue int)
}

// Round is somebody who delivers to many streams and then calls Flush of each that he
// was handed.
type Round interface{ Add(w interface{ Flush() }) }

// Gatherer is a Carrier whose writing can wait for the end of a Round.
type Gatherer interface {
	// Gather is Carrier.Deliver. Unless somebody is writing to the stream anyway, it
	// hands itself to the Round, and is written to when that calls Flush.
	Gather(r Round, to stanza.Addr, e *stanza.Encoded) bool
}

// TLSStarter is a Carrier that can be encrypted later.
type TLSStarter interface {
	// StartTLS sends proceed and starts the handshake after the current Handler
	// method has returned; the next call is Header, or Lost.
	StartTLS()
	// CanStartTLS says whether that is possible and not done.
	CanStartTLS() bool
	// Secure says whether the stream is encrypted or trusted now.
	Secure() bool
	// Encrypted says whether it is encrypted, or never leaves this process.
	Encrypted() bool
	// TLS is the encryption, nil without.
	TLS() *Encryption
}

// Encryption is what a log-in may be bound to.
type Encryption struct {
	State tls.ConnectionState
	// Certificate is what we showed the peer; nil if that is not known, for instance
	// because an earlier encryption was resumed.
	Certificate *tls.Certificate
}

// Transports, as they stand in Meta.
const (
	TCP       = "tcp"
	WebSocket = "websocket"
	BOSH      = "bosh"
)

// Meta is what is known about a stream before its header (Jitsi's mod_jitsi_session).
type Meta struct {
	Transport string
	Secure    bool
	Client    netip.Addr
	Agent     string
	Region    string

	// From the URL; the token may come from the header instead. Never log Token.
	Room, Prefix, Token, Previd, UserName string
}

// Acceptor makes the Handler of a new stream.
type Acceptor func(c Carrier, m Meta) Handler

// Error is a stream error (RFC 6120 §4.9).
type Error struct {
	Condition string
	Text      string
	App       []byte // application condition, complete XML
}

// Conditions of RFC 6120 §4.9.3.
const (
	BadFormat              = "bad-format"
	BadNamespacePrefix     = "bad-namespace-prefix"
	Conflict               = "conflict"
	ConnectionTimeout      = "connection-timeout"
	HostGone               = "host-gone"
	HostUnknown            = "host-unknown"
	ImproperAddressing     = "improper-addressing"
	InternalServerError    = "internal-server-error"
	InvalidFrom            = "invalid-from"
	InvalidNamespace       = "invalid-namespace"
	InvalidXML             = "invalid-xml"
	NotAuthorized          = "not-authorized"
	NotWellFormed          = "not-well-formed"
	PolicyViolation        = "policy-violation"
	RemoteConnectionFailed = "remote-connection-failed"
	Reset                  = "reset"
	ResourceConstraint     = "resource-constraint"
	RestrictedXML          = "restricted-xml"
	SystemShutdown         = "system-shutdown"
	UndefinedCondition     = "undefined-condition"
	UnsupportedEncoding    = "unsupported-encoding"
	UnsupportedStanzaType  = "unsupported-stanza-type"
	UnsupportedVersion     = "unsupported-version"
)

// Err makes an Error; text may be empty.
func Err(condition, text string) *Error { return &Error{Condition: condition, Text: text} }

func (e *Error) Error() string {
	if e.Text == "" {
		return "stream error " + e.Condition
	}
	return "stream error " + e.Condition + ": " + e.Text
}

// Content is what stands inside stream:error.
func (e *Error) Content() []byte {
	var b stanza.Builder
	b.Empty(ns.Streams, e.Condition)
	if e.Text != "" {
		b.Start(ns.Streams, "text", "xml:lang", "en").Text(e.Text).End()
	}
	b.Raw(e.App)
	return b.Bytes()
}
