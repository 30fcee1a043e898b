package meeting

import "parley/xmppd/muc"

// installAffiliation gives holders of a token their rank before they enter: owner,
// which is Jitsi's moderator, or, where that is wanted, member (mod_token_affiliation).
// Whoever has no such token gets none, be he the first and alone. A rank somebody
// was given by others is not lowered, and outcasts stay outside.
//
// Upstream makes every other holder of a token a member. Where all people come with
// a token, as by our links, a lobby would then hold nobody back, so it is a switch.
func (m *Rules) installAffiliation(h *muc.Hooks) {
	if !m.cfg.TokenAffiliation || m.cfg.TokenModeration {
		return
	}
	h.OnJoin(-3.5, "token affiliation", func(j *muc.Join) muc.Outcome {
		c := claims(j.Session)
		if c == nil || j.Admin || isHealthRoom(j.Room) {
			return muc.Continue
		}
		now := j.Room.Affiliation(j.From)
		knocks := j.Room.MembersOnly() && now == muc.None && (j.Room.Password() == "" || j.Password != j.Room.Password())
		switch {
		case now == muc.Outcast || knocks:
		case c.IsModerator():
			j.Grant(muc.Owner)
		case now == muc.None && m.cfg.TokenMembers:
			j.Grant(muc.Member)
		}
		return muc.Continue
	})
}
