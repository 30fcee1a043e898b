// Package calltest is a participant's media without a browser, for tests: a peer connection
// that takes what a bridge offers, sends sound with levels and pictures, and counts what
// comes in. It speaks SDP (RFC 8866) to itself only: a bridge is given and gives transports
// in Jingle's form, by whatever signalling the test has.
//
// A Peer has a goroutine that sends and some that read; Close ends all of them.
package calltest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"

	"parley/internal/wire/jingle"
	"parley/internal/wire/ns"
)

// Patience bounds the wait for media or a message; usually it is a second.
const Patience = 45 * time.Second

// Payload types of what a Peer sends and takes.
const (
	opus, vp8, rtx = 111, 100, 96
)

// SSRCs are what one participant sends with.
type SSRCs struct{ Audio, Video, RTX uint32 }

// Peer is one side of a call.
type Peer struct {
	PC  *webrtc.PeerConnection
	Own SSRCs
	// Loud makes the sound it sends loud.
	Loud atomic.Bool
	// OnPacket, if set before anything flows, is told of every packet that comes.
	OnPacket func(*rtp.Packet)

	o            Options
	audio, video *webrtc.TrackLocalStaticRTP
	asked        atomic.Int32
	changed      chan struct{} // capacity 1: something arrived
	cancel       context.CancelFunc
	work         sync.WaitGroup

	mu    sync.Mutex // guards heard: packets by SSRC
	heard map[uint32]int
}

// Options are what a test may want beside a plain call.
type Options struct {
	// Data adds a section for data channels.
	Data bool
	// Key and Delta are the bytes of a picture; zero is 1500 and 500.
	Key, Delta int
}

// New makes a Peer, which begins to send as soon as it is connected.
func New(t *testing.T, o Options) *Peer {
	t.Helper()
	if o.Key == 0 {
		o.Key, o.Delta = 1500, 500
	}
	p := &Peer{o: o, heard: make(map[uint32]int), changed: make(chan struct{}, 1)}
	pc, err := api(t).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	p.PC = pc
	add := func(mime, name string) (*webrtc.TrackLocalStaticRTP, *webrtc.RTPSender, webrtc.RTPEncodingParameters) {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, name, "s")
		if err != nil {
			t.Fatal(err)
		}
		sender, err := pc.AddTrack(track)
		if err != nil {
			t.Fatal(err)
		}
		return track, sender, sender.GetParameters().Encodings[0]
	}
	var a, v webrtc.RTPEncodingParameters
	var pictures *webrtc.RTPSender
	p.audio, _, a = add(webrtc.MimeTypeOpus, "a")
	p.video, pictures, v = add(webrtc.MimeTypeVP8, "v")
	p.Own = SSRCs{uint32(a.SSRC), uint32(v.SSRC), uint32(v.RTX.SSRC)}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { p.listen(track) })
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.work.Go(func() { p.speak(ctx) })
	p.work.Go(func() { p.countRequests(pictures) })
	return p
}

func api(t *testing.T) *webrtc.API {
	t.Helper()
	engine := &webrtc.MediaEngine{}
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "transport-cc"}}
	for _, c := range []struct {
		number webrtc.PayloadType
		kind   webrtc.RTPCodecType
		codec  webrtc.RTPCodecCapability
	}{
		{opus, webrtc.RTPCodecTypeAudio, webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}},
		{vp8, webrtc.RTPCodecTypeVideo, webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000, RTCPFeedback: feedback}},
		{rtx, webrtc.RTPCodecTypeVideo, webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: fmt.Sprintf("apt=%d", vp8)}},
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
	set.SetIPFilter(net.IP.IsLoopback) // other interfaces may go while a test runs
	set.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	// About as browsers have it. After a second, and twice that, and so on, a handshake on a
	// bad network may take a minute.
	set.SetDTLSRetransmissionInterval(100 * time.Millisecond)
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(set))
}

