package focus_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/focus"
	"parley/internal/logx"
	"parley/internal/metrics"
	"parley/internal/wire/ns"
)

const ann = "ann@meet.localhost/r"

func request(room string) string {
	return `<conference xmlns="` + ns.Focus + `" room="` + room + `" machine-uid="m"><property name="rtcstatsEnabled" value="false"/></conference>`
}

func contains(t *testing.T, what, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s lacks %s: %s", what, w, text)
		}
	}
}

func TestFirstCall(t *testing.T) {
	s := newServer(t)
	set := metrics.NewSet()
	svc := s.start(func(_ *focus.Config, o *focus.Options) { o.Metrics = set })
	a := s.ask("component", ann, request("Demo@conference.meet.localhost"))
	contains(t, "answer", a, "result", `ready="true"`, `focusjid="focus@auth.meet.localhost"`, `room="`+roomAddr+`"`,
		`name="authentication" value="false"`)
	s.saw("presence  "+roomAddr+"/focus", "conference-properties", `key="support-terminate-restart" value="true"`, "etherpad", "jicofo")

	began := time.Now()
	s.enter(roomAddr + "/a1")
	s.enter(roomAddr + "/b2")
	offer := s.saw("iq set "+roomAddr+"/a1", "session-initiate")
	s.saw("iq set "+roomAddr+"/b2", "session-initiate")
	t.Logf("two offers after %v", time.Since(began))
	contains(t, "offer", offer, "bridge-session", `initiator="focus@auth.meet.localhost/focus"`)
	contains(t, "allocation", s.saw("iq get "+brewery+"/jvb1", "conference-modify"), `rtcstats-enabled="false"`, `meeting-id="m-`+roomAddr+`"`)

	confs := svc.Conferences()
	if len(confs) != 1 || len(confs[0].Participants) != 2 || confs[0].Participants[0].Session != "pending" {
		t.Errorf("conferences: %+v", confs)
	}
	var text strings.Builder
	if _, err := set.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	contains(t, "metrics", text.String(), "parley_focus_conferences 1", "parley_focus_invitations_total 2", "parley_focus_bridges 1")
	for _, c := range svc.Commands() {
		var out strings.Builder
		if err := c.Run(context.Background(), nil, strings.NewReader(""), &out); err != nil || !strings.Contains(out.String(), "jvb1") {
			t.Errorf("%s: %v, %s", c.Name, err, out.String())
		}
	}
}

func TestRequests(t *testing.T) {
	s := newServer(t)
	s.start()
	for _, tc := range []struct{ name, payload, want string }{
		{"no room", `<conference xmlns="` + ns.Focus + `"/>`, "bad-request"},
		{"not a room", request("conference.meet.localhost"), "bad-request"},
		{"an occupant", request(roomAddr + "/x"), "bad-request"},
		{"somebody else's host", request("demo@conference.evil.example"), "bad-request"},
		{"a tenant of two labels", request("demo@conference.a.b.meet.localhost"), "bad-request"},
		{"a tenant without a name", request("demo@conference..meet.localhost"), "bad-request"},
		{"a tenant twice", request("[acme]demo@conference.acme.meet.localhost"), "bad-request"},
		{"unknown", `<thing xmlns="` + ns.Focus + `"/>`, "service-unavailable"},
	} {
		contains(t, tc.name, s.ask("component", ann, tc.payload), "error", tc.want)
	}
	contains(t, "no such conference", s.ask("user", roomAddr+"/x", `<mute xmlns="`+ns.Audio+`" jid="x">true</mute>`), "item-not-found")
	contains(t, "unknown sid", s.ask("user", roomAddr+"/x", `<jingle xmlns="`+ns.Jingle+`" action="session-info" sid="x"/>`), "bad-request")
	contains(t, "requests to the user", s.ask("user", ann, request(roomAddr)), "service-unavailable")
}

func TestStorm(t *testing.T) {
	s := newServer(t)
	s.start()
	for range 50 {
		s.write("component", `<iq type="set" id="c" from="%s" to="focus.meet.localhost">%s</iq>`, ann, request(roomAddr))
	}
	for range 50 {
		contains(t, "answer", s.answered(), `ready="true"`)
	}
	if n := s.count(`xmlns="` + ns.MUC + `"`); n != 2 { // the brewery and the room
		t.Errorf("%d entrances", n)
	}
}

