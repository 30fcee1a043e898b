// Package bridge is the videobridge: it receives the media of every participant
// of a conference and forwards to each what they are to see and hear.
//
// A Service attaches to the XMPP server (as a member of the brewery room, where it
// publishes how loaded it is, or as a component), is told by the focus in COLIBRI 2
// which conferences and endpoints there are, talks ICE, DTLS-SRTP and SCTP with the
// endpoints on one UDP and one TCP port, and serves the bridge channel as a
// WebSocket.
//
// The rooms below: signal turns COLIBRI into calls of conference, which owns
// the endpoints of a meeting and decides (with speaker, allocate and estimate) what
// rtp forwards; transport holds the sockets; channel the JSON messages. The Service
// itself owns the listeners and the XMPP connections, and knows load, health and
// drain. COLIBRI 1 is left out.
package bridge
