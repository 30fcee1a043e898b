package bridge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
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
	"go.uber.org/goleak"

	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/xmppclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testConfig is a bridge on loopback that finds no XMPP server.
func testConfig() Config {
	cfg := DefaultConfig()
	cfg.XMPP[0].Password = "secret"
	cfg.Media.Port, cfg.Media.TCP.Port, cfg.Media.Addresses = 0, 0, []string{"127.0.0.1"}
	cfg.PacketPath.ArenaSlots = 4096
	cfg.WebSocket.Listen, cfg.WebSocket.TLS, cfg.WebSocket.ServerID = "", false, "b1"
	return cfg
}

func noDial(context.Context, string, string) (net.Conn, error) { return nil, io.ErrClosedPipe }

// hall is a running bridge, with the front's HTTP server before it.
type hall struct {
	t       *testing.T
	service *Service
	created bool
	stop    func()
}

func newHall(t *testing.T, edit ...func(*Config)) *hall {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	cfg := testConfig()
	cfg.WebSocket.Domains = []string{web.Listener.Addr().String()}
	for _, e := range edit {
		e(&cfg)
	}
	s, err := New(cfg, logx.Discard(), Options{Dial: noDial, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	web.Config.Handler = s.HTTPHandler()
	web.Start()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		web.Close()
	})
	t.Cleanup(stop)
	select {
	case <-s.Ready():
	case err := <-done:
		t.Fatalf("run: %v", err)
	}
	return &hall{t: t, service: s, stop: stop}
}

// ask sends the content of a conference-modify as the focus does.
func (h *hall) ask(content string) *colibri.Modified {
	h.t.Helper()
	m, err := h.try(content)
	if err != nil {
		h.t.Fatalf("%s: %v", content, err)
	}
	return m
}

// refused is the condition a request is refused with, "" if it is not.
func (h *hall) refused(content string) string {
	h.t.Helper()
	if _, err := h.try(content); err != nil {
		return err.Condition
	}
	return ""
}

func (h *hall) try(content string) (*colibri.Modified, *xmppclient.StanzaError) {
	h.t.Helper()
	create := ""
	if !h.created {
		create, h.created = `create="true"`, true
	}
	st, err := xmppclient.Parse([]byte(`<iq type="get" id="1" from="r@c/focus" to="j@d/x"><conference-modify xmlns="jitsi:colibri2" meeting-id="m1" name="room@conference.example.org" ` + create + `>` + content + `</conference-modify></iq>`))
	if err != nil {
		h.t.Fatal(err)
	}
	type answer struct {
		m   *colibri.Modified
		err *xmppclient.StanzaError
	}
	got := make(chan answer, 1)
	h.service.handler.Modify(st, func(m *colibri.Modified, err *xmppclient.StanzaError) { got <- answer{m, err} })
	a := await(h.t, "the answer to "+content, got)
	return a.m, a.err
}

const testMedia = `<media type="audio"><payload-type xmlns="urn:xmpp:jingle:apps:rtp:1" id="111" name="opus" clockrate="48000" channels="2"/>
 <rtp-hdrext xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0" id="1" uri="urn:ietf:params:rtp-hdrext:ssrc-audio-level"/></media>
<media type="video"><payload-type xmlns="urn:xmpp:jingle:apps:rtp:1" id="100" name="VP8" clockrate="90000">
  <rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="nack"/><rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="nack" subtype="pli"/><rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="transport-cc"/></payload-type>
 <payload-type xmlns="urn:xmpp:jingle:apps:rtp:1" id="96" name="rtx" clockrate="90000"><parameter name="apt" value="100"/></payload-type>
 <rtp-hdrext xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0" id="5" uri="http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"/></media>`

// guest is a participant: a peer connection, and a bridge channel of either kind.
type guest struct {
	h    *hall
	id   string
	pc   *webrtc.PeerConnection
	ice  *colibri.Transport
	loud atomic.Bool
	// via is where the bridge is for this guest, if not at its own address; got, if set
	// before anything flows, is told of every packet.
	via netip.AddrPort
	got func(*pionrtp.Packet)

	audio, video              *webrtc.TrackLocalStaticRTP
	audioSSRC, videoSSRC, rtx uint32
	ws                        *websocket.Conn
	data                      *webrtc.DataChannel
	messages                  chan string
	opened                    chan struct{}
	mu                        sync.Mutex
	heard                     map[uint32]int // packets by SSRC
	closeErr                  error
	changed                   chan struct{}
	asked                     atomic.Int32 // keyframes
	cancel                    context.CancelFunc
	work                      sync.WaitGroup
}

