package jitsimeet

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// JSONMessage is JSON text inside a message stanza, from the services of a room to the
// focus and to clients.
type JSONMessage struct {
	XMLName xml.Name `xml:"http://jitsi.org/jitmeet json-message"`
	Room    string   `xml:"room,attr,omitempty"`
	Text    string   `xml:",chardata"`
}

// MarshalXML implements xml.Marshaler; quotation marks stay as they are.
func (m JSONMessage) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	return e.Encode(struct {
		XMLName xml.Name `xml:"http://jitsi.org/jitmeet json-message"`
		Room    string   `xml:"room,attr,omitempty"`
		Raw     string   `xml:",innerxml"`
	}{Room: m.Room, Raw: escapeText.Replace(m.Text)})
}

var escapeText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")

// maxJSON bounds the text that is parsed: metadata of the largest room fits many times.
const maxJSON = 256 << 10

// ErrNoType is returned for JSON without a type.
var ErrNoType = errors.New("json message without a type")

// Type is the "type" of the JSON object.
func (m *JSONMessage) Type() (string, error) {
	var v struct {
		Type string `json:"type"`
	}
	if err := m.Decode(&v); err != nil {
		return "", err
	}
	if v.Type == "" {
		return "", ErrNoType
	}
	return v.Type, nil
}

// Decode reads the text into v.
func (m *JSONMessage) Decode(v any) error {
	if len(m.Text) > maxJSON {
		return fmt.Errorf("json message of %d bytes is too long", len(m.Text))
	}
	if err := json.Unmarshal([]byte(m.Text), v); err != nil {
		return fmt.Errorf("json message: %w", err)
	}
	return nil
}

// Types of json messages.
const (
	TypeAVModeration = "av_moderation"
	TypeRoomMetadata = "room_metadata"
)

// AVModeration tells that moderation of a medium began or ended, or who is exempt.
type AVModeration struct {
	Type      string `json:"type"`
	Room      string `json:"room"`
	Enabled   *bool  `json:"enabled,omitempty"`
	MediaType string `json:"mediaType,omitempty"` // audio, video, desktop
	Actor     string `json:"actor,omitempty"`
	// Whitelists maps a medium to occupant JIDs; nil when the message is about Enabled.
	Whitelists map[string][]string `json:"whitelists,omitempty"`
	Removed    bool                `json:"removed,omitempty"`
}

// RoomMetadata is the part of a room's metadata that the focus acts on; what else is in
// there is skipped.
type RoomMetadata struct {
	Type     string   `json:"type"`
	Metadata Metadata `json:"metadata"`
}

// Metadata is the object inside RoomMetadata.
type Metadata struct {
	StartMuted *struct {
		Audio bool `json:"audio"`
		Video bool `json:"video"`
	} `json:"startMuted,omitempty"`
	Moderators   []string `json:"moderators,omitempty"`
	Participants []string `json:"participants,omitempty"`
	Visitors     *struct {
		Live *bool `json:"live"`
	} `json:"visitors,omitempty"`
	VisitorsEnabled       *bool `json:"visitorsEnabled,omitempty"`
	LobbyEnabled          *bool `json:"lobbyEnabled,omitempty"`
	ParticipantsSoftLimit *int  `json:"participantsSoftLimit,omitempty"`
	Recording             *struct {
		Transcribing bool `json:"isTranscribingEnabled"`
	} `json:"recording,omitempty"`
}
