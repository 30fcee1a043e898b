package signal_test

import (
	"strings"
	"testing"

	"parley/bridge/conference"
	"parley/bridge/media"
	"parley/bridge/transport"
)

// asJicofo is what a focus sends to make a link, as Jicofo's source builds it.
const asJicofo = `<relay id="relay-2" create="true" mesh-id="0">
 <media type="audio"><payload-type xmlns="urn:xmpp:jingle:apps:rtp:1" id="111" name="opus" clockrate="48000" channels="2"><rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="transport-cc"/></payload-type>
  <rtp-hdrext xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0" id="1" uri="urn:ietf:params:rtp-hdrext:ssrc-audio-level"/>
  <rtp-hdrext xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0" id="5" uri="http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"/>
  <extmap-allow-mixed xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"/></media>
 <media type="video"><payload-type xmlns="urn:xmpp:jingle:apps:rtp:1" id="100" name="VP8" clockrate="90000"/></media>
 <transport use-unique-port="true" ice-controlling="true"><sctp role="client"/></transport>
 <endpoints>
  <endpoint id="e5f6a7b8" create="true" stats-id="Ada-2">
   <sources><media-source type="audio" id="e5f6a7b8-a0"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="2101" name="e5f6a7b8-a0"/></media-source></sources>
   <capability name="source-names"/>
  </endpoint>
 </endpoints>
</relay>`

// asJicofoConnects is the second step: the other bridge's transport, with the roles.
const asJicofoConnects = `<relay id="relay-2"><transport>
 <transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="c1f2" pwd="4pqj6h0c3v5m1v3s2k9r0t7u8w">
  <rtcp-mux/>
  <fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="active">12:34</fingerprint>
  <candidate foundation="1" component="1" protocol="udp" priority="2130706431" ip="198.51.100.20" port="10000" type="host" generation="0" id="a1" network="0"/>
 </transport></transport></relay>`

func linkable(c *conference.Config) { c.RelayID = "relay-1" }

func TestLinkAsJicofoMakesIt(t *testing.T) {
	b := newBench(t, linkable)
	b.must(modify(`create="true"`, create("a", names+transp)))
	m := b.must(modify("", asJicofo))
	if len(m.Relays) != 1 || m.Sources != nil || len(m.Endpoints) != 0 {
		t.Fatalf("answered %+v", m)
	}
	r := m.Relays[0]
	if r.ID != "relay-2" || r.Transport == nil || r.Transport.ICE == nil || r.Transport.SCTP == nil {
		t.Fatalf("answered %+v", r)
	}
	// Ours opens the channel, so the other's role is the server's; nothing else carries it.
	if r.Transport.SCTP.Role != "server" || r.Transport.SCTP.Port != 5000 || len(r.Transport.ICE.WebSockets) != 0 {
		t.Errorf("the channel is %+v, %v", r.Transport.SCTP, r.Transport.ICE.WebSockets)
	}
	if f := r.Transport.ICE.Fingerprints; len(f) != 1 || f[0].Setup != "actpass" {
		t.Errorf("the fingerprint is %+v", f)
	}
	leg := b.net.Leg(1)
	o := leg.Options
	if !o.Controlling || !o.UniquePort || !o.OpensChannel {
		t.Errorf("the session is %+v", o)
	}
	if c := leg.Track(0).Config; c.Kind != media.Audio || c.Encodings[0].SSRC != 2101 {
		t.Errorf("the source is %+v", c)
	}
	m = b.must(modify("", asJicofoConnects))
	if len(m.Relays) != 1 || m.Relays[0].Transport != nil {
		t.Errorf("answered %+v", m.Relays)
	}
	if d := leg.Remotes()[0]; d.Setup != transport.SetupActive || len(d.Candidates) != 1 || d.Ufrag != "c1f2" {
		t.Errorf("the remote is %+v", d)
	}
	b.must(modify("", `<relay id="relay-2"><endpoints><endpoint id="e5f6a7b8" expire="true"/></endpoints></relay>`))
	if !leg.Track(0).Closed() {
		t.Error("who left is still there")
	}
	if m := b.must(modify("", `<relay id="relay-2" expire="true"/>`)); !m.Relays[0].Expire || !leg.Closed() {
		t.Errorf("answered %+v", m.Relays)
	}
}

// TestLinkWithoutDataChannels offers the WebSocket of bridges, by a path of its own.
func TestLinkWithoutDataChannels(t *testing.T) {
	b := newBench(t, linkable, func(c *conference.Config) { c.WebSocket = true })
	b.must(modify(`create="true"`, create("a", names+transp)))
	m := b.must(modify("", strings.Replace(asJicofo, `<sctp role="client"/>`, "", 1)))
	ws := m.Relays[0].Transport.ICE.WebSockets
	if m.Relays[0].Transport.SCTP != nil || len(ws) != 1 || !strings.Contains(ws[0].URL, "wss://meet.example.org/colibri-relay-ws/b1/") || !strings.Contains(ws[0].URL, "/relay-2?pwd=") {
		t.Errorf("answered %v", ws)
	}
}

func TestLinkErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		edit      []func(*conference.Config)
		ask, want string
	}{
		"no channel of any kind": {nil, strings.Replace(asJicofo, `<sctp role="client"/>`, "", 1), "internal-server-error"},
		"data channels are off":  {[]func(*conference.Config){func(c *conference.Config) { c.SCTP = false }}, asJicofo, "feature-not-implemented"},
		"no relay id":            {[]func(*conference.Config){func(c *conference.Config) { c.RelayID = "" }}, asJicofo, "feature-not-implemented"},
		"two at once":            {nil, asJicofo + strings.Replace(asJicofo, "relay-2", "relay-3", 1), "feature-not-implemented"},
		"unknown":                {nil, asJicofoConnects, "bad-request"},
		"one SSRC twice":         {nil, strings.Replace(asJicofo, "</media-source>", `</media-source><media-source type="audio" id="x-a1"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="2101"/></media-source>`, 1), "bad-request"},
	} {
		b := newBench(t, append([]func(*conference.Config){linkable}, tc.edit...)...)
		b.must(modify(`create="true"`, create("a", names+transp)))
		_, err := b.ask("get", modify("", tc.ask))
		if err == nil || err.Condition != tc.want {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}