func newAPI(t *testing.T) *webrtc.API {
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
	if err := engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: "urn:ietf:params:rtp-hdrext:ssrc-audio-level"}, webrtc.RTPCodecTypeAudio); err != nil {
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

// enter creates the endpoint and prepares the peer connection.
func (h *hall) enter(id string, capabilities string) *guest {
	h.t.Helper()
	m := h.ask(`<endpoint id="` + id + `" create="true">` + testMedia + `<transport ice-controlling="true"><sctp/></transport><capability name="source-names"/>` + capabilities + `</endpoint>`)
	g := &guest{
		h: h, id: id, ice: m.Endpoints[0].Transport, messages: make(chan string, 1024), opened: make(chan struct{}, 4),
		heard: make(map[uint32]int), changed: make(chan struct{}, 1),
	}
	pc, err := newAPI(h.t).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		h.t.Fatal(err)
	}
	g.pc = pc
	track := func(mime, name string) (*webrtc.TrackLocalStaticRTP, *webrtc.RTPSender) {
		tr, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, name, "s")
		if err != nil {
			h.t.Fatal(err)
		}
		sender, err := pc.AddTrack(tr)
		if err != nil {
			h.t.Fatal(err)
		}
		return tr, sender
	}
	var as, vs *webrtc.RTPSender
	g.audio, as = track(webrtc.MimeTypeOpus, "a")
	g.video, vs = track(webrtc.MimeTypeVP8, "v")
	g.audioSSRC = uint32(as.GetParameters().Encodings[0].SSRC)
	g.videoSSRC = uint32(vs.GetParameters().Encodings[0].SSRC)
	g.rtx = uint32(vs.GetParameters().Encodings[0].RTX.SSRC)
	pc.OnTrack(func(tr *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { g.listen(tr) })
	var ctx context.Context
	ctx, g.cancel = context.WithCancel(context.Background())
	g.work.Go(func() { g.speak(ctx) })
	g.work.Go(func() { g.countKeyframeRequests(vs) })
	h.t.Cleanup(func() {
		g.cancel()
		if g.ws != nil {
			_ = g.ws.CloseNow()
		}
		_ = pc.GracefulClose()
		g.work.Wait()
	})
	return g
}

func (g *guest) listen(tr *webrtc.TrackRemote) {
	for {
		p, _, err := tr.ReadRTP()
		if err != nil {
			return
		}
		g.mu.Lock()
		g.heard[p.SSRC]++
		g.mu.Unlock()
		if g.got != nil {
			g.got(p)
		}
		select {
		case g.changed <- struct{}{}:
		default:
		}
	}
}

func (g *guest) countKeyframeRequests(s *webrtc.RTPSender) {
	for {
		packets, _, err := s.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if strings.Contains(fmt.Sprintf("%T", p), "PictureLoss") {
				g.asked.Add(1)
			}
		}
	}
}

// connect negotiates as a client does that was told the sources of others.
func (g *guest) connect(others ...*guest) {
	g.h.t.Helper()
	g.negotiate(others...)
	d := g.pc.LocalDescription().SDP
	value := func(prefix string) string {
		_, rest, _ := strings.Cut(d, "a="+prefix)
		v, _, _ := strings.Cut(rest, "\r\n")
		return v
	}
	hash, fingerprint, _ := strings.Cut(value("fingerprint:"), " ")
	g.h.ask(fmt.Sprintf(`<endpoint id="%s"><transport><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="%s" pwd="%s"><fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="%s" setup="%s">%s</fingerprint></transport></transport>%s</endpoint>`,
		g.id, value("ice-ufrag:"), value("ice-pwd:"), hash, value("setup:"), fingerprint, g.sources()))
}

