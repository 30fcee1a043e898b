package chatroom

import "parley/internal/xmppclient"

// Link is the room's way to the server. The owner of the room sees to it that done
// is called exactly once, in the loop the room is confined to.
type Link interface {
	// Send sends a stanza that wants no answer.
	Send(xmppclient.Outgoing)
	// Request sends an IQ. done hears of the result; or of an error, which is a
	// *xmppclient.StanzaError if the peer answered so.
	Request(iq xmppclient.IQ, done func(*xmppclient.Stanza, error))
}
