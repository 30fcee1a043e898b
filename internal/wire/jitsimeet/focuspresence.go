package jitsimeet

import "encoding/xml"

// Etherpad names the shared document of a room.
type Etherpad struct {
	XMLName xml.Name `xml:"http://jitsi.org/jitmeet/etherpad etherpad"`
	Name    string   `xml:",chardata"`
}

// Versions tells clients what runs behind the room.
type Versions struct {
	XMLName    xml.Name           `xml:"http://jitsi.org/jitmeet versions"`
	Components []VersionComponent `xml:"component"`
}

// VersionComponent is one of them, e.g. name focus.
type VersionComponent struct {
	Name    string `xml:"name,attr"`
	Version string `xml:",chardata"`
}

// ConferenceProperties is how the focus tells the room facts about the conference.
type ConferenceProperties struct {
	XMLName    xml.Name             `xml:"http://jitsi.org/protocol/focus conference-properties"`
	Properties []ConferenceProperty `xml:"property"`
}

// ConferenceProperty has key and value, unlike Property.
type ConferenceProperty struct {
	Key   string `xml:"key,attr"`
	Value string `xml:"value,attr"`
}

// Keys of conference properties.
const (
	KeyTerminateRestart  = "support-terminate-restart"
	KeyBridgeCount       = "bridge-count"
	KeyVisitorsEnabled   = "visitors-enabled"
	KeyVisitorCount      = "visitor-count"
	KeyVisitorCodecs     = "visitor-codecs"
	KeyAudioLimitReached = "audio-limit-reached"
	KeyVideoLimitReached = "video-limit-reached"
	KeyAudioRecording    = "audio-recording-enabled"
	KeyCreatedMS         = "created-ms"
)

// Set gives key a value, in place if it has one already.
func (c *ConferenceProperties) Set(key, value string) {
	for i := range c.Properties {
		if c.Properties[i].Key == key {
			c.Properties[i].Value = value
			return
		}
	}
	c.Properties = append(c.Properties, ConferenceProperty{Key: key, Value: value})
}

// BridgeNotAvailable stands in the focus's presence while no bridge could be chosen.
type BridgeNotAvailable struct {
	XMLName xml.Name `xml:"http://jitsi.org/protocol/focus bridgeNotAvailable"`
}
