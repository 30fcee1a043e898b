package jitsimeet

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Presence is what the focus reads in the presence of a room's occupant: decode the
// whole presence stanza into it. Elements of clients are matched without regard to
// namespace where Jitsi writes them in that of the stream.
type Presence struct {
	From string `xml:"from,attr"`
	To   string `xml:"to,attr"`
	Type string `xml:"type,attr"`

	MUC  *MUCUser `xml:"http://jabber.org/protocol/muc#user x"`
	Caps *Caps    `xml:"http://jabber.org/protocol/caps c"`
	Nick string   `xml:"http://jabber.org/protocol/nick nick"`

	Status     string    `xml:"status"`
	Features   *Features `xml:"features"`
	Region     string    `xml:"jitsi_participant_region"`
	StatsID    string    `xml:"stats-id"`
	SourceInfo string    `xml:"SourceInfo"`
	AudioMuted string    `xml:"http://jitsi.org/jitmeet/audio audiomuted"`
	VideoMuted string    `xml:"http://jitsi.org/jitmeet/video videomuted"`
	CodecList  string    `xml:"jitsi_participant_codecList"`
	CodecType  string    `xml:"jitsi_participant_codecType"`
	Diarize    string    `xml:"jitsi_participant_diarize"`
	OldRegion  *struct {
		ID string `xml:"id,attr"`
	} `xml:"http://jitsi.org/jitsi-meet region"`
	UserInfo *struct {
		Robot string `xml:"robot,attr"`
	} `xml:"userinfo"`
}

// StatusSwitchRoom is the Status of somebody who leaves for a breakout room.
const StatusSwitchRoom = "switch_room"

// MUCUser is the MUC service's element (XEP-0045 §7.2).
type MUCUser struct {
	Items    []MUCItem   `xml:"item"`
	Statuses []MUCStatus `xml:"status"`
	Destroy  *MUCDestroy `xml:"destroy"`
}

// MUCItem says who an occupant is.
type MUCItem struct {
	Affiliation string `xml:"affiliation,attr"`
	Role        string `xml:"role,attr"`
	JID         string `xml:"jid,attr"`
	Nick        string `xml:"nick,attr"`
}

// MUCStatus is a status code, e.g. 110 for one's own presence.
type MUCStatus struct {
	Code int `xml:"code,attr"`
}

// MUCDestroy says that the room is gone.
type MUCDestroy struct {
	JID    string `xml:"jid,attr"`
	Reason string `xml:"reason"`
}

// Status codes of XEP-0045 that matter to an occupant.
const (
	StatusSelf        = 110
	StatusRoomCreated = 201
	StatusBanned      = 301
	StatusKicked      = 307
	StatusShutdown    = 332
	StatusDropped     = 333
)

// Has says whether the status code is present.
func (m *MUCUser) Has(code int) bool {
	if m == nil {
		return false
	}
	for _, s := range m.Statuses {
		if s.Code == code {
			return true
		}
	}
	return false
}

// Item is the first item, the zero value if there is none.
func (m *MUCUser) Item() MUCItem {
	if m == nil || len(m.Items) == 0 {
		return MUCItem{}
	}
	return m.Items[0]
}

// Caps are entity capabilities (XEP-0115).
type Caps struct {
	Hash string `xml:"hash,attr"`
	Node string `xml:"node,attr"`
	Ver  string `xml:"ver,attr"`
}

// Features is how a recorder or gateway declares what it is.
type Features struct {
	Features []struct {
		Var string `xml:"var,attr"`
	} `xml:"feature"`
}

// Has says whether the feature is declared.
func (f *Features) Has(feature string) bool {
	if f == nil {
		return false
	}
	for _, x := range f.Features {
		if x.Var == feature {
			return true
		}
	}
	return false
}

// RegionName is the region the participant is in, "" if it does not say.
func (p *Presence) RegionName() string {
	if p.Region == "" && p.OldRegion != nil {
		return p.OldRegion.ID
	}
	return strings.TrimSpace(p.Region)
}

// SourceState is what a client says about one of its sources.
type SourceState struct {
	Muted     bool
	VideoType string
}

// UnmarshalJSON implements json.Unmarshaler: a source that says nothing is muted.
func (s *SourceState) UnmarshalJSON(b []byte) error {
	raw := struct {
		Muted     *bool  `json:"muted"`
		VideoType string `json:"videoType"`
	}{}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	*s = SourceState{Muted: raw.Muted == nil || *raw.Muted, VideoType: raw.VideoType}
	return nil
}

// maxSourceInfo bounds the SourceInfo text; a client has a handful of sources.
const maxSourceInfo = 16 << 10

// SourceStates reads the SourceInfo element; the key is the source name. A client that
// sends none (before 2022) gives an empty map.
func (p *Presence) SourceStates() (map[string]SourceState, error) {
	if p.SourceInfo == "" {
		return nil, nil
	}
	if len(p.SourceInfo) > maxSourceInfo {
		return nil, fmt.Errorf("source info of %d bytes is too long", len(p.SourceInfo))
	}
	var m map[string]SourceState
	if err := json.Unmarshal([]byte(p.SourceInfo), &m); err != nil {
		return nil, fmt.Errorf("source info: %w", err)
	}
	return m, nil
}
