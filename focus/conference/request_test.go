package conference_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/focus/conference"
	"parley/internal/source"
	"parley/internal/wire/jingle"
	"parley/internal/wire/ns"
)

// pair is a world in which kim and ada are in a call.
func pair(t *testing.T, f func(w *world, b *fakeBridge, kim, ada *client), change ...func(*conference.Config)) {
	t.Helper()
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		kim := w.enter("kim", 3000, func(c *client) { c.affil = "owner" })
		ada := w.enter("ada", 2000)
		w.words("kim:active", "ada:active")
		f(w, b, kim, ada)
		kim.check()
		ada.check()
	}, change...)
}

func begins(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.HasPrefix(got, want) {
		t.Errorf("%s: answered %q, want %q", what, got, want)
	}
}

func TestDispatch(t *testing.T) {
	pair(t, func(w *world, _ *fakeBridge, kim, ada *client) {
		j := func(action, sid string) string {
			return fmt.Sprintf(`<jingle xmlns="%s" action="%s" sid="%s"/>`, ns.Jingle, action, sid)
		}
		for _, tc := range []struct{ name, from, kind, payload, want string }{
			{"no action", kim.addr(), "set", j("", kim.sid), "bad-request"},
			{"unknown word", kim.addr(), "set", j("session-dance", kim.sid), "bad-request"},
			{"unknown sid", kim.addr(), "set", j("source-add", "nope"), "bad-request"},
			{"somebody else's sid", ada.addr(), "set", j("session-terminate", kim.sid), "item-not-found"},
			{"not a member", room + "/ghost", "set", j("source-add", kim.sid), "item-not-found"},
			{"not for us", kim.addr(), "set", j("content-add", kim.sid), "feature-not-implemented"},
			{"not asked for", kim.addr(), "set", j("transport-accept", kim.sid), "unexpected-request"},
			{"accepted twice", kim.addr(), "set", j("session-accept", kim.sid), "unexpected-request"},
			{"get", kim.addr(), "get", j("source-add", kim.sid), "bad-request"},
			{"no transport", kim.addr(), "set", j("transport-info", kim.sid), "bad-request"},
			{"empty source-add", kim.addr(), "set", j("source-add", kim.sid), "ok"},
			{"old spelling", kim.addr(), "set", j("addsource", kim.sid), "ok"},
			{"info of no interest", kim.addr(), "set", j("session-info", kim.sid), "ok"},
			{"bad ssrc", kim.addr(), "set", `<jingle xmlns="` + ns.Jingle + `" action="source-add" sid="` + kim.sid + `"><content name="video"><description xmlns="` + ns.RTP + `" media="video"><source xmlns="` + ns.SSMA + `" ssrc="x"/></description></content></jingle>`, "bad-request"},
			{"something else", kim.addr(), "set", `<thing xmlns="urn:x"/>`, "service-unavailable"},
		} {
			begins(t, tc.name, w.callAs(tc.from, tc.kind, tc.payload), tc.want)
		}
		w.words("kim:active", "ada:active")
	})
}

// add is a source-add or -remove of the given sources.
func (c *client) change(a jingle.Action, s source.Set) *jingle.Jingle {
	return c.jingle(a, func(j *jingle.Jingle) {
		for _, media := range []string{"audio", "video"} {
			d := &jingle.Description{Media: media}
			s.AppendTo(d, media, "")
			if len(d.Sources)+len(d.Groups) > 0 {
				j.Contents = append(j.Contents, jingle.Content{Name: media, Description: d})
			}
		}
	})
}

func video(nick, msid string, ssrcs ...uint32) source.Set {
	var s source.Set
	for _, n := range ssrcs {
		s.Sources = append(s.Sources, source.Source{Media: "video", SSRC: n, Name: nick + "-v1", MSID: msid, VideoType: "desktop"})
	}
	return s
}

func fid(s source.Set, ssrcs ...uint32) source.Set {
	s.Groups = append(s.Groups, source.Group{Media: "video", Semantics: "FID", SSRCs: ssrcs})
	return s
}

