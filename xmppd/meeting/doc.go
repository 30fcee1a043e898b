// Package meeting holds the rules only Jitsi knows about a room, a file each; they
// join in through the Hooks of xmppd/muc.
//
// Covered so far: which token opens which room and who moderates (token.go,
// affiliation.go), that the focus comes first (focuslock.go) and is called for
// people with a password account (open.go), health-check rooms, the meeting's id
// and age, the identity and the permissions in presence, and what clients may not
// do to the focus. Lobby, breakout rooms, AV moderation and the other services of
// a meeting are left out so far.
//
// The rules keep their state in the room (muc.Room.Value), so it belongs to the
// room's goroutine and ends with the room. The focus itself is another service;
// the server talks to it like any client, with the conference request.
package meeting
