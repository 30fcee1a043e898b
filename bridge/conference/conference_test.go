package conference_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/bridge/conference"
	"parley/bridge/conference/conferencetest"
	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/bridge/rtp"
)

func TestAudioGoesToTheOthersOnly(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		if got := b.Gets(a.Track(0)).Target; got != media.LayerAll {
			t.Errorf("b gets %v of a's audio", got)
		}
		if got := a.Gets(a.Track(0)).Target; got != media.LayerNone {
			t.Errorf("a gets %v of its own audio", got)
		}
	})
}

func TestConferencesAreApart(t *testing.T) {
	meet(t, func(m *meeting) {
		a := m.join("a")
		m.must(conference.Request{MeetingID: "m2", Create: true, Endpoints: []conference.EndpointRequest{
			newEndpoint("z", func(r *conference.EndpointRequest) { r.Sources = sources("z") })}})
		z := m.net.Leg(1)
		z.Connect()
		z.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1}`)
		m.settle()
		for i := range 2 {
			if z.Gets(a.Track(i)).Target != media.LayerNone || a.Gets(z.Track(i)).Target != media.LayerNone {
				t.Error("media of one conference reaches another")
			}
		}
	})
}

func TestNoVideoBeforeConstraints(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		if got := b.Gets(a.Track(1)).Target; got != media.LayerNone {
			t.Fatalf("b gets layer %v before asking", got)
		}
		b.Heard("")
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","assumedBandwidthBps":-1,"lastN":-1}`)
		m.settle()
		if got := b.Gets(a.Track(1)).Target; got != media.LayerNone {
			t.Fatalf("a source without layers is forwarded as %v", got)
		}
		a.Track(1).SetLayers(threeLayers()...)
		a.Event(endpoint.Event{Kind: rtp.EventLayers, Track: a.Track(1)})
		m.settle()
		if got := b.Gets(a.Track(1)).Target; got != media.LayerOf(0, 0, 2) {
			t.Fatalf("b gets layer %v, want the 180 lines of the default", got)
		}
		if got := b.Heard("ForwardedSources"); !slices.Contains(got, `{"colibriClass":"ForwardedSources","forwardedSources":["a-v0"]}`) {
			t.Fatalf("messages %v", got)
		}
	})
}

func threeLayers() []media.LayerInfo {
	return []media.LayerInfo{
		{Layer: media.LayerOf(0, 0, 2), Height: 180, FPS: 30, Bitrate: 150_000},
		{Layer: media.LayerOf(1, 0, 2), Height: 360, FPS: 30, Bitrate: 500_000},
		{Layer: media.LayerOf(2, 0, 2), Height: 720, FPS: 30, Bitrate: 1_400_000},
	}
}

func TestSendersHearWhatIsWanted(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		if got := a.Heard("SenderSourceConstraints"); !slices.Contains(got, `{"colibriClass":"SenderSourceConstraints","sourceName":"a-v0","maxHeight":0}`) {
			t.Fatalf("a heard %v at first", got)
		}
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"onStageSources":["a-v0"],"constraints":{"a-v0":{"maxHeight":720}}}`)
		m.settle()
		if got := a.Heard("SenderSourceConstraints"); !slices.Equal(got, []string{`{"colibriClass":"SenderSourceConstraints","sourceName":"a-v0","maxHeight":720}`}) {
			t.Fatalf("a heard %v", got)
		}
		m.must(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "b", Expire: true}}})
		m.settle()
		if got := a.Heard("SenderSourceConstraints"); !slices.Equal(got, []string{`{"colibriClass":"SenderSourceConstraints","sourceName":"a-v0","maxHeight":0}`}) {
			t.Fatalf("a heard %v after b left", got)
		}
	})
}

func TestMutedVideoIsNotAllocated(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		a.Track(1).SetLayers(threeLayers()...)
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1}`)
		m.settle()
		a.Say(`{"colibriClass":"SourceVideoTypeMessage","sourceName":"a-v0","videoType":"none"}`)
		m.settle()
		if got := b.Gets(a.Track(1)).Target; got != media.LayerNone {
			t.Fatalf("b gets layer %v of a muted source", got)
		}
		a.Say(`{"colibriClass":"SourceVideoTypeMessage","sourceName":"a-v0","videoType":"Camera","unknown":1}`)
		m.settle()
		if got := b.Gets(a.Track(1)).Target; got == media.LayerNone {
			t.Fatal("b gets nothing after unmuting")
		}
	})
}