func TestInvalidSourcesChangeNothing(t *testing.T) {
	pair(t, func(w *world, b *fakeBridge, kim, ada *client) {
		many := video("kim", "kim-video-9 m")
		for i := range uint32(20) {
			many.Sources = append(many.Sources, video("kim", fmt.Sprint("s t", i), 9000+i).Sources...)
		}
		before, heard := len(b.got()), len(ada.log())
		for _, tc := range []struct {
			name string
			set  source.Set
			want string
		}{
			{"used by somebody else", video("kim", "m 1", 2000), "bad-request: SSRC 2000 is already used"},
			{"used by oneself", video("kim", "m 1", 3000), "bad-request: SSRC 3000"},
			{"foreign msid", video("kim", "ada-video-0-1 v", 77), "bad-request: MSID"},
			{"too many", many, "bad-request: SSRC limit of 20 exceeded"},
			{"unknown ssrc in group", fid(video("kim", "m 1", 77), 77, 78), "bad-request: FID group contains unknown SSRC"},
			{"lonely group", fid(video("kim", "m 1", 77), 77), "bad-request: Invalid FID group"},
			{"somebody else's name", video("ada", "m 1", 77), "bad-request: Source name"},
		} {
			begins(t, tc.name, kim.call(kim.change(jingle.SourceAdd, tc.set)), tc.want)
		}
		begins(t, "strange video type", w.callAs(kim.addr(), "set", strings.Replace(encode(t, kim.change(jingle.SourceAdd, video("kim", "m 1", 77))), "desktop", "hologram", 1)), "bad-request")
		begins(t, "removing others'", kim.call(kim.change(jingle.SourceRemove, video("kim", "", 2010))), "bad-request: Source 2010 does not exist")
		w.settle()
		same(t, "requests to the bridge", len(b.got())-before, 0)
		same(t, "messages to ada", len(ada.log())-heard, 0)
	})
}

func TestScreenShare(t *testing.T) {
	pair(t, func(w *world, b *fakeBridge, kim, ada *client) {
		share := fid(video("kim", "kim-video-1-1 c0de", 3102, 3101), 3101, 3102)
		same(t, "source-add", kim.call(kim.change(jingle.SourceAdd, share)), "ok")
		w.settle()
		same(t, "ada sees", ada.sees("kim"), []uint32{3000, 3010, 3020, 3101, 3102})
		ep := b.last("kim")
		var ids []string
		for _, m := range ep.Sources.Media {
			ids = append(ids, m.ID)
		}
		same(t, "the bridge has the complete set", ids, []string{"kim-a0", "kim-v0", "kim-v1"})
		if ep.Transport != nil || ep.Create {
			t.Errorf("the update says more than the sources: %+v", ep)
		}
		cyd := w.enter("cyd", 4000)
		same(t, "a late one sees", cyd.sees("kim"), []uint32{3000, 3010, 3020, 3101, 3102})

		same(t, "source-remove", kim.call(kim.change(jingle.SourceRemove, share)), "ok")
		w.settle()
		same(t, "ada sees", ada.sees("kim"), []uint32{3000, 3010, 3020})
		same(t, "sources left on the bridge", len(b.last("kim").Sources.Media), 2)
		cyd.check()
	})
}

func TestChangesWaitForAccept(t *testing.T) {
	pair(t, func(w *world, _ *fakeBridge, kim, ada *client) {
		slow := w.enter("slow", 5000, func(c *client) { c.manual = true })
		w.words("slow:pending")
		share := fid(video("kim", "kim-video-1-1 x", 3101, 3102), 3101, 3102)
		kim.call(kim.change(jingle.SourceAdd, share))
		ada.call(ada.change(jingle.SourceRemove, source.Set{Sources: twoSources("ada", 2000).Sources[:1]}))
		kim.call(kim.change(jingle.SourceRemove, share))
		w.settle()
		same(t, "heard before accepting", slow.log(), []string{"session-initiate"})
		same(t, "accept", slow.accept(), "ok")
		w.settle()
		same(t, "heard after accepting", slow.log(), []string{"session-initiate", "source-remove"})
		same(t, "sees of ada", slow.sees("ada"), []uint32{2010, 2020})
		slow.check()
	})
}

func TestDelayedChanges(t *testing.T) {
	pair(t, func(w *world, _ *fakeBridge, kim, ada *client) {
		w.pass(time.Second)
		heard := len(ada.log())
		kim.call(kim.change(jingle.SourceAdd, video("kim", "m 1", 3101)))
		kim.call(kim.change(jingle.SourceAdd, video("kim", "m 2", 3102)))
		w.settle()
		same(t, "at once", len(ada.log())-heard, 0)
		w.pass(600 * time.Millisecond)
		same(t, "after the delay", ada.log()[heard:], []string{"source-add"})
		same(t, "ada sees", ada.sees("kim"), []uint32{3000, 3010, 3020, 3101, 3102})
	}, func(c *conference.Config) {
		c.SourceDelays = []conference.SourceDelay{{Participants: 2, Delay: 500 * time.Millisecond}, {Participants: 50, Delay: time.Second}}
	})
}

