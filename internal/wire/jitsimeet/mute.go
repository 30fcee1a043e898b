package jitsimeet

import (
	"encoding/xml"
	"fmt"
	"strings"

	"parley/internal/wire/ns"
)

// Mute asks the focus to mute a participant, and tells the participant that it was
// muted. The namespace names the medium; it is taken from XMLName.
type Mute struct {
	XMLName xml.Name
	JID     string `xml:"jid,attr,omitempty"`   // target, in requests to the focus
	Actor   string `xml:"actor,attr,omitempty"` // who wanted it, from the focus
	Text    string `xml:",chardata"`
}

// Media kinds of a Mute.
const (
	MediaAudio   = "audio"
	MediaVideo   = "video"
	MediaDesktop = "desktop"
)

var muteSpace = map[string]string{MediaAudio: ns.Audio, MediaVideo: ns.Video, MediaDesktop: ns.Desktop}

// NewMute makes the element for that medium.
func NewMute(media string, muted bool) *Mute {
	return &Mute{
		XMLName: xml.Name{Space: muteSpace[media], Local: "mute"},
		Text:    fmt.Sprint(muted),
	}
}

// Media is audio, video or desktop; "" if the namespace is none of theirs.
func (m *Mute) Media() string {
	for media, space := range muteSpace {
		if m.XMLName.Space == space {
			return media
		}
	}
	return ""
}

// Muted is the wanted state; an error if the text is neither true nor false.
func (m *Mute) Muted() (bool, error) {
	switch strings.TrimSpace(m.Text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("mute says %q, not true or false", m.Text)
}
