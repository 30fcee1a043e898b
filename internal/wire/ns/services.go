package ns

// Services for ordinary clients.
const (
	PubSub        = "http://jabber.org/protocol/pubsub" // XEP-0060
	PubSubOwner   = "http://jabber.org/protocol/pubsub#owner"
	PubSubEvent   = "http://jabber.org/protocol/pubsub#event"
	PubSubErrors  = "http://jabber.org/protocol/pubsub#errors"
	NodeConfig    = "http://jabber.org/protocol/pubsub#node_config"
	NodeMeta      = "http://jabber.org/protocol/pubsub#meta-data"
	PublishOption = "http://jabber.org/protocol/pubsub#publish-options"
	SubOptions    = "http://jabber.org/protocol/pubsub#subscribe_options"
	SubAuthorize  = "http://jabber.org/protocol/pubsub#subscribe_authorization"
	SHIM          = "http://jabber.org/protocol/shim"
	Blocking      = "urn:xmpp:blocking" // XEP-0191
	BlockingError = "urn:xmpp:blocking:errors"
	VCardUpdate   = "vcard-temp:x:update"      // XEP-0153
	AvatarData    = "urn:xmpp:avatar:data"     // XEP-0084
	AvatarMeta    = "urn:xmpp:avatar:metadata" // XEP-0084
	AvatarConvert = "urn:xmpp:pep-vcard-conversion:0"
	Bookmarks     = "storage:bookmarks" // XEP-0048
	Bookmarks2    = "urn:xmpp:bookmarks:1"
	BookConvert   = "urn:xmpp:bookmarks-conversion:0"
	BookCompat    = "urn:xmpp:bookmarks:1#compat"
	BookCompatPEP = "urn:xmpp:bookmarks:1#compat-pep"
	MAMExtended   = "urn:xmpp:mam:2#extended"
	Markers       = "urn:xmpp:chat-markers:0"
	JingleMessage = "urn:xmpp:jingle-message:0"
	LegacyOMEMO   = "eu.siacs.conversations.axolotl"
	OMEMO2        = "urn:xmpp:omemo:2"
	ServerInfo    = "http://jabber.org/network/serverinfo" // XEP-0157
	Upload        = "urn:xmpp:http:upload:0"
)
