package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"parley/bridge/conference"
	"parley/internal/logx"
	"parley/internal/metrics"
)

func TestConfigErrorsNameTheKey(t *testing.T) {
	for key, edit := range map[string]func(*Config){
		"xmpp:":                    func(c *Config) { c.XMPP = nil },
		"xmpp[0].address:":         func(c *Config) { c.XMPP[0].Address = "nowhere" },
		"xmpp[0].password:":        func(c *Config) { c.XMPP[0].Password = "" },
		"xmpp[0].rooms:":           func(c *Config) { c.XMPP[0].Rooms = []string{"conference.example.org"} },
		"xmpp[0].allow:":           func(c *Config) { c.XMPP[0].Component = true },
		"media.port:":              func(c *Config) { c.Media.Port = 70000 },
		"websocket.listen:":        func(c *Config) { c.WebSocket.Listen = "x" },
		"websocket.domains:":       func(c *Config) { c.WebSocket.Domains = []string{"https://x/"} },
		"websocket.server_id:":     func(c *Config) { c.WebSocket.ServerID = "a/b" },
		"sctp:":                    func(c *Config) { c.SCTP, c.WebSocket.Enabled = false, false },
		"stats_interval:":          func(c *Config) { c.StatsInterval = 0 },
		"bandwidth:":               func(c *Config) { c.Bandwidth.Min = 0 },
		"video.ssrc_limit:":        func(c *Config) { c.Video.SSRCLimit = 0 },
		"load.cpu_limit:":          func(c *Config) { c.Load.CPULimit = 0 },
		"load.packet_limit:":       func(c *Config) { c.Load.PacketLimit = -1 },
		"load.reduce_above:":       func(c *Config) { c.Load.ReduceBelow = 0.99 },
		"load.reduce_after:":       func(c *Config) { c.Load.ReducePause = 0 },
		"load.last_n_limits[0]:":   func(c *Config) { c.Load.LastNLimits = []LastNLimit{{}} },
		"shutdown.limit:":          func(c *Config) { c.Shutdown.Limit = -1 },
		"shutdown.delay:":          func(c *Config) { c.Shutdown.Delay = -1 },
		"audio.loudest:":           func(c *Config) { c.Audio.Loudest = -1 },
		"audio.energy_expire:":     func(c *Config) { c.Audio.EnergyExpire = 0 },
		"audio.energy_alpha:":      func(c *Config) { c.Audio.EnergyAlpha = 101 },
		"inactivity.never_active:": func(c *Config) { c.Inactivity.NeverActive = 0 },
		"private_listen:":          func(c *Config) { c.PrivateListen = "x" },
	} {
		cfg := testConfig()
		edit(&cfg)
		_, err := New(cfg, logx.Discard(), Options{Dial: noDial})
		if err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s %v", key, err)
		}
	}
}

func TestTakenPortIsOneSentence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := testConfig()
	cfg.WebSocket.Listen = l.Addr().String()
	s, err := New(cfg, logx.Discard(), Options{Dial: noDial})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "websocket.listen: cannot listen on "+l.Addr().String()) {
		t.Fatalf("run: %v", err)
	}
}

func TestPrivateRoutes(t *testing.T) {
	h := newHall(t)
	do := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.service.PrivateHandler().ServeHTTP(w, httptest.NewRequest(method, "http://localhost"+path, nil))
		return w
	}
	if w := do("GET", "/about/health"); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("health: %d %s", w.Code, w.Body)
	}
	if w := do("GET", "/about/version"); !strings.Contains(w.Body.String(), `"version":"test"`) {
		t.Errorf("version: %s", w.Body)
	}
	do("POST", "/colibri/drain/enable")
	if w := do("GET", "/colibri/drain"); strings.TrimSpace(w.Body.String()) != `{"drain":true}` {
		t.Errorf("drain: %s", w.Body)
	}
	var stats map[string]any
	if err := json.Unmarshal(do("GET", "/colibri/stats").Body.Bytes(), &stats); err != nil || stats["drain"] != true || stats["conferences"] != 0.0 {
		t.Errorf("stats: %v %v", stats, err)
	}
	do("POST", "/colibri/drain/disable")
	if h.service.drain.Load() {
		t.Error("still drained")
	}
	for path, want := range map[string]int{"/debug": 200, "/debug/none": 404, "/debug/none/x": 404, "/colibri/shutdown": 404} {
		if w := do("GET", path); w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	h.ask(`<endpoint id="a" create="true"><transport/><capability name="source-names"/></endpoint>`)
	id := h.service.conferences.List()[0].ID()
	if w := do("GET", "/debug/"+id+"/a"); w.Code != 200 || !strings.Contains(w.Body.String(), `"id":"a"`) {
		t.Errorf("debug of an endpoint: %d %s", w.Code, w.Body)
	}
	if w := do("GET", "/debug/"+id+"/b"); w.Code != 404 {
		t.Errorf("debug of nobody: %d", w.Code)
	}
}

