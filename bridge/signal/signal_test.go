package signal_test

import (
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/bridge/allocate"
	"parley/bridge/channel"
	"parley/bridge/conference"
	"parley/bridge/conference/conferencetest"
	"parley/bridge/estimate"
	"parley/bridge/media"
	"parley/bridge/signal"
	"parley/bridge/transport"
	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/xmppclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type bench struct {
	t       *testing.T
	net     *conferencetest.Network
	set     *conference.Set
	handler *signal.Handler
}

func newBench(t *testing.T, edit ...func(*conference.Config)) *bench {
	t.Helper()
	cfg := conference.Config{
		Allocate: allocate.DefaultConfig(), DefaultMaxHeight: 180, LastN: -1, SSRCLimit: 50, SCTP: true,
		Bandwidth:     estimate.Config{Initial: 2_500_000, Min: 30_000, Max: 20_000_000},
		FirstTransfer: time.Minute, InactiveAfter: time.Minute, Expire: time.Minute, NeverActive: time.Minute,
		EmptyConference: time.Minute,
	}
	for _, e := range edit {
		e(&cfg)
	}
	channels := channel.NewServer(channel.Config{Domains: []string{"meet.example.org"}, TLS: true, ServerID: "b1"}, logx.Discard())
	b := &bench{t: t, net: &conferencetest.Network{}}
	b.set = conference.NewSet(cfg, b.net, channels, logx.Discard())
	b.handler = signal.NewHandler(b.set, func() error { return nil }, logx.Discard())
	t.Cleanup(func() {
		b.set.Close()
		channels.Close(t.Context())
	})
	return b
}

// ask sends the content of an IQ and waits for the answer.
func (b *bench) ask(typ, content string) (*colibri.Modified, *xmppclient.StanzaError) {
	b.t.Helper()
	st, err := xmppclient.Parse([]byte(`<iq type="` + typ + `" id="1" from="jvbbrewery@internal.example.org/focus" to="jvb@auth.example.org/x">` + content + `</iq>`))
	if err != nil {
		b.t.Fatalf("%s: %v", content, err)
	}
	type answer struct {
		m   *colibri.Modified
		err *xmppclient.StanzaError
	}
	got := make(chan answer, 2)
	b.handler.Modify(st, func(m *colibri.Modified, err *xmppclient.StanzaError) { got <- answer{m, err} })
	select {
	case a := <-got:
		return a.m, a.err
	case <-time.After(45 * time.Second):
		b.t.Fatalf("no answer to %s", content)
		return nil, nil
	}
}

func (b *bench) must(content string) *colibri.Modified {
	b.t.Helper()
	m, err := b.ask("get", content)
	if err != nil {
		b.t.Fatalf("%s: %v", content, err)
	}
	return m
}

const (
	names     = `<capability name="source-names"/>`
	transp    = `<transport ice-controlling="true"/>`
	sctp      = `<transport ice-controlling="true"><sctp/></transport>`
	oneSource = `<sources><media-source type="audio" id="a-a0"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="1" name="a-a0"/></media-source></sources>`
)

// modify wraps endpoints into a conference-modify of meeting m1.
func modify(attrs, content string) string {
	return `<conference-modify xmlns="jitsi:colibri2" meeting-id="m1" ` + attrs + `>` + content + `</conference-modify>`
}

func create(id, content string) string {
	return `<endpoint id="` + id + `" create="true">` + content + `</endpoint>`
}

func TestErrors(t *testing.T) {
	existing := modify(`create="true"`, create("a", names+sctp))
	cases := []struct {
		name      string
		before    string
		request   string
		condition string
		reason    colibri.Reason
	}{
		{"no meeting-id", "", `<conference-modify xmlns="jitsi:colibri2" create="true"/>`, "bad-request", ""},
		{"blank meeting-id", "", `<conference-modify xmlns="jitsi:colibri2" meeting-id=" " create="true"/>`, "bad-request", ""},
		{"bad name", "", modify(`create="true" name="@"`, ""), "bad-request", ""},
		{"name with resource", "", modify(`create="true" name="r@c.example.org/x"`, ""), "bad-request", ""},
		{"conference exists", existing, existing, "conflict", colibri.ConferenceAlreadyExists},
		{"conference not found", "", modify("", ""), "item-not-found", colibri.ConferenceNotFound},
		{"conference not found on expire", "", modify(`expire="true"`, ""), "item-not-found", colibri.ConferenceNotFound},
		{"endpoints and relays", existing, modify("", create("b", names+transp)+`<relay id="r" create="true"/>`), "feature-not-implemented", colibri.FeatureNotImplemented},
		{"two endpoints created", existing, modify("", create("b", names+transp)+create("c", names+transp)), "feature-not-implemented", colibri.FeatureNotImplemented},
		{"two endpoints updated", existing, modify("", `<endpoint id="a">`+transp+`</endpoint><endpoint id="b">`+oneSource+`</endpoint>`), "feature-not-implemented", colibri.FeatureNotImplemented},
		{"relays disabled", existing, modify("", `<relay id="r" create="true"/>`), "feature-not-implemented", ""},
		{"endpoint exists", existing, modify("", create("a", names+transp)), "conflict", ""},
		{"create without transport", existing, modify("", create("b", names)), "bad-request", ""},
		{"create without source names", existing, modify("", create("b", transp)), "bad-request", ""},
		{"endpoint without id", existing, modify("", `<endpoint create="true">`+names+transp+`</endpoint>`), "bad-request", ""},
		{"visitor with sources", existing, modify("", `<endpoint id="b" create="true" muc-role="visitor">`+names+transp+oneSource+`</endpoint>`), "bad-request", ""},
		{"sctp on another port", existing, modify("", create("b", names+`<transport><sctp port="5001"/></transport>`)), "bad-request", ""},
		{"sctp role client", existing, modify("", create("b", names+`<transport><sctp role="client"/></transport>`)), "feature-not-implemented", ""},
		{"unknown endpoint", existing, modify("", `<endpoint id="zz">`+oneSource+`</endpoint>`), "item-not-found", colibri.UnknownEndpoint},
		{"unreadable number", existing, modify("", create("b", names+`<transport><sctp port="x"/></transport>`)), "bad-request", ""},
		{"unknown media type", existing, modify("", create("b", names+transp+`<media type="smell"/>`)), "bad-request", ""},
		{"source without ssrc", existing, modify("", `<endpoint id="a"><sources><media-source type="audio" id="a-a0"/></sources></endpoint>`), "bad-request", ""},
		{"ssrc in two sources", existing, modify("", `<endpoint id="a"><sources>`+strings.Repeat(`<media-source type="audio" id="a-a0"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="1"/></media-source>`, 2)+`</sources></endpoint>`), "bad-request", ""},
		{"setup holdconn", existing, modify("", `<endpoint id="a"><transport><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1"><fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="holdconn">AA</fingerprint></transport></transport></endpoint>`), "bad-request", ""},
		{"exports", existing, modify("", `<connects><connect url="wss://x" protocol="mediajson" type="recorder"/></connects>`), "feature-not-implemented", ""},
	}
	for _, c := range cases {
		for _, typ := range []string{"get", "set"} {
			t.Run(c.name+" by "+typ, func(t *testing.T) {
				b := newBench(t)
				if c.before != "" {
					b.must(c.before)
				}
				m, err := b.ask(typ, c.request)
				if err == nil {
					t.Fatalf("answered %+v", m)
				}
				check(t, err, c.condition, c.reason)
				if err.Text == "" {
					t.Error("the error has no text")
				}
				echo, ok := err.Echo.(*colibri.Modify)
				if !ok || len(echo.Endpoints)+len(echo.Relays) > 0 {
					t.Errorf("the answer repeats %+v", err.Echo)
				}
			})
		}
	}
}

// check compares condition and reason.
func check(t *testing.T, err *xmppclient.StanzaError, condition string, reason colibri.Reason) {
	t.Helper()
	var got colibri.Reason
	named := ""
	for _, d := range err.Detail {
		switch v := d.(type) {
		case *colibri.Error:
			got = v.Reason
			if got == "" {
				t.Error("a COLIBRI error without a reason")
			}
		case *colibri.ErrorEndpoint:
			named = v.ID
		}
	}
	if err.Condition != condition || got != reason {
		t.Errorf("%s/%s, want %s/%s (%s)", err.Condition, got, condition, reason, err.Text)
	}
	if reason == colibri.UnknownEndpoint && named != "zz" {
		t.Errorf("the error names endpoint %q", named)
	}
}

func TestShuttingDownAndFailure(t *testing.T) {
	b := newBench(t)
	b.must(modify(`create="true"`, create("a", names+transp)))
	b.set.Stop()
	_, err := b.ask("get", strings.Replace(modify(`create="true"`, ""), "m1", "m2", 1))
	check(t, err, "service-unavailable", colibri.GracefulShutdown)
	if _, err := b.ask("get", modify("", create("b", names+transp))); err != nil {
		t.Errorf("a conference that is there does not grow: %v", err)
	}
	b.net.Fail = errors.New("no sockets")
	_, err = b.ask("get", modify("", create("c", names+transp)))
	check(t, err, "internal-server-error", "")
	if strings.Contains(err.Text, "sockets") {
		t.Error("the answer tells our insides")
	}
}

func TestSCTPDisabled(t *testing.T) {
	b := newBench(t, func(c *conference.Config) { c.SCTP = false })
	_, err := b.ask("get", modify(`create="true"`, create("a", names+sctp)))
	check(t, err, "feature-not-implemented", "")
	// The conference nobody could enter is not left behind.
	b.must(modify(`create="true"`, create("a", names+transp)))
}

func TestCreateAnswersTheTransport(t *testing.T) {
	b := newBench(t)
	m := b.must(modify(`create="true" name="r@conference.example.org"`, create("a", names+sctp)))
	raw, err := xml.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`setup="actpass"`, `ufrag="ufrag"`, `port="10000"`, `protocol="udp"`, `priority="2130706431"`,
		`url="wss://meet.example.org/colibri-ws/b1/`, `/a?pwd=`, `<sctp port="5000" role="server">`,
		`id="jvb-a0"`, `id="jvb-v0"`, `rtcp-mux`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is missing in %s", want, raw)
		}
	}
	if !b.net.Leg(0).Options.Controlling || !b.net.Leg(0).Options.SCTP {
		t.Errorf("session options %+v", b.net.Leg(0).Options)
	}
	first := m.Sources
	m = b.must(modify("", create("b", names+transp)))
	if m.Sources == nil || m.Sources.Media[0].Sources[0].SSRC != first.Media[0].Sources[0].SSRC {
		t.Error("the feedback sources are not constant")
	}
	if m.Endpoints[0].Transport.SCTP != nil {
		t.Error("SCTP was answered although nobody asked")
	}
	m = b.must(modify("", `<endpoint id="b">`+oneSource+`</endpoint>`))
	if m.Sources != nil || len(m.Endpoints) != 1 || m.Endpoints[0].Transport != nil {
		t.Errorf("an update was answered with %+v", m)
	}
}

