package transport_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
	pionmedia "github.com/pion/webrtc/v4/pkg/media"
	"go.uber.org/goleak"

	"parley/bridge/media"
	"parley/bridge/rtp"
	"parley/bridge/transport"
	"parley/internal/logx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a bridge reduced to its media path.
type bench struct {
	t         *testing.T
	transport *transport.Transport
	shard     *rtp.Shard
	events    chan rtp.Event
}

func newBench(t *testing.T, change func(*transport.Config)) *bench {
	t.Helper()
	return newBenchWith(t, change, nil)
}

// newBenchWith lets a test change the transport before it listens.
func newBenchWith(t *testing.T, change func(*transport.Config), prepare func(*transport.Transport)) *bench {
	t.Helper()
	cfg := transport.DefaultConfig()
	cfg.Port, cfg.TCP.Port, cfg.Addresses = 0, 0, []string{"127.0.0.1"}
	if change != nil {
		change(&cfg)
	}
	tr, err := transport.New(cfg, logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(tr)
	}
	if err := tr.Listen(); err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, transport: tr, shard: rtp.NewShard(rtp.Config{ArenaSlots: 4096}, tr.Lane(0)), events: make(chan rtp.Event, 1024)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.shard.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// client is a pion peer connection and its endpoint at the bridge.
type client struct {
	b        *bench
	pc       *webrtc.PeerConnection
	session  *transport.Session
	endpoint *rtp.Endpoint

	// way changes what the client is told of the way to the bridge, nil for nothing.
	way func([]transport.Candidate) []transport.Candidate

	audio, video   *webrtc.TrackLocalStaticSample
	audioSource    *rtp.Source
	videoSource    *rtp.Source
	audioSSRC      uint32
	videoSSRC, rtx uint32

	connected, ready, opened chan struct{}
	failed                   chan error
	messages                 chan string

	mu      sync.Mutex
	profile string
	packets map[webrtc.RTPCodecType]chan struct{}
}

func (c *client) TransportConnected() { close(c.connected) }
func (c *client) TransportReady(k transport.Keys) {
	c.mu.Lock()
	c.profile = k.Profile
	c.mu.Unlock()
	c.endpoint.SetKeys(k.Send, k.Receive, k.AEAD)
	close(c.ready)
}
func (c *client) TransportFailed(err error)  { c.failed <- err }
func (c *client) ChannelOpened()             { close(c.opened) }
func (c *client) ChannelMessage(text []byte) { c.messages <- string(text) }
func (c *client) ChannelClosed()             {}

var clientTypes = []media.PayloadType{
	{Number: 111, Kind: media.Audio, Codec: media.Opus, ClockRate: 48000},
	{Number: 100, Kind: media.Video, Codec: media.VP8, ClockRate: 90000, NACK: true, PLI: true, TransportCC: true},
	{Number: 96, Kind: media.Video, Codec: media.RTX, ClockRate: 90000, Apt: 100},
}

func newClient(b *bench, settings func(*webrtc.SettingEngine)) *client {
	b.t.Helper()
	c := &client{
		b: b, connected: make(chan struct{}), ready: make(chan struct{}), opened: make(chan struct{}),
		failed: make(chan error, 4), messages: make(chan string, 64),
		packets: map[webrtc.RTPCodecType]chan struct{}{
			webrtc.RTPCodecTypeAudio: make(chan struct{}, 4096), webrtc.RTPCodecTypeVideo: make(chan struct{}, 4096),
		},
	}
	must := func(err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatal(err)
		}
	}
	engine := &webrtc.MediaEngine{}
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "transport-cc"}}
	must(engine.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 111, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}}, webrtc.RTPCodecTypeAudio))
	must(engine.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 100, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000, RTCPFeedback: feedback}}, webrtc.RTPCodecTypeVideo))
	must(engine.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 96, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: "apt=100"}}, webrtc.RTPCodecTypeVideo))
	registry := &interceptor.Registry{}
	must(webrtc.RegisterDefaultInterceptors(engine, registry))
	set := webrtc.SettingEngine{}
	set.SetIncludeLoopbackCandidate(true)
	// Other interfaces may go while a test runs. The library does not know that ::1 is one.
	set.SetIPFilter(func(ip net.IP) bool { return ip.To4() == nil || ip.IsLoopback() })
	set.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	if settings != nil {
		settings(&set)
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(set))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	must(err)
	c.pc = pc
	b.t.Cleanup(func() { _ = pc.GracefulClose() })
	c.audio, err = webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "a", "s")
	must(err)
	c.video, err = webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "s")
	must(err)
	as, err := pc.AddTrack(c.audio)
	must(err)
	vs, err := pc.AddTrack(c.video)
	must(err)
	c.audioSSRC = uint32(as.GetParameters().Encodings[0].SSRC)
	c.videoSSRC = uint32(vs.GetParameters().Encodings[0].SSRC)
	c.rtx = uint32(vs.GetParameters().Encodings[0].RTX.SSRC)
	pc.OnTrack(func(tr *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			if _, _, err := tr.ReadRTP(); err != nil {
				return
			}
			select {
			case c.packets[tr.Kind()] <- struct{}{}:
			default:
			}
		}
	})
	c.session, err = b.transport.NewSession(transport.SessionOptions{Controlling: true, SCTP: true, PrivateCandidates: true, Handler: c})
	must(err)
	c.endpoint = b.shard.NewEndpoint(c.session.Peer(), rtp.EndpointOptions{Events: b.events, AudioFeedbackSSRC: 1, VideoFeedbackSSRC: 2})
	c.endpoint.AddPayloadTypes(clientTypes...)
	c.endpoint.AddExtensions(media.Extension{ID: 5, Kind: media.ExtTransportCC})
	return c
}

