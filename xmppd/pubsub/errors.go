package pubsub

import (
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// fault makes an error with a condition of XEP-0060 beside the stanza's own.
func fault(typ, condition, app, text string, attrs ...string) *stanza.Error {
	var b stanza.Builder
	b.Empty(ns.PubSubErrors, app, attrs...)
	e := stanza.Err(typ, condition, text)
	e.App = b.Bytes()
	return e
}

func unsupported(feature string) *stanza.Error {
	return fault(stanza.Cancel, stanza.FeatureNotImplemented, "unsupported", "", "feature", feature)
}

var (
	errBadRequest    = stanza.Err(stanza.Modify, stanza.BadRequest, "The request cannot be read")
	errForbidden     = stanza.Err(stanza.Auth, stanza.Forbidden, "")
	errNoNode        = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "There is no such node")
	errNoItem        = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "There is no such item")
	errNodeExists    = stanza.Err(stanza.Cancel, stanza.Conflict, "There is a node of that name")
	errBusy          = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "The service is busy")
	errStore         = stanza.Err(stanza.Wait, stanza.InternalServerError, "")
	errService       = stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
	errTooManyNodes  = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "There are too many nodes")
	errTooManyPeople = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "The node has too many affiliations")
	errNotCollection = stanza.Err(stanza.Cancel, stanza.NotAllowed, "That node is no collection")
	errLoop          = stanza.Err(stanza.Modify, stanza.NotAcceptable, "A collection cannot be inside itself")
	errTooDeep       = stanza.Err(stanza.Modify, stanza.NotAcceptable, "Too many collections are inside each other")
	errNodeType      = stanza.Err(stanza.Modify, stanza.NotAcceptable, "A node stays a leaf or a collection")
	errLastOwner     = stanza.Err(stanza.Modify, stanza.NotAcceptable, "A node needs an owner")
	errConfig        = stanza.Err(stanza.Modify, stanza.NotAcceptable, "The node cannot be configured so")

	errNodeRequired  = fault(stanza.Modify, stanza.BadRequest, "nodeid-required", "")
	errItemRequired  = fault(stanza.Modify, stanza.BadRequest, "item-required", "")
	errItemForbidden = fault(stanza.Modify, stanza.BadRequest, "item-forbidden", "The node carries no items")
	errPayload       = fault(stanza.Modify, stanza.BadRequest, "invalid-payload", "An item holds one element")
	errPayloadBig    = fault(stanza.Modify, stanza.NotAcceptable, "payload-too-big", "")
	errTooManyItems  = fault(stanza.Modify, stanza.BadRequest, "max-items-exceeded", "")
	errJIDRequired   = fault(stanza.Modify, stanza.BadRequest, "jid-required", "")
	errJID           = fault(stanza.Modify, stanza.BadRequest, "invalid-jid", "The address is not the sender's")
	errOptions       = fault(stanza.Modify, stanza.BadRequest, "invalid-options", "")
	errSubID         = fault(stanza.Modify, stanza.NotAcceptable, "invalid-subid", "")
	errNotSubscribed = fault(stanza.Cancel, stanza.UnexpectedRequest, "not-subscribed", "")
	errMustSubscribe = fault(stanza.Auth, stanza.NotAuthorized, "not-subscribed", "")
	errPending       = fault(stanza.Auth, stanza.NotAuthorized, "pending-subscription", "")
	errPresence      = fault(stanza.Auth, stanza.NotAuthorized, "presence-subscription-required", "")
	errRosterGroup   = fault(stanza.Auth, stanza.NotAuthorized, "not-in-roster-group", "")
	errClosed        = fault(stanza.Cancel, stanza.NotAllowed, "closed-node", "")
	errPrecondition  = fault(stanza.Cancel, stanza.Conflict, "precondition-not-met", "The node is configured otherwise")
	errTooManySubs   = fault(stanza.Wait, stanza.PolicyViolation, "too-many-subscriptions", "")
	errAccessModel   = fault(stanza.Modify, stanza.NotAcceptable, "unsupported-access-model", "")
	errNoItems       = unsupported("persistent-items")
)