func (g *guest) sources() string {
	return fmt.Sprintf(`<sources><media-source type="audio" id="%[1]s-a0"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="%[2]d" name="%[1]s-a0"/></media-source>
<media-source type="video" id="%[1]s-v0"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="%[3]d"/><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="%[4]d"/><ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="FID"><source ssrc="%[3]d"/><source ssrc="%[4]d"/></ssrc-group></media-source></sources>`,
		g.id, g.audioSSRC, g.videoSSRC, g.rtx)
}

// ssrcs are one remote participant's.
type ssrcs struct{ audio, video, rtx uint32 }

// negotiate renews the description with the sources of others.
func (g *guest) negotiate(others ...*guest) {
	g.h.t.Helper()
	var list []ssrcs
	for _, o := range others {
		list = append(list, ssrcs{o.audioSSRC, o.videoSSRC, o.rtx})
	}
	g.describe(list)
}

func (g *guest) describe(remote []ssrcs) {
	g.h.t.Helper()
	if err := g.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: g.offer(remote)}); err != nil {
		g.h.t.Fatal(err)
	}
	answer, err := g.pc.CreateAnswer(nil)
	if err != nil {
		g.h.t.Fatal(err)
	}
	if err := g.pc.SetLocalDescription(answer); err != nil {
		g.h.t.Fatal(err)
	}
}

// offer is the bridge's side: the first section of a kind is the guest's own, and
// carries the first remote's media; there is one more for each further remote.
func (g *guest) offer(remote []ssrcs) string {
	ice := g.ice.ICE
	var s strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&s, format+"\r\n", a...) }
	n := max(1, len(remote))
	mids := ""
	for i := range 2*n + 1 {
		mids += fmt.Sprintf(" %d", i)
	}
	line("v=0\r\no=- 1 %d IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE%s", len(remote)+1, mids)
	mid := 0
	section := func(what string) {
		line("%s\r\nc=IN IP4 0.0.0.0\r\na=mid:%d\r\na=rtcp-mux", what, mid)
		mid++
		line("a=ice-ufrag:%s\r\na=ice-pwd:%s", ice.Ufrag, ice.Pwd)
		line("a=fingerprint:%s %s\r\na=setup:%s", ice.Fingerprints[0].Hash, ice.Fingerprints[0].Value, ice.Fingerprints[0].Setup)
		for _, k := range ice.Candidates {
			if k.Protocol != "udp" {
				continue
			}
			if g.via.IsValid() {
				line("a=candidate:%s 1 %s %d %s %d typ %s", k.Foundation, k.Protocol, k.Priority, g.via.Addr(), g.via.Port(), k.Type)
			} else {
				line("a=candidate:%s 1 %s %d %s %d typ %s", k.Foundation, k.Protocol, k.Priority, k.IP, k.Port, k.Type)
			}
		}
	}
	direction := func(i int) string {
		switch {
		case i == 0 && len(remote) > 0:
			return "sendrecv"
		case i == 0:
			return "recvonly"
		}
		return "sendonly"
	}
	audio := func(i int) {
		section("m=audio 9 UDP/TLS/RTP/SAVPF 111")
		line("a=%s\r\na=rtpmap:111 opus/48000/2\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", direction(i))
		if i < len(remote) {
			line("a=ssrc:%d cname:x\r\na=ssrc:%[1]d msid:o%d a%[2]d", remote[i].audio, i)
		}
	}
	video := func(i int) {
		section("m=video 9 UDP/TLS/RTP/SAVPF 100 96")
		line("a=%s\r\na=rtpmap:100 VP8/90000\r\na=rtcp-fb:100 nack\r\na=rtcp-fb:100 nack pli\r\na=rtcp-fb:100 transport-cc", direction(i))
		line("a=rtpmap:96 rtx/90000\r\na=fmtp:96 apt=100\r\na=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01")
		if i < len(remote) {
			line("a=ssrc-group:FID %d %d", remote[i].video, remote[i].rtx)
			for _, ssrc := range []uint32{remote[i].video, remote[i].rtx} {
				line("a=ssrc:%d cname:x\r\na=ssrc:%[1]d msid:o%d v%[2]d", ssrc, i)
			}
		}
	}
	audio(0)
	video(0)
	section("m=application 9 UDP/DTLS/SCTP webrtc-datachannel")
	line("a=sctp-port:5000")
	for i := 1; i < len(remote); i++ {
		audio(i)
		video(i)
	}
	return s.String()
}

