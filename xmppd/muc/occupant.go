package muc

import (
	"slices"
	"time"

	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Occupant is a nick in a room and whoever holds it: one session, or several of
// one account. It belongs to the room's goroutine.
type Occupant struct {
	nick        string
	addr        stanza.Addr // room/nick
	bare        stanza.Addr // real address without resource
	affiliation Affiliation
	role        Role
	id          string // XEP-0421
	joined      time.Time
	shown       bool    // others have heard of him; see tell
	seats       []*seat // never empty while inside; the first speaks for all
}

// seat is one session in a room.
type seat struct {
	real     stanza.Addr
	session  *router.Session // nil for a component
	presence *stanza.Stanza  // last one, cleaned, from room/nick
	stop     func()          // ends watching the session
	gone     bool            // nobody is there any more
	absent   bool            // gone, and waited for

	seen [viewVeiled + 1]appearance // by view, see Room.appearance
}

// appearance is a presence as others hear it, serialised, and what it was made of.
type appearance struct {
	presence    *stanza.Stanza
	affiliation Affiliation
	role        Role
	e           *stanza.Encoded
}

// Nick is the occupant's name in the room.
func (o *Occupant) Nick() string { return o.nick }

// Addr is the address room/nick.
func (o *Occupant) Addr() stanza.Addr { return o.addr }

// Real is the full real address of the first session.
func (o *Occupant) Real() stanza.Addr { return o.seats[0].real }

// Bare is the real address without resource.
func (o *Occupant) Bare() stanza.Addr { return o.bare }

// Affiliation is the lasting rank.
func (o *Occupant) Affiliation() Affiliation { return o.affiliation }

// Role is what the occupant may do.
func (o *Occupant) Role() Role { return o.role }

// Session is the first session, nil for a component.
func (o *Occupant) Session() *router.Session { return o.seats[0].session }

// Presence is the last presence of the first session, as others hear it without
// the room's own elements. Do not change it.
func (o *Occupant) Presence() *stanza.Stanza { return o.seats[0].presence }

func (o *Occupant) dropSeat(s *seat) {
	if i := slices.Index(o.seats, s); i >= 0 {
		o.seats = slices.Delete(o.seats, i, i+1)
	}
}
