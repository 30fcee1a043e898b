package bridge

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/calltest"
)

const wantAll = `{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"assumedBandwidthBps":-1}`

func TestCallOfThree(t *testing.T) {
	h := newHall(t)
	a, b, c := h.enter("aa", ""), h.enter("bb", ""), h.enter("cc", "")
	c.openData()
	a.connect(b, c)
	b.connect(a, c)
	c.connect(a, b)
	a.openSocket()
	b.openSocket()
	await(t, "the data channel", c.opened)
	if m := <-a.messages; m != `{"colibriClass":"ServerHello"}` {
		t.Errorf("the first message is %s", m)
	}
	guests := []*guest{a, b, c}
	for _, g := range guests {
		g.say(wantAll)
	}
	for _, g := range guests {
		for _, o := range guests {
			if g != o {
				g.hears(o.id+"'s audio", o.Own.Audio, 20)
				g.hears(o.id+"'s video", o.Own.Video, 20)
			}
		}
	}
	a.expect("ForwardedSources", "bb-v0", "cc-v0")
	a.expect("SenderSourceConstraints", `"aa-v0"`, `"maxHeight":180`)
	if b.Asked() == 0 {
		t.Error("nobody asked b for a keyframe")
	}

	// Who is heard first is dominant, and that may be b before a word is said.
	b.Loud.Store(true)
	eventually(t, "b to be the dominant speaker", func() bool { return h.view().Dominant == "bb" })
	b.Loud.Store(false)
	c.Loud.Store(true)
	a.expect("DominantSpeakerEndpointChangeEvent", `"dominantSpeakerEndpoint":"cc"`)
	b.expect("DominantSpeakerEndpointChangeEvent", `"dominantSpeakerEndpoint":"cc"`)

	a.say(`{"colibriClass":"EndpointMessage","to":"cc","msgPayload":{"x":1}}`)
	c.expect("EndpointMessage", `"from":"aa"`)
	c.say(`{"colibriClass":"EndpointMessage","to":"","msgPayload":{"x":2}}`)
	a.expect("EndpointMessage", `"from":"cc"`)

	a.say(`{"colibriClass":"ReceiverVideoConstraints","lastN":0}`)
	a.expect(`"forwardedSources":[]`)

	h.ask(`<endpoint id="cc" expire="true"/>`)
	b.hears("a's audio", a.Own.Audio, 20)
	checkDebug(t, h)
}

func checkDebug(t *testing.T, h *hall) {
	t.Helper()
	w := httptest.NewRecorder()
	h.service.PrivateHandler().ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/debug?full=true", nil))
	var state debugState
	if err := json.Unmarshal(w.Body.Bytes(), &state); err != nil {
		t.Fatal(err)
	}
	for _, c := range state.Conferences {
		if len(c.Endpoints) != 2 || c.Name != "room@conference.example.org" {
			t.Errorf("debug shows %+v", c)
		}
		for _, e := range c.Endpoints {
			if e.Bandwidth.Proved == 0 {
				t.Errorf("no feedback of %s: %+v", e.ID, e.Bandwidth)
			}
		}
	}
}

func TestCallWithRewriting(t *testing.T) {
	h := newHall(t)
	a, b := h.enter("aa", `<capability name="ssrc-rewriting"/>`), h.enter("bb", "")
	a.connect()
	b.connect(a)
	a.openSocket()
	b.openSocket()
	a.say(wantAll)
	var audio, video calltest.SSRCs
	mapped := func(class string) (s calltest.SSRCs) {
		var m struct {
			MappedSources []struct {
				Source    string `json:"source"`
				SSRC, RTX uint32
			} `json:"mappedSources"`
		}
		if err := json.Unmarshal([]byte(a.expect(class, "bb-")), &m); err != nil {
			t.Fatal(err)
		}
		return calltest.SSRCs{Audio: m.MappedSources[0].SSRC, Video: m.MappedSources[0].SSRC, RTX: m.MappedSources[0].RTX}
	}
	first := a.expect("SourcesMap")
	second := a.expect("SourcesMap")
	for _, m := range []string{first, second} {
		a.messages <- m // read again below, by class
	}
	if strings.Contains(first, "AudioSourcesMap") {
		audio, video = mapped("AudioSourcesMap"), mapped("VideoSourcesMap")
	} else {
		video, audio = mapped("VideoSourcesMap"), mapped("AudioSourcesMap")
	}
	a.describe(calltest.SSRCs{Audio: audio.Audio, Video: video.Video, RTX: video.RTX})
	a.hears("b's audio, rewritten", audio.Audio, 20)
	a.hears("b's video, rewritten", video.Video, 20)
	b.hears("a's audio", a.Own.Audio, 20)
	if audio.Audio == b.Own.Audio || video.Video == b.Own.Video {
		t.Error("the SSRCs are not rewritten")
	}
}

