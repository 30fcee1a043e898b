package meeting

import (
	"parley/xmppd/muc"
	"parley/xmppd/router"
)

// waiting is whether a room still waits for its host.
type waiting struct{ arrived bool }

const elementWaiting = "waiting-for-host"

// installWaitForHost has guests wait in a lobby until somebody comes who is known:
// with a token or an account (mod_muc_wait_for_host).
func (m *Rules) installWaitForHost(h *muc.Hooks) {
	if !m.cfg.WaitForHost || !m.cfg.Services.Lobby {
		return
	}
	h.OnJoin(0, "wait for host", func(j *muc.Join) muc.Outcome {
		r := j.Room
		w := stateOf[waiting](r)
		switch {
		case j.Admin || isHealthRoom(r):
		case m.isHost(j.Session):
			if !w.arrived {
				w.arrived = true
				m.hostArrived(r)
			}
		case !w.arrived:
			m.holdInLobby(r, elementWaiting)
			stateOf[lobby](r).noName = true
		}
		return muc.Continue
	})
	h.OnJoin(lastRule, "hosts moderate", func(j *muc.Join) muc.Outcome {
		if m.cfg.HostsModerate && m.isHost(j.Session) && !isHealthRoom(j.Room) {
			j.Grant(muc.Owner)
		}
		return muc.Continue
	})
}

// isHost says that somebody need not wait.
func (m *Rules) isHost(s *router.Session) bool { return claims(s) != nil || account(s) }

func (m *Rules) hostArrived(r *muc.Room) {
	if stateOf[lobby](r).reason != elementWaiting {
		return
	}
	m.closeLobby(r, nil, "Host arrived.")
	r.SetMembersOnly(false)
	// When he is inside: an empty room would go now.
	r.After(0, func() { r.SetPersistent(false) })
}

// holdInLobby switches a lobby on in the server's name. Those who are inside may
// come back, and the room stays as long as somebody waits.
func (m *Rules) holdInLobby(r *muc.Room, reason string) {
	l := stateOf[lobby](r)
	if !l.addr.IsZero() {
		return
	}
	for _, o := range r.Occupants() {
		if o.Affiliation() == muc.None {
			r.SetAffiliation(o.Bare(), muc.Member, nil, "")
		}
	}
	m.openLobby(r, nil)
	l.reason, l.lasting = reason, true
	r.SetPersistent(true)
	r.SetMembersOnly(true)
}

// reviewLobby lets a room go that only stayed for people in its lobby, when nobody
// is in either.
func (m *Rules) reviewLobby(r *muc.Room) {
	l := stateOf[lobby](r)
	if !l.lasting || l.addr.IsZero() || m.people(r) > 0 {
		return
	}
	_ = m.lobbyHost.Do(l.addr, func(lr *muc.Room) {
		if len(lr.Occupants()) == 0 {
			r.Post(func() {
				if stateOf[lobby](r).lasting && m.people(r) == 0 {
					r.SetPersistent(false)
				}
			})
		}
	})
}

// people is how many are inside without our own services.
func (m *Rules) people(r *muc.Room) int {
	n := 0
	for _, o := range r.Occupants() {
		if !m.isAdmin(o) {
			n++
		}
	}
	return n
}
