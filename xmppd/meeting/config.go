package meeting

import (
	"fmt"
	"net/url"
	"time"

	"parley/jwtauth"
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
	// TellServices tells web clients of the services as soon as they are logged in,
	// which saves them some questions. Clients of before 2021 do not expect it.
	TellServices bool `yaml:"tell_services"`
	// LobbyNeedsName lets nobody wait in a lobby who does not say his name.
	LobbyNeedsName bool `yaml:"lobby_needs_name"`
	// Whitelist are accounts (user@host) and domains that need neither the leave of
	// a lobby nor a password, such as recorders.
	Whitelist []string `yaml:"whitelist"`
	// JoinsPerSecond is how many people a room lets in per second; the others wait
	// their turn. 0: any number.
	JoinsPerSecond int `yaml:"joins_per_second"`
	// MessageLimit is how many chat messages a room takes in all; 0: any number.
	MessageLimit int `yaml:"message_limit"`
	// ConferencesPerAddress is how many meetings the clients of one address may have
	// begun within a minute; further requests are answered as not ready. 0: any number.
	ConferencesPerAddress int `yaml:"conferences_per_address"`
	// RecordingsPerMinute is how often recordings and streams may be started and stopped
	// in one room; 0: any number.
	RecordingsPerMinute int `yaml:"recordings_per_minute"`
	// RecordingsPerAddress is the same for the clients of one address, in all rooms.
	RecordingsPerAddress int `yaml:"recordings_per_address"`
	// CallsPerMinute is how often one person may have a telephone called; 0: any number.
	CallsPerMinute int `yaml:"calls_per_minute"`
	// AllOwners makes everybody who enters a moderator.
	AllOwners bool `yaml:"all_owners"`
	// WaitForHost has people without a token or an account wait in a lobby until
	// somebody with one comes.
	WaitForHost bool `yaml:"wait_for_host"`
	// HostsModerate makes those for whom the others wait moderators.
	HostsModerate bool `yaml:"hosts_moderate"`
	// TokenModeration has nothing but the claim moderator of tokens, outside of
	// their context, say who moderates: nobody can be made moderator by others.
	TokenModeration bool `yaml:"token_moderation"`
	// ModeratorsLobby switches on a lobby, with TokenModeration, when the first
	// moderator comes.
	ModeratorsLobby bool `yaml:"moderators_lobby"`
	// ModeratorsCreate lets people log in only with a token, and to a meeting that has
	// not begun only with one whose claim moderator is true.
	ModeratorsCreate bool `yaml:"moderators_create"`
	// CloseRoom ends a meeting when its moderators leave: at_once with the first of
	// them, or later, some time after the last; empty: never.
	CloseRoom string `yaml:"close_room"`
	// CloseRoomTimeout is that time.
	CloseRoomTimeout time.Duration `yaml:"close_room_timeout"`
	// Statistics are told when CloseRoom has ended a room.
	Statistics StatisticsConfig `yaml:"statistics"`
	// Access asks another server at each log-in with a token whether its holder is shut out.
	Access AccessConfig `yaml:"access"`
	// MaxDuration ends meetings that last longer, with warnings before; 0: never.
	MaxDuration time.Duration `yaml:"max_duration"`
	// ModeratorTimeout ends meetings that have been without a moderator for that long, from
	// their beginning or since the last one left; 0: never.
	ModeratorTimeout time.Duration `yaml:"moderator_timeout"`
	// TokenNames shows who holds a token under its name, whatever he calls himself. With
	// the feature name-readonly a token says so of itself.
	TokenNames bool `yaml:"token_names"`
	// LobbyBypass lets the claim lobby_bypass, of a token's user, lead past a lobby.
	LobbyBypass bool `yaml:"lobby_bypass"`
	// Reservations asks another server whether and how long a meeting may be held.
	Reservations ReservationConfig `yaml:"reservations"`
	// Events are told to another server as they happen: rooms that begin and end, people who
	// come and go.
	Events EventsConfig `yaml:"events"`
	// HTTP is what the server tells and does by HTTP.
	HTTP HTTPConfig `yaml:"http"`
	// TranscriberPrefixes are how addresses begin from which subtitles are accepted.
	TranscriberPrefixes []string `yaml:"transcriber_prefixes"`
	// ExternalServices lists the STUN and TURN servers clients are told of when they
	// enter; nil for none.
	ExternalServices func() []ExternalService `yaml:"-"`
}

