// Package channel is the bridge channel: the JSON messages between a client and the
// bridge, over a WebSocket or a data channel.
//
// Server accepts the WebSockets of all endpoints and knows which Channel a path and
// password belong to. A Channel is one endpoint's: it may have a WebSocket, a data
// channel, or both, and answers on the one that received last. What the messages
// mean is the business of the conference, behind Handler; their types are those of
// wire/bridgemsg.
//
// Registry and carriers are guarded by small locks that are never held while anything
// is sent or called. Each WebSocket has a goroutine that reads, and others for as long as
// something is written or asked; Server.Close waits for all of them.
package channel