// Close ends the call.
func (p *Peer) Close() {
	p.cancel()
	_ = p.PC.GracefulClose()
	p.work.Wait()
}

// Negotiate takes the bridge's transport, and what others send. via, if it is valid, is
// where the bridge is for us instead of at its own addresses.
func (p *Peer) Negotiate(t *testing.T, bridge *jingle.Transport, via netip.AddrPort, others ...SSRCs) {
	t.Helper()
	text := p.offer(bridge, via, others)
	if err := p.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: text}); err != nil {
		t.Fatal(err)
	}
	answer, err := p.PC.CreateAnswer(nil)
	if err == nil {
		err = p.PC.SetLocalDescription(answer)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Transport is our transport, as XML for the bridge, once we have negotiated.
func (p *Peer) Transport() string {
	d := p.PC.LocalDescription().SDP
	value := func(prefix string) string {
		_, rest, _ := strings.Cut(d, "a="+prefix)
		v, _, _ := strings.Cut(rest, "\r\n")
		return v
	}
	hash, fingerprint, _ := strings.Cut(value("fingerprint:"), " ")
	return fmt.Sprintf(`<transport xmlns="%s" ufrag="%s" pwd="%s"><fingerprint xmlns="%s" hash="%s" setup="%s">%s</fingerprint></transport>`,
		ns.ICEUDP, value("ice-ufrag:"), value("ice-pwd:"), ns.DTLS, hash, value("setup:"), fingerprint)
}

// offer is the bridge's side: the first section of a kind is our own and carries the first
// other's media; there is one more for each further one.
func (p *Peer) offer(bridge *jingle.Transport, via netip.AddrPort, others []SSRCs) string {
	s := &sections{bridge: bridge, via: via}
	media := func(i int) {
		direction := "sendonly"
		switch {
		case i == 0 && len(others) > 0:
			direction = "sendrecv"
		case i == 0:
			direction = "recvonly"
		}
		s.begin("m=audio 9 UDP/TLS/RTP/SAVPF 111")
		s.line("a=%s\r\na=rtpmap:111 opus/48000/2\r\na=extmap:1 %s", direction, ns.ExtAudioLevel)
		if i < len(others) {
			s.line("a=ssrc:%d cname:x\r\na=ssrc:%[1]d msid:o%d a%[2]d", others[i].Audio, i)
		}
		s.begin("m=video 9 UDP/TLS/RTP/SAVPF 100 96")
		s.line("a=%s\r\na=rtpmap:100 VP8/90000\r\na=rtcp-fb:100 nack\r\na=rtcp-fb:100 nack pli\r\na=rtcp-fb:100 transport-cc", direction)
		s.line("a=rtpmap:96 rtx/90000\r\na=fmtp:96 apt=100\r\na=extmap:5 %s", ns.ExtTransportCC)
		if i < len(others) {
			s.line("a=ssrc-group:FID %d %d", others[i].Video, others[i].RTX)
			for _, ssrc := range []uint32{others[i].Video, others[i].RTX} {
				s.line("a=ssrc:%d cname:x\r\na=ssrc:%[1]d msid:o%d v%[2]d", ssrc, i)
			}
		}
	}
	media(0)
	if p.o.Data {
		s.begin("m=application 9 UDP/DTLS/SCTP webrtc-datachannel")
		s.line("a=sctp-port:5000")
	}
	for i := 1; i < len(others); i++ {
		media(i)
	}
	return s.text()
}

// sections are those of a session description, which share one transport (RFC 9143).
type sections struct {
	bridge *jingle.Transport
	via    netip.AddrPort
	body   strings.Builder
	n      int
}

func (s *sections) line(format string, a ...any) { fmt.Fprintf(&s.body, format+"\r\n", a...) }

func (s *sections) begin(what string) {
	s.line("%s\r\nc=IN IP4 0.0.0.0\r\na=mid:%d\r\na=rtcp-mux", what, s.n)
	s.n++
	b := s.bridge
	s.line("a=ice-ufrag:%s\r\na=ice-pwd:%s", b.Ufrag, b.Pwd)
	s.line("a=fingerprint:%s %s\r\na=setup:%s", b.Fingerprints[0].Hash, b.Fingerprints[0].Value, b.Fingerprints[0].Setup)
	for _, k := range b.Candidates {
		if k.Protocol != "udp" {
			continue
		}
		at := fmt.Sprintf("%s %d", k.IP, k.Port)
		if s.via.IsValid() {
			at = fmt.Sprintf("%s %d", s.via.Addr(), s.via.Port())
		}
		s.line("a=candidate:%s 1 %s %d %s typ %s", k.Foundation, k.Protocol, k.Priority, at, k.Type)
	}
}

func (s *sections) text() string {
	mids := ""
	for i := range s.n {
		mids += fmt.Sprintf(" %d", i)
	}
	return fmt.Sprintf("v=0\r\no=- 1 %d IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE%s\r\n", time.Now().UnixNano(), mids) + s.body.String()
}

// speak sends audio with a level, and pictures of which every tenth is a keyframe.
func (p *Peer) speak(ctx context.Context) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	payloader := &codecs.VP8Payloader{EnablePictureID: true}
	key := append([]byte{0x10, 0, 0, 0x9D, 1, 0x2A, 0x40, 1, 0xB4, 0}, make([]byte, p.o.Key)...)
	delta := append([]byte{0x11, 0, 0}, make([]byte, p.o.Delta)...)
	var audioSeq, videoSeq uint16
	for n := uint32(0); ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		level := byte(110)
		if p.Loud.Load() {
			level = byte(20 + n%10)
		}
		a := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: audioSeq, Timestamp: n * 960}, Payload: []byte{1, 2, 3, 4}}
		_ = a.SetExtension(1, []byte{level})
		audioSeq++
		_ = p.audio.WriteRTP(a)
		frame := delta
		if n%10 == 0 {
			frame = key
		}
		parts := payloader.Payload(1100, frame)
		for i, part := range parts {
			_ = p.video.WriteRTP(&rtp.Packet{Header: rtp.Header{
				Version: 2, SequenceNumber: videoSeq, Timestamp: n * 1800, Marker: i == len(parts)-1,
			}, Payload: part})
			videoSeq++
		}
	}
}