// offer writes the bridge's side as a session description that carries other's media.
func (c *client) offer(other *client, local transport.Description) string {
	var s strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&s, format+"\r\n", a...) }
	line("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2")
	section := func(mid int, what string) {
		line("%s\r\nc=IN IP4 0.0.0.0\r\na=mid:%d\r\na=rtcp-mux", what, mid)
		line("a=ice-ufrag:%s\r\na=ice-pwd:%s", local.Ufrag, local.Pwd)
		line("a=fingerprint:%s %s\r\na=setup:%s", local.Fingerprints[0].Hash, local.Fingerprints[0].Value, local.Setup)
		for _, k := range local.Candidates {
			line("a=candidate:%s 1 %s %d %s %d typ %s%s", k.Foundation, k.Protocol, k.Priority, k.Addr.Addr(), k.Addr.Port(), k.Type,
				map[bool]string{true: " tcptype passive"}[k.Protocol == transport.TCP])
		}
	}
	section(0, "m=audio 9 UDP/TLS/RTP/SAVPF 111")
	line("a=sendrecv\r\na=rtpmap:111 opus/48000/2\r\na=ssrc:%d cname:x\r\na=ssrc:%d msid:o a", other.audioSSRC, other.audioSSRC)
	section(1, "m=video 9 UDP/TLS/RTP/SAVPF 100 96")
	line("a=sendrecv\r\na=rtpmap:100 VP8/90000\r\na=rtcp-fb:100 nack\r\na=rtcp-fb:100 nack pli\r\na=rtcp-fb:100 transport-cc")
	line("a=rtpmap:96 rtx/90000\r\na=fmtp:96 apt=100\r\na=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01")
	line("a=ssrc-group:FID %d %d", other.videoSSRC, other.rtx)
	for _, ssrc := range []uint32{other.videoSSRC, other.rtx} {
		line("a=ssrc:%d cname:x\r\na=ssrc:%d msid:o v", ssrc, ssrc)
	}
	section(2, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel")
	line("a=sctp-port:5000")
	return s.String()
}

// join negotiates and announces the client's sources.
func (c *client) join(other *client) {
	c.b.t.Helper()
	local := c.session.Local()
	if c.way != nil {
		local.Candidates = c.way(local.Candidates)
	}
	if err := c.session.SetRemote(c.answer(other, local)); err != nil {
		c.b.t.Fatal(err)
	}
	c.audioSource = c.endpoint.AddSource(rtp.SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: c.audioSSRC}}})
	c.videoSource = c.endpoint.AddSource(rtp.SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: c.videoSSRC, RTX: c.rtx}}})
}

