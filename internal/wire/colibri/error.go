package colibri

import (
	"encoding/xml"
	"strings"
)

// Error stands inside a stanza error and tells a bridge's answer from one of the XMPP
// server.
type Error struct {
	XMLName xml.Name `xml:"jitsi:colibri2 error"`
	Reason  Reason   `xml:"reason,attr,omitempty"`
}

// Reason is the bridge's word for what went wrong. Written in lower case, compared
// without regard to case.
type Reason string

// The reasons.
const (
	ConferenceNotFound      Reason = "conference_not_found"
	ConferenceAlreadyExists Reason = "conference_already_exists"
	GracefulShutdown        Reason = "graceful_shutdown"
	UnknownEndpoint         Reason = "unknown_endpoint"
	FeatureNotImplemented   Reason = "feature_not_implemented"
)

// UnmarshalXMLAttr implements xml.UnmarshalerAttr.
func (r *Reason) UnmarshalXMLAttr(a xml.Attr) error {
	*r = Reason(strings.ToLower(a.Value))
	return nil
}

// ErrorEndpoint stands beside Error inside a stanza error: the endpoint that reason
// unknown_endpoint is about.
type ErrorEndpoint struct {
	XMLName xml.Name `xml:"jitsi:colibri2 endpoint"`
	ID      string   `xml:"id,attr"`
}

// StanzaError is the part of a stanza's error element that COLIBRI adds; decode the
// error element into it. Error is nil if the answer came from somebody else than a bridge.
type StanzaError struct {
	Error *struct {
		Reason   Reason         `xml:"reason,attr"`
		Endpoint *ErrorEndpoint `xml:"endpoint"`
	} `xml:"jitsi:colibri2 error"`
	Endpoint *ErrorEndpoint `xml:"jitsi:colibri2 endpoint"`
}

// Reason is the bridge's reason, "" if it gave none.
func (e *StanzaError) Reason() Reason {
	if e.Error == nil {
		return ""
	}
	return e.Error.Reason
}

// FromBridge says whether a bridge, and not the server between, made the error.
func (e *StanzaError) FromBridge() bool { return e.Error != nil }

// EndpointID is the endpoint the error is about, "" if none is named.
func (e *StanzaError) EndpointID() string {
	switch {
	case e.Endpoint != nil:
		return e.Endpoint.ID
	case e.Error != nil && e.Error.Endpoint != nil:
		return e.Error.Endpoint.ID
	}
	return ""
}
