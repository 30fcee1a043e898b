// Package xmppclient is the way of the focus and the bridge to the XMPP server: it logs
// in, keeps the connection, sends stanzas, asks and answers IQs, and stays in rooms.
//
// A Client logs in as a user (RFC 6120: STARTTLS, SASL, bind) or as a component
// (XEP-0114); everything after that is the same. It answers disco#info, ping and
// version by itself, pings the server, and reconnects for ever. A user's session is taken
// up again after its connection broke, if the service wants it and the server still has it
// (XEP-0198): nothing is lost then, and the service does not notice.
//
// A session has a goroutine, and two more for each connection. The reader calls every
// handler and callback that is about a received stanza, one after the other in the order
// of arrival; a handler must not block, and above all must not wait for an IQ: it posts to
// a loop. The writer sends what Send appended to a bounded buffer; when that is full,
// the session is given up. Run itself connects, calls OnUp and OnDown, and starts again.
//
// Received stanzas are handed on as their bytes with a decoded header; who wants the
// content decodes it. Words inside stanzas are in internal/wire.
package xmppclient