func TestWrongCertificateExpiresTheEndpoint(t *testing.T) {
	h := newHall(t)
	a, b := h.enter("aa", ""), h.enter("bb", "")
	b.connect(a)
	a.negotiate(b)
	d := a.PC.LocalDescription().SDP
	_, rest, _ := strings.Cut(d, "a=ice-ufrag:")
	ufrag, _, _ := strings.Cut(rest, "\r\n")
	_, rest, _ = strings.Cut(d, "a=ice-pwd:")
	pwd, _, _ := strings.Cut(rest, "\r\n")
	h.ask(fmt.Sprintf(`<endpoint id="aa"><transport><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="%s" pwd="%s"><fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="active">%s</fingerprint></transport></transport></endpoint>`,
		ufrag, pwd, strings.Repeat("AA:", 31)+"AA"))
	eventually(t, "the endpoint is gone", func() bool { return h.service.conferences.List()[0].Summary().Endpoints == 1 })
}

// TestChannelComesBack: a client whose socket was cut is told again all that holds.
func TestChannelComesBack(t *testing.T) {
	h := newHall(t)
	a, b := h.enter("aa", ""), h.enter("bb", "")
	h.ask(`<endpoint id="aa">` + a.sources() + `</endpoint>`)
	a.openSocket()
	b.openSocket()
	b.say(wantAll)
	a.expect("SenderSourceConstraints", `"maxHeight":180`)
	_ = a.ws.CloseNow()
	a.openSocket()
	a.expect("ServerHello")
	a.expect("SenderSourceConstraints", `"sourceName":"aa-v0"`, `"maxHeight":180`)
	a.expect("ForwardedSources")

	// The bridge says goodbye with 1001 when the endpoint is gone.
	h.ask(`<endpoint id="aa" expire="true"/>`)
	deadline := time.After(calltest.Patience)
	for {
		select {
		case <-deadline:
			t.Fatal("the socket of an expired endpoint is still open")
		case <-time.After(10 * time.Millisecond):
		}
		if code := websocket.CloseStatus(a.closed()); code != -1 {
			if code != websocket.StatusGoingAway {
				t.Fatalf("closed with %v", code)
			}
			return
		}
	}
}

// TestRestartDuringACall: a client asks for an ICE restart through the focus; the call goes
// on, and the bridge channel in the media connection with it.
func TestRestartDuringACall(t *testing.T) {
	h := newHall(t)
	a, b := h.enter("aa", ""), h.enter("bb", "")
	a.openData()
	a.connect(b)
	b.connect(a)
	b.openSocket()
	await(t, "the data channel", a.opened)
	a.hears("b's audio", b.Own.Audio, 20)
	b.hears("a's audio", a.Own.Audio, 20)

	m := h.ask(`<endpoint id="aa"><transport ice-restart="true"/></endpoint>`)
	tr := m.Endpoints[0].Transport
	if tr == nil || tr.ICE.ICEGeneration == nil || *tr.ICE.ICEGeneration != 1 || tr.ICE.Ufrag == a.ice.ICE.Ufrag || len(tr.ICE.WebSockets) == 0 {
		t.Fatalf("answered %+v", tr)
	}
	a.ice = tr
	a.negotiate(b)
	d := a.PC.LocalDescription().SDP
	value := func(prefix string) string {
		_, rest, _ := strings.Cut(d, "a="+prefix)
		v, _, _ := strings.Cut(rest, "\r\n")
		return v
	}
	h.ask(fmt.Sprintf(`<endpoint id="aa"><transport><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="%s" pwd="%s" ice-generation="1"/></transport></endpoint>`,
		value("ice-ufrag:"), value("ice-pwd:")))
	a.hears("b's audio after the restart", b.Own.Audio, 50)
	b.hears("a's audio after the restart", a.Own.Audio, 50)
	a.say(`{"colibriClass":"EndpointMessage","to":"bb","msgPayload":{"still":"here"}}`)
	b.expect("EndpointMessage", `"still":"here"`)
	eventually(t, "the restart to be counted", func() bool { return h.service.transport.Stats().RestartsSucceeded == 1 })
	if n := h.service.transport.Stats().DTLSSucceeded; n != 2 {
		t.Errorf("%d handshakes", n)
	}
}
