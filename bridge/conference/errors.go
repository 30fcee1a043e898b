package conference

import (
	"errors"
	"fmt"
)

// What can be wrong with a request. signal translates them for the focus.
var (
	// ErrNotFound: there is no conference of that meeting.
	ErrNotFound = errors.New("conference not found")
	// ErrExists: the conference to be created exists.
	ErrExists = errors.New("conference exists already")
	// ErrStopping: the bridge shuts down and creates no conferences.
	ErrStopping = errors.New("the bridge is shutting down")
	// ErrEndpointExists: the endpoint to be created exists.
	ErrEndpointExists = errors.New("endpoint exists already")
	// ErrRelayExists: the relay to be created exists.
	ErrRelayExists = errors.New("relay exists already")
	// ErrNoRelays: the bridge has no relay id, and so no links to others.
	ErrNoRelays = errors.New("this bridge has no relay id")
	// ErrNoRelayChannel: neither kind of channel is there for a link to another bridge.
	ErrNoRelayChannel = errors.New("neither data channels nor the WebSocket are on")
	// ErrBusy: the conference has more requests than it can take.
	ErrBusy = errors.New("the conference has too many requests waiting")
	// ErrInternal: a mistake of ours; the conference has ended.
	ErrInternal = errors.New("internal error; the conference has ended")
	// ErrNoSCTP: a data channel was asked for in a way we do not offer.
	ErrNoSCTP = errors.New("data channels of that kind are not offered")
)

// BadRequestError is a request that makes no sense; Text says why.
type BadRequestError struct{ Text string }

// Error implements error.
func (e *BadRequestError) Error() string { return e.Text }

func badRequest(format string, args ...any) error {
	return &BadRequestError{Text: fmt.Sprintf(format, args...)}
}

// UnknownEndpointError is an update of an endpoint that does not exist (any more).
type UnknownEndpointError struct{ ID string }

// Error implements error.
func (e *UnknownEndpointError) Error() string { return "unknown endpoint " + e.ID }
