package meeting

import (
	"fmt"

	"parley/xmppd/muc"
	"parley/xmppd/router"
)

// ServicesConfig says which services a meeting has. Each is a domain of its own
// below the main domain.
type ServicesConfig struct {
	// Lobby lets moderators have people wait outside until they are let in.
	Lobby bool `yaml:"lobby"`
	// BreakoutRooms lets moderators divide a meeting into groups.
	BreakoutRooms bool `yaml:"breakout_rooms"`
	// AVModeration lets moderators decide who may speak, show himself or his screen.
	AVModeration bool `yaml:"av_moderation"`
	// SpeakerStats tells how long everybody has spoken.
	SpeakerStats bool `yaml:"speaker_stats"`
	// ConferenceDuration tells clients of before 2024 when the meeting began.
	ConferenceDuration bool `yaml:"conference_duration"`
	// EndConference lets moderators end the meeting for all.
	EndConference bool `yaml:"end_conference"`
	// Polls lets people ask each other.
	Polls bool `yaml:"polls"`
	// RoomMetadata keeps what clients want to know about a meeting beside the room.
	RoomMetadata bool `yaml:"room_metadata"`
	// FileSharing tells people in a meeting of files somebody has put elsewhere. It
	// needs a server for the files, and clients that know it.
	FileSharing bool `yaml:"file_sharing"`
}

// Service is one of them as the main domain announces it: its type, and its
// address, which clients take from the identity's name (mod_features_identity).
type Service struct{ Type, Addr string }

// The types by which clients know the services.
const (
	typeLobby        = "lobbyrooms"
	typeBreakout     = "breakout_rooms"
	typeAVModeration = "av_moderation"
	typeSpeakerStats = "speakerstats"
	typeDuration     = "conference_duration"
	typeEnd          = "end_conference"
	typePolls        = "polls"
	typeMetadata     = "room_metadata"
	typeFiles        = "file-sharing"
)

// List is the services of a domain that are switched on.
func (c Config) List() []Service {
	var out []Service
	for _, s := range []struct {
		on          bool
		kind, label string
	}{
		{c.Services.AVModeration, typeAVModeration, "avmoderation"},
		{c.Services.Polls, typePolls, "polls"},
		{c.Services.FileSharing, typeFiles, "filesharing"},
		{c.Services.SpeakerStats, typeSpeakerStats, "speakerstats"},
		{c.Services.RoomMetadata, typeMetadata, "metadata"},
		{c.Services.EndConference, typeEnd, "endconference"},
		{c.Services.Lobby, typeLobby, "lobby"},
		{c.Services.BreakoutRooms, typeBreakout, "breakout"},
		{c.Services.ConferenceDuration, typeDuration, "conferenceduration"},
	} {
		if s.on {
			out = append(out, Service{s.kind, s.label + "." + c.Domain})
		}
	}
	return out
}

// installRooms makes the hosts of breakout rooms and lobbies, so that later rules
// reach them, too.
func (m *Rules) installRooms() error {
	m.where.watch(m.host.Hooks())
	for _, s := range m.cfg.List() {
		var host router.Host
		var err error
		switch d := m.newDesk(s); s.Type {
		case typeLobby:
			host, err = m.installLobby(d)
			m.rt.AddTenants("lobby", m.cfg.Domain, host)
		case typeBreakout:
			if host, err = m.installBreakout(d); err == nil {
				h := m.breakoutHost.Hooks()
				m.installFocusLock(h)
				m.installMeetingID(h)
				m.installIdentity(h)
				m.installProtection(h)
				m.installTranscripts(h)
			}
		default:
			continue
		}
		if err == nil {
			err = m.rt.Add(s.Addr, host)
		}
		if err != nil {
			return fmt.Errorf("meetings: %w", err)
		}
	}
	return nil
}

// installServices puts the services that are switched on in charge of their domains.
func (m *Rules) installServices() error {
	for _, s := range m.cfg.List() {
		d := m.newDesk(s)
		switch s.Type {
		case typeMetadata:
			m.metadata = d
			m.installMetadata(d)
		case typeAVModeration:
			m.installAVModeration(d)
		case typeSpeakerStats:
			m.installSpeakerStats(d)
		case typeDuration:
			m.installDuration(d)
		case typeEnd:
			m.installEnd(d)
		case typePolls:
			m.installPolls(d)
		case typeFiles:
			m.installFileSharing(d)
		default:
			continue
		}
		if err := m.rt.Add(s.Addr, d); err != nil {
			return fmt.Errorf("meetings: %w", err)
		}
	}
	return nil
}

// conferences calls f for the hooks of every host of rooms in which people talk.
func (m *Rules) conferences(f func(*muc.Hooks)) {
	f(m.host.Hooks())
	if m.breakoutHost != nil {
		f(m.breakoutHost.Hooks())
	}
}
