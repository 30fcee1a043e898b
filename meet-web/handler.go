package meetweb

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Handler serves the whole front.
func (s *Server) Handler() http.Handler { return s.logged(http.HandlerFunc(s.serve)) }

// handler answers one endpoint.
type handler struct {
	methods []string // allowed ones
	cors    bool     // any site's scripts may read the answer
	serve   func(s *Server, w http.ResponseWriter, r *http.Request, o origin, rt route)
}

var read = []string{"GET", "HEAD"}

// handlers is the table of endpoints by name.
var handlers = map[string]handler{
	"config.js":                  {read, true, (*Server).serveConfig},
	"interface_config.js":        {read, true, stub("var interfaceConfig = {};\n")},
	"logging_config.js":          {read, true, stub("var loggingConfig = {};\n")},
	"http-bind":                  {[]string{"GET", "HEAD", "POST", "OPTIONS"}, false, (*Server).serveXMPP},
	"xmpp-websocket":             {[]string{"GET", "HEAD", "OPTIONS"}, false, (*Server).serveXMPP},
	"upload":                     {[]string{"GET", "HEAD", "PUT", "OPTIONS"}, false, (*Server).serveUpload},
	"colibri-ws":                 {[]string{"GET"}, false, (*Server).serveBridge},
	"colibri-relay-ws":           {[]string{"GET"}, false, (*Server).serveBridge},
	"conference-request/v1":      {[]string{"POST", "OPTIONS"}, false, (*Server).serveConferenceRequest},
	"_unlock":                    {[]string{"GET", "HEAD", "OPTIONS"}, true, (*Server).serveUnlock},
	"about/health":               {read, true, (*Server).serveHealth},
	"about/version":              {read, true, (*Server).serveVersion},
	"robots.txt":                 {read, true, (*Server).serveRobots},
	"favicon.ico":                {read, true, (*Server).serveIcon},
	".well-known/host-meta":      {read, true, (*Server).serveHostMeta},
	".well-known/host-meta.json": {read, true, (*Server).serveHostMeta},
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.requests.Inc()
	boundBody(w, r, s.bodyTimeout)
	o, ok := s.originOf(r)
	if !ok {
		s.secureHeaders(w.Header(), origin{})
		sentence(w, r, http.StatusBadRequest, "The Host header is not the name of a server.")
		return
	}
	s.secureHeaders(w.Header(), o)
	rt := parseRoute(r.URL.EscapedPath(), func(name string) bool {
		return s.assets[name] != nil && name != "index.html" && name != "placeholder.html"
	})
	switch rt.kind {
	case routeEndpoint:
		s.serveEndpoint(w, r, o, rt)
	case routePage, routeAsset:
		if !getOnly(w, r) {
			return
		}
		if rt.kind == routeAsset {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			s.assets[rt.name].serve(w, r, http.StatusOK)
			return
		}
		status := http.StatusOK
		if !s.isBuilt {
			status = http.StatusServiceUnavailable
		}
		s.index.serve(w, r, status)
	case routeTenant:
		smallPage(w, r, http.StatusNotFound, "That address is not valid",
			`The part before the room may not start or end with "-", contain special characters, or be longer than 63 characters.`)
	default:
		if getOnly(w, r) {
			smallPage(w, r, http.StatusNotFound, "Nothing is here", "This address belongs to no page of ours. A room's address is one word after the server's name.")
		}
	}
}

func getOnly(w http.ResponseWriter, r *http.Request) bool {
	if slices.Contains(read, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(read, ", "))
	sentence(w, r, http.StatusMethodNotAllowed, "This address can only be read (GET).")
	return false
}

func (s *Server) serveEndpoint(w http.ResponseWriter, r *http.Request, o origin, rt route) {
	h := handlers[rt.name]
	methods := strings.Join(h.methods, ", ")
	if !slices.Contains(h.methods, r.Method) {
		w.Header().Set("Allow", methods)
		sentence(w, r, http.StatusMethodNotAllowed, "This address takes "+methods+".")
		return
	}
	if h.cors {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Methods", methods)
			w.WriteHeader(http.StatusOK)
			return
		}
	}
	h.serve(s, w, r, o, rt)
}

func (s *Server) serveConfig(w http.ResponseWriter, r *http.Request, o origin, rt route) {
	text, err := s.configJS(o, rt.tenant)
	if err != nil { // New tried it
		s.log.WithError(err).Error("config.js cannot be written")
		sentence(w, r, http.StatusInternalServerError, "The server's settings cannot be read.")
		return
	}
	w.Header().Add("Vary", "Host, X-Forwarded-Host, X-Forwarded-Proto")
	send(w, r, http.StatusOK, types[".js"], text)
}

// stub answers scripts that only old pages ask for.
func stub(text string) func(*Server, http.ResponseWriter, *http.Request, origin, route) {
	return func(_ *Server, w http.ResponseWriter, r *http.Request, _ origin, _ route) {
		send(w, r, http.StatusOK, types[".js"], []byte(text))
	}
}

