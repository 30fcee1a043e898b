package colibrisession_test

import (
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"parley/focus/colibrisession"
	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
	"parley/internal/xmppclient"
)

func newSession() *colibrisession.Session {
	return colibrisession.New(colibrisession.Params{ID: "b1", Bridge: "brewery@i/jvb", MeetingID: "m1", Room: "r@c", RTCStats: true})
}

func text(t *testing.T, m *colibri.Modify) string {
	t.Helper()
	if m == nil {
		return ""
	}
	raw, err := xml.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestOrderOfRequests(t *testing.T) {
	s := newSession()
	if s.ExpireAll() != nil || s.Knock() != nil {
		t.Error("a bridge that never heard of the conference is told of its end, or asked for it")
	}
	kim := s.Allocate(colibrisession.Endpoint{ID: "kim", StatsID: "K", SCTP: true, ForceMute: colibri.ForceMute{Audio: true}, Capabilities: []string{"ssrc-rewriting"}})
	got := text(t, kim)
	for _, want := range []string{`create="true"`, `name="r@c"`, `<sctp>`, `<force-mute audio="true">`, `<capability name="source-names">`, `<capability name="ssrc-rewriting">`, `<sources>`, `ice-controlling="true"`, `stats-id="K"`} {
		if !strings.Contains(got, want) {
			t.Errorf("first request lacks %s: %s", want, got)
		}
	}
	if strings.Contains(got, "rtcstats") {
		t.Errorf("statistics are on, and not to be mentioned: %s", got)
	}
	if ada := s.Allocate(colibrisession.Endpoint{ID: "ada"}); ada.Create || ada.Name != "" || !ada.Endpoints[0].Create {
		t.Errorf("second request: %+v", ada)
	}
	n := 20
	up := s.Update("kim", colibrisession.Update{Transport: &jingle.Transport{Ufrag: "u"}, LastN: &n})
	if e := up.Endpoints[0]; e.Create || e.StatsID != "K" || e.Transport.ICE.RTCPMux == nil || e.InitialLastN.Value != 20 || e.Sources != nil {
		t.Errorf("update: %+v", e)
	}
	if s.Update("ghost", colibrisession.Update{}) != nil || s.Expire("ghost") != nil || s.RestartICE("ghost") != nil {
		t.Error("the bridge is told about somebody it does not know")
	}
	if m := s.Expire("kim"); m.Expire || !m.Endpoints[0].Expire {
		t.Errorf("expire of one: %+v", m)
	}
	if m := s.Expire("ada"); !m.Expire || len(m.Endpoints) != 0 || s.Len() != 0 {
		t.Errorf("expire of the last: %+v", m)
	}
}

func TestForceMuteSendsChanges(t *testing.T) {
	s := newSession()
	s.Allocate(colibrisession.Endpoint{ID: "kim"})
	s.Allocate(colibrisession.Endpoint{ID: "ada"})
	audio := colibri.ForceMute{Audio: true}
	m := s.ForceMute(map[string]colibri.ForceMute{"kim": audio, "ada": {}, "ghost": audio})
	if len(m.Endpoints) != 1 || m.Endpoints[0].ID != "kim" {
		t.Errorf("request: %s", text(t, m))
	}
	if m := s.ForceMute(map[string]colibri.ForceMute{"kim": audio}); m != nil {
		t.Errorf("the same again: %s", text(t, m))
	}
	if got := text(t, s.ForceMute(map[string]colibri.ForceMute{"kim": {}})); !strings.Contains(got, "<force-mute></force-mute>") {
		t.Errorf("unmute: %s", got)
	}
}

func TestRestarted(t *testing.T) {
	s := newSession()
	s.Allocate(colibrisession.Endpoint{ID: "kim"})
	answer := func(gen *uint32, ice bool) *colibri.Modified {
		e := colibri.Endpoint{ID: "kim"}
		if ice {
			e.Transport = &colibri.Transport{ICE: &jingle.Transport{ICEGeneration: gen}}
		}
		return &colibri.Modified{Endpoints: []colibri.Endpoint{e}}
	}
	one := uint32(1)
	for _, tc := range []struct {
		name string
		m    *colibri.Modified
		want colibrisession.Restart
	}{
		{"no transport", answer(nil, false), colibrisession.RestartRefused},
		{"agent kept", answer(nil, true), colibrisession.RestartKept},
		{"first", answer(&one, true), colibrisession.RestartRelay},
		{"again", answer(&one, true), colibrisession.RestartKept},
	} {
		if _, got := s.Restarted("kim", tc.m); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	if _, got := s.Restarted("ghost", answer(&one, true)); got != colibrisession.RestartKept {
		t.Errorf("unknown endpoint: %v", got)
	}
}

func TestFault(t *testing.T) {
	if _, ok := colibrisession.NewFault(xmppclient.ErrDisconnected); ok {
		t.Error("our own connection is blamed on the bridge")
	}
	if f, ok := colibrisession.NewFault(xmppclient.ErrTimeout); !ok || !f.Timeout {
		t.Errorf("timeout: %+v, %v", f, ok)
	}
	st, err := xmppclient.Parse([]byte(`<iq type="error" id="1" from="b"><error type="cancel"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/><error xmlns="jitsi:colibri2" reason="UNKNOWN_ENDPOINT"/><endpoint xmlns="jitsi:colibri2" id="kim"/></error></iq>`))
	if err != nil {
		t.Fatal(err)
	}
	f, ok := colibrisession.NewFault(st.Err())
	want := colibrisession.Fault{Condition: "item-not-found", Reason: colibri.UnknownEndpoint, Endpoint: "kim"}
	if !ok || f != want {
		t.Errorf("got %+v, %v", f, ok)
	}
	if _, ok := colibrisession.NewFault(errors.New("x")); ok {
		t.Error("anything is blamed on the bridge")
	}
}