func TestSeveralAtOnce(t *testing.T) {
	b := newBench(t)
	b.must(modify(`create="true"`, create("a", names+transp)))
	b.must(modify("", create("b", names+transp)))
	m := b.must(modify("", `<endpoint id="a"><force-mute audio="true"/></endpoint><endpoint id="zz"><force-mute audio="true"/></endpoint><endpoint id="b" expire="true"/><endpoint id="yy" expire="true"/>`))
	var got []string
	for _, e := range m.Endpoints {
		got = append(got, e.ID)
	}
	if strings.Join(got, " ") != "a b yy" || !m.Endpoints[1].Expire || !m.Endpoints[2].Expire {
		t.Errorf("answered %+v", m.Endpoints)
	}
	if b.net.Leg(0).Muted() != [2]bool{true, false} || !b.net.Leg(1).Closed() {
		t.Error("not carried out")
	}
}

func TestUpdateReachesTheLegs(t *testing.T) {
	b := newBench(t)
	b.must(modify(`create="true"`, create("a", names+transp)))
	b.must(modify("", `<endpoint id="a">
 <media type="video"><payload-type xmlns="urn:xmpp:jingle:apps:rtp:1" id="100" name="VP8" clockrate="90000"><rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="nack" subtype="pli"/></payload-type>
  <payload-type xmlns="urn:xmpp:jingle:apps:rtp:1" id="99" name="teletext"/></media>
 <transport><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="3m1s" pwd="PI5FllOQ0+l8bSBfGpX8aJgG">
  <fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="SHA-256" setup="active"> aa:bb </fingerprint>
  <candidate component="1" foundation="1" generation="0" id="x" ip="192.0.2.9" network="0" port="5000" priority="1" protocol="udp" type="host"/>
  <candidate component="1" foundation="1" generation="0" id="y" ip="d0a.local" network="0" port="5000" priority="1" protocol="udp" type="host"/>
  <candidate component="1" foundation="1" generation="0" id="z" ip="192.0.2.9" network="0" port="9" priority="1" protocol="tcp" type="host" tcptype="active"/>
 </transport></transport>
 <sources><media-source type="video" id="a-v0">
  <source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="11"/><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="12"/><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="21"/><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="22"/>
  <ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="FID"><source ssrc="11"/><source ssrc="12"/></ssrc-group>
  <ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="SIM"><source ssrc="11"/><source ssrc="21"/></ssrc-group>
  <ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="FID"><source ssrc="21"/><source ssrc="22"/></ssrc-group>
 </media-source></sources></endpoint>`))
	leg := b.net.Leg(0)
	enc := leg.Track(0).Config.Encodings
	if len(enc) != 2 || enc[0] != (media.Encoding{SSRC: 11, RTX: 12}) || enc[1] != (media.Encoding{SSRC: 21, RTX: 22}) {
		t.Errorf("encodings %+v", enc)
	}
	r := leg.Remotes()[0]
	if r.Ufrag != "3m1s" || r.Setup != transport.SetupActive || len(r.Candidates) != 1 || r.Fingerprints[0] != (transport.Fingerprint{Hash: "sha-256", Value: "AA:BB"}) {
		t.Errorf("remote %+v", r)
	}
}

