package signal

import (
	"errors"
	"fmt"

	"parley/bridge/conference"
	"parley/internal/wire/colibri"
	"parley/internal/xmppclient"
)

// refusal is what is wrong with the form of a request.
type refusal struct {
	condition string
	reason    colibri.Reason
	text      string
}

// Error implements error.
func (r *refusal) Error() string { return r.text }

func badRequest(format string, args ...any) error {
	return &refusal{condition: xmppclient.BadRequest, text: fmt.Sprintf(format, args...)}
}

func notImplemented(text string, reason colibri.Reason) error {
	return &refusal{condition: xmppclient.FeatureNotImplemented, reason: reason, text: text}
}

// plain are the errors that need nothing but a condition and a reason.
var plain = []struct {
	err       error
	condition string
	reason    colibri.Reason
}{
	{conference.ErrNotFound, xmppclient.ItemNotFound, colibri.ConferenceNotFound},
	{conference.ErrExists, xmppclient.Conflict, colibri.ConferenceAlreadyExists},
	{conference.ErrStopping, xmppclient.ServiceUnavailable, colibri.GracefulShutdown},
	{conference.ErrEndpointExists, xmppclient.Conflict, ""},
	{conference.ErrNoSCTP, xmppclient.FeatureNotImplemented, ""},
	{conference.ErrRelayExists, xmppclient.Conflict, ""},
	{conference.ErrNoRelays, xmppclient.FeatureNotImplemented, ""},
	{conference.ErrNoRelayChannel, xmppclient.InternalServerError, ""},
}

// stanzaError translates an error for the focus. Without a reason there is no COLIBRI
// element in it: the focus tells a bridge's word from the server's by that.
func stanzaError(err error, m *colibri.Modify) *xmppclient.StanzaError {
	condition, reason, text := xmppclient.InternalServerError, colibri.Reason(""), "the bridge could not do that"
	var unknown *conference.UnknownEndpointError
	var bad *conference.BadRequestError
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		condition, reason, text = refused.condition, refused.reason, refused.text
	case errors.As(err, &bad):
		condition, text = xmppclient.BadRequest, bad.Text
	case errors.As(err, &unknown):
		condition, reason, text = xmppclient.ItemNotFound, colibri.UnknownEndpoint, err.Error()
	default:
		for _, p := range plain {
			if errors.Is(err, p.err) {
				condition, reason, text = p.condition, p.reason, p.err.Error()
				break
			}
		}
	}
	e := xmppclient.NewError(condition, text)
	if reason != "" {
		e.Detail = append(e.Detail, &colibri.Error{Reason: reason})
	}
	if unknown != nil {
		e.Detail = append(e.Detail, &colibri.ErrorEndpoint{ID: unknown.ID})
	}
	if m != nil {
		e.Echo = m.Header()
	}
	return e
}

// internal tells whether an error is ours, and worth a line in the log.
func internal(e *xmppclient.StanzaError) bool {
	return e.Condition == xmppclient.InternalServerError
}
