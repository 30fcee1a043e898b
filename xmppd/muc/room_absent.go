package muc

import (
	"time"

	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// absence is how long a service, such as the focus, keeps its place after its session ended
// without it having left: long enough to be started again. People need not see it go, and
// clients take a meeting without a focus for a broken one.
const absence = 5 * time.Second

// keepsPlace says whether who lost his session is waited for.
func (r *Room) keepsPlace(real stanza.Addr) bool {
	at, inside := r.seats[real]
	if !inside || at.s.session == nil || !r.host.rt.IsAdmin(real) || !r.host.reserved(at.o.nick) {
		return false
	}
	if !at.s.absent {
		at.s.absent, at.s.gone = true, true
		r.After(absence, func() {
			if r.seats[real].s == at.s {
				r.dismiss(real, "")
			}
		})
	}
	return true
}

// returned lets a service in that was waited for. Its place is taken anew, so that it hears
// all a newcomer hears; the others hear only of the place that is taken.
func (r *Room) returned(at taken, st *stanza.Stanza, x stanza.Child, from *router.Session) {
	r.unseat(at.o, at.s)
	r.remove(at.o)
	r.handleJoin(st, x, from)
	if r.occupants[at.o.nick] == nil { // refused, or has to wait
		last := stanza.New(stanza.Presence, stanza.Unavailable, at.o.addr, stanza.Addr{}, "").WithContent(r.occupantIDElement(at.o))
		at.o.role = NoRole
		r.tellOthers(at.o, at.s, last, nil)
		r.closeIfEmpty("")
	}
}
