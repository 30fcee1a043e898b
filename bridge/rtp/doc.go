// Package rtp is the packet path of the bridge: it receives RTP and RTCP from the
// endpoints, repairs what got lost, rewrites and sends to the receivers.
//
// A Shard is one goroutine that owns all state of its endpoints: sources, receivers,
// SRTP contexts, the packet arena. There are no locks on the way of a packet and
// nothing is allocated for it. All exported methods of Endpoint and Source may be
// called from any goroutine: those that change something post a command to the
// shard's bounded mailbox, those that ask read atomics. A packet never waits for
// signalling.
//
// The way of a packet is written down stage by stage in pipeline.go: decrypt, parse,
// repair, layers, rewrite, send. RTCP is terminated here (RFC 3550, RFC 4585,
// RFC 5104, transport-wide congestion control draft 01, REMB); only sender reports
// and keyframe requests travel through, translated.
//
// Sockets belong to bridge/transport, which satisfies Link. Which layers a receiver
// gets is decided by bridge/allocate and told by Endpoint.Forward; bandwidth is
// estimated by bridge/estimate from the events of an endpoint.
package rtp
