// Package conference owns the endpoints of a meeting on this bridge and decides
// what each of them gets: audio from everybody, video as allocate finds it
// right, the news of the bridge channel, and who is speaking.
//
// Set is the registry of all conferences, guarded by a small lock. A Conference
// belongs to one goroutine, its loop; everybody else posts to its mailbox:
// signal the focus's requests, the transport sessions their state, the bridge
// channels their messages, the packet path its events. Decisions reach the packet
// path as commands of endpoint.Leg; a packet never waits for anything here.
//
// The files: request.go and modify.go carry out what the focus asks, life.go is
// the birth and death of endpoints, forward.go and slots.go who gets what,
// speech.go who talks, inbox.go and outbox.go the bridge channel, watch.go
// inactivity and expiry, debug.go the state as JSON.
//
// Relays to other bridges and exports to recorders are not served yet; both will
// be further legs that sources are forwarded to.
package conference
