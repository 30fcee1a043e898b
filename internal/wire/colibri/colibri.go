// Package colibri holds the elements of COLIBRI 2, by which the focus tells a bridge
// which endpoints a conference has, what they send, and where their transport is; and
// the statistics a bridge publishes in its presence.
//
// COLIBRI 1 is left out, except for its namespace, which statistics and the bridge
// channel's address still use. The types are plain values; which requests make sense
// is judged by bridge/signal (asking side: focus/colibrisession).
package colibri

import (
	"encoding/xml"

	"parley/internal/wire/jingle"
)

// Modify is the request: IQ payload conference-modify.
type Modify struct {
	XMLName   xml.Name `xml:"jitsi:colibri2 conference-modify"`
	MeetingID string   `xml:"meeting-id,attr,omitempty"`
	Name      string   `xml:"name,attr,omitempty"` // room, only with Create
	Create    bool     `xml:"create,attr,omitempty"`
	Expire    bool     `xml:"expire,attr,omitempty"`
	// RTCStatsEnabled is written only when false; nil means true.
	RTCStatsEnabled *bool `xml:"rtcstats-enabled,attr,omitempty"`

	Endpoints []Endpoint `xml:"endpoint"`
	Relays    []Relay    `xml:"relay"`
	Connects  *Connects  `xml:"connects"`
}

// Header is m without its children, as an error answer repeats it.
func (m *Modify) Header() *Modify {
	return &Modify{MeetingID: m.MeetingID, Name: m.Name, Create: m.Create, Expire: m.Expire,
		RTCStatsEnabled: m.RTCStatsEnabled}
}

// Modified is the answer: conference-modified.
type Modified struct {
	XMLName   xml.Name   `xml:"jitsi:colibri2 conference-modified"`
	Endpoints []Endpoint `xml:"endpoint"`
	Relays    []Relay    `xml:"relay"`
	// Sources are the bridge's own feedback sources jvb-a0 and jvb-v0.
	Sources *Sources `xml:"sources"`
}

// Endpoint is one participant on the bridge.
type Endpoint struct {
	ID      string `xml:"id,attr"`
	Create  bool   `xml:"create,attr,omitempty"`
	Expire  bool   `xml:"expire,attr,omitempty"`
	StatsID string `xml:"stats-id,attr,omitempty"`
	MUCRole string `xml:"muc-role,attr,omitempty"` // visitor, participant, moderator
	Diarize bool   `xml:"diarize,attr,omitempty"`

	Media        []Media              `xml:"media"`
	Transport    *Transport           `xml:"transport"`
	Sources      *Sources             `xml:"sources"`
	ForceMute    *ForceMute           `xml:"force-mute"`
	Capabilities []Capability         `xml:"capability"`
	InitialLastN *jingle.InitialLastN `xml:"initial-last-n"`
}

// RoleVisitor is the MUCRole of an endpoint that must not send.
const RoleVisitor = "visitor"

// HasCapability says whether the endpoint was created with the named capability.
func (e *Endpoint) HasCapability(name string) bool {
	for _, c := range e.Capabilities {
		if c.Name == name {
			return true
		}
	}
	return false
}

// Relay is the link to another bridge.
type Relay struct {
	ID     string `xml:"id,attr"`
	Create bool   `xml:"create,attr,omitempty"`
	Expire bool   `xml:"expire,attr,omitempty"`
	MeshID string `xml:"mesh-id,attr,omitempty"`

	Media     []Media    `xml:"media"`
	Transport *Transport `xml:"transport"`
	Endpoints *Endpoints `xml:"endpoints"`
}

// Endpoints are the participants reachable behind a relay.
type Endpoints struct {
	Endpoints []Endpoint `xml:"endpoint"`
}

// Media is what an endpoint can receive and send of one kind.
type Media struct {
	Type             string               `xml:"type,attr"` // audio or video
	PayloadTypes     []jingle.PayloadType `xml:"urn:xmpp:jingle:apps:rtp:1 payload-type"`
	HdrExts          []jingle.HdrExt      `xml:"urn:xmpp:jingle:apps:rtp:rtp-hdrext:0 rtp-hdrext"`
	ExtmapAllowMixed *jingle.Empty        `xml:"urn:xmpp:jingle:apps:rtp:rtp-hdrext:0 extmap-allow-mixed"`
}

// Transport is how an endpoint or relay is reached.
type Transport struct {
	ICEControlling bool `xml:"ice-controlling,attr,omitempty"`
	UseUniquePort  bool `xml:"use-unique-port,attr,omitempty"`
	ICERestart     bool `xml:"ice-restart,attr,omitempty"`

	ICE  *jingle.Transport `xml:"urn:xmpp:jingle:transports:ice-udp:1 transport"`
	SCTP *SCTP             `xml:"sctp"`
}

// SCTP asks for, and answers with, a data channel on the transport.
type SCTP struct {
	Port uint16 `xml:"port,attr,omitempty"`
	Role string `xml:"role,attr,omitempty"` // client or server
}

// Sources is the complete set of an endpoint's sources.
type Sources struct {
	Media []MediaSource `xml:"media-source"`
}

// MediaSource is one source with its SSRCs.
type MediaSource struct {
	Type      string             `xml:"type,attr"` // audio or video
	ID        string             `xml:"id,attr"`   // source name
	Synthetic bool               `xml:"synthetic,attr,omitempty"`
	Sources   []jingle.Source    `xml:"urn:xmpp:jingle:apps:rtp:ssma:0 source"`
	Groups    []jingle.SSRCGroup `xml:"urn:xmpp:jingle:apps:rtp:ssma:0 ssrc-group"`
}

// ForceMute silences an endpoint on the bridge.
type ForceMute struct {
	Audio bool `xml:"audio,attr,omitempty"`
	Video bool `xml:"video,attr,omitempty"`
}

// Capability is something the endpoint's client can do.
type Capability struct {
	Name string `xml:"name,attr"`
}

// The capabilities.
const (
	CapSourceNames   = "source-names" // mandatory
	CapSSRCRewriting = "ssrc-rewriting"
	CapPrivateAddr   = "private-address-connectivity"
	CapMIDDemux      = "rtp-mid-demux"
)

// Connects asks the bridge to send media to recorders or transcribers.
type Connects struct {
	Connects []Connect `xml:"connect"`
}

// Connect is one such export.
type Connect struct {
	ID       string `xml:"id,attr,omitempty"`
	Create   bool   `xml:"create,attr,omitempty"`
	Expire   bool   `xml:"expire,attr,omitempty"`
	URL      string `xml:"url,attr,omitempty"`
	Protocol string `xml:"protocol,attr,omitempty"` // mediajson
	Type     string `xml:"type,attr,omitempty"`     // recorder, transcriber, translator
	Audio    bool   `xml:"audio,attr,omitempty"`
	Video    bool   `xml:"video,attr,omitempty"`

	Headers  []HTTPHeader `xml:"http-header"`
	Ping     *Ping        `xml:"ping"`
	Exports  *Exports     `xml:"exports"`
	Requests *Requests    `xml:"requests"`
}

// HTTPHeader is sent when the export connects. The value may be a secret.
type HTTPHeader struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// Ping is the keep-alive of an export, in milliseconds.
type Ping struct {
	Interval int `xml:"interval,attr"`
	Timeout  int `xml:"timeout,attr"`
}

// Exports lists the sources to be exported.
type Exports struct {
	Exports []Named `xml:"export"`
}

// Requests lists the sources wanted back.
type Requests struct {
	Requests []Named `xml:"request"`
}

// Named is an element with a name.
type Named struct {
	Name string `xml:"name,attr"`
}
