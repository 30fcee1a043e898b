package jinglesession

import (
	"crypto/rand"
	"encoding/base32"
	"strings"

	"parley/internal/wire/jingle"
	"parley/internal/xmppclient"
)

// State of a session:
//
//	Pending ──session-accept──► Active
//	   │                          │
//	   └────── any end ───────────┴──► Ended
type State int

// The states.
const (
	Pending State = iota // offered
	Active               // accepted
	Ended
)

// String returns the word shown to the operator.
func (s State) String() string { return [...]string{"pending", "active", "ended"}[s] }

// Session is one session.
type Session struct {
	sid           string
	peer          string // occupant address
	initiator     string // our real address
	bridgeSession string

	state State
	queue queue
}

// Params are the fixed facts of a session.
type Params struct {
	SID           string // from NewSID
	Peer          string // the participant's occupant address
	Initiator     string // our real address
	BridgeSession string // id of the session on the bridge it stands on
	Form          Form   // how the participant is told about sources
	Rewriting     bool   // the bridge tells it about others, we do not
	StripLayers   bool   // tell of the first simulcast layer only
	Audio, Video  bool   // what the participant can receive
}

// New makes a session that is to be offered.
func New(p Params) *Session {
	return &Session{
		sid: p.SID, peer: p.Peer, initiator: p.Initiator, bridgeSession: p.BridgeSession,
		queue: newQueue(p),
	}
}

// NewSID makes an id that never comes again: 64 random bits.
func NewSID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// SID is the session's id.
func (s *Session) SID() string { return s.sid }

// Peer is the participant's occupant address.
func (s *Session) Peer() string { return s.peer }

// State is the state.
func (s *Session) State() State { return s.state }

// Accept makes the session active.
func (s *Session) Accept() {
	if s.state == Pending {
		s.state = Active
	}
}

// End ends the session without a word.
func (s *Session) End() {
	s.state = Ended
	s.queue.clear()
}

// handled are the actions a client may send us.
var handled = map[jingle.Action]bool{
	jingle.SessionAccept: true, jingle.SessionInfo: true, jingle.SessionTerminate: true,
	jingle.TransportInfo: true, jingle.TransportAccept: true, jingle.TransportReject: true,
	jingle.SourceAdd: true, jingle.SourceRemove: true,
}

// Known checks the action itself, before any session is looked at.
func Known(a jingle.Action) (jingle.Action, *xmppclient.StanzaError) {
	canonical, ok := a.Canonical()
	if !ok {
		return "", xmppclient.NewError(xmppclient.BadRequest, "unknown or missing action")
	}
	return canonical, nil
}

// Admit says whether a request of this action from this sender may be acted on; nil
// means yes. Only the participant the session was made for is heard.
func (s *Session) Admit(from string, action jingle.Action) *xmppclient.StanzaError {
	switch {
	case from != s.peer:
		return xmppclient.NewError(xmppclient.ItemNotFound, "no such session")
	case s.state == Ended:
		return xmppclient.NewError(xmppclient.Gone, "session ended")
	case !handled[action]:
		return xmppclient.NewError(xmppclient.FeatureNotImplemented, "")
	case action == jingle.SessionAccept && s.state != Pending:
		return xmppclient.NewError(xmppclient.UnexpectedRequest, "session was accepted before")
	}
	return nil
}

// Offer is what session-initiate says besides the sources.
type Offer struct {
	Contents   []jingle.Content
	StartMuted *jingle.StartMuted
	Region     string // of the bridge
}

// Initiate is the offer. The session's sources must have been set before, by Add.
func (s *Session) Initiate(o Offer) *jingle.Jingle {
	names := make([]string, 0, len(o.Contents))
	for _, c := range o.Contents {
		names = append(names, c.Name)
	}
	j := s.message(jingle.SessionInitiate)
	j.Initiator = s.initiator
	j.Contents = o.Contents
	j.Group = jingle.Bundle(names...)
	j.StartMuted = o.StartMuted
	j.BridgeSession = &jingle.BridgeSession{ID: s.bridgeSession, Region: o.Region}
	s.queue.offer(j)
	return j
}

// Terminate ends the session and is the stanza that says so.
func (s *Session) Terminate(condition, text string) *jingle.Jingle {
	s.End()
	j := s.message(jingle.SessionTerminate)
	j.Reason = &jingle.Reason{Condition: condition, Text: text}
	return j
}

// TransportInfo passes on a transport the bridge made anew.
func (s *Session) TransportInfo(t *jingle.Transport) *jingle.Jingle {
	j := s.message(jingle.TransportInfo)
	j.Contents = []jingle.Content{{Creator: "initiator", Name: "audio", Transport: t.Clone()}}
	return j
}

func (s *Session) message(a jingle.Action) *jingle.Jingle {
	return &jingle.Jingle{Action: a, SID: s.sid}
}
