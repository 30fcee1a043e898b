// Package muc keeps the rooms of one conference host: who is inside, with which
// affiliation and role, and what every occupant gets to hear.
//
// It covers XEP-0045 but for the groupchat 1.0 protocol, automatic approval of
// registrations in rooms for members only, and fully anonymous rooms; with XEP-0059
// for the list of rooms, XEP-0359 (stanza ids), XEP-0410 (self-ping), XEP-0421
// (occupant ids) and XEP-0486 (pictures). A room lives as long as somebody is inside,
// unless its owner made it persistent: then it is in the database, without what was
// said in it.
//
// Rooms are of two kinds. A meeting is opened by the focus, and the rules that join in
// through Hooks hold in it. A plain room is opened by somebody with an account; it
// follows the specification alone, see plain.go.
//
// A Room belongs to one goroutine, Room.run; all others post to its bounded
// mailbox and must not touch its fields. Methods of Room, Join and Occupant may
// only be called there, that is from Hooks, unless their comment says otherwise.
// A Host is the table of rooms, a small lock. Hearing and speaking go through
// xmppd/router, which never blocks; so a slow occupant costs the room nothing.
//
// Rules only Jitsi knows live in xmppd/meeting, which joins in through Hooks.
package muc