func TestClientProxy(t *testing.T) {
	s := newServer(t)
	s.start(func(c *focus.Config, _ *focus.Options) {
		c.Component.Enabled, c.ClientProxy = false, "focus.meet.localhost"
	})
	contains(t, "answer", s.ask("user", "focus.meet.localhost/"+ann, request(roomAddr)), `ready="true"`)
	s.saw("iq result focus.meet.localhost/"+ann, `ready="true"`)
	for _, from := range []string{ann, roomAddr + "/a1", "focus.meet.localhost.example.com"} {
		contains(t, "answer to "+from, s.ask("user", from, request("around@conference.meet.localhost")), `<not-allowed`)
	}
}

func TestConferenceLimit(t *testing.T) {
	s := newServer(t)
	s.start(func(c *focus.Config, _ *focus.Options) { c.MaxConferences = 1 })
	contains(t, "first", s.ask("component", ann, request("a@conference.meet.localhost")), `ready="true"`)
	contains(t, "second", s.ask("component", ann, request("b@conference.meet.localhost")), `ready="false"`)
}

// Who asks for one room after the other is stopped; others are not.
func TestOnePersonBeginsOnlySoMany(t *testing.T) {
	s := newServer(t)
	s.start(func(c *focus.Config, _ *focus.Options) { c.MaxBegun = 1 })
	contains(t, "first", s.ask("component", ann, request("a@conference.meet.localhost")), `ready="true"`)
	contains(t, "second", s.ask("component", ann, request("b@conference.meet.localhost")), `ready="false"`)
	contains(t, "first again", s.ask("component", ann, request("a@conference.meet.localhost")), `ready="true"`)
	contains(t, "somebody else", s.ask("component", "bob@meet.localhost/1", request("b@conference.meet.localhost")), `ready="true"`)
}

func TestLostConnection(t *testing.T) {
	s := newServer(t)
	svc := s.start()
	s.ask("component", ann, request(roomAddr))
	s.enter(roomAddr + "/a1")
	s.enter(roomAddr + "/b2")
	s.saw("iq set "+roomAddr+"/b2", "session-initiate")
	s.forget()
	s.cut("user")
	s.saw("presence  "+roomAddr+"/focus", `xmlns="`+ns.MUC+`"`) // it is back
	s.eventually("still one conference", func() bool {
		c := svc.Conferences()
		return len(c) == 1 && c[0].State == "running" && len(c[0].Participants) == 2
	})
	s.cut("component")
	s.eventually("component is back", svc.Connected)
	contains(t, "answer", s.ask("component", ann, request(roomAddr)), `ready="true"`)
}

func TestBrewery(t *testing.T) {
	s := newServer(t)
	svc := s.start()
	s.ask("component", ann, request(roomAddr))
	s.enter(roomAddr + "/a1")
	s.enter(roomAddr + "/b2")
	s.saw("iq set "+roomAddr+"/b2", "session-initiate")

	s.addBridge(brewery + "/jvb2")
	s.write("user", "%s", occupantPresence(brewery+"/jvb2", s.occupants[brewery+"/jvb2"]))
	s.eventually("two bridges", func() bool { return len(svc.Bridges()) == 2 })
	s.write("user", "%s", occupantPresence(brewery+"/nobody", ""))
	s.forget()
	s.mu.Lock()
	delete(s.occupants, brewery+"/jvb1")
	s.mu.Unlock()
	s.write("user", `<presence type="unavailable" from="%s/jvb1" to="focus@auth.meet.localhost/focus"/>`, brewery)
	s.saw("iq set "+roomAddr+"/a1", "session-terminate", "moving")
	s.saw("iq get "+brewery+"/jvb2", "conference-modify", `create="true"`)
	s.saw("iq set "+roomAddr+"/a1", "session-initiate")
	if b := svc.Bridges(); len(b) != 1 || b[0].Address != brewery+"/jvb2" {
		t.Errorf("bridges: %+v", b)
	}

	// While we are away the bridge leaves.
	s.mu.Lock()
	delete(s.occupants, brewery+"/jvb2")
	s.mu.Unlock()
	s.cut("user")
	s.eventually("no bridge", func() bool { return len(svc.Bridges()) == 0 })
	s.saw("presence  "+roomAddr+"/focus", "bridgeNotAvailable")
}

// TestBridgeComesBackUnderItsName: JVB keeps its nick, and was killed and started again before
// the room noticed.
func TestBridgeComesBackUnderItsName(t *testing.T) {
	s := newServer(t)
	s.start()
	s.ask("component", ann, request(roomAddr))
	s.enter(roomAddr + "/a1")
	s.enter(roomAddr + "/b2")
	s.saw("iq set "+roomAddr+"/b2", "session-initiate")
	s.forget()
	again := strings.Replace(occupantPresence(brewery+"/jvb1", s.occupants[brewery+"/jvb1"]), "@meet.localhost/r", "@meet.localhost/again", 1)
	s.write("user", "%s", again)
	s.saw("iq get "+brewery+"/jvb1", `<conference-modify xmlns="jitsi:colibri2" meeting-id="m-`+roomAddr+`"></conference-modify>`)
}

