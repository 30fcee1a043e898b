package ns

// Features: values of a disco#info "var" that change how a peer is treated.
const (
	FeatureAudio             = "urn:xmpp:jingle:apps:rtp:audio"
	FeatureVideo             = "urn:xmpp:jingle:apps:rtp:video"
	FeatureSCTP              = SCTP
	FeatureICE               = ICEUDP
	FeatureDTLS              = DTLS
	FeatureTCC               = "http://jitsi.org/tcc"
	FeatureREMB              = "http://jitsi.org/remb"
	FeatureRTX               = "urn:ietf:rfc:4588"
	FeatureRTCPMux           = "urn:ietf:rfc:5761"
	FeatureBundle            = "urn:ietf:rfc:5888"
	FeatureOpusRED           = "http://jitsi.org/opus-red"
	FeatureJSONSources       = "http://jitsi.org/json-encoded-sources"
	FeatureSourceName        = "http://jitsi.org/source-name"
	FeatureReceiveMultiple   = "http://jitsi.org/receive-multiple-video-streams"
	FeatureSSRCRewriting     = "http://jitsi.org/ssrc-rewriting-1"
	FeatureMIDDemux          = "http://jitsi.org/rtp-mid-demux"
	FeatureStartMutedMeta    = "http://jitsi.org/start-muted-room-metadata"
	FeatureVisitors          = "http://jitsi.org/visitors-1"
	FeatureE2EE              = "https://jitsi.org/meet/e2ee"
	FeatureRayo              = "urn:xmpp:rayo:client:1"
	FeatureAudioMute         = "http://jitsi.org/protocol/audio-mute"
	FeatureAudioTranslation  = "http://jitsi.org/protocol/audio-translation"
	FeatureTranscriber       = "http://jitsi.org/protocol/transcriber"
	FeatureTerminateRestart  = "https://jitsi.org/meet/jicofo/terminate-restart"
	FeatureDisplayNameNeeded = "http://jitsi.org/protocol/lobbyrooms#displayname_required"
)

// RTP header extensions named in offers.
const (
	ExtAudioLevel      = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
	ExtTOffset         = "urn:ietf:params:rtp-hdrext:toffset"
	ExtAbsSendTime     = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
	ExtRID             = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
	ExtTransportCC     = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	ExtVideoContent    = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"
	ExtFrameMarking    = "http://tools.ietf.org/html/draft-ietf-avtext-framemarking-07"
	ExtMID             = "urn:ietf:params:rtp-hdrext:sdes:mid"
	ExtDependencyDescr = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
	ExtLayersAlloc     = "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00"
)
