package colibrisession_test

import (
	"encoding/xml"
	"errors"
	"testing"

	"parley/focus/colibrisession"
	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
	"parley/internal/wiretest"
)

func newLinked(t *testing.T, initiator, sctp bool) (*colibrisession.Session, *colibri.Modify) {
	t.Helper()
	s := colibrisession.New(colibrisession.Params{ID: "s", Bridge: "b", RelayID: "relay-1", MeetingID: "3f1e2d7c", Room: "standup@conference.example", RTCStats: true})
	s.Allocate(colibrisession.Endpoint{ID: "a1b2c3d4"})
	m := s.Link(colibrisession.Link{RelayID: "relay-2", Initiator: initiator, SCTP: sctp, Endpoints: []colibrisession.Remote{{
		ID: "e5f6a7b8", StatsID: "Ada-2", Sources: &colibri.Sources{Media: []colibri.MediaSource{{
			Type: "audio", ID: "e5f6a7b8-a0", Sources: []jingle.Source{{SSRC: 2101, Name: "e5f6a7b8-a0"}},
		}}},
	}}})
	return s, m
}

// looks compares a request with XML.
func looks(t *testing.T, m *colibri.Modify, want string) {
	t.Helper()
	got, err := xml.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if d := wiretest.Diff([]byte(want), got); d != "" {
		t.Error(d)
	}
}

func TestLinkAsJicofoAsks(t *testing.T) {
	_, m := newLinked(t, true, true)
	looks(t, m, `<conference-modify xmlns='jitsi:colibri2' meeting-id='3f1e2d7c'>
 <relay id='relay-2' create='true' mesh-id='0'>
  <transport use-unique-port='true' ice-controlling='true'><sctp role='client'/></transport>
  <endpoints>
   <endpoint id='e5f6a7b8' create='true' stats-id='Ada-2'>
    <sources><media-source type='audio' id='e5f6a7b8-a0'>
      <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='2101' name='e5f6a7b8-a0'/></media-source></sources>
    <capability name='source-names'/>
   </endpoint>
  </endpoints>
 </relay>
</conference-modify>`)
	_, m = newLinked(t, false, true)
	if tr := m.Relays[0].Transport; tr.UseUniquePort || tr.ICEControlling || tr.SCTP.Role != "server" {
		t.Errorf("the other end is asked %+v", tr)
	}
}

func TestLinkAnswers(t *testing.T) {
	s, _ := newLinked(t, true, true)
	for name, text := range map[string]string{
		"nothing":       `<conference-modified xmlns='jitsi:colibri2'/>`,
		"no transport":  `<conference-modified xmlns='jitsi:colibri2'><relay id='relay-2'/></conference-modified>`,
		"another relay": `<conference-modified xmlns='jitsi:colibri2'><relay id='relay-9'><transport><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/></transport></relay></conference-modified>`,
		"another setup": `<conference-modified xmlns='jitsi:colibri2'><relay id='relay-2'><transport><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u' pwd='p'><fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='active'>AA</fingerprint></transport></transport></relay></conference-modified>`,
	} {
		m := wiretest.Decode[colibri.Modified](t, []byte(text))
		if _, err := s.RelayTransport("relay-2", &m); !errors.Is(err, colibrisession.ErrNoRelay) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := wiretest.Decode[colibri.Modified](t, []byte(answerOfJVB))
	transport, err := s.RelayTransport("relay-2", &m)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		initiator, sctp bool
		setup           string
		sockets         int
	}{{true, true, "active", 0}, {false, true, "passive", 0}, {true, false, "active", 1}, {false, false, "passive", 0}} {
		s, _ := newLinked(t, tc.initiator, tc.sctp)
		ice := s.Connect("relay-2", transport, tc.sctp).Relays[0].Transport.ICE
		if ice.Fingerprints[0].Setup != tc.setup || len(ice.WebSockets) != tc.sockets {
			t.Errorf("%+v: told %+v", tc, ice)
		}
	}
	if transport.Fingerprints[0].Setup != "actpass" {
		t.Error("the answer itself was changed")
	}
}

// answerOfJVB is what a bridge without data channels answers, by its source.
const answerOfJVB = `<conference-modified xmlns='jitsi:colibri2'><relay id='relay-2'><transport>
 <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='26ant1ioqu7qnr' pwd='3kq0'>
  <candidate component='1' foundation='1' generation='0' id='c1' ip='203.0.113.7' network='0' port='41234' priority='2130706431' protocol='udp' type='host'/>
  <rtcp-mux/>
  <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>AA:BB</fingerprint>
  <web-socket xmlns='http://jitsi.org/protocol/colibri' url='wss://meet.example.org/colibri-relay-ws/jvb1/1f3a/relay-2?pwd=x'/>
 </transport></transport></relay></conference-modified>`

func TestPeopleBehindALink(t *testing.T) {
	s, _ := newLinked(t, true, true)
	if m := s.Show("relay-9", colibrisession.Remote{ID: "x"}); m != nil {
		t.Error("there is no such link")
	}
	first := s.Show("relay-2", colibrisession.Remote{ID: "x"}).Relays[0].Endpoints.Endpoints[0]
	second := s.Show("relay-2", colibrisession.Remote{ID: "x"}).Relays[0].Endpoints.Endpoints[0]
	if !first.Create || second.Create || len(second.Capabilities) > 0 || second.Sources == nil {
		t.Errorf("told %+v, then %+v", first, second)
	}
	if m := s.Hide("relay-2", "nobody"); m != nil {
		t.Error("nobody was hidden")
	}
	if e := s.Hide("relay-2", "x").Relays[0].Endpoints.Endpoints[0]; !e.Expire || e.ID != "x" {
		t.Errorf("told %+v", e)
	}
	if m := s.Unlink("relay-2"); !m.Relays[0].Expire || s.Linked("relay-2") || s.Unlink("relay-2") != nil {
		t.Error("the link is not gone")
	}
	if s.Connect("relay-2", &jingle.Transport{}, true) != nil {
		t.Error("a link that is gone is connected")
	}
}
