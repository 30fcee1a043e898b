package conference_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/bridge/conference"
	"parley/bridge/conference/conferencetest"
	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/bridge/rtp"
	"parley/bridge/transport"
)

func linked(c *conference.Config) { c.RelayID = "here" }

// link makes a link to another bridge, connects it, and puts people behind it.
func (m *meeting) link(id, mesh string, people ...string) *conferencetest.Leg {
	m.t.Helper()
	r := conference.RelayRequest{
		ID: id, MeshID: mesh, Create: true, PayloadTypes: types,
		Transport: &conference.TransportRequest{Controlling: true, UniquePort: true, SCTP: &conference.SCTPRequest{Role: "client"}},
	}
	for _, p := range people {
		r.Endpoints = append(r.Endpoints, conference.RemoteRequest{ID: p, Create: true, Sources: *sources(p)})
	}
	m.must(conference.Request{Relays: []conference.RelayRequest{r}})
	leg := m.net.Leg(m.n)
	m.n++
	leg.Connect()
	m.settle()
	return leg
}

// behind changes who is behind a link.
func (m *meeting) behind(id string, people ...conference.RemoteRequest) {
	m.t.Helper()
	m.must(conference.Request{Relays: []conference.RelayRequest{{ID: id, Endpoints: people}}})
	m.settle()
}

var small = media.LayerInfo{Layer: media.LayerOf(0, 0, 0), Height: 180, FPS: 30, Bitrate: 150_000}

const wantsAll = `{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"defaultConstraints":{"maxHeight":720}}`

func TestLinkIsPatientAndOpensTheChannel(t *testing.T) {
	meet(t, func(m *meeting) {
		m.join("a")
		o := m.link("there", "0").Options
		if !o.UniquePort || !o.Patient || !o.OpensChannel || !o.SCTP || !o.Controlling || !o.PrivateCandidates {
			t.Errorf("the session is %+v", o)
		}
	}, linked)
}

func TestPeopleBehindALinkAreSeenAndHeard(t *testing.T) {
	meet(t, func(m *meeting) {
		a := m.join("a")
		far := m.link("there", "0", "b")
		far.Track(1).SetLayers(small)
		a.Say(wantsAll)
		m.settle()
		if f := a.Gets(far.Track(0)); f.Target != media.LayerAll || f.Whole {
			t.Errorf("a gets of b's audio %+v", f)
		}
		if f := a.Gets(far.Track(1)); f.Target == media.LayerNone || f.Whole {
			t.Errorf("a gets of b's video %+v", f)
		}
		if f := far.Gets(a.Track(0)); f.Target != media.LayerAll || !f.Whole {
			t.Errorf("the other bridge gets of a's audio %+v", f)
		}
		if f := far.Gets(a.Track(1)); f.Target != media.LayerNone {
			t.Errorf("the other bridge gets video it did not ask for: %+v", f)
		}
		asked := far.Heard("AddReceiver")
		want := `{"colibriClass":"AddReceiver","bridgeId":"here","sourceName":"b-v0","videoConstraints":{"maxHeight":720,"maxFrameRate":-1}}`
		if len(asked) == 0 || asked[len(asked)-1] != want {
			t.Errorf("the other bridge was asked %v", asked)
		}
		m.behind("there", conference.RemoteRequest{ID: "b", Expire: true})
		if !far.Track(0).Closed() || !far.Track(1).Closed() {
			t.Error("the sources of somebody who left are still there")
		}
	}, linked)
}

