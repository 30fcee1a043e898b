package rtp

import (
	"slices"

	"github.com/pion/srtp/v3"

	"parley/bridge/media"
)

// leg is the shard's side of an Endpoint; only the shard's goroutine touches it.
type leg struct {
	open bool

	send, receive *srtp.Context
	aead          bool

	types      [128]media.PayloadType
	ids        extensionMap
	extensions extensionIDs
	muted      [3]bool
	// plainAudio: the endpoint gets redundant audio unpacked, also if it knows the format.
	// red is the payload type of what it gets instead of Opus, 0 for that as it is.
	plainAudio bool
	red        uint8

	sources []*Source
	// streams finds what arrives by SSRC, outs what is sent.
	streams map[uint32]*upStream
	// order lists the media streams for reports.
	order []*upStream
	downs map[downKey]*downStream
	outs  map[uint32]*outStream
	// numbered are all SSRCs of outs, those of their repetitions among them.
	numbered map[uint32]struct{}
	// rtcpSenders are the SSRCs seen in authentic RTCP; the library keeps state for each.
	rtcpSenders map[uint32]struct{}
	allowed     allowances
	// opened are the SSRCs of authentic RTP, for the same reason.
	opened map[uint32]struct{}

	// loudest ranks the audio of the conference, nil if all of it is forwarded.
	loudest *Loudest

	twcc twccReceiver
	// disorder is how far packets of the endpoint overtake each other, lossy the share of its
	// video lately lost on the way here.
	disorder disorder
	lossy    float64
	history  twccSender
	remb     rembState
	probe    probeState
	nextRR   int64
	// waiting is what is queued for the endpoint.
	waiting [classCount]chain
	// firSeq counts the full intra requests sent to this endpoint.
	firSeq uint8

	// broken counts the panics the endpoint caused.
	broken int

	stats            EndpointStats
	up, down         rate
	rtt              int64
	upLoss, downLoss float64
	// What the endpoint reported lost of what it should have got, since lossSince.
	lossExpected, lossLost, lossSince int64
	lastPacket                        int64
}

const (
	// maxStreams bounds the SSRCs an endpoint may send with, at once and in its life: the
	// SRTP library keeps state for each.
	maxStreams = 1024
	// maxOuts bounds the SSRCs an endpoint was ever sent. Their numbers must not be
	// forgotten while its keys live.
	maxOuts = 8192
	// relayFactor is how many times as much another bridge may send and get.
	relayFactor = 16
)

func (s *Shard) addEndpoint(e *Endpoint) {
	if s.endpoints[e.peer] != nil {
		return
	}
	e.leg.open = true
	e.leg.streams = map[uint32]*upStream{}
	e.leg.downs = map[downKey]*downStream{}
	e.leg.outs = map[uint32]*outStream{}
	e.leg.numbered = map[uint32]struct{}{}
	e.leg.rtcpSenders = map[uint32]struct{}{}
	e.leg.opened = map[uint32]struct{}{}
	e.leg.nextRR = s.clock + reportInterval
	s.endpoints[e.peer] = e
	s.list = append(s.list, e)
	s.stats.now.Endpoints = len(s.list)
}

func (s *Shard) removeEndpoint(e *Endpoint) {
	if s.endpoints[e.peer] != e {
		return
	}
	for _, src := range slices.Clone(e.leg.sources) {
		e.removeSource(src)
	}
	for _, d := range e.leg.downs {
		e.removeDown(d)
	}
	e.leg.open = false
	delete(s.endpoints, e.peer)
	s.list = slices.DeleteFunc(s.list, func(o *Endpoint) bool { return o == e })
	s.stats.now.Endpoints = len(s.list)
}

func (e *Endpoint) setKeys(send, receive *srtp.Context, aead bool) {
	e.leg.send, e.leg.receive, e.leg.aead = send, receive, aead
	// Whoever waited for a picture of this receiver's sources can have it now.
	for _, d := range e.leg.downs {
		e.shard.wantKeyframe(d)
	}
}

func (e *Endpoint) addPayloadTypes(types []media.PayloadType) {
	for _, t := range types {
		if t.Number < 128 && t.Codec != media.CodecUnknown {
			e.leg.types[t.Number] = t
		}
	}
	e.setPlainAudio(e.leg.plainAudio)
}

func (e *Endpoint) setPlainAudio(on bool) {
	e.leg.plainAudio, e.leg.red = on, 0
	for i := range e.leg.types {
		if e.leg.types[i].Codec == media.RED && !on && !e.opts.Relay {
			e.leg.red = e.leg.types[i].Number
		}
	}
}

func (e *Endpoint) addExtensions(extensions []media.Extension) {
	ids := &e.leg.extensions
	for _, x := range extensions {
		if x.ID == 0 || x.Kind == media.ExtUnknown {
			continue
		}
		e.leg.ids[x.ID] = x.Kind
		switch x.Kind {
		case media.ExtAudioLevel:
			ids.level = x.ID
		case media.ExtVideoOrientation:
			ids.orientation = x.ID
		case media.ExtDependencyDescriptor:
			ids.descriptor = x.ID
		case media.ExtTransportCC:
			ids.transport = x.ID
		case media.ExtAbsSendTime:
			ids.absSendTime = x.ID
		}
	}
}