func TestVideoTypeBeforeTheSourceIsKnown(t *testing.T) {
	meet(t, func(m *meeting) {
		m.must(conference.Request{Create: true, Endpoints: []conference.EndpointRequest{newEndpoint("a")}})
		a := m.net.Leg(0)
		m.n++
		a.Connect()
		a.Say(`{"colibriClass":"SourceVideoTypeMessage","sourceName":"a-v0","videoType":"none"}`)
		m.settle()
		b := m.join("b")
		m.must(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "a", Sources: sources("a")}}})
		a.Track(1).SetLayers(threeLayers()...)
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1}`)
		m.settle()
		if got := b.Gets(a.Track(1)).Target; got != media.LayerNone {
			t.Fatalf("b gets layer %v of a source that began muted", got)
		}
	})
}

func TestBandwidthLimitsAndProbing(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		a.Track(1).SetLayers(threeLayers()...)
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"onStageSources":["a-v0"],"constraints":{"a-v0":{"maxHeight":720}}}`)
		m.settle()
		if got := b.Gets(a.Track(1)).Target; got != media.LayerOf(2, 0, 2) {
			t.Fatalf("b gets layer %v at 2.5 Mbit/s, want 720 lines", got)
		}
		b.Event(endpoint.Event{Kind: rtp.EventREMB, Bitrate: 800_000})
		m.settle()
		if got := b.Gets(a.Track(1)).Target; got != media.LayerOf(1, 0, 2) {
			t.Fatalf("b gets layer %v at 800 kbit/s, want 360 lines", got)
		}
		if got := b.Probing(); got != 0 {
			t.Fatalf("probing with %d a receiver that tells nothing of single packets", got)
		}
	})
}

func TestLastNFollowsTheSpeakers(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b, c := m.join("a"), m.join("b"), m.join("c")
		for _, l := range []*conferencetest.Leg{a, b} {
			l.Track(1).SetLayers(threeLayers()...)
		}
		c.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":1}`)
		m.settle()
		if c.Gets(a.Track(1)).Target == media.LayerNone || c.Gets(b.Track(1)).Target != media.LayerNone {
			t.Fatal("last-N 1 does not give the first endpoint")
		}
		c.Heard("")
		for range 10 {
			quiet, loud := make([]uint8, 15), make([]uint8, 15)
			for i := range loud {
				loud[i], quiet[i] = uint8(95+i), 15
			}
			a.Hear(quiet...)
			b.Hear(loud...)
			time.Sleep(300 * time.Millisecond)
		}
		m.settle()
		if c.Gets(b.Track(1)).Target == media.LayerNone || c.Gets(a.Track(1)).Target != media.LayerNone {
			t.Fatal("the speaker does not take the place")
		}
		got := c.Heard("DominantSpeakerEndpointChangeEvent")
		if len(got) == 0 || !strings.Contains(got[len(got)-1], `"dominantSpeakerEndpoint":"b"`) {
			t.Fatalf("speaker events %v", got)
		}
	})
}

