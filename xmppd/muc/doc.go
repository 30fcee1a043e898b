// Package muc keeps the rooms of one conference host: who is inside, with which
// affiliation and role, and what every occupant gets to hear.
//
// It covers the parts of XEP-0045 a meeting and ordinary clients need, with
// XEP-0410 (self-ping) and XEP-0421 (occupant ids). Registration with a room and
// voice requests are left out; nothing is stored, a room lives as long as
// somebody is inside.
//
// A Room belongs to one goroutine, Room.run; all others post to its bounded
// mailbox and must not touch its fields. Methods of Room, Join and Occupant may
// only be called there, that is from Hooks, unless their comment says otherwise.
// A Host is the table of rooms, a small lock. Hearing and speaking go through
// xmppd/router, which never blocks; so a slow occupant costs the room nothing.
//
// Rules only Jitsi knows live in xmppd/meeting, which joins in through Hooks.
package muc
