package archive

import (
	"errors"
	"fmt"
	"time"
)

// Config says what is kept, and for how long.
type Config struct {
	// Accounts keeps the messages of accounts, unless they choose otherwise.
	Accounts bool `yaml:"accounts"`
	// Rooms keeps the messages of rooms that accounts have opened, as long as the room
	// is there. Meetings are never archived.
	Rooms bool `yaml:"rooms"`
	// Default is what is kept for an account that has not chosen: always, never, or
	// roster for the people in its contact list.
	Default string `yaml:"default"`
	// MaxMessages is the most messages of one account or room.
	MaxMessages int `yaml:"max_messages"`
	// MaxAge is how long a message is kept.
	MaxAge time.Duration `yaml:"max_age"`
	// MaxPage is the most messages one query is answered with.
	MaxPage int `yaml:"max_page"`
}

// Rules of what is kept.
const (
	Always = "always"
	Never  = "never"
	Roster = "roster"
)

// DefaultConfig is a month of talk between accounts.
func DefaultConfig() Config {
	return Config{Accounts: true, Rooms: true, Default: Always, MaxMessages: 10_000, MaxAge: 30 * 24 * time.Hour, MaxPage: 250}
}

// Validate names the first key that does not fit.
func (c Config) Validate() error {
	switch {
	case c.Default != Always && c.Default != Never && c.Default != Roster:
		return fmt.Errorf("default: %q is not always, never or roster", c.Default)
	case c.MaxMessages < 1 || c.MaxMessages > 10_000_000:
		return errors.New("max_messages: must be between 1 and 10000000")
	case c.MaxAge < time.Minute:
		return errors.New("max_age: must be at least 1m")
	case c.MaxPage < 1 || c.MaxPage > 1000:
		return errors.New("max_page: must be between 1 and 1000")
	}
	return nil
}

const (
	queue      = 8192 // messages that may wait to be written
	batch      = 256  // messages of one transaction
	trimEvery  = 64   // appends to one archive until it is trimmed
	sweepEvery = 10 * time.Minute
	storeTime  = 10 * time.Second
	appendTime = 2 * time.Second // that a message waits for the disk
	usualPage  = 50
	maxQueries = 1024 // that may wait for their answer
	maxNamed   = 1000 // addresses in preferences
)
