package meeting

import (
	"crypto/subtle"
	"slices"

	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// antechamber is what a waiting room knows: the room it leads to.
type antechamber struct{ main *muc.Room }

const waitForRank = "rank"

var errLobbyRank = stanza.Err(stanza.Cancel, stanza.NotAllowed, "Ranks and settings are those of the room behind the lobby")

var errKnockers = stanza.Err(stanza.Auth, stanza.Forbidden, "You can only speak to moderators here")

// newLobbyHost makes the host of the waiting rooms. Nobody can open one, and those
// who wait do not learn of each other.
func (m *Rules) newLobbyHost(d *desk) (*muc.Host, error) {
	cfg := *m.host.Config()
	cfg.AccountRooms = false
	cfg.Name, cfg.RestrictCreation, cfg.Hidden, cfg.KickTakesRank = "Lobbies", true, true, false
	cfg.AnonymousNicks = false // people wait under a random nick
	cfg.HistoryLength = 0      // what is said to one is no business of the next
	h := &muc.Hooks{}
	h.OnCreate(10, "lobby", func(*muc.Join) muc.Outcome {
		return muc.Refuse(stanza.Err(stanza.Cancel, stanza.NotAllowed, "Room creation is restricted"))
	})
	h.OnJoin(0, waitForRank, m.askRank)
	h.OnHears(func(_ *muc.Room, listener, speaker *muc.Occupant) bool {
		return keepsDoor(listener) && !keepsDoor(speaker)
	})
	h.OnDirect(func(_ *muc.Room, from, to *muc.Occupant, _ *stanza.Stanza) *stanza.Error {
		if !keepsDoor(from) && !keepsDoor(to) {
			return errKnockers
		}
		return nil
	})
	h.OnMessage(whisper)
	h.OnKick(func(lr *muc.Room, c *muc.Change) {
		main := stateOf[antechamber](lr).main
		if main == nil || c.Actor == nil || keepsDoor(c.Occupant) {
			return
		}
		n, actor := lobbyNote{Event: lobbyDenied, Value: c.Occupant.Addr().String(), Name: displayName(c.Occupant)}, c.Actor.Real()
		main.Post(func() {
			if by := main.OccupantOf(actor); by != nil {
				m.notifyLobby(main, by, n)
			}
		})
	})
	m.installIdentity(h)
	m.installProtection(h)
	h.OnLeft(func(lr *muc.Room, _ *muc.Occupant) {
		if main := stateOf[antechamber](lr).main; main != nil && len(lr.Occupants()) == 0 {
			main.Post(func() { m.reviewLobby(main) })
		}
	})
	h.OnAdmin(func(_ *muc.Room, it *muc.AdminItem) *stanza.Error {
		if it.SetsAffiliation || it.Role != muc.NoRole {
			return errLobbyRank
		}
		return nil
	})
	h.OnSubmit(func(_ *muc.Room, s *muc.Submission) *stanza.Error {
		return errLobbyRank
	})
	return muc.NewHost(d.addr.Domain(), cfg, m.rt, h, m.log)
}

// keepsDoor says that somebody lets others in.
func keepsDoor(o *muc.Occupant) bool { return o.Affiliation() == muc.Owner }

// askRank gives who enters the rank he has in the room: moderators come to look
// who waits.
func (m *Rules) askRank(j *muc.Join) muc.Outcome {
	main := stateOf[antechamber](j.Room).main
	if main == nil {
		return muc.Refuse(stanza.Err(stanza.Cancel, stanza.ItemNotFound, ""))
	}
	return m.withRankOf(main, j, func(aff muc.Affiliation) {
		if aff >= muc.Admin {
			j.Grant(aff)
		}
	})
}

// whisper carries what is said in a waiting room only between those who wait and
// those who keep the door.
func whisper(lr *muc.Room, o *muc.Occupant, st *stanza.Stanza) muc.Outcome {
	st = st.Without(func(c stanza.Child) bool { return !c.Is(ns.Client, "body") && !c.Is(ns.JitMeet, "json-message") })
	st = st.WithAddrs(o.Addr(), stanza.Addr{})
	for _, to := range slices.Clone(lr.Occupants()) {
		if to == o || keepsDoor(o) || keepsDoor(to) {
			lr.SendTo(to, st)
		}
	}
	return muc.Handled
}

func samePassword(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
