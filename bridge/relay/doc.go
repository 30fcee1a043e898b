// Package relay is another bridge of the same conference: the leg to it, the participants
// behind it, and what of ours it gets.
//
// A Relay stands on the same three legs as an endpoint: transport session, media leg,
// bridge channel. It carries the media of many participants, of each source every encoding
// and layer somebody behind it wants, under its own SSRCs, and without congestion control;
// who gets what is decided by the bridge at either end. What came from a bridge never goes
// to another of the same mesh, so there are no loops.
//
// A Relay is confined to the goroutine of its conference; nothing in here locks.
package relay