func terminate(c *client, id string, restart bool) *jingle.Jingle {
	return c.jingle(jingle.SessionTerminate, func(j *jingle.Jingle) {
		j.Reason = &jingle.Reason{Condition: "connectivity-error", Text: "ICE FAILED"}
		j.BridgeSession = &jingle.BridgeSession{ID: id, Restart: restart}
	})
}

func TestTerminate(t *testing.T) {
	pair(t, func(w *world, b *fakeBridge, kim, ada *client) {
		begins(t, "wrong bridge session", ada.call(terminate(ada, "other", false)), "item-not-found")
		w.words("ada:active")
		same(t, "without restart", ada.call(terminate(ada, ada.bridgeSession(), false)), "ok")
		w.settle()
		w.words("ada:none")
		same(t, "endpoints", b.has(), []string{"kim"})
		same(t, "kim sees of ada", kim.sees("ada"), []uint32{})
		begins(t, "ended session", ada.call(ada.change(jingle.SourceAdd, video("ada", "m 1", 5))), "gone")
		w.pass(time.Minute)
		same(t, "offers to ada", len(ada.offers), 1)
	})
}

func TestRestart(t *testing.T) {
	pair(t, func(w *world, b *fakeBridge, kim, ada *client) {
		old := ada.sid
		same(t, "restart", ada.call(terminate(ada, ada.bridgeSession(), true)), "ok")
		w.settle()
		w.words("ada:active")
		if ada.sid == old {
			t.Error("the session kept its sid")
		}
		same(t, "endpoints", b.has(), []string{"ada", "kim"})
		same(t, "kim heard", kim.log(), []string{"session-initiate", "source-add", "source-remove", "source-add"})
		same(t, "kim sees of ada", kim.sees("ada"), []uint32{2000, 2010, 2020})

		begins(t, "too soon", ada.call(terminate(ada, ada.bridgeSession(), true)), "resource-constraint: rate-limited")
		w.settle()
		w.words("ada:none")
		same(t, "kim sees of ada", kim.sees("ada"), []uint32{})
	})
}

func TestRestartLimit(t *testing.T) {
	pair(t, func(w *world, _ *fakeBridge, _, ada *client) {
		for i := range 6 {
			w.pass(6 * time.Second)
			got := ada.call(terminate(ada, ada.bridgeSession(), true))
			w.settle()
			if want := map[bool]string{true: "ok", false: "resource-constraint: rate-limited"}[i < 5]; got != want {
				t.Errorf("restart %d: %s, want %s", i, got, want)
			}
		}
	})
}

func TestICEFailureOfOldClient(t *testing.T) {
	pair(t, func(w *world, _ *fakeBridge, _, ada *client) {
		info := func(state, id string) *jingle.Jingle {
			return ada.jingle(jingle.SessionInfo, func(j *jingle.Jingle) {
				j.ICEState = &jingle.ICEState{State: state}
				j.BridgeSession = &jingle.BridgeSession{ID: id}
			})
		}
		same(t, "other state", ada.call(info("connected", ada.bridgeSession())), "ok")
		same(t, "other session", ada.call(info("failed", "x")), "ok")
		same(t, "offers", len(ada.offers), 1)
		same(t, "failed", ada.call(info("failed", ada.bridgeSession())), "ok")
		w.settle()
		same(t, "offers", len(ada.offers), 2)
		w.words("ada:active")
	})
}

func TestRefusedAccept(t *testing.T) {
	pair(t, func(w *world, b *fakeBridge, kim, _ *client) {
		twin := w.enter("twin", 5000, func(c *client) {
			c.manual = true
			c.set = video("twin", "m 1", 2010) // an SSRC of ada's
		})
		begins(t, "accept", twin.accept(), "bad-request: SSRC 2010 is already used")
		w.settle()
		w.words("twin:none")
		same(t, "endpoints", b.has(), []string{"ada", "kim"})
		// The client asks for a restart of the session it believes in.
		twin.set = video("twin", "m 1", 6010)
		twin.manual = false
		same(t, "restart", twin.call(terminate(twin, twin.bridgeSession(), true)), "ok")
		w.settle()
		w.words("twin:active")
		same(t, "kim sees of twin", kim.sees("twin"), []uint32{6010})
	})
}

