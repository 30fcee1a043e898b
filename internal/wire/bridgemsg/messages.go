package bridgemsg

import (
	"encoding/json"
	"strings"
)

// ClientHello asks for a ServerHello. No supported client sends it.
type ClientHello struct{}

// ServerHello greets on a WebSocket.
type ServerHello struct {
	Version string `json:"version,omitempty"`
}

// EndpointMessage is application data from a client to one endpoint, or to all of them.
type EndpointMessage struct {
	// To is an endpoint id; "" is everybody.
	To string
	// From is written by the bridge.
	From string
	rest object
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *EndpointMessage) UnmarshalJSON(b []byte) error {
	m.rest = nil
	if err := json.Unmarshal(b, &m.rest); err != nil {
		return err
	}
	m.To, m.From = m.rest.text("to"), m.rest.text("from")
	return nil
}

func (m *EndpointMessage) encode() ([]byte, error) {
	return m.rest.with(map[string]string{"colibriClass": m.Class(), "to": m.To, "from": m.From})
}

// NewEndpointMessage makes a message with that payload, for tests and tools.
func NewEndpointMessage(to string, payload json.RawMessage) *EndpointMessage {
	return &EndpointMessage{To: to, rest: object{"msgPayload": payload}}
}

// Payload is what the application sent.
func (m *EndpointMessage) Payload() json.RawMessage { return m.rest["msgPayload"] }

// EndpointStats is how a client fares, for the other clients. The bridge reads nothing of it.
type EndpointStats struct {
	From string // written by the bridge
	rest object
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *EndpointStats) UnmarshalJSON(b []byte) error {
	m.rest = nil
	if err := json.Unmarshal(b, &m.rest); err != nil {
		return err
	}
	m.From = m.rest.text("from")
	return nil
}

func (m *EndpointStats) encode() ([]byte, error) {
	return m.rest.with(map[string]string{"colibriClass": m.Class(), "from": m.From})
}

// LastNChangedEvent sets how many videos a client wants: -1 all, 0 none.
type LastNChangedEvent struct {
	LastN int `json:"lastN"`
}

// VideoConstraints is how large a video is wanted: height 0 not at all, -1 as large as
// there is.
type VideoConstraints struct {
	MaxHeight    int     `json:"maxHeight"`
	MaxFrameRate float64 `json:"maxFrameRate"`
}

// UnmarshalJSON implements json.Unmarshaler: an absent frame rate is unlimited.
func (v *VideoConstraints) UnmarshalJSON(b []byte) error {
	type plain VideoConstraints
	p := plain{MaxFrameRate: -1}
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*v = VideoConstraints(p)
	return nil
}

// ReceiverVideoConstraints says what a client wants to see. Nil is: as before.
type ReceiverVideoConstraints struct {
	LastN               *int                        `json:"lastN,omitempty"`
	SelectedSources     []string                    `json:"selectedSources,omitempty"`
	OnStageSources      []string                    `json:"onStageSources,omitempty"`
	DefaultConstraints  *VideoConstraints           `json:"defaultConstraints,omitempty"`
	Constraints         map[string]VideoConstraints `json:"constraints,omitempty"`
	AssumedBandwidthBps *int64                      `json:"assumedBandwidthBps,omitempty"`
}

// ReceiverAudioSubscription says what a client wants to hear: (all or Include) without
// Exclude. Decoding turns the form of 2025 (mode, list) into this one.
type ReceiverAudioSubscription struct {
	All     bool     `json:"all"`
	Include []string `json:"include"`
	Exclude []string `json:"exclude"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *ReceiverAudioSubscription) UnmarshalJSON(b []byte) error {
	type plain ReceiverAudioSubscription
	var v struct {
		plain
		Mode string   `json:"mode"`
		List []string `json:"list"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*m = ReceiverAudioSubscription(v.plain)
	switch strings.ToLower(v.Mode) {
	case "all":
		*m = ReceiverAudioSubscription{All: true}
	case "none":
		*m = ReceiverAudioSubscription{}
	case "include":
		*m = ReceiverAudioSubscription{Include: v.List}
	case "exclude":
		*m = ReceiverAudioSubscription{All: true, Exclude: v.List}
	}
	return nil
}

// VideoType is what a video shows. Reading does not regard case.
type VideoType string

// The video types.
const (
	VideoCamera  VideoType = "camera"
	VideoDesktop VideoType = "desktop"
	VideoHighFPS VideoType = "desktop_high_fps"
	VideoNone    VideoType = "none"
)

// UnmarshalJSON implements json.Unmarshaler; "disabled" is an older word for none.
func (t *VideoType) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*t = VideoType(strings.ToLower(s))
	if *t == "disabled" {
		*t = VideoNone
	}
	return nil
}

// Upper is the spelling of VideoSourcesMap.
func (t VideoType) Upper() string { return strings.ToUpper(string(t)) }

// SourceVideoTypeMessage says what a source shows now.
type SourceVideoTypeMessage struct {
	SourceName string    `json:"sourceName"`
	VideoType  VideoType `json:"videoType"`
	EndpointID string    `json:"endpointId,omitempty"` // between bridges
}

// VideoTypeMessage is the same for a client with one video source only.
type VideoTypeMessage struct {
	VideoType VideoType `json:"videoType"`
}

