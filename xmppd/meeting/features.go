package meeting

import (
	"slices"

	"parley/xmppd/muc"
)

// allowed says whether an occupant may use a feature (is_feature_allowed in
// util.lib.lua): as his token's features say; without them, moderators may what they are
// told they may.
func (m *Rules) allowed(r *muc.Room, o *muc.Occupant, feature string) bool {
	if c := claims(o.Session()); c != nil && c.Features != nil {
		return c.Features[feature]
	}
	if g := grantedTo(r, o.Bare()); g != nil {
		return g[feature]
	}
	if o.Role() < muc.Moderator {
		return false
	}
	return m.isAdmin(o) || len(m.cfg.DefaultPermissions) == 0 || slices.Contains(m.cfg.DefaultPermissions, feature)
}
