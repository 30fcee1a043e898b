// Package xmppd is the XMPP server: the hosts people and services log in to, the
// listeners, and the assembly of the rooms below it.
//
// It speaks RFC 6120 and 6121 as far as meetings and ordinary clients in rooms need
// them, over TCP, WebSocket (RFC 7395) and BOSH (XEP-0124), and accepts components
// (XEP-0114). There are no server-to-server links.
//
// A Server owns the database, the listeners, and the goroutines of connections;
// sessions belong to c2s, rooms to muc, Jitsi's rules on rooms to meeting. Run ends
// when all of them have.
package xmppd
