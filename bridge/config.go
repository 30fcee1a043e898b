package bridge

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"parley/bridge/rtp"
	"parley/bridge/transport"
	"parley/internal/xmppclient"
)

// XMPPConfig is one connection to an XMPP server: as a user who joins the brewery
// room, or as a component.
type XMPPConfig struct {
	xmppclient.Config `yaml:",inline"`

	// Rooms are the brewery rooms to join. Requests are served only when they come from
	// one of them. Users only.
	Rooms []string `yaml:"rooms"`
	// Nick is the bridge's name in the brewery and the focus's key for it, so it must be
	// unique there. Empty means one made from the host name and a random part.
	Nick string `yaml:"nick"`
	// Allow lists who may send requests: addresses without resource, or domains.
	// Components only.
	Allow []string `yaml:"allow"`
}

// WebSocketConfig is the bridge channel over WebSocket.
type WebSocketConfig struct {
	// Enabled offers the bridge channel as a WebSocket.
	Enabled bool `yaml:"enabled"`
	// Listen is the address of the HTTP server that carries it, behind the web front.
	Listen string `yaml:"listen"`
	// Domains are the names (with port, if not the usual one) under which clients reach the
	// bridge channel through the web front; each becomes one address in the offer. Parley's own
	// page replaces the name by its own, other clients need it right.
	Domains []string `yaml:"domains"`
	// RelayDomains are those under which other bridges reach it, where the two have no data
	// channel between them; empty means Domains.
	RelayDomains []string `yaml:"relay_domains"`
	// TLS makes the addresses wss instead of ws.
	TLS bool `yaml:"tls"`
	// ServerID is this bridge's part of the path, by which a front finds the bridge among
	// several. Empty means one made at start.
	ServerID string `yaml:"server_id"`
}

// VideoConfig is what receivers get while they have not asked, and the limits.
type VideoConfig struct {
	// InitialMaxHeight applies before a client said anything; 0 sends no video until then.
	InitialMaxHeight int `yaml:"initial_max_height"`
	// DefaultMaxHeight applies to sources a client did not mention.
	DefaultMaxHeight int `yaml:"default_max_height"`
	// OnStageHeight and OnStageFPS are reached for a large picture before others improve.
	OnStageHeight int     `yaml:"on_stage_height"`
	OnStageFPS    float64 `yaml:"on_stage_fps"`
	// Oversend lets a shared screen on stage exceed the bandwidth by MaxOversend bit/s.
	Oversend    bool  `yaml:"oversend"`
	MaxOversend int64 `yaml:"max_oversend"`
	// LastN bounds the video sources any client gets; -1 is no bound.
	LastN int `yaml:"last_n"`
	// SSRCLimit is how many sources of a kind a client with SSRC rewriting gets at once.
	SSRCLimit int `yaml:"ssrc_limit"`
}

// BandwidthConfig is the estimation of what a receiver can take.
type BandwidthConfig struct {
	// Trust uses the estimate; off sends whatever is asked for.
	Trust bool `yaml:"trust"`
	// Initial, Min and Max of the estimate in bit/s.
	Initial int64 `yaml:"initial"`
	Min     int64 `yaml:"min"`
	Max     int64 `yaml:"max"`
	// AssumedLimit caps what a client may claim its bandwidth to be; -1 ignores such claims.
	AssumedLimit int64 `yaml:"assumed_limit"`
}

// AudioConfig says whose audio is forwarded.
type AudioConfig struct {
	// Loudest forwards only that many of the loudest speakers of a conference at once, which
	// spares large ones traffic and decoders; 0 forwards everybody.
	Loudest int `yaml:"loudest"`
	// AlwaysDominant forwards the dominant speaker also when others are louder.
	AlwaysDominant bool `yaml:"always_dominant"`
	// EnergyExpire is how long a speaker who pauses stays among the loudest.
	EnergyExpire time.Duration `yaml:"energy_expire"`
	// EnergyAlpha is the weight of a new audio level against those before, in percent.
	EnergyAlpha int `yaml:"energy_alpha"`
}

// InactivityConfig says when endpoints and conferences count as gone.
type InactivityConfig struct {
	// FirstTransfer is how long a new endpoint may stay silent before it counts as inactive,
	// Limit how long any endpoint may.
	FirstTransfer time.Duration `yaml:"first_transfer"`
	Limit         time.Duration `yaml:"limit"`
	// Expire removes an endpoint that was silent this long, NeverActive one that never came.
	Expire      time.Duration `yaml:"expire"`
	NeverActive time.Duration `yaml:"never_active"`
	// EmptyConference removes a conference that stays empty.
	EmptyConference time.Duration `yaml:"empty_conference"`
}