// DefaultConfig is for one domain with tokens.
func DefaultConfig() Config {
	system := jwtauth.DefaultConfig()
	system.RequireRoom, system.VerifyDomain = false, false // they are for no room
	return Config{
		Domain:            "meet.localhost",
		FocusNick:         "focus",
		FocusTimeout:      5 * time.Second,
		FocusFirst:        true,
		AccountsOpenRooms: true,
		TokenAffiliation:  true,
		Identity:          true,
		LobbyNeedsName:    true,
		HTTP:              HTTPConfig{InfoNeedsToken: true, System: system},
		Reservations:      defaultReservations(),
		Access:            AccessConfig{Timeout: 3 * time.Second},
		Events:            EventsConfig{Timeout: 10 * time.Second, Retries: 3},
		HostsModerate:     true,

		ConferencesPerAddress: 60,
		RecordingsPerMinute:   3, RecordingsPerAddress: 9,
		ModeratorsLobby:  true,
		CloseRoomTimeout: 20 * time.Second,
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
	switch {
	case c.MessageLimit < 0:
		return fmt.Errorf("message_limit: must not be negative")
	case c.ConferencesPerAddress < 0:
		return fmt.Errorf("conferences_per_address: must not be negative")
	case c.RecordingsPerMinute < 0 || c.RecordingsPerAddress < 0 || c.CallsPerMinute < 0:
		return fmt.Errorf("recordings_per_minute, recordings_per_address, calls_per_minute: must not be negative")
	case c.JoinsPerSecond < 0:
		return fmt.Errorf("joins_per_second: must not be negative")
	case c.CloseRoom != "" && c.CloseRoom != CloseAtOnce && c.CloseRoom != CloseLater:
		return fmt.Errorf("close_room: %q is not at_once or later", c.CloseRoom)
	case c.CloseRoomTimeout < time.Second || c.CloseRoomTimeout > time.Hour:
		return fmt.Errorf("close_room_timeout: %s is not between 1s and 1h", c.CloseRoomTimeout)
	case (c.WaitForHost || c.TokenModeration && c.ModeratorsLobby) && !c.Services.Lobby:
		return fmt.Errorf("services.lobby: is needed by wait_for_host and moderators_lobby")
	}
	if err := c.Access.validate(); err != nil {
		return fmt.Errorf("access.%w", err)
	}
	if err := c.Events.validate(); err != nil {
		return fmt.Errorf("events.%w", err)
	}
	if c.ModeratorTimeout != 0 && c.ModeratorTimeout < time.Second {
		return fmt.Errorf("moderator_timeout: %s is less than 1s", c.ModeratorTimeout)
	}
	if c.MaxDuration != 0 && c.MaxDuration < time.Minute {
		return fmt.Errorf("max_duration: %s is less than 1m", c.MaxDuration)
	}
	if err := c.Reservations.validate(); err != nil {
		return fmt.Errorf("reservations.%w", err)
	}
	if c.Reservations.Lobby && !c.Services.Lobby {
		return fmt.Errorf("services.lobby: is needed by reservations.lobby")
	}
	if c.HTTP.hasSystem() {
		if err := c.HTTP.System.Validate(); err != nil {
			return fmt.Errorf("http.system.%w", err)
		}
	}
	if _, err := url.Parse(c.Statistics.URL); err != nil {
		return fmt.Errorf("statistics.url: is no address")
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
// room (mod_room_metadata_component).
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