// TestOnlyWantedEncodingsCross: by the height the other bridge wishes.
func TestOnlyWantedEncodingsCross(t *testing.T) {
	meet(t, func(m *meeting) {
		a := m.join("a")
		a.Track(1).SetLayers(media.LayerInfo{Layer: media.LayerOf(0, 0, 0), Height: 180}, media.LayerInfo{Layer: media.LayerOf(1, 0, 0), Height: 360})
		far := m.link("there", "0")
		for _, tc := range []struct{ height, top int }{{90, 0}, {180, 0}, {359, 0}, {360, 1}, {720, 1}, {-1, 7}, {0, -1}} {
			far.Say(fmt.Sprintf(`{"colibriClass":"AddReceiver","bridgeId":"there","sourceName":"a-v0","videoConstraints":{"maxHeight":%d,"maxFrameRate":-1.0}}`, tc.height))
			m.settle()
			f := far.Gets(a.Track(1))
			if top := f.Target.Encoding(); f.Target == media.LayerNone && tc.top >= 0 || f.Target != media.LayerNone && top != tc.top {
				t.Errorf("at %d lines encoding %d crosses, want %d", tc.height, top, tc.top)
			}
			told := a.Heard("SenderSourceConstraints")
			if want := fmt.Sprintf(`"maxHeight":%d`, tc.height); len(told) == 0 || !strings.Contains(told[len(told)-1], want) {
				t.Errorf("a was told %v, want %s", told, want)
			}
		}
		far.Say(`{"colibriClass":"AddReceiver","bridgeId":"there","sourceName":"a-v0","videoConstraints":{"maxHeight":360}}`)
		far.Say(`{"colibriClass":"RemoveReceiver","bridgeId":"there","endpointId":"a"}`)
		m.settle()
		if far.Gets(a.Track(1)).Target != media.LayerNone {
			t.Error("what is not wanted any more still crosses")
		}
	}, linked)
}

// TestOnlyWantedLayersCross is the same for layers in one stream.
func TestOnlyWantedLayersCross(t *testing.T) {
	meet(t, func(m *meeting) {
		a := m.join("a")
		m.must(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "a", Sources: &[]endpoint.SourceSpec{
			{Name: "a-v1", Kind: media.Video, Encodings: []media.Encoding{{SSRC: 9, RTX: 10}}},
		}}}})
		track := a.Track(2)
		far := m.link("there", "0")
		wish := func(height int) media.Layer {
			far.Say(fmt.Sprintf(`{"colibriClass":"AddReceiver","bridgeId":"there","sourceName":"a-v1","videoConstraints":{"maxHeight":%d}}`, height))
			m.settle()
			return far.Gets(track).Target
		}
		if got := wish(180); got != media.LayerOf(0, 7, 7) {
			t.Errorf("of what is not known yet %v crosses", got)
		}
		track.SetLayers(media.LayerInfo{Layer: media.LayerOf(0, 0, 0), Height: 180},
			media.LayerInfo{Layer: media.LayerOf(0, 1, 2), Height: 360}, media.LayerInfo{Layer: media.LayerOf(0, 2, 2), Height: 720})
		for height, top := range map[int]int{90: 0, 180: 0, 359: 0, 360: 1, 719: 1, 720: 2, 2160: 2} {
			if got := wish(height); got != media.LayerOf(0, top, 7) {
				t.Errorf("at %d lines %v crosses, want spatial layer %d", height, got, top)
			}
		}
		if got := wish(-1); got != media.LayerAll {
			t.Errorf("without a limit %v crosses", got)
		}
	}, linked)
}

// TestWishOutlivesWhatItIsAbout: the focus speaks to two bridges at about the same time,
// so a wish may come before the source, or between an old and a new one.
func TestWishOutlivesWhatItIsAbout(t *testing.T) {
	meet(t, func(m *meeting) {
		m.join("z")
		far := m.link("there", "0")
		far.Say(`{"colibriClass":"AddReceiver","bridgeId":"there","sourceName":"a-v0","videoConstraints":{"maxHeight":720}}`)
		m.settle()
		a := m.join("a")
		if far.Gets(a.Track(1)).Target == media.LayerNone {
			t.Error("a wish from before the source is lost")
		}
		fresh := []endpoint.SourceSpec{{Name: "a-v0", Kind: media.Video, Encodings: []media.Encoding{{SSRC: 777}}}}
		m.must(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "a", Sources: &fresh}}})
		m.settle()
		if far.Gets(a.Track(2)).Target == media.LayerNone {
			t.Error("a wish is lost when the source changes")
		}
		m.must(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "a", Expire: true}}})
		a = m.join("a")
		if far.Gets(a.Track(1)).Target != media.LayerNone {
			t.Error("a wish outlives the endpoint")
		}
	}, linked)
}

