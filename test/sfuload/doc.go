//go:build linux

// Command sfuload measures the bridge from outside: what a forwarded packet, a join and
// an idle endpoint cost it, beside a floor, all in the same run.
//
// It starts `bin/parley bridge` with a configuration of its own on loopback and is its
// XMPP server and its focus: the bridge logs in as a component and gets the COLIBRI
// requests that a focus sends. Each participant then does ICE, DTLS-SRTP (AES-128-GCM)
// and opens the bridge channel like a client, sends frames at a client's pace, and tells
// what arrived (reports and transport-wide feedback).
//
// A figure counts only if every packet that was due came, once and in order: receivers
// look at every sequence number, and open one packet of 32 to see that it is the one that
// was sent, and how long ago.
//
// The floor is a child process that receives, opens, seals and sends the same packets
// with the same system calls and the same SRTP library, and does nothing else: a message
// for each datagram, or, as the bridge does, one for a run of them.
//
// All participants live on one thread around epoll (engine.go), so that measuring leaves
// the bridge a core. Linux only.
//
//	go run ./test/sfuload -parley bin/parley            # everything
//	go run ./test/sfuload -parley bin/parley -short     # two minutes
package main
