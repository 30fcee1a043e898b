package e2e

import (
	"context"
	"encoding/xml"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/interceptor"
	pionrtp "github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"

	"parley/internal/wire/jingle"
	"parley/internal/wire/ns"
)

// mediaTime bounds the wait for media or a message; usually it is a second.
const mediaTime = 45 * time.Second

// caller is an actor who takes part in a call: it accepts what the focus offers, sends
// audio with levels and video, counts what it gets, and has a bridge channel.
type caller struct {
	*actor
	t    *testing.T
	room string
	loud atomic.Bool

	sid string
	leg *callerLeg
}

// callerLeg is one session of a caller: it ends when the caller is moved to another bridge.
type callerLeg struct {
	pc           *webrtc.PeerConnection
	audio, video *webrtc.TrackLocalStaticRTP
	own          ssrcs
	transport    *jingle.Transport
	ws           *websocket.Conn
	messages     chan string
	cancel       context.CancelFunc
	work         sync.WaitGroup

	mu      sync.Mutex
	heard   map[uint32]int // packets by SSRC
	speaker string         // who speaks, as told last
	changed chan struct{}
}

// ssrcs are what one participant sends with.
type ssrcs struct{ audio, video, rtx uint32 }

// arrive logs in, asks the focus for the room, and enters it.
func arrive(t *testing.T, srv server, v vars, name string) *caller {
	t.Helper()
	host, claims := "conference.", map[string]string{"name": name, "moderator": "true"}
	if tenant := v["tenant"]; tenant != "" {
		host, claims["sub"] = "conference."+tenant+".", tenant
	}
	c := &caller{actor: newActor(name, claims), t: t, room: v["roomname"] + "@" + host + srv.domain}
	t.Cleanup(func() {
		if c.leg != nil {
			c.leg.close()
		}
		c.hangUp()
	})
	if failure, err := c.connect(srv, v); failure != nil || err != nil {
		t.Fatalf("log-in of %s: %s %v", name, failure, err)
	}
	c.say(`<iq id="c" to="focus.%s" type="set" xmlns="jabber:client"><conference room="%s" xmlns="http://jitsi.org/protocol/focus"/></iq>`, srv.domain, c.room)
	c.gets(`<iq id="c" type="result" play:more="x" xmlns="jabber:client"/>`)
	c.say(`<presence to="%s/%s" xmlns="jabber:client"><x xmlns="http://jabber.org/protocol/muc"/><SourceInfo>{}</SourceInfo></presence>`, c.room, c.id())
	return c
}

// id is the endpoint id: as web clients do, a part of the login.
func (c *caller) id() string { return c.jid[:8] }

func (c *caller) say(format string, args ...any) {
	c.t.Helper()
	list, err := parseElements(fmt.Sprintf(format, args...))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.send(list[0]); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) gets(pattern string) *element {
	c.t.Helper()
	p, err := parseElements(pattern)
	if err != nil {
		c.t.Fatal(err)
	}
	e, _, err := c.take(p[0], vars{})
	if err != nil {
		c.t.Fatalf("%s: %v", c.name, err)
	}
	return e
}

// isOffered waits for a session, and prepares this side of it.
func (c *caller) isOffered() {
	c.t.Helper()
	e := c.gets(`<iq type="set" play:more="x" xmlns="jabber:client"><jingle action="session-initiate" play:more="x" xmlns="` + ns.Jingle + `"/></iq>`)
	var j jingle.Jingle
	if err := xml.Unmarshal([]byte(e.child("jingle").String()), &j); err != nil {
		c.t.Fatal(err)
	}
	c.say(`<iq type="result" id="%s" to="%s/focus" xmlns="jabber:client"/>`, escape(e.attr("id")), c.room)
	c.sid = j.SID
	if c.leg != nil {
		c.leg.close()
	}
	c.leg = newCallerLeg(c.t, j.FirstTransport(), &c.loud)
}

