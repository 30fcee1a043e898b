package c2s

import (
	"sync"
	"time"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// session is a bound client; it is the router's Sink.
type session struct {
	srv  *Server
	host *Host
	rs   *router.Session

	// mu guards the fields below. It is held while stanzas are queued to the
	// carrier, so that they are counted in the order in which they go out.
	mu    sync.Mutex
	conn  *conn // whose stream carries the session; nil while hibernating
	ended bool
	timer *time.Timer // of hibernation
	sm    management
	held  held
}

// sent is a stanza the client has not acknowledged.
type sent struct {
	to stanza.Addr
	e  *stanza.Encoded
}

func newSession(c *conn, addr stanza.Addr) *session {
	s := &session{srv: c.srv, host: c.host, conn: c}
	s.rs = router.NewSession(addr, s, c.info())
	return s
}

func (s *session) hibernating() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn == nil && !s.ended
}

// Deliver is router.Sink.Deliver.
func (s *session) Deliver(to stanza.Addr, e *stanza.Encoded) bool { return s.DeliverIn(nil, to, e) }

// DeliverIn is router.Gatherer.DeliverIn; without a round the stream is written to by
// itself.
func (s *session) DeliverIn(r *router.Round, to stanza.Addr, e *stanza.Encoded) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	x := sent{to, e}
	if s.held.on {
		if s.held.take(x) {
			return true
		}
		s.releaseLocked()
	}
	return s.deliverLocked(r, x)
}

func (s *session) deliverLocked(r *router.Round, x sent) bool {
	to, e := x.to, x.e
	s.sm.sent(x, s.srv.cfg.Unacked, s.srv.cfg.UnackedBytes)
	if s.conn == nil {
		if s.sm.gap() {
			// Too much to keep for a client that is away: it could not resume.
			go s.end("Disconnected: Too much unread", nil)
			return false
		}
		return true
	}
	if !s.conn.deliver(r, to, e) {
		// The stream is over; its reader will say so. Until then a client that
		// may resume keeps its place.
		return s.sm.token != ""
	}
	if s.sm.shouldAsk(s.srv.cfg.RequestAck) {
		s.conn.carrier.Element(s.sm.request())
	}
	return true
}

// deliver queues a stanza to the stream.
func (c *conn) deliver(r *router.Round, to stanza.Addr, e *stanza.Encoded) bool {
	if g, ok := c.carrier.(stream.Gatherer); ok && r != nil {
		return g.Gather(r, to, e)
	}
	return c.carrier.Deliver(to, e)
}

// Kick is router.Sink.Kick.
func (s *session) Kick(condition, text string) {
	s.end("Disconnected: "+condition, stream.Err(condition, text))
}

// received counts a stanza from the client. It is false if c does not carry the
// session any more.
func (s *session) received(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.conn != c {
		return false
	}
	if s.sm.on {
		s.sm.in++
	}
	return true
}

// leave ends the session because the client wants it.
func (s *session) leave(c *conn) {
	s.mu.Lock()
	mine := s.conn == c && !s.ended
	if mine && s.sm.on && !c.web() {
		c.carrier.Element(s.sm.ack()) // XEP-0198 §5, closing
	}
	s.mu.Unlock()
	if mine {
		s.end("", nil)
	}
}

// lost hibernates the session if it can be resumed, and ends it otherwise.
func (s *session) lost(c *conn, err error) {
	s.mu.Lock()
	if s.conn != c || s.ended {
		s.mu.Unlock()
		return
	}
	if s.sm.token == "" || s.sm.gap() || s.srv.stopping() || finalLoss(err) {
		s.mu.Unlock()
		s.end("Disconnected: "+lossText(err), nil)
		return
	}
	s.conn = nil
	s.held.on = false // a resumed stream begins active (XEP-0352 §5)
	s.releaseLocked()
	s.timer = time.AfterFunc(s.sm.stay, func() { s.expire() })
	s.mu.Unlock()
	c.log.WithField(logx.Duration, s.sm.stay).Debug("session waits to be resumed")
}

