package focus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"parley/internal/wire/jitsimeet"
	"parley/internal/xmppclient"
)

// ConferencePath is where conference requests are taken by HTTP.
const ConferencePath = "/conference-request/v1"

// Bounds of an HTTP request.
const (
	maxBody     = 64 << 10
	httpTimeout = 20 * time.Second
)

// httpRequest and httpAnswer are the JSON forms of the conference request.
type httpRequest struct {
	Room       string         `json:"room"`
	Properties map[string]any `json:"properties"`
}

type httpAnswer struct {
	Room       string            `json:"room"`
	Ready      bool              `json:"ready"`
	FocusJID   string            `json:"focusJid"`
	Properties map[string]string `json:"properties"` // always an object: clients look into it
}

// HTTPHandler serves conference requests by HTTP (/conference-request/v1). These do not
// come past the server, where people log in, so Options.Admit says who may ask.
func (s *Service) HTTPHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("OPTIONS "+ConferencePath, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("POST "+ConferencePath, s.serveConference)
	return mux
}

func (s *Service) serveConference(w http.ResponseWriter, r *http.Request) {
	q, err := readRequest(w, r)
	if err == nil {
		q.Room, err = s.room(q.Room)
	}
	if err != nil {
		http.Error(w, "Bad request: "+err.Error(), http.StatusBadRequest)
		return
	}
	from := asker(r)
	if s.admit != nil {
		client, _ := netip.ParseAddr(from)
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if err := s.admit(r.Context(), client, strings.TrimSpace(token), s.key(q.Room)); err != nil {
			http.Error(w, "Forbidden: "+err.Error(), http.StatusForbidden)
			return
		}
	}
	ready := make(chan bool, 1)
	s.ask(from, q.Room, wishes(q.property), func(yes bool) { ready <- yes })
	select {
	case yes := <-ready:
		writeAnswer(w, s.answer(q.Room, yes))
	case <-r.Context().Done():
	}
}

// asker is whom a request is counted for: behind the web front, which is all that
// should reach this listener, the address it names last.
func asker(r *http.Request) string {
	list := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
	if last := strings.TrimSpace(list[len(list)-1]); last != "" {
		return last
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return host
}

func readRequest(w http.ResponseWriter, r *http.Request) (httpRequest, error) {
	var q httpRequest
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case err != nil:
		return q, errors.New("the request is too long")
	case len(strings.TrimSpace(string(body))) == 0:
		return q, errors.New("the request is empty")
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return q, errors.New("the request is not the JSON of a conference request")
	}
	return q, nil
}

// property is the value of a property as the XMPP form would write it.
func (q httpRequest) property(name string) (string, bool) {
	v, ok := q.Properties[name]
	return fmt.Sprint(v), ok
}

func writeAnswer(w http.ResponseWriter, a *jitsimeet.Conference) {
	out := httpAnswer{Room: a.Room, Ready: *a.Ready, FocusJID: xmppclient.Bare(a.FocusJID), Properties: make(map[string]string)}
	for _, p := range a.Properties {
		out.Properties[p.Name] = p.Value
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // the requester may have gone
}

// serveHTTP opens the listener, if one is configured; the function ends it.
func (s *Service) serveHTTP() (stop func(), err error) {
	if s.cfg.HTTPListen == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", s.cfg.HTTPListen)
	if err != nil {
		return nil, fmt.Errorf("focus.http_listen: cannot listen on %s: %w", s.cfg.HTTPListen, err)
	}
	srv := &http.Server{
		Handler: s.HTTPHandler(), ReadHeaderTimeout: httpTimeout, ReadTimeout: httpTimeout,
		WriteTimeout: 2 * httpTimeout, MaxHeaderBytes: 16 << 10,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // ends by Close
	}()
	return func() {
		_ = srv.Close()
		<-done
	}, nil
}
