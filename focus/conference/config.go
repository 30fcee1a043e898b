package conference

import (
	"fmt"
	"time"
)

// Config holds the rules of every meeting.
type Config struct {
	// MinParticipants is how many members a room needs before anyone is offered
	// media.
	MinParticipants int `yaml:"min_participants"`
	// InitialTimeout is how long an asked-for conference waits for its first member.
	InitialTimeout time.Duration `yaml:"initial_timeout"`
	// SingleParticipantTimeout is how long the last one keeps the media session.
	SingleParticipantTimeout time.Duration `yaml:"single_participant_timeout"`
	// AutoOwner makes the first member moderator. Off: the server says who is.
	AutoOwner bool `yaml:"auto_owner"`
	// MaxSSRCsPerUser bounds the streams one participant may announce.
	MaxSSRCsPerUser int `yaml:"max_ssrcs_per_user"`
	// MaxSSRCGroupsPerUser bounds the groups of streams one participant may announce.
	MaxSSRCGroupsPerUser int `yaml:"max_ssrc_groups_per_user"`
	// MaxAudioSenders is how many members may have their microphone open.
	MaxAudioSenders int `yaml:"max_audio_senders"`
	// MaxVideoSenders is how many members may have their camera open.
	MaxVideoSenders int `yaml:"max_video_senders"`
	// StripSimulcast tells receivers of the first layer only; the bridge sends
	// one stream whatever it receives.
	StripSimulcast bool `yaml:"strip_simulcast"`
	// JSONSources announces sources in the compact form to clients that know it.
	JSONSources bool `yaml:"json_sources"`
	// SSRCRewriting leaves telling receivers about sources to the bridge, for
	// clients that ask for that.
	SSRCRewriting bool `yaml:"ssrc_rewriting"`
	// SCTP offers the bridge channel as a data channel besides the WebSocket. A
	// bridge that refuses it is not asked again.
	SCTP bool `yaml:"sctp"`
	// ICERestart lets clients restart ICE without a new session.
	ICERestart bool `yaml:"ice_restart"`
	// RestartMinInterval is the least time between two restarts of one participant.
	RestartMinInterval time.Duration `yaml:"restart_min_interval"`
	// RestartMaxPerMinute is how often one participant may restart in a minute.
	RestartMaxPerMinute int `yaml:"restart_max_per_minute"`
	// SourceDelays collects changes of sources before telling others about them:
	// from so many participants on, for so long.
	SourceDelays []SourceDelay `yaml:"source_delays"`
	// Codec says what is offered.
	Codec CodecConfig `yaml:"codec"`
}

// SourceDelay is one step of Config.SourceDelays.
type SourceDelay struct {
	// Participants is the size from which the delay holds.
	Participants int `yaml:"participants"`
	// Delay is how long changes are collected.
	Delay time.Duration `yaml:"delay"`
}

// CodecConfig says which codecs and header extensions are offered.
type CodecConfig struct {
	// AV1 offers AV1.
	AV1 bool `yaml:"av1"`
	// VP8 offers VP8.
	VP8 bool `yaml:"vp8"`
	// VP9 offers VP9.
	VP9 bool `yaml:"vp9"`
	// H264 offers H.264, constrained baseline.
	H264 bool `yaml:"h264"`
	// OpusRED offers audio in which each packet repeats the one before it (RFC 2198) to
	// clients that announce they know it: one lost packet is not heard. It takes 30 kbit/s
	// more for each who talks. Bridges send it where there is room for it, and plain Opus to
	// all others.
	OpusRED bool `yaml:"opus_red"`
	// RTX offers retransmission streams.
	RTX bool `yaml:"rtx"`
	// TransportCC offers transport-wide congestion control.
	TransportCC bool `yaml:"transport_cc"`
	// REMB offers receiver-estimated bandwidth to clients without TransportCC.
	REMB bool `yaml:"remb"`
	// MID offers the header extension that names the media section.
	MID bool `yaml:"mid"`
	// AbsSendTime offers the header extension with the sender's clock.
	AbsSendTime bool `yaml:"abs_send_time"`
	// DependencyDescriptor offers the header extension that describes layers.
	DependencyDescriptor bool `yaml:"dependency_descriptor"`
}

// DefaultConfig returns the values of a stock installation.
func DefaultConfig() Config {
	return Config{
		MinParticipants:          2,
		InitialTimeout:           15 * time.Second,
		SingleParticipantTimeout: 20 * time.Second,
		MaxSSRCsPerUser:          20,
		MaxSSRCGroupsPerUser:     20,
		MaxAudioSenders:          999999,
		MaxVideoSenders:          999999,
		StripSimulcast:           true,
		JSONSources:              true,
		SSRCRewriting:            true,
		SCTP:                     true,
		ICERestart:               true,
		RestartMinInterval:       5 * time.Second,
		RestartMaxPerMinute:      5,
		Codec: CodecConfig{
			AV1: true, VP8: true, VP9: true, H264: true,
			OpusRED: true, RTX: true, TransportCC: true, REMB: true,
			MID: true, AbsSendTime: true, DependencyDescriptor: true,
		},
	}
}

// Validate names the first setting that cannot work.
func (c Config) Validate() error {
	for _, at := range []struct {
		key string
		n   int
	}{
		{"min_participants", c.MinParticipants}, {"max_ssrcs_per_user", c.MaxSSRCsPerUser},
		{"max_ssrc_groups_per_user", c.MaxSSRCGroupsPerUser}, {"max_audio_senders", c.MaxAudioSenders},
		{"max_video_senders", c.MaxVideoSenders}, {"restart_max_per_minute", c.RestartMaxPerMinute},
	} {
		if at.n < 1 {
			return fmt.Errorf("%s: %d is below 1", at.key, at.n)
		}
	}
	for _, at := range []struct {
		key string
		d   time.Duration
	}{
		{"initial_timeout", c.InitialTimeout}, {"single_participant_timeout", c.SingleParticipantTimeout},
		{"restart_min_interval", c.RestartMinInterval},
	} {
		if at.d <= 0 {
			return fmt.Errorf("%s: %v is not above 0", at.key, at.d)
		}
	}
	for _, s := range c.SourceDelays {
		if s.Participants < 0 || s.Delay < 0 {
			return fmt.Errorf("source_delays: %d, %v: must not be negative", s.Participants, s.Delay)
		}
	}
	if !c.Codec.AV1 && !c.Codec.VP8 && !c.Codec.VP9 && !c.Codec.H264 {
		return fmt.Errorf("codec: no video codec is left")
	}
	return nil
}