func (s *session) expire() {
	if s.hibernating() {
		s.end("Disconnected: Hibernating too long", nil)
	}
}

// end ends the session for good. e, if not nil, is what the stream hears.
func (s *session) end(status string, e *stream.Error) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	if s.timer != nil {
		s.timer.Stop()
	}
	c := s.conn
	s.conn = nil
	unread := s.sm.unacked
	s.sm.unacked = nil
	token, handled := s.sm.token, s.sm.in
	s.mu.Unlock()
	if c != nil && e != nil {
		c.carrier.Fail(e)
	}
	s.srv.remove(s, token, handled)
	s.host.Users.Unbind(s.rs, status)
	if c == nil {
		s.bounce(unread)
	}
	s.srv.log.WithField(logx.Host, s.host.Domain).WithField(logx.Address, logx.JID(s.rs.Addr().String())).
		WithField(logx.Reason, status).Info("session ended")
}

// bounce tells those who wrote to a client that never came back (XEP-0198 §5).
func (s *session) bounce(unread []sent) {
	for _, u := range unread {
		st := u.e.Stanza()
		chat := st.Kind == stanza.Message && (st.Type == "" || st.Type == stanza.Normal || st.Type == stanza.Chat)
		switch {
		case st.From.IsZero():
		case chat && !s.rs.Info().Anonymous && !st.Has(ns.MUCUser, ""):
			s.host.Users.Undelivered(st.WithTo(u.to))
		case chat || st.IsRequest():
			s.srv.router.Bounce(st.WithTo(u.to), stanza.Err(stanza.Cancel, stanza.RecipientUnavailable, ""))
		}
	}
}

// finalLoss says that the stream ended by the client's fault: resuming would only
// repeat it.
func finalLoss(err error) bool {
	_, ok := err.(*stream.Error)
	return ok
}

func lossText(err error) string {
	if e, ok := err.(*stream.Error); ok {
		return e.Condition
	}
	return "connection lost"
}

func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// request asks the client for an acknowledgement, as a sign of life.
func (s *session) request(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c || !s.sm.on {
		return false
	}
	c.carrier.Element(s.sm.request())
	return true
}

// resumeOn moves the session to another stream, if h is a number it can have
// handled; say tells the client. The old stream, if it still seems alive, is closed.
func (s *session) resumeOn(c *conn, space string, h uint32, say func(resumed []byte)) (ok bool, problem *stream.Error) {
	s.mu.Lock()
	if s.ended || s.sm.gap() && s.sm.behindGap(h) {
		s.mu.Unlock()
		return false, nil
	}
	if e := s.sm.acked(h); e != nil {
		s.mu.Unlock()
		return false, e
	}
	old := s.conn
	s.held.on = false
	s.rs.SetIdle(false)
	s.releaseLocked()
	s.conn = c
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	var b stanza.Builder
	b.Empty(space, "resumed", "h", itoa(s.sm.in), "previd", s.sm.token)
	say(b.Bytes())
	for _, u := range s.sm.unacked {
		c.carrier.Deliver(u.to, u.e)
	}
	s.sm.asked = false
	if s.sm.shouldAsk(0) {
		c.carrier.Element(s.sm.request())
	}
	info := *s.rs.Info()
	now := c.info()
	info.Client, info.Agent, info.Transport, info.Secure = now.Client, now.Agent, now.Transport, now.Secure
	if now.Token != nil {
		info.Token = now.Token // renewed, see router.Info
	}
	s.rs.SetInfo(&info)
	s.mu.Unlock()
	if old != nil {
		old.carrier.Fail(stream.Err(stream.Conflict, "Replaced by new connection"))
	}
	return true, nil
}

var _ router.Gatherer = (*session)(nil)

func smFailed(space, condition string, handled *uint32) []byte {
	var b stanza.Builder
	h := ""
	if handled != nil {
		h = itoa(*handled)
	}
	b.Start(space, "failed", "h", h).Empty(ns.Stanzas, condition).End()
	return b.Bytes()
}
