// Package ns names every XML namespace and feature that Parley writes or reads, once.
//
// Elsewhere a literal namespace appears only in golden files. The constants are
// grouped by the document that defines them; features (values of disco#info
// "var") stand in features.go.
package ns

// The stream itself (RFC 6120, RFC 7395, XEP-0114, XEP-0198, XEP-0124/0206).
const (
	Client    = "jabber:client"
	Server    = "jabber:server"
	Component = "jabber:component:accept"
	Stream    = "http://etherx.jabber.org/streams"
	Streams   = "urn:ietf:params:xml:ns:xmpp-streams" // stream error conditions
	Stanzas   = "urn:ietf:params:xml:ns:xmpp-stanzas" // stanza error conditions
	StartTLS  = "urn:ietf:params:xml:ns:xmpp-tls"
	SASL      = "urn:ietf:params:xml:ns:xmpp-sasl"
	SASL2     = "urn:xmpp:sasl:2"
	Bind      = "urn:ietf:params:xml:ns:xmpp-bind"
	Bind2     = "urn:xmpp:bind:0"
	Session   = "urn:ietf:params:xml:ns:xmpp-session"
	Framing   = "urn:ietf:params:xml:ns:xmpp-framing"
	HTTPBind  = "http://jabber.org/protocol/httpbind"
	XBOSH     = "urn:xmpp:xbosh"
	SM2       = "urn:xmpp:sm:2"
	SM3       = "urn:xmpp:sm:3"
	Limits    = "urn:xmpp:stream-limits:0"
	XML       = "http://www.w3.org/XML/1998/namespace"
)

// Small extensions every entity speaks.
const (
	DiscoInfo  = "http://jabber.org/protocol/disco#info"
	DiscoItems = "http://jabber.org/protocol/disco#items"
	Caps       = "http://jabber.org/protocol/caps"
	Ping       = "urn:xmpp:ping"
	Version    = "jabber:iq:version"
	Time       = "urn:xmpp:time"
	LastActive = "jabber:iq:last"
	Roster     = "jabber:iq:roster"
	Private    = "jabber:iq:private"
	Register   = "jabber:iq:register"
	VCardTemp  = "vcard-temp"
	Data       = "jabber:x:data"
	Conference = "jabber:x:conference"
	Delay      = "urn:xmpp:delay"
	Nick       = "http://jabber.org/protocol/nick"
	ChatStates = "http://jabber.org/protocol/chatstates"
	ExtDisco1  = "urn:xmpp:extdisco:1"
	ExtDisco2  = "urn:xmpp:extdisco:2"
	Carbons    = "urn:xmpp:carbons:2"
	MAM        = "urn:xmpp:mam:2"
	OccupantID = "urn:xmpp:occupant-id:0"
	StanzaID   = "urn:xmpp:sid:0"
	Reactions  = "urn:xmpp:reactions:0"
	Reply      = "urn:xmpp:reply:0"
	Retract    = "urn:xmpp:message-retract:1"
	Moderate0  = "urn:xmpp:message-moderate:0"
	Moderate1  = "urn:xmpp:message-moderate:1"
)

// Multi-user chat (XEP-0045).
const (
	MUC           = "http://jabber.org/protocol/muc"
	MUCUser       = "http://jabber.org/protocol/muc#user"
	MUCAdmin      = "http://jabber.org/protocol/muc#admin"
	MUCOwner      = "http://jabber.org/protocol/muc#owner"
	MUCRoomConfig = "http://jabber.org/protocol/muc#roomconfig"
	MUCRoomInfo   = "http://jabber.org/protocol/muc#roominfo"
	MUCRequest    = "http://jabber.org/protocol/muc#request"
	ChannelSearch = "urn:xmpp:channel-search:0" // XEP-0433
	MUCUnique     = "http://jabber.org/protocol/muc#unique"
)

// Jingle (XEP-0166, 0167, 0176, 0293, 0294, 0320, 0338, 0339, 0343).
const (
	Jingle       = "urn:xmpp:jingle:1"
	JingleErrors = "urn:xmpp:jingle:errors:1"
	RTP          = "urn:xmpp:jingle:apps:rtp:1"
	RTPFeedback  = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
	RTPHdrExt    = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
	SSMA         = "urn:xmpp:jingle:apps:rtp:ssma:0" // source-specific media attributes
	Grouping     = "urn:xmpp:jingle:apps:grouping:0"
	DTLS         = "urn:xmpp:jingle:apps:dtls:0"
	ICEUDP       = "urn:xmpp:jingle:transports:ice-udp:1"
	SCTP         = "urn:xmpp:jingle:transports:dtls-sctp:1"
)

// Jitsi's own words.
const (
	Focus        = "http://jitsi.org/protocol/focus"
	JitMeet      = "http://jitsi.org/jitmeet"
	Audio        = "http://jitsi.org/jitmeet/audio"   // mute IQ and presence flag
	Video        = "http://jitsi.org/jitmeet/video"   // mute IQ and presence flag
	Desktop      = "http://jitsi.org/jitmeet/desktop" // mute IQ
	StartMuted   = "http://jitsi.org/jitmeet/start-muted"
	Etherpad     = "http://jitsi.org/jitmeet/etherpad"
	Colibri1     = "http://jitsi.org/protocol/colibri" // today: stats, web-socket
	Colibri2     = "jitsi:colibri2"
	HealthCheck  = "http://jitsi.org/protocol/healthcheck"
	Health       = "http://jitsi.org/protocol/health"
	Jibri        = "http://jitsi.org/protocol/jibri"
	JibriCall    = "http://jitsi.org/protocol/jibri/call_state"
	JibriQueue   = "http://jitsi.org/protocol/jibri-queue"
	Jigasi       = "http://jitsi.org/protocol/jigasi"
	Visitors     = "jitsi:visitors"
	Telemetry    = "jitsi:opentelemetry" // traceparent
	RayoOne      = "urn:xmpp:rayo:1"
	JitsiMeet    = "https://jitsi.org/jitsi-meet" // caps node of clients
	JicofoNode   = "http://jitsi.org/jicofo"      // caps node of the focus
	DisplayNames = "http://jitsi.org/protocol/display-name"
	Speakers     = "http://jitsi.org/protocol/speakerstats"
)
