package focus

import "time"

// ConferenceStatus is one conference as shown to the operator.
type ConferenceStatus struct {
	Room         string              `json:"room"`
	MeetingID    string              `json:"meeting_id"`
	Started      time.Time           `json:"started"`
	Bridges      []string            `json:"bridges"`
	Participants []ParticipantStatus `json:"participants"`
}

// ParticipantStatus is one member of a conference's room.
type ParticipantStatus struct {
	Endpoint  string `json:"endpoint"`
	Moderator bool   `json:"moderator"`
	Session   string `json:"session"` // none, allocating, pending, active
	Bridge    string `json:"bridge,omitempty"`
	Sources   int    `json:"sources"`
}

// BridgeStatus is one bridge as shown to the operator.
type BridgeStatus struct {
	Address     string  `json:"address"`
	Version     string  `json:"version"`
	Region      string  `json:"region,omitempty"`
	Stress      float64 `json:"stress"`
	Operational bool    `json:"operational"`
	Draining    bool    `json:"draining"`
}