func TestNothingGoesBackIntoItsMesh(t *testing.T) {
	meet(t, func(m *meeting) {
		m.join("a")
		one, same := m.link("one", "0", "b"), m.link("same", "0")
		other := m.link("other", "1")
		for _, r := range []*conferencetest.Leg{same, other} {
			r.Say(`{"colibriClass":"AddReceiver","bridgeId":"x","sourceName":"b-v0","videoConstraints":{"maxHeight":720}}`)
		}
		m.settle()
		for i := range 2 {
			if f := same.Gets(one.Track(i)); f.Target != media.LayerNone {
				t.Errorf("track %d goes back into its mesh: %+v", i, f)
			}
			if f := other.Gets(one.Track(i)); f.Target == media.LayerNone {
				t.Errorf("track %d does not go into the other mesh", i)
			}
			if f := one.Gets(one.Track(i)); f.Target != media.LayerNone {
				t.Errorf("track %d goes back: %+v", i, f)
			}
		}
		same.Heard("")
		other.Heard("")
		one.Say(`{"colibriClass":"EndpointMessage","from":"b","to":"","msgPayload":{}}`)
		one.Say(`{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"b","active":"false"}`)
		one.Say(`{"colibriClass":"SourceVideoTypeMessage","endpointId":"b","sourceName":"b-v0","videoType":"desktop"}`)
		m.settle()
		if got := same.Heard(""); len(got) != 0 {
			t.Errorf("%v went back into the mesh", got)
		}
		got := strings.Join(other.Heard(""), "\n")
		for _, class := range []string{"EndpointMessage", "EndpointConnectivityStatusChangeEvent", "SourceVideoTypeMessage"} {
			if strings.Count(got, `"`+class+`"`) != 1 {
				t.Errorf("into the other mesh went %s; want one %s", got, class)
			}
		}
	}, linked)
}

// TestBridgeSpeaksForItsOwnOnly: messages in the name of others are not believed.
func TestBridgeSpeaksForItsOwnOnly(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		b.Track(1).SetLayers(small)
		far := m.link("there", "0", "c")
		a.Heard("")
		far.Say(`{"colibriClass":"EndpointMessage","from":"b","to":"a","msgPayload":{"forged":true}}`)
		far.Say(`{"colibriClass":"EndpointStats","from":"b","forged":true}`)
		far.Say(`{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"b","active":"false"}`)
		far.Say(`{"colibriClass":"SourceVideoTypeMessage","endpointId":"b","sourceName":"b-v0","videoType":"none"}`)
		far.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":0}`)
		far.Say(`{"colibriClass":"EndpointMessage","from":"c","to":"a","msgPayload":{"real":true}}`)
		m.settle()
		got := strings.Join(a.Heard(""), "\n")
		if strings.Contains(got, "forged") || strings.Contains(got, "Connectivity") || !strings.Contains(got, `"real":true`) {
			t.Errorf("a heard %s", got)
		}
		a.Say(wantsAll)
		m.settle()
		if a.Gets(b.Track(1)).Target == media.LayerNone {
			t.Error("another bridge switched b's camera off")
		}
		a.Say(`{"colibriClass":"EndpointMessage","to":"c","msgPayload":{"n":1}}`)
		m.settle()
		if got := far.Heard("EndpointMessage"); len(got) != 1 || !strings.Contains(got[0], `"from":"a"`) {
			t.Errorf("the message to c became %v", got)
		}
	}, linked)
}

// TestMoving: somebody behind a link comes to us, or goes from one bridge to another.
func TestMoving(t *testing.T) {
	meet(t, func(m *meeting) {
		m.join("a")
		one := m.link("one", "0", "b")
		two := m.link("two", "0")
		m.behind("two", conference.RemoteRequest{ID: "b", Create: true, Sources: *sources("b")})
		if !one.Track(0).Closed() || two.Track(0).Closed() {
			t.Error("b is not behind the second bridge only")
		}
		m.join("b")
		if !two.Track(0).Closed() {
			t.Error("b came to us and is still behind a link")
		}
		// The focus's later news of the old place change nothing.
		m.behind("two", conference.RemoteRequest{ID: "b", Expire: true})
		m.behind("one", conference.RemoteRequest{ID: "b", Create: true, Sources: *sources("b")})
		if v := m.view(); len(v.Endpoints) != 2 {
			t.Errorf("there are %d endpoints", len(v.Endpoints))
		}
	}, linked)
}

