package transport

import (
	"net/netip"

	"github.com/pion/srtp/v3"
	"github.com/sirupsen/logrus"
)

// Protocol is the way a candidate is reached.
type Protocol string

// The protocols of candidates, as Jingle writes them.
const (
	UDP    Protocol = "udp"
	TCP    Protocol = "tcp"
	SSLTCP Protocol = "ssltcp"
)

// Candidate types as Jingle writes them.
const (
	TypeHost  = "host"
	TypeSrflx = "srflx"
	TypePrflx = "prflx"
	TypeRelay = "relay"
)

// Candidate is one ICE candidate, ours or a peer's.
type Candidate struct {
	Foundation string
	Component  uint16
	Protocol   Protocol
	Priority   uint32
	// Addr is the address. A peer's candidate with a host name (mDNS) has none and must be
	// left out by the caller.
	Addr netip.AddrPort
	Type string
	// Related is the base of a reflexive candidate; the zero value if there is none.
	Related netip.AddrPort
	// TCPType is "passive" for ours, "active" for those of browsers; empty with UDP.
	TCPType string
}

// Fingerprint is the digest of a DTLS certificate.
type Fingerprint struct {
	// Hash is the name of the hash function: sha-256, …
	Hash string
	// Value in upper-case hex with colons.
	Value string
}

// Setup is a DTLS role (RFC 4145).
type Setup string

// The roles.
const (
	SetupActPass Setup = "actpass"
	SetupActive  Setup = "active"
	SetupPassive Setup = "passive"
)

// Description is one side of a transport.
type Description struct {
	Ufrag, Pwd   string
	Candidates   []Candidate
	Fingerprints []Fingerprint
	Setup        Setup
	// Generation is that of ICE: 0 for the first, 1 after the first restart in place.
	Generation int
}

// SessionOptions are the fixed properties of a session.
type SessionOptions struct {
	// Controlling is the ICE role: true towards clients.
	Controlling bool
	// SCTP makes the session accept a data channel.
	SCTP bool
	// OpensChannel makes it open one itself. Towards another bridge, which then accepts.
	OpensChannel bool
	// UniquePort gives the session a port of its own. For one of two bridges that may have
	// several conferences in common.
	UniquePort bool
	// Patient sessions outlive an interruption of minutes: the peer is another bridge, and
	// nobody would ask for a new session at once.
	Patient bool
	// Lane is the lane that receives and sends the session's media.
	Lane int
	// PrivateCandidates allows host candidates with private addresses (see
	// Config.AdvertisePrivateCandidates).
	PrivateCandidates bool
	// Handler hears what happens.
	Handler Handler
	// Log is the transport's logger with the session's fields; nil means without.
	Log *logrus.Entry
}

// Keys are the SRTP contexts of a session, made from the DTLS handshake. They are not
// safe for concurrent use.
type Keys struct {
	Send, Receive *srtp.Context
	// Profile is the name of the protection profile, AEAD tells whether it is a GCM one.
	Profile string
	AEAD    bool
}

// Handler hears what happens to a session. The methods are called from goroutines of
// the session, one after the other, and must not block.
type Handler interface {
	// TransportConnected: ICE found a pair for the first time.
	TransportConnected()
	// TransportReady: DTLS is done, media may flow.
	TransportReady(Keys)
	// TransportFailed: ICE or DTLS gave up; the session must be closed. Called once.
	TransportFailed(error)
	// ChannelOpened: the peer opened the data channel; SendMessage works from now on.
	ChannelOpened()
	// ChannelMessage: a message came in. text is the handler's to keep.
	ChannelMessage(text []byte)
	// ChannelClosed: the data channel is gone, the session may live on.
	ChannelClosed()
}

// Stats counts what the sockets saw since the start.
type Stats struct {
	DatagramsReceived, BytesReceived uint64
	DatagramsSent, BytesSent         uint64
	// MessagesSent counts what the kernel was given for them over UDP: with segmentation
	// a message carries several datagrams of one receiver.
	MessagesSent uint64
	// Garbage counts datagrams that were none of ours: unknown first byte, unknown sender,
	// bad STUN. They are dropped silently.
	Garbage uint64
	// SendDropped counts datagrams a socket or connection had no room for.
	SendDropped uint64
	// QueueDropped counts STUN, DTLS and TCP packets dropped at full queues.
	QueueDropped uint64
	Sessions     int
	// TCPConnections that are open, TCPRefused those closed for being unidentified or too
	// many.
	TCPConnections int
	TCPRefused     uint64
	// Totals of sessions.
	ICESucceeded, ICEFailed, DTLSSucceeded, DTLSFailed uint64
	// Restarts of ICE in place that were begun, and that found a way.
	Restarts, RestartsSucceeded uint64
	// Roamed counts the times a peer went on from another address.
	Roamed uint64
	// ICESucceededTCP counts the successes over TCP.
	ICESucceededTCP uint64
	// RejectedChannels counts data channels beyond the first.
	RejectedChannels uint64
}
