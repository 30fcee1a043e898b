package conference

import (
	"time"

	"parley/focus/selector"
	"parley/internal/xmppclient"
)

// Link is a conference's way to the server. Its methods do not block, and done is
// called exactly once, from any goroutine.
type Link interface {
	// Send sends a stanza that wants no answer.
	Send(xmppclient.Outgoing)
	// Request sends an IQ. done hears of the result; or of an error, which is a
	// *xmppclient.StanzaError if the peer answered so.
	Request(iq xmppclient.IQ, done func(*xmppclient.Stanza, error))
	// Self is our real full address.
	Self() string
}

// Asker waits for the answer to its request.
type Asker interface {
	Reply(payload any)
	Fail(err error)
}

// Deps are what a conference needs of the service around it.
type Deps struct {
	Link    Link
	Bridges *selector.Pool
	// Features finds out what an occupant can do; done is called once, perhaps at
	// once, from any goroutine.
	Features func(occupant, capsNode string, done func([]string))
	// Trusted says from which login domains recorders come.
	Trusted func(domain string) bool
	// Nick is ours in the room.
	Nick string
	// Version is shown in the room.
	Version string
	// Caps is the capabilities element of our presence, or nil.
	Caps any
	// Counters are shared by all conferences.
	Counters *Counters
	// Keep is told, from the conference's loop, what a later focus needs to go on with the
	// conference, again whenever that changes; nil if there is none. It does not block.
	Keep func(state []byte)
	// Kept is what an earlier focus's Keep was told last, nil if nothing.
	Kept []byte
	// Ended is called once, in the conference's goroutine, when it is over.
	Ended func(*Conference)
}

// Request is what the first conference request of a room asks for.
type Request struct {
	// StartAudioMuted and StartVideoMuted are the number of members above which
	// newcomers start muted; negative means never.
	StartAudioMuted, StartVideoMuted int
	// RTCStats is false if the clients want no statistics collected.
	RTCStats bool
}

// Status is a conference as shown to the operator.
type Status struct {
	Room         string        `json:"room"`
	MeetingID    string        `json:"meeting_id"`
	State        string        `json:"state"` // joining, running
	Started      time.Time     `json:"started"`
	Bridges      []string      `json:"bridges"`
	NoBridge     bool          `json:"no_bridge,omitempty"`
	Participants []Participant `json:"participants"`
}

// Participant is one member of the room as shown to the operator.
type Participant struct {
	Endpoint  string `json:"endpoint"`
	Moderator bool   `json:"moderator"`
	Media     bool   `json:"media"`   // its client can take part in audio or video
	Session   string `json:"session"` // none, allocating, pending, active
	Bridge    string `json:"bridge,omitempty"`
	Sources   int    `json:"sources"` // SSRCs it sends
}
