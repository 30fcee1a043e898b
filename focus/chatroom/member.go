package chatroom

import (
	"slices"
	"strings"

	"mellium.im/xmpp/jid"

	"parley/internal/wire/jitsimeet"
	"parley/internal/wire/ns"
)

// Member is another occupant of the room, as its last presence shows it.
type Member struct {
	Nick        string
	Addr        string  // occupant address ROOM/NICK
	Real        jid.JID // real full address
	Affiliation string
	Role        string

	CapsNode string // NODE#VER, "" if it announces none
	Declared []string
	Region   string
	StatsID  string
	Sending  Sending
}

// Sending says what a member has unmuted.
type Sending struct{ Audio, Video bool }

// Moderator says whether the member has a moderator's rights.
func (m *Member) Moderator() bool {
	return m.Affiliation == "owner" || m.Affiliation == "admin" || m.Role == "moderator"
}

// Owner says whether the member owns the room.
func (m *Member) Owner() bool { return m.Affiliation == "owner" }

// Recorder says whether the member is a recorder.
func (m *Member) Recorder() bool { return slices.Contains(m.Declared, ns.Jibri) }

// Gateway says whether the member is a telephone gateway.
func (m *Member) Gateway() bool { return slices.Contains(m.Declared, ns.Jigasi) }

// Person says whether the member is neither recorder nor gateway.
func (m *Member) Person() bool { return !m.Recorder() && !m.Gateway() }

// declarable are the features a presence itself may declare. What a member is taken
// for depends on them, so those but the last are believed only from trusted domains.
var declarable = []string{ns.Jibri, ns.Jigasi, ns.FeatureTranscriber, ns.FeatureAudioMute}

// apply takes over what a presence says.
func (m *Member) apply(p *jitsimeet.Presence, trusted func(domain string) bool) {
	item := p.MUC.Item()
	m.Affiliation, m.Role = item.Affiliation, item.Role
	if real, err := jid.Parse(item.JID); err == nil {
		m.Real = real
	}
	m.CapsNode = ""
	if c := p.Caps; c != nil && c.Node != "" && c.Ver != "" {
		m.CapsNode = c.Node + "#" + c.Ver
	}
	m.Declared = m.Declared[:0:0]
	for _, f := range declarable {
		if p.Features.Has(f) && (f == ns.FeatureAudioMute || trusted(m.Real.Domainpart())) {
			m.Declared = append(m.Declared, f)
		}
	}
	m.Region, m.StatsID = p.RegionName(), strings.TrimSpace(p.StatsID)
	m.Sending = sending(p)
}

// sending reads what is unmuted from SourceInfo, or from the older elements where
// that is missing.
func sending(p *jitsimeet.Presence) Sending {
	states, err := p.SourceStates()
	if err != nil || states == nil {
		return Sending{Audio: strings.TrimSpace(p.AudioMuted) == "false", Video: strings.TrimSpace(p.VideoMuted) == "false"}
	}
	var s Sending
	for name, st := range states {
		if st.Muted {
			continue
		}
		// NICK-a0, NICK-v1: the letter after the last hyphen is the medium.
		if i := strings.LastIndexByte(name, '-'); i >= 0 && i+1 < len(name) {
			s.Audio = s.Audio || name[i+1] == 'a'
			s.Video = s.Video || name[i+1] == 'v'
		}
	}
	return s
}
