// Package stanza reads and writes the top-level elements of an XMPP stream: iq,
// message, presence, and the small elements of stream negotiation.
//
// It covers RFC 6120 §4.8, §8 and §11: a strict reader (no DTD, comment or
// processing instruction, only the five predefined entities, matching tags, UTF-8,
// bounded depth, size and attributes) and a writer that puts a physical xmlns
// where a namespace differs from its parent's and never uses prefixes, because web
// clients compare attributes, not namespaces.
//
// An element is read once into a Stanza: its header, and its direct children as
// byte ranges. What a child says is decoded only by the module that acts on it.
// A Stanza is shared by everyone who hears it: nobody changes one he was handed,
// the With… methods make changed copies. Encode prepares one for any number of
// recipients.
//
// Streams (headers, framing of bytes that still arrive) live in xmppd/stream.
package stanza
