package meeting

import (
	"fmt"
	"time"

	"parley/xmppd/stanza"
)

// Config is what the operator decides about meetings. The comment of a field is
// what the operator reads.
type Config struct {
	// Domain is the XMPP domain; the claim sub of a token names it.
	Domain string `yaml:"domain"`
	// Focus is the address conference requests go to; empty: focus. and the domain.
	Focus string `yaml:"focus"`
	// FocusNick is the nick of the focus in rooms.
	FocusNick string `yaml:"focus_nick"`
	// FocusTimeout is how long a join waits for the focus before it is refused.
	FocusTimeout time.Duration `yaml:"focus_timeout"`
	// FocusFirst lets nobody into a room before the focus.
	FocusFirst bool `yaml:"focus_first"`
	// AccountsOpenRooms lets people with a password account open a room by entering
	// it: the server then calls the focus.
	AccountsOpenRooms bool `yaml:"accounts_open_rooms"`
	// TokenAffiliation makes who holds a moderator's token owner of the room.
	TokenAffiliation bool `yaml:"token_affiliation"`
	// TokenMembers makes other holders of a token members, so that they need not
	// wait in a lobby.
	TokenMembers bool `yaml:"token_members"`
	// RequireTokenForModeration lets only holders of a token change a room's
	// configuration.
	RequireTokenForModeration bool `yaml:"require_token_for_moderation"`
	// Identity shows everybody in a room what a token says about its holder.
	Identity bool `yaml:"identity"`
	// DefaultPermissions are what a moderator may do whose token names no features.
	DefaultPermissions []string `yaml:"default_permissions"`
	// Services are what a meeting has beside its room.
	Services ServicesConfig `yaml:"services"`
	// LobbyNeedsName lets nobody wait in a lobby who does not say his name.
	LobbyNeedsName bool `yaml:"lobby_needs_name"`
	// Whitelist are accounts (user@host) and domains that need neither the leave of
	// a lobby nor a password, such as recorders.
	Whitelist []string `yaml:"whitelist"`
	// TranscriberPrefixes are how addresses begin from which subtitles are accepted.
	TranscriberPrefixes []string `yaml:"transcriber_prefixes"`
	// ExternalServices lists the STUN and TURN servers clients are told of when they
	// enter; nil for none.
	ExternalServices func() []ExternalService `yaml:"-"`
}

// DefaultConfig is for one domain with tokens.
func DefaultConfig() Config {
	return Config{
		Domain:            "meet.localhost",
		FocusNick:         "focus",
		FocusTimeout:      5 * time.Second,
		FocusFirst:        true,
		AccountsOpenRooms: true,
		TokenAffiliation:  true,
		Identity:          true,
		LobbyNeedsName:    true,
		Services: ServicesConfig{Lobby: true, BreakoutRooms: true, AVModeration: true, SpeakerStats: true,
			ConferenceDuration: true, EndConference: true, Polls: true, RoomMetadata: true},
		DefaultPermissions: []string{
			"livestreaming", "recording", "transcription", "outbound-call", "create-polls", "send-groupchat", "flip",
		},
		TranscriberPrefixes: []string{"transcriber@recorder.", "jigasi@recorder."},
	}
}

// Validate names the first key that does not fit.
func (c Config) Validate() error {
	if _, err := stanza.ParseAddr(c.Domain); err != nil {
		return fmt.Errorf("domain: %q: %w", c.Domain, err)
	}
	if _, err := stanza.ParseAddr(c.focusAddr()); err != nil {
		return fmt.Errorf("focus: %q: %w", c.Focus, err)
	}
	if c.FocusNick == "" {
		return fmt.Errorf("focus_nick: must not be empty")
	}
	// Clients give up after ten seconds; nobody shall wait in silence for longer
	// than half of that.
	if c.FocusTimeout < 100*time.Millisecond || c.FocusTimeout > 5*time.Second {
		return fmt.Errorf("focus_timeout: %s is not between 100ms and 5s", c.FocusTimeout)
	}
	for _, w := range c.Whitelist {
		if _, err := stanza.ParseAddr(w); err != nil {
			return fmt.Errorf("whitelist: %q: %w", w, err)
		}
	}
	return nil
}

func (c Config) focusAddr() string {
	if c.Focus != "" {
		return c.Focus
	}
	return "focus." + c.Domain
}

// ExternalService is a STUN or TURN server as clients read it in the metadata of a
// room (xmpp.md §6.10-6).
type ExternalService struct {
	Type       string `json:"type"`
	Transport  string `json:"transport,omitempty"`
	Host       string `json:"host"`
	Port       string `json:"port,omitempty"`
	Username   string `json:"username,omitempty"`
	Password   string `json:"password,omitempty"`
	Expires    string `json:"expires,omitempty"`
	Restricted string `json:"restricted,omitempty"`
}