// Config is everything a bridge can be told.
type Config struct {
	// XMPP are the servers to attach to, usually one.
	XMPP []XMPPConfig `yaml:"xmpp"`
	// Media is the network side: ports, addresses, NAT mappings, socket buffers.
	Media transport.Config `yaml:"media"`
	// PacketPath is the memory of the packet path.
	PacketPath rtp.Config `yaml:"packet_path"`
	// WebSocket is the bridge channel over WebSocket.
	WebSocket WebSocketConfig `yaml:"websocket"`
	// SCTP offers the bridge channel as a data channel.
	SCTP bool `yaml:"sctp"`
	// PrivateListen is the address of the HTTP server for operators (/about/health,
	// /colibri/stats, /metrics, /colibri/drain, /colibri/muc-client, /debug); empty serves
	// none. Whoever reaches it may do everything, so never make it public.
	PrivateListen string `yaml:"private_listen"`
	// Region and RelayID are published for the focus; conferences may span the bridges of
	// several regions.
	Region  string `yaml:"region"`
	RelayID string `yaml:"relay_id"`
	// StatsInterval is the pause between two publications of the statistics.
	StatsInterval time.Duration `yaml:"stats_interval"`
	// RequireValidAddress makes a bridge without a public address unhealthy.
	RequireValidAddress bool `yaml:"require_valid_address"`
	// RequireSTUN makes a bridge unhealthy until media.stun_servers or media.aws have told its
	// public address.
	RequireSTUN bool `yaml:"require_stun"`
	// Load says how the load is measured and what is done when there is too much.
	Load LoadConfig `yaml:"load"`
	// Shutdown says how the bridge goes when it is told to.
	Shutdown ShutdownConfig `yaml:"shutdown"`
	// InitialDrain starts the bridge drained: it serves, but asks not to be chosen.
	InitialDrain bool `yaml:"initial_drain"`
	// Video, Audio, Bandwidth and Inactivity tune what clients get.
	Video      VideoConfig      `yaml:"video"`
	Audio      AudioConfig      `yaml:"audio"`
	Bandwidth  BandwidthConfig  `yaml:"bandwidth"`
	Inactivity InactivityConfig `yaml:"inactivity"`
}

// DefaultConfig is a bridge beside its XMPP server on one machine.
func DefaultConfig() Config {
	return Config{
		XMPP: []XMPPConfig{{
			Config: xmppclient.Config{
				Address: "127.0.0.1:5222", Domain: "auth.meet.localhost", Username: "jvb",
				TLS: xmppclient.TLSIfPossible,
			},
			Rooms: []string{"jvbbrewery@internal.auth.meet.localhost"},
		}},
		Media:      transport.DefaultConfig(),
		PacketPath: rtp.DefaultConfig(),
		WebSocket: WebSocketConfig{
			Enabled: true, Listen: "127.0.0.1:9090", Domains: []string{"localhost:8443"}, TLS: true,
		},
		SCTP:          true,
		StatsInterval: 5 * time.Second,
		Load:          defaultLoad(),
		Shutdown:      ShutdownConfig{Limit: 24 * time.Hour, Delay: time.Minute},
		Video: VideoConfig{
			InitialMaxHeight: 0, DefaultMaxHeight: 180, OnStageHeight: 360, OnStageFPS: 30,
			Oversend: true, MaxOversend: 500_000, LastN: -1, SSRCLimit: 50,
		},
		Audio: AudioConfig{AlwaysDominant: true, EnergyExpire: 150 * time.Millisecond, EnergyAlpha: 50},
		Bandwidth: BandwidthConfig{
			Trust: true, Initial: 2_500_000, Min: 30_000, Max: 20_000_000, AssumedLimit: -1,
		},
		Inactivity: InactivityConfig{
			FirstTransfer: 15 * time.Second, Limit: 8 * time.Second, Expire: time.Minute,
			NeverActive: 2 * time.Minute, EmptyConference: 20 * time.Second,
		},
	}
}

// maxLoudest bounds audio.loudest: the ranking is searched for every packet.
const maxLoudest = 50

