package bridge

import (
	"encoding/json"
	"net/http"
	"runtime"
	"time"

	"parley/bridge/conference"
)

// privateRoutes are the addresses of the operator's HTTP server.
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
	mux.HandleFunc("GET /debug", s.serveDebug)
	mux.HandleFunc("GET /debug/{conference}", s.serveDebugConference)
	mux.HandleFunc("GET /debug/{conference}/{endpoint}", s.serveDebugEndpoint)
	return mux
}

// Drain asks the focus to choose other bridges, or to choose this one again. What runs
// goes on.
func (s *Service) Drain(on bool) {
	if s.drain.Swap(on) != on {
		s.log.WithField("drain", on).Info("drain mode changed")
		s.announce()
	}
}

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
}

func (s *Service) serveDebug(w http.ResponseWriter, r *http.Request) {
	full := r.URL.Query().Get("full") == "true"
	state := debugState{
		Time: time.Now().UTC(), ShutdownState: "RUNNING", Drain: s.drain.Load(),
		Load:        debugLoad{State: "NOT_OVERLOADED", Stress: round(s.stats.rates().stress)},
		Conferences: make(map[string]conference.View),
	}
	if s.conferences.Stopping() {
		state.ShutdownState = "GRACEFUL_SHUTDOWN"
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

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone if this fails
}