// TestOneSSRCOfTwoBehindALink: the first keeps it; there is nothing else to tell them apart.
func TestOneSSRCOfTwoBehindALink(t *testing.T) {
	meet(t, func(m *meeting) {
		m.join("a")
		m.link("there", "0", "b")
		thief := (*sources("c"))[:1]
		thief[0].Encodings = []media.Encoding{{SSRC: (*sources("b"))[0].Encodings[0].SSRC}}
		m.behind("there", conference.RemoteRequest{ID: "c", Create: true, Sources: thief})
		for _, r := range m.view().Relays[0].Endpoints {
			if want := map[string]int{"b": 2, "c": 0}[r.ID]; len(r.Sources) != want {
				t.Errorf("%s has %d sources, want %d", r.ID, len(r.Sources), want)
			}
		}
	}, linked)
}

func TestConferenceLivesAsLongAsALink(t *testing.T) {
	meet(t, func(m *meeting) {
		m.join("a")
		far := m.link("there", "0", "b")
		m.must(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "a", Expire: true}}})
		if len(m.set.List()) != 1 {
			t.Fatal("the conference ended while there was a link")
		}
		m.must(conference.Request{Relays: []conference.RelayRequest{{ID: "there", Expire: true}}})
		if len(m.set.List()) != 0 || !far.Closed() {
			t.Error("the conference outlives its last link")
		}
	}, linked)
}

// TestLinkThatNeverComes: the focus learns by its next question that there is none.
func TestLinkThatNeverComes(t *testing.T) {
	meet(t, func(m *meeting) {
		a := m.join("a")
		m.must(conference.Request{Relays: []conference.RelayRequest{{
			ID: "there", Create: true, PayloadTypes: types, Transport: &conference.TransportRequest{SCTP: &conference.SCTPRequest{}},
			Endpoints: []conference.RemoteRequest{{ID: "b", Create: true, Sources: *sources("b")}},
		}}})
		for range 28 {
			time.Sleep(time.Second)
			a.SetStats(rtp.EndpointStats{LastPacket: time.Now()})
		}
		m.must(conference.Request{Relays: []conference.RelayRequest{{ID: "there"}}})
		for range 4 {
			time.Sleep(time.Second)
			a.SetStats(rtp.EndpointStats{LastPacket: time.Now()})
		}
		if _, err := m.ask(conference.Request{Relays: []conference.RelayRequest{{ID: "there"}}}); err == nil {
			t.Error("a link nobody came over is still there")
		}
		if m.set.Counters().RelaysFailed.Value() != 1 {
			t.Error("it is not counted")
		}
	}, linked)
}

// TestLinksAloneDoNotLast: should the focus be gone for good, so is the conference.
func TestLinksAloneDoNotLast(t *testing.T) {
	meet(t, func(m *meeting) {
		m.join("a")
		m.link("there", "0", "b")
		m.must(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "a", Expire: true}}})
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(m.set.List()) != 1 {
			t.Fatal("the conference ended too soon")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(m.set.List()) != 0 {
			t.Error("a conference with nobody but links lasts for ever")
		}
	}, linked)
}

func TestLinkThatFailsIsForgotten(t *testing.T) {
	meet(t, func(m *meeting) {
		m.join("a")
		far := m.link("there", "0", "b")
		far.Options.Handler.TransportFailed(transport.ErrICE)
		m.settle()
		if v := m.view(); len(v.Relays) != 0 || !far.Closed() {
			t.Errorf("there is still %+v", v.Relays)
		}
		_, err := m.ask(conference.Request{Relays: []conference.RelayRequest{{ID: "there", Transport: &conference.TransportRequest{}}}})
		if err == nil || !strings.Contains(err.Error(), "unknown relay") {
			t.Errorf("the focus is told %v", err)
		}
	}, linked)
}

// view is the state of the only conference.
func (m *meeting) view() conference.View {
	m.t.Helper()
	v, ok := m.set.List()[0].View()
	if !ok {
		m.t.Fatal("the conference is too busy")
	}
	if _, err := json.Marshal(v); err != nil {
		m.t.Fatal(err)
	}
	return v
}
