package muc

import "fmt"

// Config is how the rooms of one host behave. The comment of a field is what the
// operator reads.
type Config struct {
	// Name is what disco shows for the host.
	Name string `yaml:"name"`
	// RestrictCreation lets only administrators, such as the focus, open rooms.
	RestrictCreation bool `yaml:"restrict_creation"`
	// AccountRooms lets people with a password account open rooms of their own, to talk
	// without a focus. Such a room is locked until its owner has configured it, and
	// is a meeting like every other as soon as the focus enters.
	AccountRooms bool `yaml:"account_rooms"`
	// Hidden keeps meetings out of lists; who is not inside learns nothing about one.
	// Rooms that accounts open are listed unless their owner says otherwise.
	Hidden bool `yaml:"hidden"`
	// InfoForAccounts lets password accounts ask about a hidden room before they
	// enter, as ordinary clients do.
	InfoForAccounts bool `yaml:"info_for_accounts"`
	// StrictNicks demands of people without an account a nick of letters, digits
	// and underscores that never changes: it also names their media.
	StrictNicks bool `yaml:"strict_nicks"`
	// AnonymousNicks further demands the first eight characters of their user name.
	AnonymousNicks bool `yaml:"anonymous_nicks"`
	// ReservedNicks can only be carried by administrators.
	ReservedNicks []string `yaml:"reserved_nicks"`
	// KickTakesRank takes the affiliation of somebody who is kicked, so that he does
	// not come back as owner.
	KickTakesRank bool `yaml:"kick_takes_rank"`
	// Brewery makes the rooms meeting places of services: of two members that are
	// not administrators' focus none hears the other.
	Brewery bool `yaml:"brewery"`
	// Services lists the only domains whose users may enter; empty: any.
	Services []string `yaml:"services"`

	// MaxRooms is the most rooms open at one time.
	MaxRooms int `yaml:"max_rooms"`
	// MaxPersistent is the most rooms that stay when everybody has left.
	MaxPersistent int `yaml:"max_persistent"`
	// MaxOccupants is the most that may be in one room, the focus among them;
	// administrators always find a place.
	MaxOccupants int `yaml:"max_occupants"`
	// Uncounted are accounts (user@host) and domains that always find a place in a
	// room and take none from others, such as recorders.
	Uncounted []string `yaml:"uncounted"`
	// MaxAffiliations is the most accounts a room keeps an affiliation for.
	MaxAffiliations int `yaml:"max_affiliations"`
	// MaxAvatar is the largest picture card (vCard) of a room, in bytes.
	MaxAvatar int `yaml:"max_avatar"`
	// MaxNick is the longest nick, in bytes.
	MaxNick int `yaml:"max_nick"`
	// MaxSubject is the longest subject, in bytes.
	MaxSubject int `yaml:"max_subject"`
	// HistoryLength is how many messages a newcomer is shown unless the room or
	// he says otherwise.
	HistoryLength int `yaml:"history_length"`
	// MaxHistory is the most messages a room can be configured to remember.
	MaxHistory int `yaml:"max_history"`
	// MaxHistoryBytes is the most bytes of messages a room remembers.
	MaxHistoryBytes int `yaml:"max_history_bytes"`
}

// DefaultConfig is that of a conference host.
func DefaultConfig() Config {
	return Config{
		Name:             "Parley rooms",
		RestrictCreation: true,
		AccountRooms:     true,
		Hidden:           true,
		InfoForAccounts:  true,
		StrictNicks:      true,
		ReservedNicks:    []string{"focus"},
		KickTakesRank:    true,
		MaxRooms:         10_000,
		MaxPersistent:    1000,
		MaxOccupants:     500,
		MaxAffiliations:  10_000,
		MaxAvatar:        64 << 10,
		MaxNick:          256,
		MaxSubject:       4096,
		HistoryLength:    20,
		MaxHistory:       100,
		MaxHistoryBytes:  1 << 20,
	}
}

// BreweryConfig is that of the host where bridges and other services report; only
// users of the given domains may enter.
func BreweryConfig(services ...string) Config {
	c := DefaultConfig()
	c.Name = "Parley services"
	c.AccountRooms = false
	c.InfoForAccounts = false
	c.StrictNicks = false
	c.Brewery = true
	c.Services = services
	c.HistoryLength = 0
	return c
}

// Validate names the first key that does not fit.
func (c Config) Validate() error {
	for _, f := range []struct {
		key      string
		value    int
		min, max int
	}{
		{"max_rooms", c.MaxRooms, 1, 1_000_000},
		{"max_persistent", c.MaxPersistent, 0, 100_000},
		{"max_avatar", c.MaxAvatar, 0, 256 << 10},
		{"max_occupants", c.MaxOccupants, 1, 10_000},
		{"max_affiliations", c.MaxAffiliations, 1, 1_000_000},
		{"max_nick", c.MaxNick, 8, 1023},
		{"max_subject", c.MaxSubject, 1, 64 << 10},
		{"max_history", c.MaxHistory, 0, 1000},
		{"history_length", c.HistoryLength, 0, c.MaxHistory},
		{"max_history_bytes", c.MaxHistoryBytes, 0, 64 << 20},
	} {
		if f.value < f.min || f.value > f.max {
			return fmt.Errorf("%s: %d is not between %d and %d", f.key, f.value, f.min, f.max)
		}
	}
	return nil
}