func (s *Server) serveXMPP(w http.ResponseWriter, r *http.Request, _ origin, rt route) {
	if !s.originAllowed(r) {
		sentence(w, r, http.StatusForbidden, "Scripts of that site may not open sessions here.")
		return
	}
	s.xmpp.serve(w, r, target{addr: s.cfg.XMPPAddress, path: "/" + rt.name, prefix: rt.tenant})
}

// uploadTime is how long a client may take to send a file. How large it may be says the
// XMPP server, which has given leave for it.
const uploadTime = 5 * time.Minute

// serveUpload passes on files that people send each other (XEP-0363). What is decoded
// here must not become another path there.
func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request, _ origin, rt route) {
	if slices.ContainsFunc(rt.rest, hasSlash) {
		sentence(w, r, http.StatusNotFound, "There is no such file.")
		return
	}
	if r.Method == http.MethodPut {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadTime))
	}
	s.xmpp.serve(w, r, target{addr: s.cfg.XMPPAddress, path: "/upload/" + strings.Join(rt.rest, "/"), file: true})
}

func hasSlash(segment string) bool { return strings.ContainsAny(segment, `/\`) }

// serveBridge passes a bridge channel, of a client or of another bridge, to the bridge the
// path names, if we know it.
func (s *Server) serveBridge(w http.ResponseWriter, r *http.Request, _ origin, rt route) {
	if !s.originAllowed(r) {
		sentence(w, r, http.StatusForbidden, "Scripts of that site may not open bridge channels here.")
		return
	}
	addr, known := s.cfg.Bridges[rt.rest[0]]
	if !known || len(rt.rest) != 3 || slices.ContainsFunc(rt.rest, hasSlash) {
		sentence(w, r, http.StatusNotFound, "No bridge of that name is known here.")
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		sentence(w, r, http.StatusUpgradeRequired, "This address speaks WebSocket.")
		return
	}
	s.bridge.serve(w, r, target{addr: addr, path: "/" + rt.name + "/" + strings.Join(rt.rest, "/")})
}

func (s *Server) serveConferenceRequest(w http.ResponseWriter, r *http.Request, _ origin, rt route) {
	if s.cfg.ConferenceRequestAddress == "" {
		sentence(w, r, http.StatusNotFound, "Conference requests go over XMPP here.")
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "content-type, authorization")
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusOK)
		return
	}
	s.focus.serve(w, r, target{addr: s.cfg.ConferenceRequestAddress, path: "/conference-request/v1", prefix: rt.tenant})
}

// serveUnlock is what clients ask now and then beside a WebSocket, to keep
// middle boxes and HTTP sessions alive.
func (s *Server) serveUnlock(w http.ResponseWriter, r *http.Request, _ origin, _ route) {
	w.Header().Set("Cache-Control", "no-store")
	send(w, r, http.StatusOK, "text/plain; charset=utf-8", nil)
}

func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request, _ origin, _ route) {
	check := s.opts.Health
	if check == nil {
		check = s.dialXMPP
	}
	ctx, cancel := context.WithTimeout(r.Context(), dialTimeout)
	defer cancel()
	if err := check(ctx); err != nil {
		s.log.WithError(err).Debug("health was asked for and is bad")
		sentence(w, r, http.StatusServiceUnavailable, upper(err.Error())+".")
		return
	}
	sentence(w, r, http.StatusOK, "OK")
}

func (s *Server) dialXMPP(ctx context.Context) error {
	dial := s.opts.DialXMPP
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", s.cfg.XMPPAddress)
	if err != nil {
		s.xmpp.warn(err)
		return errNoXMPP
	}
	return conn.Close()
}

func (s *Server) serveVersion(w http.ResponseWriter, r *http.Request, _ origin, _ route) {
	text, err := s.versionJSON()
	answer(s, w, r, "application/json", text, err)
}

func (s *Server) serveRobots(w http.ResponseWriter, r *http.Request, _ origin, _ route) {
	send(w, r, http.StatusOK, types[".txt"], []byte("User-agent: *\nDisallow: /\n"))
}

// serveIcon sends the page's own drawing to browsers that ask by the old name.
func (s *Server) serveIcon(w http.ResponseWriter, r *http.Request, _ origin, _ route) {
	for _, name := range []string{"favicon.ico", "favicon.svg"} {
		if a := s.assets[name]; a != nil {
			a.serve(w, r, http.StatusOK)
			return
		}
	}
	sentence(w, r, http.StatusNotFound, "There is no icon.")
}

func (s *Server) serveHostMeta(w http.ResponseWriter, r *http.Request, o origin, rt route) {
	if strings.HasSuffix(rt.name, ".json") {
		text, err := hostMetaJSON(o)
		answer(s, w, r, "application/json", text, err)
		return
	}
	text, err := hostMetaXML(o)
	answer(s, w, r, "application/xrd+xml", text, err)
}

func answer(s *Server, w http.ResponseWriter, r *http.Request, contentType string, text []byte, err error) {
	if err != nil {
		s.log.WithError(err).Error("an answer cannot be written")
		sentence(w, r, http.StatusInternalServerError, "The answer cannot be written.")
		return
	}
	send(w, r, http.StatusOK, contentType, text)
}