func TestSickBridge(t *testing.T) {
	s := newServer(t)
	svc := s.start(func(c *focus.Config, _ *focus.Options) { c.Bridge.HealthInterval = 5 * time.Millisecond })
	s.saw("iq get "+brewery+"/jvb1", "healthcheck")
	if !svc.Bridges()[0].Operational {
		t.Error("a healthy bridge is not used")
	}
	s.mu.Lock()
	s.health = `<error type="cancel"><internal-server-error xmlns="` + ns.Stanzas + `"/></error>`
	s.mu.Unlock()
	s.eventually("not operational", func() bool { return !svc.Bridges()[0].Operational })
}

func TestStaticBridge(t *testing.T) {
	s := newServer(t)
	s.start(func(c *focus.Config, _ *focus.Options) {
		c.Bridge.Brewery = "none"
		c.Bridge.Static = []focus.StaticBridge{{Address: "jitsi-videobridge.meet.localhost"}}
	})
	s.ask("component", ann, request(roomAddr))
	s.enter(roomAddr + "/a1")
	s.enter(roomAddr + "/b2")
	s.saw("iq get jitsi-videobridge.meet.localhost", "conference-modify")
	s.saw("iq set "+roomAddr+"/a1", "session-initiate")
}

func TestModerationMessages(t *testing.T) {
	s := newServer(t)
	s.start()
	s.ask("component", ann, request(roomAddr))
	s.enter(roomAddr + "/a1")
	s.enter(roomAddr + "/b2")
	s.saw("iq set "+roomAddr+"/b2", "session-initiate")
	say := func(from string) {
		s.write("user", `<message from="%s" to="focus@auth.meet.localhost/focus"><json-message xmlns="%s">{"type":"av_moderation","room":"%s","enabled":true,"mediaType":"audio","actor":"%s/a1"}</json-message></message>`, from, ns.JitMeet, roomAddr, roomAddr)
	}
	say("liar.meet.localhost")
	say(roomAddr + "/a1")
	contains(t, "settled", s.ask("component", ann, request(roomAddr)), "ready")
	if s.count("force-mute") > 0 {
		t.Error("somebody else was believed")
	}
	say("avmoderation.meet.localhost")
	s.saw("iq get "+brewery+"/jvb1", "force-mute", `id="b2"`)
	s.saw("iq set "+roomAddr+"/b2", "mute")
}

func TestReturnsToItsRooms(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	state := func(_ *focus.Config, o *focus.Options) { o.StateDir = dir }
	t.Run("first life", func(t *testing.T) {
		s := newServer(t)
		s.start(state)
		s.ask("component", ann, request(roomAddr))
		s.enter(roomAddr + "/a1")
		s.eventually("remembered", func() bool {
			files, _ := filepath.Glob(filepath.Join(dir, "*.room.json"))
			if len(files) != 1 {
				return false
			}
			text, _ := os.ReadFile(files[0])
			return strings.Contains(string(text), roomAddr)
		})
	})
	t.Run("asked too early", func(t *testing.T) {
		s := newServer(t)
		s.slow = brewery
		s.start(state)
		// Begun now, it would not go on with what was kept.
		contains(t, "answer", s.ask("component", ann, request(roomAddr)), `ready="false"`)
		contains(t, "answer for another room", s.ask("component", ann, request("x"+roomAddr)), `ready="true"`)
		s.letIn(brewery + "/focus")
		s.saw("presence  "+roomAddr+"/focus", `xmlns="`+ns.MUC+`"`)
		contains(t, "answer later", s.ask("component", ann, request(roomAddr)), `ready="true"`)
		s.enter(roomAddr + "/a1") // so that it is remembered further
	})
	t.Run("second life", func(t *testing.T) {
		s := newServer(t)
		s.enter(roomAddr + "/a1")
		s.enter(roomAddr + "/b2")
		s.start(state)
		s.saw("presence  "+roomAddr+"/focus", `xmlns="`+ns.MUC+`"`)
		s.saw("iq set "+roomAddr+"/a1", "session-initiate")
	})
}