func (e *Endpoint) addSource(src *Source) {
	if !e.leg.open || src.up.live {
		return
	}
	src.up.live = true
	for i, enc := range src.cfg.Encodings {
		u := e.addStream(&upStream{source: src, encoding: i, ssrc: enc.SSRC})
		if u == nil {
			continue
		}
		src.up.streams = append(src.up.streams, u)
		e.leg.order = append(e.leg.order, u)
		if enc.RTX != 0 {
			e.addStream(&upStream{source: src, encoding: i, ssrc: enc.RTX, repairs: u})
		}
	}
	e.leg.sources = append(e.leg.sources, src)
}

// addStream takes in an SSRC that is new to the endpoint.
func (e *Endpoint) addStream(u *upStream) *upStream {
	if u.ssrc == 0 || e.leg.streams[u.ssrc] != nil || len(e.leg.streams) >= e.maxStreams() {
		return nil
	}
	u.encoding = min(u.encoding, len(u.source.up.streams))
	if u.repairs != nil {
		u.encoding = u.repairs.encoding
	}
	e.leg.streams[u.ssrc] = u
	return u
}

func (e *Endpoint) removeSource(src *Source) {
	if !src.up.live {
		return
	}
	src.up.live = false
	if e.leg.loudest != nil {
		e.leg.loudest.forget(src)
	}
	for _, d := range slices.Clone(src.up.downs) {
		d.receiver.removeDown(d)
	}
	for ssrc, u := range e.leg.streams {
		if u.source == src {
			u.history.clear(e.shard.arena)
			u.held.clear(e.shard.arena)
			delete(e.leg.streams, ssrc)
		}
	}
	e.leg.order = slices.DeleteFunc(e.leg.order, func(u *upStream) bool { return u.source == src })
	e.leg.sources = slices.DeleteFunc(e.leg.sources, func(o *Source) bool { return o == src })
}

// setForward starts, changes or stops what the endpoint gets of a source.
func (e *Endpoint) setForward(f Forward) {
	src := f.Source
	if !e.leg.open || src == nil || src.owner == e {
		return
	}
	if f.Whole {
		e.setWhole(f)
		return
	}
	d := e.leg.downs[downKey{src, projected}]
	if f.Target == media.LayerNone || !src.up.live {
		if d != nil {
			e.removeDown(d)
		}
		return
	}
	if f.SSRC == 0 {
		f.SSRC, f.RTX = src.cfg.Encodings[0].SSRC, src.cfg.Encodings[0].RTX
	}
	if d != nil && d.out.ssrc != f.SSRC {
		e.removeDown(d)
		d = nil
	}
	if d == nil {
		d = e.addDown(&downStream{receiver: e, source: src, only: projected}, f.SSRC, f.RTX)
		if d == nil {
			return
		}
	}
	d.target = f.Target
	d.tries, d.wantedAt = 0, 0
	e.shard.wantKeyframe(d)
}

// addDown gives a stream its SSRC and its place among the receivers of its source; nil if
// there is no room for it.
func (e *Endpoint) addDown(d *downStream, ssrc, rtx uint32) *downStream {
	out := e.outStream(ssrc, rtx)
	if out == nil {
		return nil
	}
	if out.down != nil {
		// The slot goes to another source.
		e.removeDown(out.down)
	}
	d.out, d.encoding = out, -1
	out.down = d
	e.leg.downs[downKey{d.source, d.only}] = d
	d.source.up.downs = append(d.source.up.downs, d)
	return d
}

// outStream finds or makes the outgoing stream with an SSRC. An SSRC is counted by one
// stream only, as itself or for its repetitions, and never by our own padding and a source
// at once: two counts under one key would encrypt two packets with one nonce, which under
// GCM gives the key of authentication away (RFC 7714 §9.2). Who sends chooses both SSRCs,
// and could otherwise have that by announcing an old one again in another place.
func (e *Endpoint) outStream(ssrc, rtx uint32) *outStream {
	if o := e.leg.outs[ssrc]; o != nil {
		return o
	}
	if ssrc == 0 || e.counted(ssrc) || len(e.leg.outs) >= e.maxOuts() {
		return nil
	}
	if rtx == ssrc || rtx != 0 && e.counted(rtx) {
		rtx = 0
	}
	o := &outStream{ssrc: ssrc, rtx: rtx, rtxSeq: e.shard.lowRandom()}
	e.leg.outs[ssrc] = o
	e.leg.numbered[ssrc] = struct{}{}
	if rtx != 0 {
		e.leg.numbered[rtx] = struct{}{}
	}
	return o
}

// counted says that packets to the endpoint may already bear an SSRC.
func (e *Endpoint) counted(ssrc uint32) bool {
	_, known := e.leg.numbered[ssrc]
	return known || ssrc == e.opts.VideoFeedbackSSRC
}

// removeDown ends a stream the endpoint gets. The outgoing stream stays: its numbers go on
// when its SSRC is used again.
func (e *Endpoint) removeDown(d *downStream) {
	src := d.source
	d.out.down, d.out.history = nil, nil
	delete(e.leg.downs, downKey{src, d.only})
	src.up.downs = slices.DeleteFunc(src.up.downs, func(o *downStream) bool { return o == d })
}

func (e *Endpoint) maxStreams() int {
	if e.opts.Relay {
		return relayFactor * maxStreams
	}
	return maxStreams
}

func (e *Endpoint) maxOuts() int {
	if e.opts.Relay {
		return relayFactor * maxOuts
	}
	return maxOuts
}

// videoType returns a payload type of video the endpoint knows.
func (l *leg) videoType() (uint8, bool) {
	for i := range l.types {
		t := &l.types[i]
		if t.Kind == media.Video && t.Codec != media.RTX && t.Codec != media.CodecUnknown {
			return t.Number, true
		}
	}
	return 0, false
}