// speak sends audio with a level, and pictures of which every tenth is a keyframe.
func (g *guest) speak(ctx context.Context) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	payloader := &codecs.VP8Payloader{EnablePictureID: true}
	key := append([]byte{0x10, 0, 0, 0x9D, 1, 0x2A, 0x40, 1, 0xB4, 0}, make([]byte, 2000)...)
	delta := append([]byte{0x11, 0, 0}, make([]byte, 1000)...)
	var audioSeq, videoSeq uint16
	for n := uint32(0); ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		level := byte(110)
		if g.loud.Load() {
			level = byte(20 + n%10)
		}
		a := &pionrtp.Packet{Header: pionrtp.Header{Version: 2, SequenceNumber: audioSeq, Timestamp: n * 960}, Payload: []byte{1, 2, 3, 4}}
		_ = a.SetExtension(1, []byte{level})
		audioSeq++
		_ = g.audio.WriteRTP(a)
		frame := delta
		if n%10 == 0 {
			frame = key
		}
		parts := payloader.Payload(1100, frame)
		for i, p := range parts {
			_ = g.video.WriteRTP(&pionrtp.Packet{Header: pionrtp.Header{
				Version: 2, SequenceNumber: videoSeq, Timestamp: n * 1800, Marker: i == len(parts)-1,
			}, Payload: p})
			videoSeq++
		}
	}
}

// openSocket opens the bridge channel as a WebSocket.
func (g *guest) openSocket() {
	g.h.t.Helper()
	ws, _, err := websocket.Dial(g.h.t.Context(), g.ice.ICE.WebSockets[0].URL, nil)
	if err != nil {
		g.h.t.Fatal(err)
	}
	g.ws = ws
	g.work.Go(func() {
		for {
			_, text, err := ws.Read(context.Background())
			if err != nil {
				g.mu.Lock()
				g.closeErr = err
				g.mu.Unlock()
				return
			}
			g.messages <- string(text)
		}
	})
}

// openData opens it as a data channel; call it before connect.
func (g *guest) openData() {
	g.h.t.Helper()
	d, err := g.pc.CreateDataChannel("JVB data channel", nil)
	if err != nil {
		g.h.t.Fatal(err)
	}
	g.data = d
	d.OnOpen(func() { g.opened <- struct{}{} })
	d.OnMessage(func(m webrtc.DataChannelMessage) { g.messages <- string(m.Data) })
}

// closed is why the last socket ended, nil if it has not.
func (g *guest) closed() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closeErr
}

func (g *guest) say(text string) {
	g.h.t.Helper()
	var err error
	if g.data != nil {
		err = g.data.SendText(text)
	} else {
		err = g.ws.Write(g.h.t.Context(), websocket.MessageText, []byte(text))
	}
	if err != nil {
		g.h.t.Fatal(err)
	}
}

// hears waits until n more packets of an SSRC came.
func (g *guest) hears(what string, ssrc uint32, n int) {
	g.h.t.Helper()
	g.mu.Lock()
	want := g.heard[ssrc] + n
	g.mu.Unlock()
	deadline := time.After(45 * time.Second)
	for {
		g.mu.Lock()
		got := g.heard[ssrc]
		g.mu.Unlock()
		if got >= want {
			return
		}
		select {
		case <-g.changed:
		case <-deadline:
			g.h.t.Fatalf("%s got %d of %d packets of %s", g.id, got, want, what)
		}
	}
}

// expect waits for a message that contains all parts.
func (g *guest) expect(parts ...string) string {
	g.h.t.Helper()
	deadline := time.After(45 * time.Second)
	var seen []string
next:
	for {
		select {
		case m := <-g.messages:
			seen = append(seen, m)
			for _, p := range parts {
				if !strings.Contains(m, p) {
					continue next
				}
			}
			return m
		case <-deadline:
			g.h.t.Fatalf("%s waited in vain for %v; it heard\n%s", g.id, parts, strings.Join(seen, "\n"))
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