// serverID is what may stand in the path of a bridge channel's address.
var serverID = regexp.MustCompile(`^[A-Za-z0-9._-]{0,128}$`)

// Validate reports the first setting that makes no sense, with its key.
func (c Config) Validate() error {
	if len(c.XMPP) == 0 {
		return errors.New("xmpp: at least one connection is needed")
	}
	for i, x := range c.XMPP {
		if err := x.validate(); err != nil {
			return fmt.Errorf("xmpp[%d].%w", i, err)
		}
	}
	if err := c.Media.Validate(); err != nil {
		return fmt.Errorf("media.%w", err)
	}
	if err := c.WebSocket.validate(); err != nil {
		return fmt.Errorf("websocket.%w", err)
	}
	if c.PrivateListen != "" {
		if _, _, err := net.SplitHostPort(c.PrivateListen); err != nil {
			return fmt.Errorf("private_listen: %w", err)
		}
	}
	switch {
	case !c.WebSocket.Enabled && !c.SCTP:
		return errors.New("sctp: without the WebSocket the data channel must be on")
	case c.PacketPath.Shards < 0:
		return errors.New("packet_path.shards: must not be negative")
	case c.StatsInterval < 100*time.Millisecond:
		return errors.New("stats_interval: must be at least 100ms")
	case c.Video.SSRCLimit < 1:
		return errors.New("video.ssrc_limit: must be at least 1")
	case c.Audio.Loudest < 0 || c.Audio.Loudest > maxLoudest:
		return fmt.Errorf("audio.loudest: must be between 0 and %d", maxLoudest)
	case c.Audio.EnergyExpire <= 0:
		return errors.New("audio.energy_expire: must be positive")
	case c.Audio.EnergyAlpha < 1 || c.Audio.EnergyAlpha > 100:
		return errors.New("audio.energy_alpha: must be between 1 and 100")
	case c.Bandwidth.Min < 1 || c.Bandwidth.Initial < c.Bandwidth.Min || c.Bandwidth.Max < c.Bandwidth.Initial:
		return errors.New("bandwidth: min, initial and max must be positive and ascend")
	}
	for _, err := range []error{c.Load.validate(), c.Shutdown.validate(), c.Inactivity.validate()} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c InactivityConfig) validate() error {
	for key, d := range map[string]time.Duration{
		"first_transfer": c.FirstTransfer, "limit": c.Limit, "expire": c.Expire,
		"never_active": c.NeverActive, "empty_conference": c.EmptyConference,
	} {
		if d <= 0 {
			return fmt.Errorf("inactivity.%s: must be positive", key)
		}
	}
	return nil
}

func (c WebSocketConfig) validate() error {
	if !c.Enabled {
		return nil
	}
	if c.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
	if !serverID.MatchString(c.ServerID) {
		return errors.New("server_id: only letters, digits, dots, dashes and underscores are allowed")
	}
	if len(c.Domains) == 0 {
		return errors.New("domains: at least one is needed")
	}
	for key, list := range map[string][]string{"domains": c.Domains, "relay_domains": c.RelayDomains} {
		for _, d := range list {
			if d == "" || strings.ContainsAny(d, "/?# ") {
				return fmt.Errorf("%s: %q is not a host", key, d)
			}
		}
	}
	return nil
}

func (c XMPPConfig) validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	if c.Component {
		if len(c.Allow) == 0 {
			return errors.New("allow: a component must know who may send requests")
		}
		for _, a := range c.Allow {
			if _, err := jid.Parse(a); err != nil {
				return fmt.Errorf("allow: %w", err)
			}
		}
		return nil
	}
	if len(c.Rooms) == 0 {
		return errors.New("rooms: at least one brewery room is needed")
	}
	for _, r := range c.Rooms {
		room, err := jid.Parse(r)
		if err != nil {
			return fmt.Errorf("rooms: %w", err)
		}
		if room.Localpart() == "" || room.Resourcepart() != "" {
			return fmt.Errorf("rooms: %q is not the address of a room", r)
		}
	}
	return nil
}

// uniqueName makes a name no other bridge has: the host's and a random part.
func uniqueName(random string) string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "bridge"
	}
	host = strings.Map(func(r rune) rune {
		if r < 128 && serverID.MatchString(string(r)) {
			return r
		}
		return -1
	}, strings.SplitN(host, ".", 2)[0])
	return host + "-" + random
}