func TestHTTP(t *testing.T) {
	s := newServer(t)
	svc := s.start()
	h := svc.HTTPHandler()
	do := func(method, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, focus.ConferencePath, strings.NewReader(body)))
		return w
	}
	w := do("POST", `{"room":"`+roomAddr+`","machineUid":"m","properties":{"rtcstatsEnabled":false,"visitors-version":1}}`)
	contains(t, "answer", w.Body.String(), `"ready":true`, `"focusJid":"focus@auth.meet.localhost"`, `"authentication":"false"`)
	for _, tc := range []struct {
		method, body string
		want         int
	}{
		{"POST", "", 400}, {"POST", "{}", 400}, {"POST", "[", 400}, {"POST", `{"room":"x@evil.example"}`, 400},
		{"GET", "", 405}, {"OPTIONS", "", 200}, {"POST", strings.Repeat(" ", 1<<20), 400},
	} {
		w := do(tc.method, tc.body)
		if w.Code != tc.want {
			t.Errorf("%s %.20q: %d, want %d", tc.method, tc.body, w.Code, tc.want)
		}
		if w.Code == 400 && !strings.HasPrefix(w.Body.String(), "Bad request: ") {
			t.Errorf("%s %.20q: %s", tc.method, tc.body, w.Body.String())
		}
	}
}

// TestHTTPAdmission: who may not ask hears why, and nothing begins.
func TestHTTPAdmission(t *testing.T) {
	s := newServer(t)
	svc := s.start(func(_ *focus.Config, o *focus.Options) {
		o.Admit = func(_ context.Context, client netip.Addr, token, room string) error {
			if client.String() == "192.0.2.9" && token == "good" && room == "[acme]tea@conference.meet.localhost" {
				return nil
			}
			return fmt.Errorf("%s %q %s", client, token, room)
		}
	})
	ask := func(token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", focus.ConferencePath, strings.NewReader(`{"room":"tea@conference.acme.meet.localhost"}`))
		r.Header.Set("X-Forwarded-For", "198.51.100.1, 192.0.2.9")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		svc.HTTPHandler().ServeHTTP(w, r)
		return w
	}
	for _, token := range []string{"", "bad"} {
		w := ask(token)
		if w.Code != 403 {
			t.Errorf("token %q: %d %s", token, w.Code, w.Body)
		}
		contains(t, "answer", w.Body.String(), fmt.Sprintf(`Forbidden: 192.0.2.9 %q [acme]tea@conference.meet.localhost`, token))
	}
	if n := len(svc.Conferences()); n != 0 {
		t.Errorf("%d conferences", n)
	}
	if w := ask("good"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestHTTPListener(t *testing.T) {
	s := newServer(t)
	svc := s.start(func(c *focus.Config, _ *focus.Options) { c.HTTPListen = "127.0.0.1:0" })
	<-svc.Ready()

	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	cfg := config()
	cfg.HTTPListen = taken.Listener.Addr().String()
	other, err := focus.New(cfg, logx.Discard(), focus.Options{Dial: s.dial})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "focus.http_listen: cannot listen on "+cfg.HTTPListen) {
		t.Errorf("port taken: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*focus.Config)
		want   string
	}{
		{"default", func(*focus.Config) {}, ""},
		{"no domain", func(c *focus.Config) { c.Domain = "" }, "domain"},
		{"no password", func(c *focus.Config) { c.Client.Password = "" }, "client.password"},
		{"no secret", func(c *focus.Config) { c.Component.Secret = "" }, "component.secret"},
		{"no component", func(c *focus.Config) { c.Component.Secret, c.Component.Enabled = "", false }, ""},
		{"address", func(c *focus.Config) { c.Client.Address = "x" }, "client.address"},
		{"brewery", func(c *focus.Config) { c.Bridge.Brewery = "x" }, "bridge.brewery"},
		{"no brewery", func(c *focus.Config) { c.Bridge.Brewery = "none" }, ""},
		{"stress", func(c *focus.Config) { c.Bridge.Selection.StressThreshold = 0 }, "bridge.selection.stress_threshold"},
		{"timeout", func(c *focus.Config) { c.Conference.InitialTimeout = 0 }, "conference.initial_timeout"},
		{"quota", func(c *focus.Config) { c.MaxBegun = 0 }, "max_begun"},
		{"participants", func(c *focus.Config) { c.Conference.MinParticipants = 0 }, "conference.min_participants"},
		{"listen", func(c *focus.Config) { c.HTTPListen = "x" }, "http_listen"},
		{"room domains", func(c *focus.Config) { c.RoomDomains = []string{"a@b"} }, "a@b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := config()
			tc.change(&c)
			err := c.Validate()
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