// DominantSpeakerEndpointChangeEvent says who speaks.
type DominantSpeakerEndpointChangeEvent struct {
	DominantSpeakerEndpoint string   `json:"dominantSpeakerEndpoint"`
	PreviousSpeakers        []string `json:"previousSpeakers,omitempty"` // most recent first
	Silence                 bool     `json:"silence"`
}

// EndpointConnectivityStatusChangeEvent says whether an endpoint is heard of. Active is
// text on the wire.
type EndpointConnectivityStatusChangeEvent struct {
	Endpoint string `json:"endpoint"`
	Active   bool   `json:"active,string"`
}

// list is written as [] when it is nil: clients iterate over it.
type list[T any] []T

// MarshalJSON implements json.Marshaler.
func (l list[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// ForwardedSources is the list of videos a client gets.
type ForwardedSources struct {
	ForwardedSources []string
}

// MarshalJSON implements json.Marshaler.
func (m *ForwardedSources) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		L list[string] `json:"forwardedSources"`
	}{m.ForwardedSources})
}

// VideoSourcesMap tells a client with SSRC rewriting what is on which SSRC.
type VideoSourcesMap struct {
	MappedSources []VideoMapping
}

// MarshalJSON implements json.Marshaler.
func (m *VideoSourcesMap) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		L list[VideoMapping] `json:"mappedSources"`
	}{m.MappedSources})
}

// VideoMapping is one entry.
type VideoMapping struct {
	Source    string `json:"source"`
	Owner     string `json:"owner"`
	SSRC      uint32 `json:"ssrc"`
	RTX       uint32 `json:"rtx,omitempty"`
	VideoType string `json:"videoType,omitempty"` // upper case
	MID       string `json:"mid,omitempty"`
}

// AudioSourcesMap is the same for audio.
type AudioSourcesMap struct {
	MappedSources []AudioMapping
}

// MarshalJSON implements json.Marshaler.
func (m *AudioSourcesMap) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		L list[AudioMapping] `json:"mappedSources"`
	}{m.MappedSources})
}

// AudioMapping is one entry.
type AudioMapping struct {
	Source string `json:"source"`
	Owner  string `json:"owner"`
	SSRC   uint32 `json:"ssrc"`
	MID    string `json:"mid,omitempty"`
}

// SenderSourceConstraints tells a sender the largest height anybody wants.
type SenderSourceConstraints struct {
	SourceName string `json:"sourceName"`
	MaxHeight  int    `json:"maxHeight"`
}

// ConnectionStats tells a client the bandwidth towards it, in bits per second.
type ConnectionStats struct {
	EstimatedDownlinkBandwidth int64 `json:"estimatedDownlinkBandwidth"`
}

// SyntheticSourceSendingChangeEvent says that a translated source starts or stops.
type SyntheticSourceSendingChangeEvent struct {
	SourceName string `json:"sourceName"`
	Sending    bool   `json:"sending"`
	Timestamp  uint32 `json:"timestamp"`
}

// AddReceiver asks another bridge for a source.
type AddReceiver struct {
	BridgeID         string           `json:"bridgeId"`
	EndpointID       string           `json:"endpointId,omitempty"`
	SourceName       string           `json:"sourceName,omitempty"`
	VideoConstraints VideoConstraints `json:"videoConstraints"`
}

// RemoveReceiver ends that.
type RemoveReceiver struct {
	BridgeID   string `json:"bridgeId"`
	EndpointID string `json:"endpointId"`
}

// Class implements Message; likewise below.
func (*ClientHello) Class() string               { return "ClientHello" }
func (*ServerHello) Class() string               { return "ServerHello" }
func (*EndpointMessage) Class() string           { return "EndpointMessage" }
func (*EndpointStats) Class() string             { return "EndpointStats" }
func (*LastNChangedEvent) Class() string         { return "LastNChangedEvent" }
func (*ReceiverVideoConstraints) Class() string  { return "ReceiverVideoConstraints" }
func (*ReceiverAudioSubscription) Class() string { return "ReceiverAudioSubscription" }
func (*SourceVideoTypeMessage) Class() string    { return "SourceVideoTypeMessage" }
func (*VideoTypeMessage) Class() string          { return "VideoTypeMessage" }
func (*DominantSpeakerEndpointChangeEvent) Class() string {
	return "DominantSpeakerEndpointChangeEvent"
}
func (*EndpointConnectivityStatusChangeEvent) Class() string {
	return "EndpointConnectivityStatusChangeEvent"
}
func (*ForwardedSources) Class() string        { return "ForwardedSources" }
func (*VideoSourcesMap) Class() string         { return "VideoSourcesMap" }
func (*AudioSourcesMap) Class() string         { return "AudioSourcesMap" }
func (*SenderSourceConstraints) Class() string { return "SenderSourceConstraints" }
func (*ConnectionStats) Class() string         { return "ConnectionStats" }
func (*SyntheticSourceSendingChangeEvent) Class() string {
	return "SyntheticSourceSendingChangeEvent"
}
func (*AddReceiver) Class() string    { return "AddReceiver" }
func (*RemoveReceiver) Class() string { return "RemoveReceiver" }
