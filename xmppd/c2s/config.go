package c2s

import (
	"fmt"
	"net/netip"
	"time"

	"parley/xmppd/router"
	"parley/xmppd/sasl"
	"parley/xmppd/stanza"
)

// Config are the settings of client sessions.
type Config struct {
	// StanzaBytes is the largest stanza taken from a client.
	StanzaBytes int `yaml:"stanza_bytes"`
	// AdminStanzaBytes is the largest stanza taken from an administrator, for
	// instance the focus, whose Jingle offers grow with the meeting.
	AdminStanzaBytes int `yaml:"admin_stanza_bytes"`
	// AdminSendQueue is how many bytes may wait for an administrator that reads slowly.
	AdminSendQueue int `yaml:"admin_send_queue"`
	// LoginTime is how long a client may take until its session is bound. One that asks
	// about registration, where that is enabled, gets ten minutes.
	LoginTime time.Duration `yaml:"login_time"`
	// LoginAttempts is how many wrong passwords or tokens one connection may try.
	LoginAttempts int `yaml:"login_attempts"`
	// WrongPasswords is how many wrong passwords may come from one address, or one /64 of
	// IPv6, within a minute; until it is over none is taken from there. This machine has
	// no limit; 0 is none for all. A proxy has to be one of trusted_proxies, or all its
	// clients share its number.
	WrongPasswords int `yaml:"wrong_passwords"`
	// Unacked is how many stanzas are kept for a client that may resume.
	Unacked int `yaml:"unacked"`
	// UnackedBytes is how many bytes they may have together.
	UnackedBytes int `yaml:"unacked_bytes"`
	// RequestAck is how many unacknowledged stanzas make the server ask.
	RequestAck int `yaml:"request_ack"`
	// StanzasPerSecond is how many stanzas a session may send; one that sends more is
	// read more slowly. Ten seconds' worth may come at once. 0 is no limit, and
	// administrators have none.
	StanzasPerSecond int `yaml:"stanzas_per_second"`
	// BytesPerSecond is the same for bytes.
	BytesPerSecond int `yaml:"bytes_per_second"`
	// SessionsPerAddress is how many streams one address may have at a time; 0 is no
	// limit. It should be less than max_connections, so that nobody can keep all others
	// out, and as many as may come from behind one router, for instance of a campus.
	SessionsPerAddress int `yaml:"sessions_per_address"`
	// SessionsPerAccount is how many sessions one account may have at a time.
	SessionsPerAccount int `yaml:"sessions_per_account"`
}

// DefaultConfig is what Prosody's users are used to.
func DefaultConfig() Config {
	return Config{
		StanzaBytes:        256 << 10,
		AdminStanzaBytes:   10 << 20,
		AdminSendQueue:     64 << 20,
		LoginTime:          30 * time.Second,
		LoginAttempts:      5,
		WrongPasswords:     60,
		Unacked:            500,
		UnackedBytes:       4 << 20,
		RequestAck:         5,
		StanzasPerSecond:   500,
		BytesPerSecond:     1 << 20,
		SessionsPerAddress: 12000,
		SessionsPerAccount: 100,
	}
}

// Validate names the first key that does not fit.
func (c Config) Validate() error {
	switch {
	case c.StanzaBytes < 10000:
		// RFC 6120 §13.12.
		return fmt.Errorf("stanza_bytes: must be at least 10000")
	case c.AdminStanzaBytes < c.StanzaBytes:
		return fmt.Errorf("admin_stanza_bytes: must not be less than stanza_bytes")
	case c.AdminSendQueue < c.AdminStanzaBytes:
		return fmt.Errorf("admin_send_queue: must not be less than admin_stanza_bytes")
	case c.UnackedBytes < c.StanzaBytes:
		return fmt.Errorf("unacked_bytes: must not be less than stanza_bytes")
	case c.LoginTime <= 0:
		return fmt.Errorf("login_time: must be positive")
	case c.LoginAttempts < 1:
		return fmt.Errorf("login_attempts: must be at least 1")
	case c.WrongPasswords < 0:
		return fmt.Errorf("wrong_passwords: must not be negative")
	case c.Unacked < 1:
		return fmt.Errorf("unacked: must be at least 1")
	case c.RequestAck < 0 || c.RequestAck >= c.Unacked:
		return fmt.Errorf("request_ack: must be between 0 and unacked")
	case c.StanzasPerSecond < 0:
		return fmt.Errorf("stanzas_per_second: must not be negative")
	case c.BytesPerSecond < 0:
		return fmt.Errorf("bytes_per_second: must not be negative")
	case c.SessionsPerAddress < 0:
		return fmt.Errorf("sessions_per_address: must not be negative")
	case c.SessionsPerAccount < 1:
		return fmt.Errorf("sessions_per_account: must be at least 1")
	}
	return nil
}

// Host is a domain clients log in to, and how.
type Host struct {
	Domain string
	Users  *router.Users
	// Accounts are its password accounts; nil if there are none.
	Accounts sasl.Accounts
	// WebPasswords offers the accounts to BOSH and WebSocket too. Where ANONYMOUS stands
	// beside them a web client takes it unless it was given a user name (strophejs,
	// core.js): a host that wants passwords of everybody must not be Anonymous.
	WebPasswords bool
	// Anonymous lets people in without an account, on BOSH and WebSocket.
	Anonymous bool
	// AnonymousTCP lets them in over TCP too.
	AnonymousTCP bool
	// Verifier checks the tokens of anonymous log-ins; nil where tokens mean nothing.
	Verifier sasl.TokenVerifier
	// Hibernate is how long a session without a connection may be resumed.
	Hibernate time.Duration
	// RequireTLS refuses to log anyone in on an unencrypted TCP stream from another machine.
	RequireTLS bool
	// Register answers jabber:iq:register before the log-in; nil: nobody may make an
	// account himself.
	Register func(from netip.Addr, st *stanza.Stanza) (content []byte, e *stanza.Error)
	// Features are further stream features for bound clients, as XML; may be nil.
	Features func() []byte
	// Welcome is what a new session hears before the answer to its bind; nil, or a nil
	// stanza, is nothing.
	Welcome func(*router.Session) *stanza.Stanza
}

func (h *Host) mechanisms(web, encrypted, bound bool) []string {
	var out []string
	passwords := h.Accounts != nil && (!web || h.WebPasswords)
	if passwords {
		if bound {
			out = append(out, sasl.ScramSHA256Plus, sasl.ScramSHA1Plus)
		}
		out = append(out, sasl.ScramSHA256, sasl.ScramSHA1)
		if encrypted {
			out = append(out, sasl.Plain)
		}
	}
	if h.Anonymous && web || h.AnonymousTCP && !web {
		out = append(out, sasl.Anonymous)
	}
	return out
}