func TestMessagesArePassedOn(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b, c := m.join("a"), m.join("b"), m.join("c")
		clearAll := func() { a.Heard(""); b.Heard(""); c.Heard("") }
		clearAll()
		a.Say(`{"colibriClass":"EndpointMessage","to":"b","from":"c","msgPayload":{"x":1}}`)
		synctest.Wait()
		if got := b.Heard("EndpointMessage"); len(got) != 1 || !strings.Contains(got[0], `"from":"a"`) || !strings.Contains(got[0], `"x":1`) {
			t.Errorf("b heard %v", got)
		}
		if len(a.Heard("EndpointMessage"))+len(c.Heard("EndpointMessage")) != 0 {
			t.Error("a directed message went to others")
		}
		a.Say(`{"colibriClass":"EndpointMessage","to":"","msgPayload":{}}`)
		a.Say(`{"colibriClass":"EndpointStats","bitrate":{"upload":1}}`)
		synctest.Wait()
		if got := len(a.Heard("EndpointMessage")); got != 0 {
			t.Errorf("the sender heard its own broadcast %d times", got)
		}
		if got := len(b.Heard("")); got != 2 {
			t.Errorf("b heard %d messages", got)
		}
	})
}

func TestGarbageIsSurvived(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		b.Heard("")
		for _, s := range []string{``, `{`, `[]`, `null`, `{"colibriClass":1}`, `{"colibriClass":"Unheard"}`,
			`{"colibriClass":"ReceiverVideoConstraints","lastN":"x"}`, `{"colibriClass":"AddReceiver"}`} {
			a.Say(s)
		}
		a.Say(`{"colibriClass":"EndpointMessage","to":""}`)
		synctest.Wait()
		if got := len(b.Heard("EndpointMessage")); got != 1 {
			t.Fatalf("b heard %d messages", got)
		}
	})
}

func TestInactiveAndBack(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		b.Heard("")
		alive := func(d time.Duration, legs ...*conferencetest.Leg) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				for _, l := range legs {
					l.SetStats(rtp.EndpointStats{LastPacket: time.Now()})
				}
				time.Sleep(200 * time.Millisecond)
			}
		}
		alive(7*time.Second, b)
		if got := b.Heard("EndpointConnectivityStatusChangeEvent"); len(got) != 0 {
			t.Fatalf("too early: %v", got)
		}
		alive(2*time.Second, b)
		if got := b.Heard("EndpointConnectivityStatusChangeEvent"); !slices.Equal(got, []string{`{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"a","active":"false"}`}) {
			t.Fatalf("b heard %v", got)
		}
		alive(time.Second, a, b)
		if got := b.Heard("EndpointConnectivityStatusChangeEvent"); !slices.Equal(got, []string{`{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"a","active":"true"}`}) {
			t.Fatalf("b heard %v", got)
		}
	})
}

func TestExpiry(t *testing.T) {
	t.Run("never active", func(t *testing.T) {
		meet(t, func(m *meeting) {
			m.must(conference.Request{Create: true, Endpoints: []conference.EndpointRequest{newEndpoint("a")}})
			time.Sleep(2*time.Minute + time.Second)
			if !m.net.Leg(0).Closed() {
				t.Fatal("the endpoint is still there")
			}
			time.Sleep(21 * time.Second)
			if len(m.set.List()) != 0 {
				t.Fatal("the empty conference is still there")
			}
		})
	})
	t.Run("silent for a minute", func(t *testing.T) {
		meet(t, func(m *meeting) {
			a := m.join("a")
			time.Sleep(59 * time.Second)
			if a.Closed() {
				t.Fatal("too early")
			}
			time.Sleep(2 * time.Second)
			if !a.Closed() {
				t.Fatal("the endpoint is still there")
			}
		})
	})
	t.Run("created empty", func(t *testing.T) {
		meet(t, func(m *meeting) {
			m.must(conference.Request{Create: true})
			time.Sleep(21 * time.Second)
			if len(m.set.List()) != 0 {
				t.Fatal("the empty conference is still there")
			}
		})
	})
	t.Run("last endpoint expired by the focus", func(t *testing.T) {
		meet(t, func(m *meeting) {
			m.join("a")
			m.must(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "a", Expire: true}}})
			if len(m.set.List()) != 0 {
				t.Fatal("the empty conference is still there")
			}
		})
	})
	t.Run("transport failed", func(t *testing.T) {
		meet(t, func(m *meeting) {
			a := m.join("a")
			b := m.join("b")
			a.Options.Handler.TransportFailed(errors.New("gone"))
			m.settle()
			if !a.Closed() || b.Closed() {
				t.Fatal("the wrong endpoint was expired")
			}
			_, err := m.ask(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "a", Sources: sources("a")}}})
			var unknown *conference.UnknownEndpointError
			if !errors.As(err, &unknown) || unknown.ID != "a" {
				t.Fatalf("update of an expired endpoint: %v", err)
			}
		})
	})
}

