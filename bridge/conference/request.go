package conference

import (
	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/bridge/transport"
)

// Request is what the focus asks of a conference.
type Request struct {
	MeetingID string
	Name      string // the room, for people who debug
	Create    bool
	Expire    bool
	// Lenient requests ignore endpoints that do not exist: those that only expire or mute
	// several at once.
	Lenient   bool
	Endpoints []EndpointRequest
	Relays    []RelayRequest
}

// EndpointRequest creates, changes or expires an endpoint.
type EndpointRequest struct {
	ID      string
	Create  bool
	Expire  bool
	StatsID string
	Visitor bool

	SourceNames  bool // the mandatory capability
	Capabilities endpoint.Capabilities

	PayloadTypes []media.PayloadType
	Extensions   []media.Extension
	Transport    *TransportRequest
	// Sources replaces what the endpoint sends; nil leaves it.
	Sources      *[]endpoint.SourceSpec
	ForceMute    *ForceMute
	InitialLastN *int
}

// TransportRequest is about the endpoint's transport.
type TransportRequest struct {
	Controlling bool
	SCTP        *SCTPRequest
	ICERestart  bool
	UniquePort  bool
	// Remote is what is known of the client's side, nil if nothing.
	Remote *transport.Description
	// WebSocket is where another bridge waits for our channel.
	WebSocket string
}

// SCTPRequest asks for a data channel.
type SCTPRequest struct {
	Role string // "" or server; client of the one of two bridges that opens it
	Port uint16 // 0 or 5000
}

// ForceMute silences an endpoint on the bridge.
type ForceMute struct{ Audio, Video bool }

// Response is the answer to a Request.
type Response struct {
	Endpoints []EndpointResponse
	Relays    []RelayResponse
	// Feedback is set when the request created a conference or an endpoint.
	Feedback *Feedback
}

// EndpointResponse is the part of the answer about one endpoint.
type EndpointResponse struct {
	ID        string
	Expired   bool
	Transport *TransportResponse
}

// TransportResponse describes our side to a new endpoint.
type TransportResponse struct {
	Local      transport.Description
	SCTP       bool
	Role       string // of the peer towards our data channel, or ours towards a client
	WebSockets []string
}

// Feedback are the SSRCs the bridge itself uses in a conference.
type Feedback struct{ Audio, Video uint32 }

// Bounds of a request: more than any client needs, little enough to be cheap.
const (
	maxID         = 128
	maxSources    = 64
	maxCandidates = 100
)

// SCTPPort is the port of both sides' associations.
const SCTPPort = 5000

func (r *EndpointRequest) check() error {
	switch {
	case r.ID == "" || len(r.ID) > maxID:
		return badRequest("an endpoint needs an id of at most %d bytes", maxID)
	case r.Sources != nil && len(*r.Sources) > maxSources:
		return badRequest("more than %d sources", maxSources)
	case r.Transport != nil && r.Transport.Remote != nil && len(r.Transport.Remote.Candidates) > maxCandidates:
		return badRequest("more than %d candidates", maxCandidates)
	}
	return nil
}

// checkCreate judges what only the creation of an endpoint needs.
func (r *EndpointRequest) checkCreate(sctp bool) error {
	switch {
	case r.Transport == nil:
		return badRequest("an endpoint cannot be created without a transport")
	case !r.SourceNames:
		return badRequest("an endpoint without source names is not served")
	case r.Transport.SCTP == nil:
		return nil
	case !sctp:
		return ErrNoSCTP
	case r.Transport.SCTP.Role != "" && r.Transport.SCTP.Role != "server":
		return ErrNoSCTP
	case r.Transport.SCTP.Port != 0 && r.Transport.SCTP.Port != SCTPPort:
		return badRequest("the SCTP port must be %d", SCTPPort)
	}
	return nil
}
