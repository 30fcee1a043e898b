// Package c2s is the client's session: TLS, log-in, resource binding, and what
// lives on when a connection breaks (RFC 6120 §5–§7, XEP-0198).
//
// A conn is the Handler of one stream; it belongs to that stream's reading
// goroutine. A session is a bound client; it outlives a conn when stream
// management lets the client resume on another. Its lock is held while stanzas
// are queued to the carrier, so the order of locks is session, then carrier; no
// other lock is taken under it.
//
// The session's unacknowledged stanzas are bounded: when more wait for an
// acknowledgement the oldest are forgotten, and until the client has acknowledged
// those it cannot resume. Messages an account's session never acknowledged look for
// another recipient. What a client that says it is inactive need not hear at once
// waits (XEP-0352), and a session that sends more than it may is read more slowly.
//
// A client may log in, bind or resume, and turn features on in one request and one answer
// (XEP-0388, XEP-0386); a change of password hash on that way is left out. Where a stanza goes is decided in xmppd/router.
package c2s