func TestGreeting(t *testing.T) {
	meet(t, func(m *meeting) {
		a := m.join("a")
		got := a.Heard("")
		if len(got) == 0 || strings.Contains(strings.Join(got, ""), "ServerHello") {
			t.Fatalf("a data channel was greeted with %v", got)
		}
		a.Say(`{"colibriClass":"ClientHello"}`)
		synctest.Wait()
		if got := a.Heard("ServerHello"); !slices.Equal(got, []string{`{"colibriClass":"ServerHello"}`}) {
			t.Fatalf("a heard %v", got)
		}
	})
}

func TestVisitor(t *testing.T) {
	meet(t, func(m *meeting) {
		a := m.join("a")
		v := m.join("v", func(r *conference.EndpointRequest) { r.Visitor = true })
		a.Heard("")
		v.Say(`{"colibriClass":"EndpointMessage","to":"","msgPayload":{}}`)
		v.Say(`{"colibriClass":"EndpointStats"}`)
		m.settle()
		if got := a.Heard("EndpointMessage"); len(got) != 0 {
			t.Errorf("a heard a visitor: %v", got)
		}
		if v.Gets(a.Track(0)).Target != media.LayerAll {
			t.Error("a visitor hears nothing")
		}
		_, err := m.ask(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "v", Sources: sources("v")}}})
		var bad *conference.BadRequestError
		if !errors.As(err, &bad) {
			t.Errorf("sources of a visitor: %v", err)
		}
	})
}

func TestAudioSubscription(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		for text, want := range map[string]media.Layer{
			`{"colibriClass":"ReceiverAudioSubscription","all":true,"include":[],"exclude":["a-a0"]}`: media.LayerNone,
			`{"colibriClass":"ReceiverAudioSubscription","mode":"Include","list":["a-a0"]}`:           media.LayerAll,
			`{"colibriClass":"ReceiverAudioSubscription","mode":"None"}`:                              media.LayerNone,
		} {
			b.Say(text)
			synctest.Wait()
			if got := b.Gets(a.Track(0)).Target; got != want {
				t.Errorf("%s: b gets %v", text, got)
			}
		}
	})
}

func TestForceMuteAndSourcesGone(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		m.must(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "a", ForceMute: &conference.ForceMute{Audio: true}}}})
		if a.Muted() != [2]bool{true, false} {
			t.Errorf("muted %v", a.Muted())
		}
		kept := (*sources("a"))[:1]
		m.must(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "a", Sources: &kept}}})
		if a.Track(0).Closed() || !a.Track(1).Closed() {
			t.Error("the wrong source was closed")
		}
		if b.Gets(a.Track(0)).Target != media.LayerAll {
			t.Error("the kept source was interrupted")
		}
	})
}

