package bridge

import (
	"encoding/json"
	"net/http"
	"runtime"
	"time"

	"parley/bridge/conference"
)

// privateRoutes are the addresses of the operator's HTTP server.
//
// Nobody logs in there: who reaches the address may do everything. Pages that a browser on
// the same machine shows must not, see notForPages.
func (s *Service) privateRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /about/health", s.serveHealth)
	mux.HandleFunc("GET /about/version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]string{"name": "Parley bridge", "version": s.opts.Version, "os": runtime.GOOS})
	})
	mux.HandleFunc("GET /colibri/stats", s.serveStats)
	mux.HandleFunc("GET /colibri/drain", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]bool{"drain": s.drain.Load()})
	})
	mux.HandleFunc("POST /colibri/drain/enable", func(http.ResponseWriter, *http.Request) { s.Drain(true) })
	mux.HandleFunc("POST /colibri/drain/disable", func(http.ResponseWriter, *http.Request) { s.Drain(false) })
	if s.cfg.Shutdown.REST {
		mux.HandleFunc("POST /colibri/shutdown", s.serveShutdown)
	}
	mux.HandleFunc("POST /colibri/muc-client/add", s.serveAddClient)
	mux.HandleFunc("POST /colibri/muc-client/remove", s.serveRemoveClient)
	mux.HandleFunc("GET /colibri/muc-client/list", s.serveClients)
	mux.HandleFunc("GET /metrics", s.serveMetrics)
	mux.HandleFunc("GET /debug", s.serveDebug)
	mux.HandleFunc("GET /debug/stats/jvb/transit-stats", s.serveTransit)
	mux.HandleFunc("GET /debug/{conference}", s.serveDebugConference)
	mux.HandleFunc("GET /debug/{conference}/{endpoint}", s.serveDebugEndpoint)
	return s.notForPages(mux)
}

// Drain asks the focus to choose other bridges, or to choose this one again. What runs
// goes on.
func (s *Service) Drain(on bool) {
	if s.drain.Swap(on) != on {
		s.log.WithField("drain", on).Info("drain mode changed")
		s.announce()
	}
}

// serveShutdown starts the way out: {"graceful-shutdown": true}, or false for at once.
func (s *Service) serveShutdown(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Graceful *bool `json:"graceful-shutdown"`
	}
	if !decodeBody(w, r, &ask) {
		return
	}
	if ask.Graceful == nil {
		http.Error(w, "graceful-shutdown must be true or false", http.StatusBadRequest)
		return
	}
	s.Shutdown(*ask.Graceful)
}

// maxBody bounds what a request to the private address may carry.
const maxBody = 64 << 10

func (s *Service) serveHealth(w http.ResponseWriter, _ *http.Request) {
	if err := s.Healthy(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

func (s *Service) serveStats(w http.ResponseWriter, _ *http.Request) {
	out := make(map[string]any)
	for _, st := range s.stats.all() {
		out[st.name] = st.value
	}
	writeJSON(w, out)
}

// debugState is what /debug shows.
type debugState struct {
	Time          time.Time                  `json:"time"`
	ShutdownState string                     `json:"shutdown_state"`
	Drain         bool                       `json:"drain"`
	Load          debugLoad                  `json:"load_management"`
	Conferences   map[string]conference.View `json:"conferences"`
}

type debugLoad struct {
	State   string  `json:"state"`
	Stress  float64 `json:"stress"`
	Reducer bool    `json:"reducer_enabled"`
	LastN   int     `json:"last_n"`
}

func (s *Service) serveDebug(w http.ResponseWriter, r *http.Request) {
	full := r.URL.Query().Get("full") == "true"
	state := debugState{
		Time: time.Now().UTC(), ShutdownState: s.shutdown.now().String(), Drain: s.drain.Load(),
		Load: debugLoad{
			State: "NOT_OVERLOADED", Stress: round(s.stats.rates().stress), Reducer: s.cfg.Load.Reduce,
			LastN: int(s.reduced.Load()),
		},
		Conferences: make(map[string]conference.View),
	}
	if state.Load.Stress >= 1 {
		state.Load.State = "OVERLOADED"
	}
	for _, c := range s.conferences.List() {
		v := conference.View{ID: c.ID(), Name: c.Name(), MeetingID: c.MeetingID()}
		if full {
			if whole, ok := c.View(); ok {
				v = whole
			}
		}
		state.Conferences[c.ID()] = v
	}
	writeJSON(w, state)
}

func (s *Service) view(w http.ResponseWriter, r *http.Request) (conference.View, bool) {
	if c := s.conferences.Get(r.PathValue("conference")); c != nil {
		if v, ok := c.View(); ok {
			return v, true
		}
	}
	http.Error(w, "no such conference", http.StatusNotFound)
	return conference.View{}, false
}

func (s *Service) serveDebugConference(w http.ResponseWriter, r *http.Request) {
	if v, ok := s.view(w, r); ok {
		writeJSON(w, v)
	}
}

func (s *Service) serveDebugEndpoint(w http.ResponseWriter, r *http.Request) {
	v, ok := s.view(w, r)
	if !ok {
		return
	}
	for _, e := range v.Endpoints {
		if e.ID == r.PathValue("endpoint") {
			writeJSON(w, e)
			return
		}
	}
	http.Error(w, "no such endpoint", http.StatusNotFound)
}

// serveTransit shows how long packets take through the bridge.
func (s *Service) serveTransit(w http.ResponseWriter, _ *http.Request) {
	h := s.network.Stats().Transit
	buckets := make(map[string]uint64)
	for i, n := range h {
		if n > 0 {
			buckets["<= "+h.Bound(i).String()] = n
		}
	}
	ms := func(q float64) float64 { return float64(h.Quantile(q)) / float64(time.Millisecond) }
	writeJSON(w, map[string]any{"e2e_packet_delay": map[string]any{"rtp": map[string]any{
		"count": h.Count(), "p50_ms": ms(0.5), "p99_ms": ms(0.99), "p999_ms": ms(0.999), "buckets": buckets,
	}}})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone if this fails
}