// accepts takes the offer, given what the others send.
func (c *caller) accepts(others ...*caller) {
	c.t.Helper()
	c.sees(others...)
	l := c.leg
	d := l.pc.LocalDescription().SDP
	value := func(prefix string) string {
		_, rest, _ := strings.Cut(d, "a="+prefix)
		v, _, _ := strings.Cut(rest, "\r\n")
		return v
	}
	hash, fingerprint, _ := strings.Cut(value("fingerprint:"), " ")
	transport := fmt.Sprintf(`<transport xmlns="%s" ufrag="%s" pwd="%s"><fingerprint xmlns="%s" hash="%s" setup="%s">%s</fingerprint></transport>`,
		ns.ICEUDP, value("ice-ufrag:"), value("ice-pwd:"), ns.DTLS, hash, value("setup:"), fingerprint)
	content := func(media, sources string) string {
		return fmt.Sprintf(`<content creator="responder" name="%[1]s" senders="both"><description xmlns="%[2]s" media="%[1]s">%[3]s</description>%[4]s</content>`, media, ns.RTP, sources, transport)
	}
	source := func(ssrc uint32, name, msid string) string {
		return fmt.Sprintf(`<source xmlns="%s" ssrc="%d" name="%s-%s"><parameter name="msid" value="%[3]s-%[5]s %[5]s"/></source>`, ns.SSMA, ssrc, c.id(), name, msid)
	}
	c.say(`<iq type="set" id="accept" to="%s/focus" xmlns="jabber:client"><jingle xmlns="%s" action="session-accept" sid="%s" initiator="%[1]s/focus" responder="%[4]s">%[5]s%[6]s</jingle></iq>`,
		c.room, ns.Jingle, c.sid, c.jid,
		content("audio", source(l.own.audio, "a0", "a")),
		content("video", source(l.own.video, "v0", "v")+source(l.own.rtx, "v0", "v")+
			fmt.Sprintf(`<ssrc-group xmlns="%s" semantics="FID"><source ssrc="%d"/><source ssrc="%d"/></ssrc-group>`, ns.SSMA, l.own.video, l.own.rtx)))
	c.gets(`<iq id="accept" type="result" play:more="x" xmlns="jabber:client"/>`)
	l.openChannel(c.t)
	c.tells(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"assumedBandwidthBps":-1}`)
}

// sees negotiates anew with what the others send now.
func (c *caller) sees(others ...*caller) {
	c.t.Helper()
	var list []ssrcs
	for _, o := range others {
		list = append(list, o.leg.own)
	}
	pc := c.leg.pc
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: c.leg.offer(list)}); err != nil {
		c.t.Fatal(err)
	}
	answer, err := pc.CreateAnswer(nil)
	if err == nil {
		err = pc.SetLocalDescription(answer)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// bridge is the server id of the bridge the caller is on.
func (c *caller) bridge() string {
	_, path, _ := strings.Cut(c.leg.transport.WebSockets[0].URL, "/colibri-ws/")
	id, _, _ := strings.Cut(path, "/")
	return id
}

// tells sends a message over the bridge channel.
func (c *caller) tells(text string) {
	c.t.Helper()
	if err := c.leg.ws.Write(c.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// isTold waits for a message that contains all parts.
func (c *caller) isTold(parts ...string) {
	c.t.Helper()
	deadline := time.After(mediaTime)
	var seen []string
next:
	for {
		select {
		case m := <-c.leg.messages:
			seen = append(seen, m)
			for _, p := range parts {
				if !strings.Contains(m, p) {
					continue next
				}
			}
			return
		case <-deadline:
			c.t.Fatalf("%s waited in vain for %v; there was\n%s", c.name, parts, strings.Join(seen, "\n"))
		}
	}
}

// knowsSpeaker waits until the caller was told that another one speaks.
func (c *caller) knowsSpeaker(o *caller) {
	c.t.Helper()
	l, deadline := c.leg, time.After(mediaTime)
	for {
		l.mu.Lock()
		speaker := l.speaker
		l.mu.Unlock()
		if speaker == o.id() {
			return
		}
		select {
		case <-l.changed: // some packet: that is often enough
		case <-deadline:
			c.t.Fatalf("%s thinks that %q speaks", c.name, speaker)
		}
	}
}

// hears waits until more audio and video of each of the others came.
func (c *caller) hears(others ...*caller) {
	c.t.Helper()
	for _, o := range others {
		c.counts(o.name+"'s audio", o.leg.own.audio, 5)
		c.counts(o.name+"'s video", o.leg.own.video, 5)
	}
}

func (c *caller) counts(what string, ssrc uint32, n int) {
	c.t.Helper()
	l := c.leg
	got := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.heard[ssrc]
	}
	want, deadline := got()+n, time.After(mediaTime)
	for got() < want {
		select {
		case <-l.changed:
		case <-deadline:
			c.t.Fatalf("%s got %d of %d packets of %s", c.name, got(), want, what)
		}
	}
}

func newCallerLeg(t *testing.T, transport *jingle.Transport, loud *atomic.Bool) *callerLeg {
	t.Helper()
	l := &callerLeg{
		transport: transport, messages: make(chan string, 1024), heard: make(map[uint32]int), changed: make(chan struct{}, 1),
	}
	pc, err := callerAPI(t).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	l.pc = pc
	add := func(mime, name string) (*webrtc.TrackLocalStaticRTP, webrtc.RTPEncodingParameters) {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, name, "s")
		if err != nil {
			t.Fatal(err)
		}
		sender, err := pc.AddTrack(track)
		if err != nil {
			t.Fatal(err)
		}
		return track, sender.GetParameters().Encodings[0]
	}
	var a, v webrtc.RTPEncodingParameters
	l.audio, a = add(webrtc.MimeTypeOpus, "a")
	l.video, v = add(webrtc.MimeTypeVP8, "v")
	l.own = ssrcs{uint32(a.SSRC), uint32(v.SSRC), uint32(v.RTX.SSRC)}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { l.listen(track) })
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.work.Go(func() { l.speak(ctx, loud) })
	return l
}

func callerAPI(t *testing.T) *webrtc.API {
	t.Helper()
	engine := &webrtc.MediaEngine{}
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "transport-cc"}}
	for _, c := range []struct {
		number webrtc.PayloadType
		kind   webrtc.RTPCodecType
		codec  webrtc.RTPCodecCapability
	}{
		{111, webrtc.RTPCodecTypeAudio, webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}},
		{100, webrtc.RTPCodecTypeVideo, webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000, RTCPFeedback: feedback}},
		{96, webrtc.RTPCodecTypeVideo, webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: "apt=100"}},
	} {
		if err := engine.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: c.number, RTPCodecCapability: c.codec}, c.kind); err != nil {
			t.Fatal(err)
		}
	}
	if err := engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: ns.ExtAudioLevel}, webrtc.RTPCodecTypeAudio); err != nil {
		t.Fatal(err)
	}
	registry := &interceptor.Registry{}
	if err := webrtc.RegisterDefaultInterceptors(engine, registry); err != nil {
		t.Fatal(err)
	}
	set := webrtc.SettingEngine{}
	set.SetIncludeLoopbackCandidate(true)
	set.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(set))
}

func (l *callerLeg) close() {
	l.cancel()
	if l.ws != nil {
		_ = l.ws.CloseNow()
	}
	_ = l.pc.GracefulClose()
	l.work.Wait()
}

func (l *callerLeg) listen(track *webrtc.TrackRemote) {
	for {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		l.mu.Lock()
		l.heard[p.SSRC]++
		l.mu.Unlock()
		select {
		case l.changed <- struct{}{}:
		default:
		}
	}
}

// openChannel opens the bridge channel at the bridge itself.
func (l *callerLeg) openChannel(t *testing.T) {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), l.transport.WebSockets[0].URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.ws = ws
	l.work.Go(func() {
		for {
			_, text, err := ws.Read(context.Background())
			if err != nil {
				return
			}
			l.note(string(text))
		}
	})
}

// note keeps a message, and who speaks.
func (l *callerLeg) note(text string) {
	if _, rest, ok := strings.Cut(text, `"dominantSpeakerEndpoint":"`); ok {
		l.mu.Lock()
		l.speaker, _, _ = strings.Cut(rest, `"`)
		l.mu.Unlock()
	}
	select {
	case l.messages <- text:
	default: // nobody asks any more
	}
}

