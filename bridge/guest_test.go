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
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"parley/internal/calltest"
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
	*calltest.Peer
	h   *hall
	id  string
	ice *colibri.Transport
	via netip.AddrPort // where the bridge is for this guest, if not at its own address

	ws       *websocket.Conn
	data     *webrtc.DataChannel
	messages chan string
	opened   chan struct{}
	work     sync.WaitGroup

	mu       sync.Mutex
	closeErr error
}

// enter creates the endpoint and prepares the peer connection.
func (h *hall) enter(id string, capabilities string) *guest {
	h.t.Helper()
	m := h.ask(`<endpoint id="` + id + `" create="true">` + testMedia + `<transport ice-controlling="true"><sctp/></transport><capability name="source-names"/>` + capabilities + `</endpoint>`)
	g := &guest{
		Peer: calltest.New(h.t, calltest.Options{Data: true, Key: 2000, Delta: 1000}),
		h:    h, id: id, ice: m.Endpoints[0].Transport, messages: make(chan string, 1024), opened: make(chan struct{}, 4),
	}
	h.t.Cleanup(func() {
		if g.ws != nil {
			_ = g.ws.CloseNow()
		}
		g.Close()
		g.work.Wait()
	})
	return g
}

// connect negotiates as a client does that was told the sources of others.
func (g *guest) connect(others ...*guest) {
	g.h.t.Helper()
	g.negotiate(others...)
	g.h.ask(`<endpoint id="` + g.id + `"><transport>` + g.Transport() + `</transport>` + g.sources() + `</endpoint>`)
}

func (g *guest) sources() string {
	return fmt.Sprintf(`<sources><media-source type="audio" id="%[1]s-a0"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="%[2]d" name="%[1]s-a0"/></media-source>
<media-source type="video" id="%[1]s-v0"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="%[3]d"/><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="%[4]d"/><ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="FID"><source ssrc="%[3]d"/><source ssrc="%[4]d"/></ssrc-group></media-source></sources>`,
		g.id, g.Own.Audio, g.Own.Video, g.Own.RTX)
}

// negotiate renews the description with the sources of others.
func (g *guest) negotiate(others ...*guest) {
	g.h.t.Helper()
	var list []calltest.SSRCs
	for _, o := range others {
		list = append(list, o.Own)
	}
	g.describe(list...)
}

func (g *guest) describe(others ...calltest.SSRCs) {
	g.h.t.Helper()
	g.Negotiate(g.h.t, g.ice.ICE, g.via, others...)
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
	d, err := g.PC.CreateDataChannel("JVB data channel", nil)
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
	g.Hears(g.h.t, g.id+": "+what, ssrc, n)
}

// expect waits for a message that contains all parts.
func (g *guest) expect(parts ...string) string {
	g.h.t.Helper()
	deadline := time.After(calltest.Patience)
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
	case <-time.After(calltest.Patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}
