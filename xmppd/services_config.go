package xmppd

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/xmppd/archive"
	"parley/xmppd/module"
	"parley/xmppd/pubsub"
	"parley/xmppd/upload"
)

// ServicesConfig are the services for ordinary XMPP clients.
type ServicesConfig struct {
	// Enabled turns on what accounts can use beside meetings: personal eventing,
	// cards, private storage, block lists and archives.
	Enabled bool `yaml:"enabled"`
	// PubSubDomain is where anybody with an account may publish. Empty: pubsub.DOMAIN.
	PubSubDomain string `yaml:"pubsub_domain"`
	// PubSub bounds nodes, on that domain and of accounts.
	PubSub pubsub.Config `yaml:"pubsub"`
	// People bounds what else is kept for an account.
	People module.PeopleConfig `yaml:"people"`
	// Archive is what is kept of messages, of accounts and of their rooms.
	Archive archive.Config `yaml:"archive"`
	// UploadDomain is where clients ask for a place to upload. Empty: upload.DOMAIN.
	UploadDomain string `yaml:"upload_domain"`
	// Upload takes files by HTTP.
	Upload upload.Config `yaml:"upload"`
	// External are STUN and TURN servers clients are told of.
	External []ExternalService `yaml:"external"`
	// Contacts are addresses (mailto:, xmpp:, https:) of those who run the server, by
	// concern: abuse, admin, feedback, sales, security, status or support.
	Contacts map[string][]string `yaml:"contacts"`
}

// ExternalService is a STUN or TURN server (XEP-0215).
type ExternalService struct {
	// Type is stun, stuns, turn or turns.
	Type string `yaml:"type"`
	// Host is its name or address.
	Host string `yaml:"host"`
	// Port is its port; 0: the usual one.
	Port int `yaml:"port"`
	// Transport is udp or tcp.
	Transport string `yaml:"transport"`
	// Secret is shared with a TURN server that takes credentials made for a time,
	// as coturn does with use-auth-secret.
	Secret string `yaml:"secret"`
	// TTL is how long such credentials are good.
	TTL time.Duration `yaml:"ttl"`
	// Username and Password are for servers with fixed credentials.
	Username string `yaml:"username"`
	// Password goes with Username.
	Password string `yaml:"password"`
}

// DefaultServicesConfig keeps everything but files within modest bounds.
func DefaultServicesConfig() ServicesConfig {
	return ServicesConfig{Enabled: true, PubSub: pubsub.DefaultConfig(), People: module.DefaultPeopleConfig(), Archive: archive.DefaultConfig(),
		Upload: upload.DefaultConfig()}
}

// names fills in the domains of services that are on, and forgets the others'.
func (c ServicesConfig) names(domain string) ServicesConfig {
	switch {
	case !c.Enabled:
		c.PubSubDomain = ""
	case c.PubSubDomain == "":
		c.PubSubDomain = "pubsub." + domain
	}
	switch {
	case !c.Enabled || !c.Upload.Enabled:
		c.UploadDomain = ""
	case c.UploadDomain == "":
		c.UploadDomain = "upload." + domain
	}
	return c
}

var concerns = []string{"abuse", "admin", "feedback", "sales", "security", "status", "support"}

// Validate names the first key that does not fit.
func (c ServicesConfig) Validate() error {
	if err := c.PubSub.Validate(); err != nil {
		return fmt.Errorf("pubsub.%w", err)
	}
	if err := c.People.Validate(); err != nil {
		return fmt.Errorf("people.%w", err)
	}
	if err := c.Archive.Validate(); err != nil {
		return fmt.Errorf("archive.%w", err)
	}
	if err := c.Upload.Validate(); err != nil {
		return fmt.Errorf("upload.%w", err)
	}
	for i, x := range c.External {
		if err := x.validate(); err != nil {
			return fmt.Errorf("external[%d].%w", i, err)
		}
	}
	for kind := range c.Contacts {
		if !slices.Contains(concerns, kind) {
			return fmt.Errorf("contacts: %q is not one of %v", kind, concerns)
		}
	}
	return nil
}

func (x ExternalService) validate() error {
	switch {
	case !slices.Contains([]string{"stun", "stuns", "turn", "turns"}, x.Type):
		return fmt.Errorf("type: %q is not stun, stuns, turn or turns", x.Type)
	case x.Host == "":
		return errors.New("host: must be set")
	case x.Port < 0 || x.Port > 65535:
		return errors.New("port: must be between 0 and 65535")
	case x.Transport != "" && x.Transport != "udp" && x.Transport != "tcp":
		return fmt.Errorf("transport: %q is not udp or tcp", x.Transport)
	case x.Secret != "" && x.Username != "":
		return errors.New("secret: stands instead of username and password")
	case x.TTL < 0:
		return errors.New("ttl: must not be negative")
	}
	return nil
}
