package xmppd

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"parley/jwtauth"
	"parley/xmppd/stream"
	"parley/xmppd/websocket"
)

// HTTPHandler serves /http-bind (BOSH), /xmpp-websocket and what other services may
// know about meetings, for any Host, until the server stops.
func (s *Server) HTTPHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/http-bind", s.front(s.serveBOSH))
	mux.Handle("/xmpp-websocket", s.front(s.serveWebSocket))
	routes, err := s.rules.Routes(s.sessions)
	if err != nil {
		s.log.WithError(err).Error("meetings are not served by HTTP")
	}
	for path, h := range routes {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			h(w, r.WithContext(jwtauth.AskedFrom(r.Context(), s.client(r))))
		})
	}
	for path, h := range s.services.routes() {
		mux.Handle(path, h)
	}
	return bounded(mux)
}

// bodyTime is how long a client may take to send the body of a request. BOSH and
// uploads set limits of their own.
const bodyTime = 30 * time.Second

// bounded ends connections that name a body and do not send it: net/http itself reads
// what a handler left over, for as long as that takes.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody && r.Header.Get("Upgrade") == "" {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
		}
		next.ServeHTTP(w, r)
	})
}

// sessions is how many people are logged in.
func (s *Server) sessions() int {
	n := 0
	for _, u := range s.users {
		n += u.Count()
	}
	return n
}

// front adds what both paths have in common.
func (s *Server) front(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		origin := r.Header.Get("Origin")
		if origin == "" {
			origin = "*"
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
		h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "Content-Type")
		h.Set("Access-Control-Max-Age", "7200")
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusOK)
			return
		}
		next(w, r)
	})
}

func page(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("<!DOCTYPE html><html><head><title>Parley</title></head><body><p>" + text + "</p></body></html>\n"))
}

func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "Open a WebSocket here.", http.StatusMethodNotAllowed)
		return
	}
	if r.Header.Get("Sec-WebSocket-Key") == "" {
		// Also what a client fetches to keep its place at a load balancer.
		page(w, "It works! Point your WebSocket client at this address.")
		return
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		http.Error(w, "The server stops.", http.StatusServiceUnavailable)
		return
	}
	if s.webs >= s.cfg.MaxConnections {
		s.mu.Unlock()
		if s.websFull.Due() {
			s.log.Warn("WebSockets are refused: max_connections are open")
		}
		http.Error(w, "Too many connections are open.", http.StatusServiceUnavailable)
		return
	}
	s.webs++
	s.conns.Add(1)
	s.mu.Unlock()
	websocket.Serve(s.base, w, r, s.meta(r, stream.WebSocket), websocket.Options{
		Limit: s.cfg.Sessions.StanzaBytes, Queue: s.cfg.SendQueue, Idle: s.cfg.IdleTime, Recovered: s.recovered,
	}, s.c2s.Accept, func() {
		s.mu.Lock()
		s.webs--
		s.mu.Unlock()
		s.conns.Done()
	})
}

func (s *Server) serveBOSH(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		s.bosh.Serve(w, r, func() stream.Meta { return s.meta(r, stream.BOSH) })
	case http.MethodGet, http.MethodHead:
		page(w, "It works! Point your BOSH client at this address.")
	default:
		http.Error(w, "POST a body here.", http.StatusMethodNotAllowed)
	}
}

// meta reads what the request says about the session (Jitsi's mod_jitsi_session).
func (s *Server) meta(r *http.Request, transport string) stream.Meta {
	q := r.URL.Query()
	m := stream.Meta{
		Transport: transport,
		// Every layout puts HTTP behind a proxy that encrypts, or on loopback; compare
		// Prosody's consider_websocket_secure.
		Secure: true,
		Client: s.client(r),
		Agent:  limit(r.UserAgent(), 256),
		Region: limit(r.Header.Get("X-Proxy-Region"), 64),
		Room:   limit(q.Get("room"), 1023), Prefix: limit(q.Get("prefix"), 1023),
		Token: q.Get("token"), Previd: limit(q.Get("previd"), 256), UserName: limit(q.Get("customusername"), 256),
	}
	if m.Token == "" {
		if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			m.Token = strings.TrimSpace(bearer)
		}
	}
	return m
}

func limit(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// client is the address the request came from: the last one in X-Forwarded-For
// that is no proxy of ours, if the peer is one (Prosody's trusted_proxies).
func (s *Server) client(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	addr := ap.Addr().Unmap()
	if err == nil && !s.trusted(addr) {
		return addr
	}
	// A peer without address is inside this process.
	list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(list) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.TrimSpace(list[i]))
		if err != nil {
			break
		}
		addr = a.Unmap()
		if !s.trusted(addr) {
			break
		}
	}
	return addr
}

func (s *Server) trusted(a netip.Addr) bool { return contains(s.proxies, a) }

func contains(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}
