package muc

import "parley/internal/wire/ns"

// Names only rooms need.
const (
	nsHints   = "urn:xmpp:hints"        // XEP-0334
	nsMarkers = "urn:xmpp:chat-markers" // XEP-0333, with a version behind it
	nsOMEMO   = "eu.siacs.conversations.axolotl"

	nsRSM       = "http://jabber.org/protocol/rsm"
	nsCardPhoto = "vcard-temp:x:update"

	nsPubSub = "http://jabber.org/protocol/pubsub"
	nsVCard4 = "urn:ietf:params:xml:ns:vcard-4.0"

	featureStableID = ns.MUC + "#stable_id"
	featureSelfPing = ns.MUC + "#self-ping-optimization"
)
