package colibrisession

import (
	"errors"

	"parley/internal/wire/colibri"
	"parley/internal/xmppclient"
)

// Fault is an answer that is not the one asked for.
type Fault struct {
	Timeout   bool           // no answer came
	Malformed bool           // a result, but not conference-modified
	Condition string         // of an error
	Reason    colibri.Reason // the bridge's own word, may be empty
	Endpoint  string         // the endpoint the error names, may be empty
}

// NewFault reads the error a request ended with; ok is false if that says nothing
// about the bridge because our own connection is the reason.
func NewFault(err error) (f Fault, ok bool) {
	var e *xmppclient.StanzaError
	switch {
	case errors.As(err, &e):
		var detail colibri.StanzaError
		_ = e.Decode(&detail) // a server's own error has no detail
		return Fault{Condition: e.Condition, Reason: detail.Reason(), Endpoint: detail.EndpointID()}, true
	case errors.Is(err, xmppclient.ErrTimeout):
		return Fault{Timeout: true}, true
	}
	return Fault{}, false
}

// Verdict says what to do about a fault.
type Verdict struct {
	// Scope is how much of the session the fault takes with it.
	Scope Scope
	// Failed: the bridge is not to be used for a while.
	Failed bool
	// Draining: the bridge takes no more conferences.
	Draining bool
	// NoSCTP: the bridge has no data channels and must not be asked for them.
	NoSCTP bool
	// NoRelays: the bridge cannot be linked to others.
	NoRelays bool
}

// Scope is how much of a session a fault takes with it.
type Scope int

// The scopes.
const (
	Nothing      Scope = iota // go on
	GiveUp                    // this invitation only; asking again would fail again
	OneEndpoint               // invite the participant anew
	WholeSession              // drop the session, invite all its participants anew
)

// String returns the word used in logs.
func (s Scope) String() string {
	return [...]string{"nothing", "give up", "one endpoint", "whole session"}[s]
}

// JudgeAllocation is the reaction to a failed Allocate; sctp says whether a data
// channel was asked for.
func JudgeAllocation(f Fault, sctp bool) Verdict {
	switch {
	case f.Timeout:
		return Verdict{Scope: WholeSession, Failed: true}
	case f.Malformed:
		return Verdict{Scope: GiveUp, Failed: true}
	}
	switch f.Condition {
	case xmppclient.BadRequest:
		return Verdict{Scope: GiveUp}
	case xmppclient.ItemNotFound:
		if f.Reason == colibri.ConferenceNotFound {
			return Verdict{Scope: WholeSession} // the bridge forgot the conference
		}
		return Verdict{Scope: GiveUp} // the brewery says the bridge left; its leaving invites anew
	case xmppclient.Conflict:
		return Verdict{Scope: WholeSession}
	case xmppclient.ServiceUnavailable:
		if f.Reason == colibri.GracefulShutdown {
			return Verdict{Scope: WholeSession, Draining: true}
		}
	case xmppclient.FeatureNotImplemented:
		// Jitsi condemns the bridge; we learn that it has no data channels.
		if sctp {
			return Verdict{Scope: WholeSession, NoSCTP: true}
		}
	}
	return Verdict{Scope: WholeSession, Failed: true}
}

// JudgeLink is the reaction to a failed Link. One of the sessions is over in any case:
// whoever is on that bridge would not hear those on others.
func JudgeLink(f Fault) Verdict {
	switch {
	case f.Timeout || f.Malformed:
		return Verdict{Scope: WholeSession, Failed: true}
	case f.Condition == xmppclient.FeatureNotImplemented, f.Condition == xmppclient.BadRequest:
		return Verdict{Scope: WholeSession, NoRelays: true}
	}
	return Verdict{Scope: WholeSession}
}

// JudgeUpdate is the reaction to a failed request of any other kind.
func JudgeUpdate(f Fault) Verdict {
	switch {
	case f.Timeout || f.Malformed:
		return Verdict{}
	case f.Reason == colibri.UnknownEndpoint && f.Endpoint != "":
		return Verdict{Scope: OneEndpoint}
	}
	return Verdict{Scope: WholeSession}
}
