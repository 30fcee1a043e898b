// Package transport connects endpoints to the bridge: UDP and TCP sockets, ICE
// (RFC 8445), DTLS 1.2 with SRTP keys (RFC 5764), and the SCTP data channel over it
// (RFC 8831) that carries bridge messages.
//
// A Transport owns the UDP sockets, in lanes of one per local address, and one TCP port.
// A lane is read by one shard of bridge/rtp. It looks at the first byte of each datagram
// (RFC 7983): STUN goes to the ICE agent of the session its user name or transaction
// belongs to, DTLS to the session of the address, RTP and RTCP to the session's lane.
// Media never passes through the ICE agent.
//
// A Session is one endpoint's transport. Its news come to a Handler. Candidates,
// credentials and fingerprints are plain values here; bridge/signal turns them to XML.
//
// Left out: TURN (a matter of the client).
package transport
