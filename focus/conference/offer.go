package conference

import (
	"cmp"
	"slices"
	"strconv"

	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
	"parley/internal/wire/ns"
)

// Payload types and header extension numbers are Jitsi's, so that bridges and
// clients of any origin agree on them without being told.
const (
	ptOpusRED   = 112
	ptOpus      = 111
	ptTelephone = 126
	ptAV1       = 41
	ptVP8       = 100
	ptH264      = 107
	ptVP9       = 101

	extAudioLevel  = 1
	extAbsSendTime = 3
	extTCC         = 5
	extMID         = 10
	extDependency  = 11

	sctpPort    = 5000
	sctpStreams = 1024
)

// offer is what one participant is offered: codecs and extensions by medium. It is
// made once per invitation and told to the bridge and to the client alike.
type offer struct {
	audio, video *jingle.Description // nil: the client has no use for it
	data         bool                // a data channel is offered
}

// newOffer fits the configured codecs to what a client can do.
func newOffer(cfg *Config, has func(feature string) bool) offer {
	tcc := cfg.Codec.TransportCC && has(ns.FeatureTCC)
	o := offer{data: cfg.SCTP && has(ns.FeatureSCTP)}
	if has(ns.FeatureAudio) {
		o.audio = audioOffer(&cfg.Codec, has, tcc)
	}
	if has(ns.FeatureVideo) {
		o.video = videoOffer(&cfg.Codec, has, tcc)
	}
	return o
}

// fullOffer is everything any participant may be offered: what bridges need to know to
// pass it on to each other.
func fullOffer(cfg *Config) offer {
	return newOffer(cfg, func(string) bool { return true })
}

func audioOffer(cfg *CodecConfig, has func(string) bool, tcc bool) *jingle.Description {
	d := &jingle.Description{Media: "audio", MaxPtime: "60", ExtmapAllowMixed: &jingle.Empty{}}
	if cfg.OpusRED && has(ns.FeatureOpusRED) {
		// RED has one parameter without a name: the types it may carry.
		d.PayloadTypes = append(d.PayloadTypes, jingle.PayloadType{
			ID: ptOpusRED, Name: "red", Clockrate: 48000, Channels: 2,
			Parameters: []jingle.Parameter{{Value: "111/111"}},
		})
	}
	opus := jingle.PayloadType{
		ID: ptOpus, Name: "opus", Clockrate: 48000, Channels: 2,
		// Also beside RED: narrow paths get plain Opus.
		Parameters: []jingle.Parameter{{Name: "minptime", Value: "10"}, {Name: "useinbandfec", Value: "1"}},
	}
	if tcc {
		opus.Feedback = []jingle.Feedback{{Type: "transport-cc"}}
	}
	d.PayloadTypes = append(d.PayloadTypes, opus, jingle.PayloadType{ID: ptTelephone, Name: "telephone-event", Clockrate: 8000})

	d.HdrExts = append(d.HdrExts, jingle.HdrExt{ID: extAudioLevel, URI: ns.ExtAudioLevel})
	if cfg.MID {
		d.HdrExts = append(d.HdrExts, jingle.HdrExt{ID: extMID, URI: ns.ExtMID})
	}
	if tcc {
		d.HdrExts = append(d.HdrExts, jingle.HdrExt{ID: extTCC, URI: ns.ExtTransportCC})
	}
	return d
}

// videoCodecs in the order of preference; rtx is the type of the codec's
// retransmission stream.
var videoCodecs = []struct {
	id, rtx uint8
	name    string
	on      func(*CodecConfig) bool
	params  []jingle.Parameter
}{
	{ptAV1, 42, "AV1", func(c *CodecConfig) bool { return c.AV1 }, nil},
	{ptVP8, 96, "VP8", func(c *CodecConfig) bool { return c.VP8 }, nil},
	// The rest of the format line rides in the value: clients paste it as it is.
	{ptH264, 99, "H264", func(c *CodecConfig) bool { return c.H264 }, []jingle.Parameter{
		{Name: "profile-level-id", Value: "42e01f;level-asymmetry-allowed=1;packetization-mode=1;"},
	}},
	{ptVP9, 97, "VP9", func(c *CodecConfig) bool { return c.VP9 }, nil},
}

