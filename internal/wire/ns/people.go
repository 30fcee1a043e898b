package ns

// What ordinary clients speak around contact lists, several devices and administration.
const (
	Forward         = "urn:xmpp:forward:0"
	Hints           = "urn:xmpp:hints"
	CSI             = "urn:xmpp:csi:0"
	Commands        = "http://jabber.org/protocol/commands"
	Admin           = "http://jabber.org/protocol/admin" // of XEP-0133's commands
	RSM             = "http://jabber.org/protocol/rsm"
	Receipts        = "urn:xmpp:receipts"
	ChannelBinding  = "urn:xmpp:sasl-cb:0"
	RegisterFeature = "http://jabber.org/features/iq-register" // before log-in
	PreApproval     = "urn:xmpp:features:pre-approval"         // RFC 6121 §3.4
	RosterVersion   = "urn:xmpp:features:rosterver"            // RFC 6121 §2.6
	CapsOptimize    = "http://jabber.org/protocol/caps#optimize"
	OfflineFeature  = "msgoffline" // XEP-0160
)