// speak sends audio with a level, and pictures of which every tenth is a keyframe.
func (l *callerLeg) speak(ctx context.Context, loud *atomic.Bool) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	payloader := &codecs.VP8Payloader{EnablePictureID: true}
	key := append([]byte{0x10, 0, 0, 0x9D, 1, 0x2A, 0x40, 1, 0xB4, 0}, make([]byte, 1500)...)
	delta := append([]byte{0x11, 0, 0}, make([]byte, 500)...)
	var audioSeq, videoSeq uint16
	for n := uint32(0); ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		level := byte(110)
		if loud.Load() {
			level = byte(20 + n%10)
		}
		a := &pionrtp.Packet{Header: pionrtp.Header{Version: 2, SequenceNumber: audioSeq, Timestamp: n * 960}, Payload: []byte{1, 2, 3, 4}}
		_ = a.SetExtension(1, []byte{level})
		audioSeq++
		_ = l.audio.WriteRTP(a)
		frame := delta
		if n%10 == 0 {
			frame = key
		}
		parts := payloader.Payload(1100, frame)
		for i, p := range parts {
			_ = l.video.WriteRTP(&pionrtp.Packet{Header: pionrtp.Header{
				Version: 2, SequenceNumber: videoSeq, Timestamp: n * 1800, Marker: i == len(parts)-1,
			}, Payload: p})
			videoSeq++
		}
	}
}

