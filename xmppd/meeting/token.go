package meeting

import (
	"errors"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/jwtauth"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

var errGuestConfig = stanza.Err(stanza.Cancel, stanza.NotAllowed, "Room modification disabled for guests")

// installToken asks, before every other rule, whether the token opens the room
// (mod_token_verification). Exempt are administrators, services, and password accounts,
// which may enter any room.
//
// Upstream looks first whether the room exists. Here the token speaks first: a
// token for another room does not fit better when the room is there.
func (m *Rules) installToken(h *muc.Hooks) {
	if m.verifier != nil {
		h.OnCreate(99, "token", m.checkToken)
		h.OnJoin(99, "token", m.checkToken)
	}
	if m.cfg.RequireTokenForModeration {
		h.OnSubmit(func(_ *muc.Room, s *muc.Submission) *stanza.Error {
			if !s.Admin && claims(s.Session) == nil {
				return errGuestConfig
			}
			return nil
		})
	}
}

func (m *Rules) checkToken(j *muc.Join) muc.Outcome {
	if j.Admin || j.Session == nil || account(j.Session) {
		return muc.Continue
	}
	room := jwtauth.Room{Node: j.Room.Node(), Host: j.Room.Host().Domain(), Domain: m.cfg.Domain}
	err := m.verifier.AllowRoom(claims(j.Session), room)
	if err == nil && j.Creates() {
		// Only the focus brings rooms into being; clients know this answer and try
		// again.
		err = jwtauth.ErrRoomMissing
	}
	if err == nil {
		return muc.Continue
	}
	m.tokenRefusals.Add(1)
	m.log.WithField(logx.Room, j.Room.Addr().String()).WithField(logx.Address, logx.JID(j.From.String())).
		WithField(logx.Reason, err.Error()).Info("join refused by token")
	return muc.Refuse(tokenError(err))
}

// tokenError is the answer clients know (mod_token_verification).
func tokenError(err error) *stanza.Error {
	var refused *jwtauth.RoomError
	if !errors.As(err, &refused) {
		return stanza.Err(stanza.Cancel, stanza.NotAllowed, "Room and token mismatched")
	}
	e := stanza.Err(stanza.Cancel, stanza.NotAllowed, refused.Text)
	if refused.Tag != "" {
		var b stanza.Builder
		e.App = b.Empty(ns.JitMeet, refused.Tag).Bytes()
	}
	return e
}
