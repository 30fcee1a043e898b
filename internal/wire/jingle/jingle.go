// Package jingle holds the elements of a Jingle dialogue as Jitsi speaks it:
// session, contents, RTP description, ICE-UDP transport, sources and their groups.
//
// It covers XEP-0166, 0167, 0176, 0293 (rtcp-fb), 0294 (rtp-hdrext), 0320 (DTLS), 0338
// (BUNDLE), 0339 (sources) and 0343 (sctpmap) as far as a meeting over a bridge needs
// them, plus Jitsi's additions inside a jingle element (bridge-session, startmuted,
// json-message). Peer-to-peer and file transfer are left out.
//
// The types are plain values. Tags carry a namespace wherever it differs from the
// parent's, because lib-jitsi-meet looks for the literal xmlns attribute; no prefixes.
// What sources mean (who owns an SSRC, which changes are valid) is package source's.
package jingle

import "encoding/xml"

// Action is what a jingle element asks for.
type Action string

// The actions Jitsi uses.
const (
	SessionInitiate  Action = "session-initiate"
	SessionAccept    Action = "session-accept"
	SessionInfo      Action = "session-info"
	SessionTerminate Action = "session-terminate"
	TransportInfo    Action = "transport-info"
	TransportReplace Action = "transport-replace"
	TransportAccept  Action = "transport-accept"
	TransportReject  Action = "transport-reject"
	SourceAdd        Action = "source-add"
	SourceRemove     Action = "source-remove"
)

// actions maps every spelling seen on the wire to the action; the two without a hyphen
// are those of old clients.
var actions = map[Action]Action{
	SessionInitiate: SessionInitiate, SessionAccept: SessionAccept, SessionInfo: SessionInfo,
	SessionTerminate: SessionTerminate, TransportInfo: TransportInfo, TransportReplace: TransportReplace,
	TransportAccept: TransportAccept, TransportReject: TransportReject,
	SourceAdd: SourceAdd, SourceRemove: SourceRemove,
	"addsource": SourceAdd, "removesource": SourceRemove,
	// Known to the protocol, used by nobody here: answered with feature-not-implemented.
	"content-accept": "content-accept", "content-add": "content-add", "content-modify": "content-modify",
	"content-reject": "content-reject", "content-remove": "content-remove",
	"description-info": "description-info", "security-info": "security-info",
}

// Canonical is the action without its old spellings; ok is false for a word that
// Jingle does not know.
func (a Action) Canonical() (canonical Action, ok bool) {
	canonical, ok = actions[a]
	return canonical, ok
}

// Jingle is the payload of a Jingle IQ (XEP-0166 §7).
type Jingle struct {
	XMLName   xml.Name `xml:"urn:xmpp:jingle:1 jingle"`
	Action    Action   `xml:"action,attr"`
	SID       string   `xml:"sid,attr"`
	Initiator string   `xml:"initiator,attr,omitempty"`
	Responder string   `xml:"responder,attr,omitempty"`

	Contents      []Content      `xml:"content"`
	Group         *Group         `xml:"urn:xmpp:jingle:apps:grouping:0 group"`
	StartMuted    *StartMuted    `xml:"http://jitsi.org/jitmeet/start-muted startmuted"`
	ICEState      *ICEState      `xml:"http://jitsi.org/protocol/focus ice-state"`
	Reason        *Reason        `xml:"reason"`
	BridgeSession *BridgeSession `xml:"http://jitsi.org/protocol/focus bridge-session"`
	// JSONSources is the compact form of the sources; see package source.
	JSONSources *JSONMessage `xml:"http://jitsi.org/jitmeet json-message"`
}

// Content returns the content of that name, or nil.
func (j *Jingle) Content(name string) *Content {
	for i := range j.Contents {
		if j.Contents[i].Name == name {
			return &j.Contents[i]
		}
	}
	return nil
}

// FirstTransport is the transport of the first content that has one: with BUNDLE all
// contents share it. Nil if there is none.
func (j *Jingle) FirstTransport() *Transport {
	for i := range j.Contents {
		if t := j.Contents[i].Transport; t != nil {
			return t
		}
	}
	return nil
}

// Content is one medium of the session.
type Content struct {
	Creator string `xml:"creator,attr,omitempty"` // initiator or responder
	Name    string `xml:"name,attr"`              // audio, video or data
	// Senders must be written in offers: a client that finds none makes no direction line.
	Senders string `xml:"senders,attr,omitempty"` // both, initiator, responder, none

	InitialLastN *InitialLastN `xml:"jitsi:colibri2 initial-last-n"`
	Description  *Description  `xml:"urn:xmpp:jingle:apps:rtp:1 description"`
	Transport    *Transport    `xml:"urn:xmpp:jingle:transports:ice-udp:1 transport"`
}

// InitialLastN is the last-n a client wants before it has a bridge channel.
type InitialLastN struct {
	Value int `xml:"value,attr"`
}

// Empty is an element whose presence says everything.
type Empty struct{}

// Group binds contents together (XEP-0338); Jitsi knows only BUNDLE.
type Group struct {
	Semantics string         `xml:"semantics,attr"`
	Contents  []GroupContent `xml:"content"`
}

// GroupContent names a content inside a Group.
type GroupContent struct {
	Name string `xml:"name,attr"`
}

// Bundle is the group of semantics BUNDLE over the named contents.
func Bundle(names ...string) *Group {
	g := &Group{Semantics: "BUNDLE"}
	for _, n := range names {
		g.Contents = append(g.Contents, GroupContent{Name: n})
	}
	return g
}

// StartMuted tells an older client to begin with its devices muted.
type StartMuted struct {
	Audio bool `xml:"audio,attr"`
	Video bool `xml:"video,attr"`
}

// ICEState is how clients of 2021 report that ICE failed.
type ICEState struct {
	State string `xml:",chardata"`
}

// BridgeSession names the session on a bridge that a Jingle session stands on. Focus
// writes ID and Region; clients echo the ID and ask with Restart or ICERestart.
type BridgeSession struct {
	ID         string `xml:"id,attr,omitempty"`
	Region     string `xml:"region,attr,omitempty"`
	Restart    bool   `xml:"restart,attr,omitempty"`
	ICERestart bool   `xml:"ice-restart,attr,omitempty"`
}