func TestRestartInPlace(t *testing.T) {
	b := newBench(t)
	b.must(modify(`create="true"`, create("a", names+transp)))
	m := b.must(modify("", `<endpoint id="a"><transport ice-restart="true"/></endpoint>`))
	if m.Endpoints[0].Transport == nil || m.Endpoints[0].Transport.ICE.ICEGeneration != nil {
		t.Error("before it is connected, the existing transport shall be kept")
	}
	b.net.Leg(0).Connect()
	for generation := uint32(1); generation < 3; generation++ {
		m = b.must(modify("", `<endpoint id="a"><transport ice-restart="true"/></endpoint>`))
		got := m.Endpoints[0].Transport
		if got == nil || got.ICE.ICEGeneration == nil || *got.ICE.ICEGeneration != generation || got.ICE.Ufrag != "again" ||
			got.ICE.Fingerprints[0].Setup != "passive" || len(got.ICE.Candidates) == 0 || len(got.ICE.WebSockets) == 0 {
			t.Fatalf("restart %d answered %+v", generation, got)
		}
	}
	b.must(modify("", `<endpoint id="a"><transport><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="uuuu" pwd="pppppppppppppppppppppp" ice-generation="2"/></transport></endpoint>`))
	if r := b.net.Leg(0).Remotes(); r[len(r)-1].Generation != 2 || r[len(r)-1].Ufrag != "uuuu" {
		t.Errorf("the session was told %+v", r)
	}
	b.net.Leg(0).Close()
	m = b.must(modify("", `<endpoint id="a"><transport ice-restart="true"/></endpoint>`))
	if m.Endpoints[0].Transport != nil {
		t.Error("a restart was promised where none is possible")
	}
}

