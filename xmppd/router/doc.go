// Package router finds the recipient of a stanza: a host of ours, a bound session
// on it, a component, or the answer that nobody is there.
//
// Each domain has one Host. Users is the Host of a domain people log in to: it
// delivers by RFC 6121 §8, keeps subscriptions by its Appendix A, copies to further
// devices by XEP-0280, and leaves messages for the absent to an Offline; components (xmppd/component) and rooms (xmppd/muc) are
// Hosts of their own. There are no server-to-server links: another domain is
// remote-server-not-found.
//
// The tables are guarded by small locks and never held while a stanza is handed
// on. HandleStanza runs on the goroutine of whoever sent the stanza, so a Host
// must neither block nor wait for an answer; it posts to its own mailbox. Towards
// a recipient nothing blocks either: Deliver puts into a bounded queue, and a
// session that does not read loses its stream, not our time.
//
// Streams, log-in and resumption are the business of xmppd/c2s.
package router
