package muc

// Affiliation is the lasting relation of an account to a room (XEP-0045, 5.2).
// The values are ordered by rank.
type Affiliation uint8

// The affiliations.
const (
	Outcast Affiliation = iota
	None
	Member
	Admin
	Owner
)

var affiliationNames = [...]string{Outcast: "outcast", None: "none", Member: "member", Admin: "admin", Owner: "owner"}

// String is the word used on the wire.
func (a Affiliation) String() string { return affiliationNames[a] }

// ParseAffiliation reads the word used on the wire.
func ParseAffiliation(s string) (Affiliation, bool) {
	for a, name := range affiliationNames {
		if name == s {
			return Affiliation(a), true
		}
	}
	return None, false
}

// Role is what an occupant may do as long as it stays (XEP-0045, 5.1). The values
// are ordered by rank.
type Role uint8

// The roles.
const (
	NoRole Role = iota
	Visitor
	Participant
	Moderator
)

var roleNames = [...]string{NoRole: "none", Visitor: "visitor", Participant: "participant", Moderator: "moderator"}

// String is the word used on the wire.
func (r Role) String() string { return roleNames[r] }

// ParseRole reads the word used on the wire.
func ParseRole(s string) (Role, bool) {
	for r, name := range roleNames {
		if name == s {
			return Role(r), true
		}
	}
	return NoRole, false
}

// defaultRole is the role that goes with an affiliation when somebody enters or
// when the affiliation changes.
func defaultRole(a Affiliation, moderated bool) Role {
	switch {
	case a >= Admin:
		return Moderator
	case a == Member:
		return Participant
	case a == Outcast:
		return NoRole
	case moderated:
		return Visitor
	}
	return Participant
}