func videoOffer(cfg *CodecConfig, has func(string) bool, tcc bool) *jingle.Description {
	d := &jingle.Description{Media: "video", ExtmapAllowMixed: &jingle.Empty{}}
	repair := []jingle.Feedback{{Type: "ccm", Subtype: "fir"}, {Type: "nack"}, {Type: "nack", Subtype: "pli"}}
	feedback := append([]jingle.Feedback(nil), repair...)
	switch {
	case tcc:
		feedback = append(feedback, jingle.Feedback{Type: "transport-cc"})
	case cfg.REMB && has(ns.FeatureREMB):
		feedback = append(feedback, jingle.Feedback{Type: "goog-remb"})
	}
	rtx := cfg.RTX && has(ns.FeatureRTX)
	var resend []jingle.PayloadType
	for _, c := range videoCodecs {
		if !c.on(cfg) {
			continue
		}
		d.PayloadTypes = append(d.PayloadTypes, jingle.PayloadType{
			ID: c.id, Name: c.name, Clockrate: 90000, Parameters: c.params, Feedback: feedback,
		})
		if rtx {
			resend = append(resend, rtxFor(c.id, c.rtx, repair))
		}
	}
	slices.SortFunc(resend, func(a, b jingle.PayloadType) int { return cmp.Compare(a.ID, b.ID) })
	d.PayloadTypes = append(d.PayloadTypes, resend...)

	add := func(on bool, id uint16, uri string) {
		if on {
			d.HdrExts = append(d.HdrExts, jingle.HdrExt{ID: id, URI: uri})
		}
	}
	add(cfg.DependencyDescriptor, extDependency, ns.ExtDependencyDescr)
	add(cfg.MID, extMID, ns.ExtMID)
	add(cfg.AbsSendTime, extAbsSendTime, ns.ExtAbsSendTime)
	add(tcc, extTCC, ns.ExtTransportCC)
	return d
}

func rtxFor(codec, id uint8, feedback []jingle.Feedback) jingle.PayloadType {
	p := jingle.PayloadType{
		ID: id, Name: "rtx", Clockrate: 90000,
		Parameters: []jingle.Parameter{{Name: "apt", Value: strconv.Itoa(int(codec))}},
	}
	if codec != ptH264 { // as Jitsi offers it
		p.Feedback = feedback
	}
	return p
}

// media is the offer as the bridge is told.
func (o offer) media() []colibri.Media {
	var out []colibri.Media
	for _, d := range []*jingle.Description{o.audio, o.video} {
		if d != nil {
			out = append(out, colibri.Media{
				Type: d.Media, PayloadTypes: d.PayloadTypes, HdrExts: d.HdrExts, ExtmapAllowMixed: d.ExtmapAllowMixed,
			})
		}
	}
	return out
}

// contents is the offer as the client is told: every content carries the same
// transport, and the data content the port of the data channel.
func (o offer) contents(t *jingle.Transport) []jingle.Content {
	var out []jingle.Content
	for _, d := range []*jingle.Description{o.audio, o.video} {
		if d != nil {
			d := *d
			d.RTCPMux = &jingle.Empty{}
			out = append(out, newContent(d.Media, &d, t.Clone()))
		}
	}
	if o.data {
		t := t.Clone()
		t.SCTPMap = &jingle.SCTPMap{Number: sctpPort, Protocol: "webrtc-datachannel", Streams: sctpStreams}
		out = append(out, newContent("data", &jingle.Description{Media: "application", RTCPMux: &jingle.Empty{}}, t))
	}
	return out
}

// newContent writes senders on every content: without it a client makes no
// direction line.
func newContent(name string, d *jingle.Description, t *jingle.Transport) jingle.Content {
	return jingle.Content{Creator: "initiator", Name: name, Senders: "both", Description: d, Transport: t}
}