// offer is the bridge's side: the first section of a kind is the caller's own and carries
// the first remote's media; there is one more for each further remote.
func (l *callerLeg) offer(remote []ssrcs) string {
	ice := l.transport
	var s strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&s, format+"\r\n", a...) }
	mids := ""
	for i := range 2 * len(remote) {
		mids += fmt.Sprintf(" %d", i)
	}
	line("v=0\r\no=- 1 %d IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE%s", time.Now().UnixNano(), mids)
	mid := 0
	section := func(what string, first bool) {
		direction := map[bool]string{true: "sendrecv", false: "sendonly"}[first]
		line("%s\r\nc=IN IP4 0.0.0.0\r\na=mid:%d\r\na=rtcp-mux\r\na=%s", what, mid, direction)
		mid++
		line("a=ice-ufrag:%s\r\na=ice-pwd:%s", ice.Ufrag, ice.Pwd)
		line("a=fingerprint:%s %s\r\na=setup:%s", ice.Fingerprints[0].Hash, ice.Fingerprints[0].Value, ice.Fingerprints[0].Setup)
		for _, k := range ice.Candidates {
			if k.Protocol == "udp" {
				line("a=candidate:%s 1 %s %d %s %d typ %s", k.Foundation, k.Protocol, k.Priority, k.IP, k.Port, k.Type)
			}
		}
	}
	for i, r := range remote {
		section("m=audio 9 UDP/TLS/RTP/SAVPF 111", i == 0)
		line("a=rtpmap:111 opus/48000/2\r\na=extmap:1 %s", ns.ExtAudioLevel)
		line("a=ssrc:%d cname:x\r\na=ssrc:%[1]d msid:o%d a%[2]d", r.audio, i)
		section("m=video 9 UDP/TLS/RTP/SAVPF 100 96", i == 0)
		line("a=rtpmap:100 VP8/90000\r\na=rtcp-fb:100 nack\r\na=rtcp-fb:100 nack pli\r\na=rtcp-fb:100 transport-cc")
		line("a=rtpmap:96 rtx/90000\r\na=fmtp:96 apt=100\r\na=extmap:5 %s", ns.ExtTransportCC)
		line("a=ssrc-group:FID %d %d", r.video, r.rtx)
		for _, ssrc := range []uint32{r.video, r.rtx} {
			line("a=ssrc:%d cname:x\r\na=ssrc:%[1]d msid:o%d v%[2]d", ssrc, i)
		}
	}
	return s.String()
}
