package bridge

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"parley/internal/logx"
)

// private asks the operator's HTTP server.
func private(s *Service, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:8080"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.PrivateHandler().ServeHTTP(w, r)
	return w
}

// TestConnectionsOverREST: connections come and go while the bridge runs.
func TestConnectionsOverREST(t *testing.T) {
	h := newHall(t)
	list := func() string {
		return strings.TrimSpace(private(h.service, "GET", "/colibri/muc-client/list", "").Body.String())
	}
	if got := list(); got != `["xmpp0"]` {
		t.Fatalf("listed %s", got)
	}
	add := func(host string) string {
		return `{"id":"new","domain":"auth.example.com","hostname":"` + host + `","port":"5223","username":"jvb","password":"p",` +
			`"muc_jids":"JvbBrewery@internal.example.com","muc_nickname":"n1","disable_certificate_verification":"false"}`
	}
	for name, x := range map[string]struct {
		path, body string
		want       int
	}{
		"no JSON":         {"add", "hello", 400},
		"no id":           {"add", `{"hostname":"h"}`, 400},
		"no room":         {"add", `{"id":"x","hostname":"h","username":"u","password":"p","muc_jids":""}`, 400},
		"bad room":        {"add", `{"id":"x","hostname":"h","username":"u","password":"p","muc_jids":"room@c/nick"}`, 400},
		"bad port":        {"add", `{"id":"x","hostname":"h","port":{},"username":"u","password":"p","muc_jids":"a@b"}`, 400},
		"bad security":    {"add", `{"id":"x","hostname":"h","username":"u","password":"p","muc_jids":"a@b","security_mode":"some"}`, 400},
		"remove a ghost":  {"remove", `{"id":"x"}`, 404},
		"remove nonsense": {"remove", `[`, 400},
	} {
		if w := private(h.service, "POST", "/colibri/muc-client/"+x.path, x.body); w.Code != x.want || strings.Count(w.Body.String(), "\n") != 1 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for _, host := range []string{"one.example.com", "one.example.com", "two.example.com"} {
		if w := private(h.service, "POST", "/colibri/muc-client/add", add(host)); w.Code != 200 {
			t.Fatalf("add: %d %s", w.Code, w.Body)
		}
		if got := list(); got != `["xmpp0","new"]` {
			t.Errorf("listed %s", got)
		}
	}
	all := h.service.connections.all()
	if got := all[1].cfg; got.Address != "two.example.com:5223" || got.Domain != "auth.example.com" || got.Rooms[0] != "JvbBrewery@internal.example.com" {
		t.Errorf("made %+v", got)
	}
	if w := private(h.service, "POST", "/colibri/muc-client/remove", `{"id":"new"}`); w.Code != 200 || list() != `["xmpp0"]` {
		t.Errorf("remove: %d, then %s", w.Code, list())
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	var c connections
	for range maxConnections {
		if _, err := c.add(&connection{id: strings.Repeat("x", len(c.list)+1)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.add(&connection{id: "one more"}); err == nil {
		t.Error("there is no end")
	}
}

// TestNotForPages: what a browser shows cannot change anything on the private address.
func TestNotForPages(t *testing.T) {
	s, err := New(testConfig(), logx.Discard(), Options{Dial: noDial})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/colibri/drain/enable", "/colibri/muc-client/remove", "/colibri/shutdown"} {
		if w := private(s, "POST", path, "{}", "Origin", "https://evil.example"); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if s.drain.Load() {
		t.Error("a page drained the bridge")
	}
}

// TestNamesOfStrangers: a page may lead a name of its own to this machine.
func TestNamesOfStrangers(t *testing.T) {
	cfg := testConfig()
	cfg.PrivateListen = "bridge-7.example.org:8080"
	s, err := New(cfg, logx.Discard(), Options{Dial: noDial})
	if err != nil {
		t.Fatal(err)
	}
	for host, good := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:8080": true, "[::1]:8080": true, "[::1]": true, "localhost": true, "localhost.:8080": true,
		"jvb:8080": true, "jvb.meet.svc.cluster.local": true, "x.localhost": true, "bridge.corp.internal": true,
		"bridge-7.example.org": true, "BRIDGE-7.example.org.:1": true, "": true,
		"evil.example": false, "evil.example:8080": false, "127.0.0.1.evil.example": false, "localhost.evil.example:8080": false,
		"xlocal.example": false, "local.": true, "notinternal.com": false, "a.b.:80": false,
	} {
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequest(method, "/colibri/stats", nil)
			r.Host = host
			w := httptest.NewRecorder()
			s.PrivateHandler().ServeHTTP(w, r)
			if refused := w.Code == http.StatusMisdirectedRequest; refused == good {
				t.Errorf("%s with host %q is answered %d", method, host, w.Code)
			}
		}
	}
}

// TestMirroredMetrics: every number has the name and form Jitsi's dashboards expect.
func TestMirroredMetrics(t *testing.T) {
	h := newHall(t)
	w := private(h.service, "GET", "/metrics", "")
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %s", w.Code, w.Header())
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) )?jitsi_jvb_[a-z0-9_]+(\{le="[^"]+"\})?( [^ ].*)$`)
	for _, l := range strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n") {
		if !line.MatchString(l) {
			t.Errorf("%q is not of the format", l)
		}
	}
	known := make(map[string]bool)
	for _, st := range h.service.stats.all() {
		known[st.name] = true
	}
	for _, m := range mirrored {
		if !known[m.stat] {
			t.Errorf("%s shows %s, which is no statistic", m.name, m.stat)
		}
		if !strings.Contains(w.Body.String(), "\njitsi_jvb_"+m.name+" ") {
			t.Errorf("%s is missing", m.name)
		}
	}
	if w := private(h.service, "GET", "/debug/stats/jvb/transit-stats", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"p99_ms"`) {
		t.Errorf("transit: %d %s", w.Code, w.Body)
	}
}

// jitsiStats are the statistics Jitsi's bridge publishes, all of them.
const jitsiStats = `version region relay_id current_timestamp healthy drain graceful_shutdown shutting_down
stress_level average_participant_stress threads muc_clients_configured muc_clients_connected mucs_configured mucs_joined
bit_rate_download bit_rate_upload packet_rate_download packet_rate_upload octo_receive_bitrate octo_send_bitrate
octo_receive_packet_rate octo_send_packet_rate incoming_loss outgoing_loss overall_loss rtt_aggregate
endpoints_with_high_outgoing_loss tcc_unmatched_feedback conferences inactive_conferences p2p_conferences octo_conferences
largest_conference total_conferences_created total_conferences_completed total_conference_seconds endpoints participants
local_endpoints local_active_endpoints inactive_endpoints receive_only_endpoints endpoints_sending_audio
endpoints_sending_video octo_endpoints visitors num_eps_oversending endpoints_with_suspended_sources
endpoints_disconnected endpoints_reconnected endpoints_with_spurious_remb total_participants total_visitors
total_ice_failed total_ice_succeeded total_ice_succeeded_relayed endpoints_ice_failed dtls_failed_endpoints
relays_ice_failed dtls_failed_relays num_eps_no_msg_transport_after_delay num_relays_no_msg_transport_after_delay
total_relays total_packets_received total_packets_sent total_bytes_received total_bytes_sent total_packets_received_octo
total_packets_sent_octo total_bytes_received_octo total_bytes_sent_octo total_data_channel_messages_received
total_data_channel_messages_sent total_colibri_web_socket_messages_received total_colibri_web_socket_messages_sent
total_keyframes_received total_layering_changes_received total_video_stream_milliseconds_received
total_dominant_speaker_changes preemptive_kfr_sent preemptive_kfr_suppressed`

func TestStatisticsAreComplete(t *testing.T) {
	h := newHall(t, func(c *Config) { c.Region, c.RelayID = "here", "one" })
	var names []string
	for _, st := range h.service.stats.all() {
		if slices.Contains(names, st.name) {
			t.Errorf("%s is told twice", st.name)
		}
		names = append(names, st.name)
	}
	for _, want := range strings.Fields(jitsiStats) {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
}
