// Package jitsimeet holds the elements only Jitsi knows: the conference request, the
// focus's presence in a room, what it reads in participants' presence, mute requests,
// and the JSON that rides in json-message elements.
//
// The types are plain values. Jingle's own elements are in package jingle, the bridge's
// in package colibri. Recording (Jibri) and dialling (Rayo) are left out so far.
package jitsimeet

import "encoding/xml"

// Conference is the conference request and its answer (IQ payload). The first row of
// fields is written by clients, the second by the focus, Room by both.
type Conference struct {
	XMLName xml.Name `xml:"http://jitsi.org/protocol/focus conference"`
	Room    string   `xml:"room,attr,omitempty"`

	MachineUID string `xml:"machine-uid,attr,omitempty"`
	SessionID  string `xml:"session-id,attr,omitempty"` // also in answers
	Token      string `xml:"token,attr,omitempty"`      // secret: never log it

	// Ready means: join now. Nil in requests.
	Ready    *bool  `xml:"ready,attr,omitempty"`
	FocusJID string `xml:"focusjid,attr,omitempty"` // bare; clients look for it in the room
	Identity string `xml:"identity,attr,omitempty"`
	VNode    string `xml:"vnode,attr,omitempty"`

	Properties []Property `xml:"property"`
}

// Property is a named value of a conference request.
type Property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// Names of properties in requests and answers.
const (
	PropStartAudioMuted   = "startAudioMuted"
	PropStartVideoMuted   = "startVideoMuted"
	PropRTCStats          = "rtcstatsEnabled"
	PropVisitorsVersion   = "visitors-version"
	PropVisitor           = "visitor"
	PropAuthentication    = "authentication"
	PropExternalAuth      = "externalAuth"
	PropSIPGateway        = "sipGatewayEnabled"
	PropVisitorsSupported = "visitors-supported"
	PropLive              = "live"
)

// Property is the value of the named property.
func (c *Conference) Property(name string) (string, bool) {
	for _, p := range c.Properties {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// SetProperty adds a property.
func (c *Conference) SetProperty(name, value string) {
	c.Properties = append(c.Properties, Property{Name: name, Value: value})
}

// LoginURL asks where to log in, and answers it (clients before 2024).
type LoginURL struct {
	XMLName    xml.Name `xml:"http://jitsi.org/protocol/focus login-url"`
	Room       string   `xml:"room,attr,omitempty"`
	MachineUID string   `xml:"machine-uid,attr,omitempty"`
	Popup      string   `xml:"popup,attr,omitempty"`
	URL        string   `xml:"url,attr,omitempty"`
}

// Logout ends a login session.
type Logout struct {
	XMLName   xml.Name `xml:"http://jitsi.org/protocol/focus logout"`
	SessionID string   `xml:"session-id,attr,omitempty"`
	LogoutURL string   `xml:"logout-url,attr,omitempty"`
}

// SessionInvalid stands in the error that refuses a login session.
type SessionInvalid struct {
	XMLName xml.Name `xml:"http://jitsi.org/protocol/focus session-invalid"`
}