func (p *Peer) listen(track *webrtc.TrackRemote) {
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.heard[packet.SSRC]++
		p.mu.Unlock()
		if p.OnPacket != nil {
			p.OnPacket(packet)
		}
		select {
		case p.changed <- struct{}{}:
		default:
		}
	}
}

func (p *Peer) countRequests(s *webrtc.RTPSender) {
	for {
		packets, _, err := s.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			if _, ok := packet.(*rtcp.PictureLossIndication); ok {
				p.asked.Add(1)
			}
		}
	}
}

// Asked is how often we were asked for a keyframe.
func (p *Peer) Asked() int { return int(p.asked.Load()) }

// Heard is how many packets of an SSRC came so far.
func (p *Peer) Heard(ssrc uint32) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard[ssrc]
}

// Until waits until good says so, which is asked after packets; the result is false if that
// takes too long.
func (p *Peer) Until(good func() bool) bool {
	deadline := time.After(Patience)
	for !good() {
		select {
		case <-p.changed:
		case <-deadline:
			return false
		}
	}
	return true
}

// Hears waits until n more packets of an SSRC came.
func (p *Peer) Hears(t *testing.T, what string, ssrc uint32, n int) {
	t.Helper()
	want := p.Heard(ssrc) + n
	if !p.Until(func() bool { return p.Heard(ssrc) >= want }) {
		t.Fatalf("got %d of %d packets of %s", p.Heard(ssrc), want, what)
	}
}
