package muc

import (
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Archive keeps what is said in plain rooms, so that their people can read it later
// (XEP-0313). Meetings leave nothing behind.
type Archive interface {
	// Append keeps a message and returns it with its id in the archive, or
	// unchanged if it could not be kept. It waits for the disk, a short time: what
	// the room shows as kept must be.
	Append(room, occupant stanza.Addr, st *stanza.Stanza) *stanza.Stanza
	// Rewrite puts what f makes of a kept message in its place; found is false if none
	// has the id, or f returns nil.
	Rewrite(room stanza.Addr, id string, f func(old *stanza.Stanza) *stanza.Stanza) (found bool, err error)
	// Query answers a request from somebody who may read.
	Query(room stanza.Addr, st *stanza.Stanza)
	// Drop removes what was kept until now.
	Drop(room stanza.Addr)
}

// SetArchive names the archive, before the first stanza; without one nothing is kept.
func (h *Host) SetArchive(a Archive) { h.archive = a }

// named gives a message of a plain room the id it has there (XEP-0359), and keeps it.
func (r *Room) named(msg *stanza.Stanza) *stanza.Stanza {
	if r.host.archive != nil && remembered(msg) {
		r.round.End() // Append waits for the disk; what others said before does not
		if kept := r.host.archive.Append(r.addr, msg.From, msg); kept != msg {
			return kept
		}
	}
	var b stanza.Builder
	return msg.With(b.Empty(ns.StanzaID, "stanza-id", "by", r.addr.String(), "id", router.NewID()).Bytes())
}

// handleArchive lets those inside, and those who belong to the room, read.
func (r *Room) handleArchive(st *stanza.Stanza) {
	_, inside := r.seats[st.From]
	switch {
	case r.host.archive == nil || !r.plain:
		r.host.rt.Bounce(st, errUnavailable)
	case !inside && r.Affiliation(st.From) < Member:
		r.host.rt.Bounce(st, errForbidden)
	default:
		r.host.archive.Query(r.addr, st)
	}
}

// dropArchive makes sure that nobody reads what was said in a room that is gone:
// called when a plain room begins, in case the server was killed, and when it ends.
func (r *Room) dropArchive() {
	if r.host.archive != nil && r.plain {
		r.host.archive.Drop(r.addr)
	}
}