func TestExpireConference(t *testing.T) {
	b := newBench(t)
	b.must(modify(`create="true"`, create("a", names+transp)))
	m := b.must(modify(`expire="true"`, ""))
	if len(m.Endpoints) != 0 || m.Sources != nil {
		t.Errorf("answered %+v", m)
	}
	b.must(modify(`create="true"`, create("a", names+transp)))
}

func TestWhoMayAsk(t *testing.T) {
	rooms := signal.FromRooms([]string{"JVBBrewery@internal.example.org"})
	list := signal.FromList([]string{"focus.example.org", "focus@auth.example.org"})
	for from, want := range map[string][2]bool{
		"jvbbrewery@internal.example.org/focus": {true, false},
		"jvbbrewery@internal.example.org":       {false, false},
		"other@internal.example.org/focus":      {false, false},
		"focus@auth.example.org/x":              {false, true},
		"focus.example.org":                     {false, true},
		"evil@auth.example.org/focus":           {false, false},
		"":                                      {false, false},
	} {
		if got := [2]bool{rooms(from), list(from)}; got != want {
			t.Errorf("%q: %v, want %v", from, got, want)
		}
	}
}

func FuzzModify(f *testing.F) {
	f.Add(modify(`create="true"`, create("a", names+sctp+oneSource)))
	f.Add(modify("", `<endpoint id="a" expire="1"/>`))
	f.Add(modify("", asJicofo))
	f.Add(modify("", asJicofoConnects))
	f.Add(modify(`create="true" name="r@c"`, create("a", names+`<transport><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1"><candidate component="1" ip="::1" port="1" protocol="udp" type="host" foundation="1" priority="1" generation="0"/></transport></transport>`)))
	f.Fuzz(func(t *testing.T, content string) {
		st, err := xmppclient.Parse([]byte(`<iq type="get" id="1" from="a@b/c" to="d@e/f">` + content + `</iq>`))
		if err != nil {
			return
		}
		answers := 0
		h := signal.NewHandler(conferences(func(conference.Request) {}), nil, logx.Discard())
		h.Modify(st, func(m *colibri.Modified, err *xmppclient.StanzaError) {
			answers++
			if (m == nil) == (err == nil) {
				t.Fatalf("answer %v and error %v", m, err)
			}
		})
		if answers != 1 {
			t.Fatalf("%d answers", answers)
		}
	})
}

// conferences accepts everything.
type conferences func(conference.Request)

func (c conferences) Modify(r conference.Request, reply func(conference.Response, error)) {
	c(r)
	reply(conference.Response{}, nil)
}
