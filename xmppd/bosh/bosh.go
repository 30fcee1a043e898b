// Package bosh carries XMPP streams over HTTP requests that are held until there is
// something to say (XEP-0124, XEP-0206).
//
// hold is always 1 and two requests may be open at a time. Requests out of order by
// one wait for their turn; a repeated request gets the same answer again; anything
// else ends the session. Pausing, polling limits and key sequences are left out.
//
// A session's requests are worked on one after the other under its work lock, which
// stands in for the reading goroutine of other carriers; its mu guards what is to be
// sent and who waits for it. The order of locks is work, then the Handler's own, then
// mu; no Handler is called while mu is held.
package bosh

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

const (
	hold    = 1
	polling = 5
	// flushDelay lets stanzas that follow at once, such as the presences of a
	// room, go into the same answer. A session that was told something less than
	// busyTime ago waits for busyDelay: an exchange costs much more than a stanza.
	flushDelay = 2 * time.Millisecond
	busyDelay  = 6 * time.Millisecond
	busyTime   = 20 * time.Millisecond
	// bodyExtra is what a body may hold besides the largest stanza.
	bodyExtra = 16 << 10
	readTime  = 30 * time.Second // for one body
	maxRID    = 1<<53 - 1        // XEP-0124 §14.1
)

// Options are the settings of the carrier.
type Options struct {
	// MaxWait is the longest a request may be held.
	MaxWait time.Duration
	// Inactivity is how long a session may be without a request.
	Inactivity time.Duration
	// MaxSessions is how many there may be.
	MaxSessions int
	// Limit is the largest stanza in bytes.
	Limit int
	// Queue is how many bytes may wait for the client's next request.
	Queue int
	// Knows says whether clients may log in to a domain.
	Knows func(domain string) bool
	// Recovered hears of panics, see stream.Guard.
	Recovered func(v any, stack []byte)
}

// Server keeps the sessions.
type Server struct {
	o      Options
	accept stream.Acceptor

	mu       sync.Mutex // guards the fields below; leaf lock
	sessions map[string]*session
	closed   bool
}

// New makes a Server.
func New(o Options, accept stream.Acceptor) *Server {
	return &Server{o: o, accept: accept, sessions: make(map[string]*session)}
}

// Close ends all sessions.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	all := make([]*session, 0, len(s.sessions))
	for _, x := range s.sessions {
		all = append(all, x)
	}
	s.mu.Unlock()
	for _, x := range all {
		x.Fail(stream.Err(stream.SystemShutdown, ""))
		x.finish(errShutdown)
	}
}

// Len is the number of sessions.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

func (s *Server) find(sid string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[sid]
}

func (s *Server) add(x *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.sessions) >= s.o.MaxSessions {
		return false
	}
	s.sessions[x.sid] = x
	return true
}

// begin gives a session its Handler, unless there are too many of them. Until it has one
// nothing can tell it of an end, though the session may end at any time.
func (s *Server) begin(x *session, m stream.Meta) bool {
	x.work.Lock()
	defer x.work.Unlock()
	if !s.add(x) {
		x.silence.Stop()
		return false
	}
	x.handler = s.accept(x, m)
	return true
}

func (s *Server) remove(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, x.sid)
}

// Serve answers one POST. Whatever the client calls its content, it is a body. meta is
// asked only when a session begins.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, meta func() stream.Meta) {
	limit := s.o.Limit + bodyExtra
	// A client may be slow, but not for ever; held requests have no deadline.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(readTime))
	raw, err := io.ReadAll(io.LimitReader(r.Body, int64(2*limit)+1))
	_ = rc.SetReadDeadline(time.Time{})
	if err != nil {
		return // the client went away
	}
	body, err := stream.ReadBody(raw, s.o.Limit)
	sid := body.Attr("sid")
	x := s.find(sid)
	switch {
	case err != nil && x != nil:
		var se *stream.Error
		if !errors.As(err, &se) {
			se = stream.Err(stream.NotWellFormed, "The body cannot be read")
			if len(raw) > 2*limit {
				se = stream.Err(stream.PolicyViolation, "stanza too large")
			}
		}
		x.Fail(se)
		send(w, x.lastWords())
		x.finish(se)
	case err != nil:
		send(w, terminate("bad-request"))
	case sid == "":
		s.create(w, r, body, meta())
	case x == nil:
		send(w, terminate("item-not-found"))
	default:
		rid, ok := number(body.Attr("rid"))
		if !ok {
			x.Fail(nil)
			x.finish(errOrder)
			send(w, terminate("bad-request"))
			return
		}
		x.serve(w, r, body, rid)
	}
}

func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && n <= maxRID
}

func (s *Server) create(w http.ResponseWriter, r *http.Request, body *stream.Body, m stream.Meta) {
	to, err := stanza.ParseAddr(body.Attr("to"))
	rid, ridOK := number(body.Attr("rid"))
	wait, waitOK := number(body.Attr("wait"))
	switch {
	case err != nil || to.String() != to.Domain() || !s.o.Knows(to.Domain()):
		send(w, terminate("improper-addressing"))
		return
	case !ridOK || !waitOK:
		send(w, terminate("bad-request"))
		return
	}
	x := newSession(s, rid-1, min(time.Duration(wait)*time.Second, s.o.MaxWait))
	if !s.begin(x, m) {
		send(w, terminate("policy-violation"))
		return
	}
	x.serve(w, r, body, rid)
}

func send(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/xml; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func terminate(condition string) []byte {
	b := stanza.AppendAttr([]byte("<body"), "xmlns", ns.HTTPBind)
	b = stanza.AppendAttr(b, "type", "terminate")
	if condition != "" {
		b = stanza.AppendAttr(b, "condition", condition)
	}
	return append(b, "/>"...)
}

// Holds says whether a session holds a request now; for tests and status.
func (s *Server) Holds(sid string) bool {
	x := s.find(sid)
	if x == nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.held != nil
}
