// Package colibrisession is the dialogue of one conference with one bridge, spoken
// in COLIBRI 2.
//
// A Session makes the requests, in the order in which they must be sent, and reads
// the answers. It knows which request carries create, which endpoints the bridge
// has, what it was last told about muting, and what an error means (Judge). It
// sends nothing, keeps no time and has no goroutine: it is confined to the loop of
// its conference, which sends requests in the order of the calls.
//
// One conference has one Session per bridge. The leg between bridges (COLIBRI
// relays) is left out; it would be more requests of the same Session.
package colibrisession