func TestICERestart(t *testing.T) {
	ask := func(c *client, id string) *jingle.Jingle {
		return c.jingle(jingle.SessionInfo, func(j *jingle.Jingle) {
			j.BridgeSession = &jingle.BridgeSession{ID: id, ICERestart: true}
		})
	}
	pair(t, func(w *world, b *fakeBridge, _, ada *client) {
		begins(t, "other session", ada.call(ask(ada, "x")), "item-not-found")
		begins(t, "too soon", ada.call(ask(ada, ada.bridgeSession())), "resource-constraint")
		w.pass(6 * time.Second)
		same(t, "restart", ada.call(ask(ada, ada.bridgeSession())), "ok")
		w.settle()
		if ep := b.last("ada"); ep.Transport == nil || !ep.Transport.ICERestart {
			t.Errorf("the bridge was asked for %+v", ep)
		}
		last := ada.raw[len(ada.raw)-1]
		if !strings.Contains(last, `action="transport-info"`) || !strings.Contains(last, `ice-generation="1"`) || strings.Count(last, "<content ") != 1 {
			t.Errorf("ada heard %s", last)
		}
		gen := uint32(1)
		same(t, "answer", ada.call(ada.jingle(jingle.TransportInfo, func(j *jingle.Jingle) {
			for range 2 { // as recorded: every content twice
				j.Contents = append(j.Contents, jingle.Content{Name: "audio", Transport: &jingle.Transport{Ufrag: "n", Pwd: "p", ICEGeneration: &gen}})
			}
		})), "ok")
		w.settle()
		ice := b.last("ada").Transport.ICE
		if ice.Ufrag != "n" || *ice.ICEGeneration != 1 || ice.RTCPMux == nil {
			t.Errorf("the bridge heard %+v", ice)
		}
		w.words("ada:active")
	})
	pair(t, func(w *world, b *fakeBridge, _, ada *client) {
		b.fail = []string{stanzaError("feature-not-implemented", "")}
		same(t, "bridge cannot", ada.call(ask(ada, ada.bridgeSession())), "ok")
		w.settle()
		same(t, "offers", len(ada.offers), 2)
		w.words("ada:active")
	})
	pair(t, func(_ *world, _ *fakeBridge, _, ada *client) {
		begins(t, "off", ada.call(ask(ada, ada.bridgeSession())), "feature-not-implemented")
	}, func(c *conference.Config) { c.ICERestart = false })
}

func TestAcceptReachesBridge(t *testing.T) {
	pair(t, func(w *world, b *fakeBridge, _, _ *client) {
		n := 20
		slow := w.enter("slow", 5000, func(c *client) { c.manual = true })
		j := slow.acceptance()
		j.Contents[1].InitialLastN = &jingle.InitialLastN{Value: n}
		same(t, "accept", slow.call(j), "ok")
		w.settle()
		ep := b.last("slow")
		if ep.InitialLastN == nil || ep.InitialLastN.Value != n || ep.Transport.ICE.Ufrag != "cu" || ep.StatsID != "S-slow" {
			t.Errorf("the bridge heard %+v", ep)
		}
	})
}

func TestSenderLimit(t *testing.T) {
	pair(t, func(w *world, _ *fakeBridge, kim, ada *client) {
		ada.extra = `<SourceInfo>{"ada-v0":{"muted":false}}</SourceInfo>`
		ada.show()
		if s := w.shown(); !strings.Contains(s, `key="video-limit-reached" value="true"`) {
			t.Errorf("the room is not told: %s", s)
		}
		begins(t, "one more", kim.call(kim.change(jingle.SourceAdd, video("kim", "m 1", 77))), "resource-constraint: Sender count exceeded for: video")
		same(t, "one that sends", ada.call(ada.change(jingle.SourceAdd, video("ada", "m 2", 78))), "ok")
		late := w.enter("late", 5000)
		if !strings.Contains(late.raw[0], `<startmuted xmlns="http://jitsi.org/jitmeet/start-muted" audio="false" video="true">`) {
			t.Errorf("a late one does not start muted: %s", late.raw[0])
		}
	}, func(c *conference.Config) { c.MaxVideoSenders = 1 })
}