func TestPreemptiveKeyframe(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b, c := m.join("a"), m.join("b"), m.join("c")
		for _, l := range []*conferencetest.Leg{a, b, c} {
			l.Track(1).SetLayers(threeLayers()...)
		}
		c.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"onStageSources":["a-v0"],"constraints":{"a-v0":{"maxHeight":720}}}`)
		m.settle()
		for range 10 {
			loud, quiet := make([]uint8, 15), make([]uint8, 15)
			for i := range loud {
				loud[i], quiet[i] = uint8(95+i), 15
			}
			a.Hear(quiet...)
			b.Hear(loud...)
			time.Sleep(300 * time.Millisecond)
		}
		m.settle()
		if len(b.Track(1).Keyframes()) == 0 {
			t.Fatal("the new speaker was not asked for a keyframe")
		}
	})
}

func TestConnectionStats(t *testing.T) {
	meet(t, func(m *meeting) {
		a := m.join("a")
		a.Heard("")
		time.Sleep(11 * time.Second)
		if got := a.Heard("ConnectionStats"); !slices.Equal(got, []string{`{"colibriClass":"ConnectionStats","estimatedDownlinkBandwidth":2500000}`}) {
			t.Fatalf("a heard %v", got)
		}
	})
}

func TestRewriting(t *testing.T) {
	rewriting := func(r *conference.EndpointRequest) { r.Capabilities.SSRCRewriting = true }
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b", rewriting)
		a.Track(1).SetLayers(threeLayers()...)
		if b.Gets(a.Track(0)).Target != media.LayerNone {
			t.Fatal("audio was mapped before it was heard")
		}
		b.Heard("")
		a.Event(endpoint.Event{Kind: rtp.EventFirstPacket, Track: a.Track(0)})
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1}`)
		m.settle()
		audio, video := b.Gets(a.Track(0)), b.Gets(a.Track(1))
		if audio.Target != media.LayerAll || audio.SSRC == 0 || audio.SSRC == a.Track(0).PrimarySSRC() {
			t.Fatalf("audio %+v", audio)
		}
		if video.Target == media.LayerNone || video.SSRC == 0 || video.RTX == 0 {
			t.Fatalf("video %+v", video)
		}
		got := strings.Join(b.Heard(""), "\n")
		for _, want := range []string{`"VideoSourcesMap"`, `"AudioSourcesMap"`, `"source":"a-v0"`, `"owner":"a"`, `"videoType":"CAMERA"`} {
			if !strings.Contains(got, want) {
				t.Errorf("%s missing in %s", want, got)
			}
		}
		// Last-N down and up again keeps the mapping and says nothing.
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":0}`)
		m.settle()
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1}`)
		m.settle()
		if b.Gets(a.Track(1)) != video {
			t.Error("the mapping changed")
		}
		if got := b.Heard("VideoSourcesMap"); len(got) != 0 {
			t.Errorf("b heard %v", got)
		}
	})
	meet(t, func(m *meeting) {
		b := m.join("b", rewriting)
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1}`)
		var others []*conferencetest.Leg
		for _, id := range []string{"c", "d", "e"} {
			l := m.join(id)
			l.Track(1).SetLayers(threeLayers()...)
			others = append(others, l)
		}
		m.settle()
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","selectedSources":["c-v0","d-v0"]}`)
		m.settle()
		b.Heard("")
		c := b.Gets(others[0].Track(1))
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","selectedSources":["e-v0","d-v0"]}`)
		m.settle()
		e := b.Gets(others[2].Track(1))
		if e.SSRC != c.SSRC || e.Target == media.LayerNone {
			t.Fatalf("e got %+v, want the slot of c %+v", e, c)
		}
		if b.Gets(others[0].Track(1)).Target != media.LayerNone {
			t.Fatal("c is still sent on the slot")
		}
		if got := b.Heard("VideoSourcesMap"); len(got) != 1 || !strings.Contains(got[0], "e-v0") {
			t.Fatalf("b heard %v", got)
		}
	}, func(c *conference.Config) { c.SSRCLimit = 2 })
}

func TestViewShowsTheConference(t *testing.T) {
	meet(t, func(m *meeting) {
		m.join("a")
		v, ok := m.set.List()[0].View()
		if !ok || len(v.Endpoints) != 1 || v.Endpoints[0].ID != "a" || len(v.Endpoints[0].Sources) != 2 || !v.Endpoints[0].Connected {
			t.Fatalf("view %+v", v)
		}
	})
}
