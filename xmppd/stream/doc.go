// Package stream is an open XML stream, whatever carries it: headers, stream
// errors, the reader that cuts elements out of bytes still arriving, the writer
// that joins many small elements into few writes, and the TCP carrier with
// STARTTLS (RFC 6120 §4, §5) and, behind a proxy, its PROXY header.
//
// A carrier (TCP here, xmppd/websocket, xmppd/bosh) reads and calls a Handler; the
// Handler (xmppd/c2s, xmppd/component) answers through the Carrier. All calls to
// one Handler come from one goroutine at a time, the carrier's reader. Carrier
// methods may be called from any goroutine and never block: they queue, and a
// goroutine that lives only while the queue is not empty writes.
//
// The queue of a Writer is bounded in bytes; when it is full the stream ends with
// resource-constraint, since its peer does not read.
package stream