// TestShutdownOverREST: refused unless switched on, strict, and the end of an empty bridge.
func TestShutdownOverREST(t *testing.T) {
	cfg := testConfig()
	cfg.Shutdown.REST = true
	s, err := New(cfg, logx.Discard(), Options{Dial: noDial})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context()) }()
	<-s.Ready()
	post := func(body string) int {
		w := httptest.NewRecorder()
		s.PrivateHandler().ServeHTTP(w, httptest.NewRequest("POST", "http://localhost/colibri/shutdown", strings.NewReader(body)))
		return w.Code
	}
	for _, bad := range []string{"", "{}", "no", `{"graceful-shutdown":1}`, strings.Repeat(" ", 1<<20)} {
		if code := post(bad); code != 400 {
			t.Errorf("%.20q: %d", bad, code)
		}
	}
	if code := post(`{"graceful-shutdown": true}`); code != 200 {
		t.Errorf("answered %d", code)
	}
	if err := await(t, "the end", done); !errors.Is(err, ErrShutdown) {
		t.Errorf("ended with %v", err)
	}
	if w := s.shutdown.now(); w != shuttingDown {
		t.Errorf("ended in %v", w)
	}
}

// TestSignalWaitsForPeople: told to stop from outside, a bridge that may wait does so until
// its conferences are over, and takes no new ones meanwhile.
func TestSignalWaitsForPeople(t *testing.T) {
	h := newHall(t, func(c *Config) { c.Shutdown.OnSignal = 10 * time.Minute })
	h.ask(`<endpoint id="a" create="true"><transport/><capability name="source-names"/></endpoint>`)
	eventually(t, "the endpoint to be counted", func() bool { return h.service.endpointCount() == 1 })
	ended := make(chan struct{})
	go func() {
		h.stop()
		close(ended)
	}()
	eventually(t, "the way out", func() bool { return h.service.shutdown.now() == gracefulShutdown })
	answer := make(chan error, 1)
	h.service.conferences.Modify(conference.Request{MeetingID: "another", Create: true}, func(_ conference.Response, err error) { answer <- err })
	if err := await(t, "the answer", answer); !errors.Is(err, conference.ErrStopping) {
		t.Errorf("a new conference was answered %v", err)
	}
	select {
	case <-ended:
		t.Fatal("the bridge did not wait")
	default:
	}
	h.ask(`<endpoint id="a" expire="true"/>`)
	await(t, "the end", ended)
}

func TestHealthWantsAPublicAddress(t *testing.T) {
	h := newHall(t, func(c *Config) { c.RequireValidAddress = true })
	if err := h.service.Healthy(); err == nil {
		t.Error("a bridge on loopback calls itself reachable")
	}
	h = newHall(t, func(c *Config) { c.RequireSTUN, c.Media.STUNServers = true, []string{"127.0.0.1:1"} })
	if err := h.service.Healthy(); err == nil {
		t.Error("a bridge that does not know its public address calls itself reachable")
	}
}

func TestCommandsAndMetrics(t *testing.T) {
	set := metrics.NewSet()
	s, err := New(testConfig(), logx.Discard(), Options{Dial: noDial, Metrics: set})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Healthy(); err == nil {
		t.Error("healthy before it runs")
	}
	for _, c := range s.Commands() {
		var out bytes.Buffer
		args := map[string][]string{"bridge drain": {"on"}, "bridge shutdown": {"graceful"}}[c.Name]
		if err := c.Run(t.Context(), args, nil, &out); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if err := c.Run(t.Context(), []string{"x", "y"}, nil, &out); err == nil {
			t.Errorf("%s takes any words", c.Name)
		}
	}
	var text bytes.Buffer
	if _, err := set.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"parley_bridge_conferences 0", "parley_bridge_packets_sent_total 0", "parley_bridge_stress"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestServeHTTPOnAnotherListener(t *testing.T) {
	h := newHall(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.service.ServeHTTP(l) }()
	resp, err := http.Get("http://" + l.Addr().String() + "/colibri-ws/b1/c/e?pwd=x")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("answered %d", resp.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	h.stop()
	if err := await(t, "the listener", done); err != nil {
		t.Error(err)
	}
}