// answer negotiates with the bridge's side and returns the client's.
func (c *client) answer(other *client, local transport.Description) transport.Description {
	c.b.t.Helper()
	if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: c.offer(other, local)}); err != nil {
		c.b.t.Fatal(err)
	}
	answer, err := c.pc.CreateAnswer(nil)
	if err != nil {
		c.b.t.Fatal(err)
	}
	if err := c.pc.SetLocalDescription(answer); err != nil {
		c.b.t.Fatal(err)
	}
	remote := transport.Description{Generation: local.Generation}
	for l := range strings.SplitSeq(answer.SDP, "\r\n") {
		if v, ok := strings.CutPrefix(l, "a=ice-ufrag:"); ok {
			remote.Ufrag = v
		}
		if v, ok := strings.CutPrefix(l, "a=ice-pwd:"); ok {
			remote.Pwd = v
		}
		if v, ok := strings.CutPrefix(l, "a=setup:"); ok {
			remote.Setup = transport.Setup(v)
		}
		if v, ok := strings.CutPrefix(l, "a=fingerprint:"); ok {
			h, value, _ := strings.Cut(v, " ")
			remote.Fingerprints = []transport.Fingerprint{{Hash: h, Value: value}}
		}
	}
	return remote
}

// speak sends until ctx is done: each picture is a keyframe.
func (c *client) speak(ctx context.Context) {
	picture := append([]byte{0x10, 0, 0, 0x9D, 1, 0x2A, 0x80, 2, 0x68, 1}, make([]byte, 3000)...)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = c.audio.WriteSample(pionmedia.Sample{Data: []byte{1, 2, 3, 4}, Duration: 20 * time.Millisecond})
			_ = c.video.WriteSample(pionmedia.Sample{Data: picture, Duration: 20 * time.Millisecond})
		}
	}
}

func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(45 * time.Second):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// call connects two clients and waits until each hears and sees the other.
func call(t *testing.T, b *bench, settings func(*webrtc.SettingEngine)) (x, y *client) {
	t.Helper()
	x, y = newClient(b, settings), newClient(b, settings)
	connect(t, x, y)
	return x, y
}

// connect does so with clients that were made before.
func connect(t *testing.T, x, y *client) {
	t.Helper()
	x.join(y)
	y.join(x)
	for _, p := range [][2]*client{{x, y}, {y, x}} {
		p[0].endpoint.Forward(rtp.Forward{Source: p[1].audioSource, Target: media.LayerAll})
		p[0].endpoint.Forward(rtp.Forward{Source: p[1].videoSource, Target: media.LayerAll})
	}
	ctx, cancel := context.WithCancel(context.Background())
	var speaking sync.WaitGroup
	for _, c := range []*client{x, y} {
		speaking.Go(func() { c.speak(ctx) })
	}
	t.Cleanup(speaking.Wait)
	t.Cleanup(cancel)
	for _, c := range []*client{x, y} {
		await(t, "ICE", c.connected)
		await(t, "DTLS", c.ready)
		for range 50 {
			await(t, "audio", c.packets[webrtc.RTPCodecTypeAudio])
			await(t, "video", c.packets[webrtc.RTPCodecTypeVideo])
		}
	}
}

func TestCallOverUDP(t *testing.T) {
	for name, c := range map[string]struct {
		address string
		change  func(*webrtc.SettingEngine)
		profile string
	}{
		"GCM": {"127.0.0.1", nil, "AEAD_AES_128_GCM"},
		"CM only": {"127.0.0.1", func(s *webrtc.SettingEngine) {
			s.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80)
		}, "AES128_CM_HMAC_SHA1_80"},
		"IPv6": {"::1", func(s *webrtc.SettingEngine) {
			s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP6})
		}, "AEAD_AES_128_GCM"},
	} {
		t.Run(name, func(t *testing.T) {
			if probe, err := net.ListenPacket("udp", net.JoinHostPort(c.address, "0")); err == nil {
				_ = probe.Close()
			} else {
				t.Skipf("this machine has no %s", c.address)
			}
			b := newBench(t, func(cfg *transport.Config) { cfg.Addresses = []string{c.address} })
			x, y := call(t, b, c.change)
			for _, k := range []*client{x, y} {
				k.mu.Lock()
				if k.profile != c.profile {
					t.Errorf("profile is %s", k.profile)
				}
				k.mu.Unlock()
				if k.session.LastReceived().IsZero() {
					t.Error("no sign of the peer's consent")
				}
			}
		})
	}
}

func TestCallOverTCP(t *testing.T) {
	b := newBench(t, nil)
	call(t, b, func(s *webrtc.SettingEngine) { s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4}) })
	if s := b.transport.Stats(); s.ICESucceededTCP != 2 || s.TCPConnections < 2 {
		t.Errorf("stats are %+v", s)
	}
}
