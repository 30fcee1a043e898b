package pubsub

import (
	"fmt"
	"time"
)

// Config bounds what is kept.
type Config struct {
	// Create says who may make nodes on the pubsub host: accounts, or admins.
	Create string `yaml:"create"`
	// MaxNodes is the most nodes of one account, and of one creator on the host.
	MaxNodes int `yaml:"max_nodes"`
	// MaxItems is the most items of one node; also what a node set to "max" keeps.
	MaxItems int `yaml:"max_items"`
	// MaxPayload is the largest item, in bytes.
	MaxPayload int `yaml:"max_payload"`
	// MaxSubscriptions is the most subscriptions of one node.
	MaxSubscriptions int `yaml:"max_subscriptions"`
	// MaxAffiliations is the most accounts a node knows by name.
	MaxAffiliations int `yaml:"max_affiliations"`
}

// Who may make nodes.
const (
	Accounts = "accounts"
	Admins   = "admins"
)

// DefaultConfig suits avatars, bookmarks and device lists.
func DefaultConfig() Config {
	return Config{Create: Accounts, MaxNodes: 500, MaxItems: 1000, MaxPayload: 128 << 10, MaxSubscriptions: 1000, MaxAffiliations: 1000}
}

// Validate names the first key that does not fit.
func (c Config) Validate() error {
	if c.Create != Accounts && c.Create != Admins {
		return fmt.Errorf("create: %q is not accounts or admins", c.Create)
	}
	for _, x := range []struct {
		key string
		n   int
		max int
	}{
		{"max_nodes", c.MaxNodes, 1_000_000},
		{"max_items", c.MaxItems, 100_000},
		{"max_payload", c.MaxPayload, 10 << 20},
		{"max_subscriptions", c.MaxSubscriptions, 100_000},
		{"max_affiliations", c.MaxAffiliations, 100_000},
	} {
		if x.n < 1 || x.n > x.max {
			return fmt.Errorf("%s: must be between 1 and %d", x.key, x.max)
		}
	}
	return nil
}

const (
	shards    = 4
	mailbox   = 4096
	storeTime = 5 * time.Second
	maxName   = 1023 // bytes of a node's name and of an item's id
)
