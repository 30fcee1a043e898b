package c2s

import (
	"strconv"
	"time"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// management is the state of XEP-0198. It is guarded by its session's lock. All
// counters wrap at 2³² as the XEP says.
type management struct {
	on    bool
	space string        // the version the client speaks
	token string        // empty when the session cannot be resumed
	in    uint32        // stanzas handled
	out   uint32        // stanzas sent
	ok    uint32        // … and acknowledged
	asked bool          // a request is under way
	stay  time.Duration // how long it may be resumed

	unacked []sent // the last of the out-ok unacknowledged
	bytes   int    // of unacked
	dropped bool   // some of them were forgotten
}

// sent counts and keeps a stanza.
func (m *management) sent(s sent, limit, bytes int) {
	if !m.on {
		return
	}
	m.out++
	m.unacked = append(m.unacked, s)
	m.bytes += s.size()
	for len(m.unacked) > limit || m.bytes > bytes && len(m.unacked) > 1 {
		m.forget(1)
		m.dropped = true
	}
}

// forget drops the oldest n.
func (m *management) forget(n int) {
	for i := range n {
		m.bytes -= m.unacked[i].size()
		m.unacked[i] = sent{}
	}
	m.unacked = m.unacked[n:]
}

func (s sent) size() int { return s.e.Size(s.to, "") }

// gap says that stanzas were forgotten that the client has not acknowledged.
func (m *management) gap() bool { return m.dropped }

// behindGap says that even with h acknowledged something would be missing.
func (m *management) behindGap(h uint32) bool {
	return m.out-h > uint32(len(m.unacked))
}

// acked takes the client's count.
func (m *management) acked(h uint32) *stream.Error {
	n := h - m.ok
	if n > m.out-m.ok {
		var b stanza.Builder
		b.Empty(ns.SM3, "handled-count-too-high", "h", itoa(h), "send-count", itoa(m.out))
		return &stream.Error{Condition: stream.UndefinedCondition,
			Text: "Client acknowledged more stanzas than were sent", App: b.Bytes()}
	}
	m.ok = h
	m.asked = false
	left := int(m.out - h)
	if drop := len(m.unacked) - left; drop >= 0 {
		m.forget(drop)
		m.dropped = false
	}
	if len(m.unacked) == 0 {
		m.unacked = nil
	}
	return nil
}

func (m *management) shouldAsk(limit int) bool {
	return m.on && !m.asked && len(m.unacked) > limit
}

func (m *management) request() []byte {
	m.asked = true
	return []byte(`<r xmlns="` + m.space + `"/>`)
}

func (m *management) ack() []byte {
	return []byte(`<a xmlns="` + m.space + `" h="` + itoa(m.in) + `"/>`)
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// manage takes an element of stream management on a bound stream.
func (c *conn) manage(st *stanza.Stanza) {
	s := c.sess
	switch st.Name {
	case "enable":
		c.enable(st)
	case "r":
		s.mu.Lock()
		if s.conn == c && s.sm.on {
			c.carrier.Element(s.sm.ack())
		}
		s.mu.Unlock()
	case "a":
		h, err := strconv.ParseUint(st.Attr("h"), 10, 32)
		if err != nil {
			c.fail(stream.InvalidXML, "h must be a number")
			return
		}
		s.mu.Lock()
		var e *stream.Error
		if s.conn == c && s.sm.on {
			e = s.sm.acked(uint32(h))
		}
		s.mu.Unlock()
		if e != nil {
			s.end("Disconnected: "+e.Condition, e)
		}
	case "resume":
		c.carrier.Element(smFailed(st.Space, stanza.UnexpectedRequest, nil))
	default:
		c.fail(stream.UnsupportedStanzaType, "")
	}
}

func (c *conn) enable(st *stanza.Stanza) {
	s := c.sess
	resume := st.Attr("resume")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c || s.ended {
		return
	}
	if s.sm.on || c.meta.Transport == stream.BOSH {
		c.carrier.Element(smFailed(st.Space, stanza.UnexpectedRequest, nil))
		return
	}
	c.carrier.Element(s.manageLocked(st.Space, resume, st.Attr("max")))
}

// manageLocked begins to count, and says on which terms.
func (s *session) manageLocked(space, resume, most string) []byte {
	s.sm = management{on: true, space: space}
	var b stanza.Builder
	if resume != "true" && resume != "1" {
		return b.Empty(space, "enabled").Bytes()
	}
	s.sm.token = router.NewID()
	s.sm.stay = s.host.Hibernate
	if n, err := strconv.ParseUint(most, 10, 31); err == nil && n > 0 {
		s.sm.stay = min(s.sm.stay, time.Duration(n)*time.Second)
	}
	// The server's lock is a leaf, so it may be taken here.
	s.srv.remember(s.sm.token, s)
	return b.Empty(space, "enabled", "id", s.sm.token, "resume", "true", "max", strconv.Itoa(int(s.sm.stay.Seconds()))).Bytes()
}

// resume takes over a session whose stream was lost, or seems alive to us.
func (c *conn) resume(st *stanza.Stanza) {
	failed, problem := c.takeOver(st.Space, st.Attr("previd"), st.Attr("h"), func(_ *session, resumed []byte) { c.carrier.Element(resumed) })
	switch {
	case problem != nil:
		c.carrier.Fail(problem)
	case failed != nil:
		c.carrier.Element(failed)
	}
}

// takeOver makes c the stream of the session of a token, of which the client has
// handled h stanzas. The answer goes to say, before anything that waited. Otherwise it
// returns what to answer, or why the stream has to end.
func (c *conn) takeOver(space, token, h string, say func(s *session, resumed []byte)) (failed []byte, problem *stream.Error) {
	n, err := strconv.ParseUint(h, 10, 32)
	if err != nil || token == "" {
		return smFailed(space, stanza.BadRequest, nil), nil
	}
	bare, err := stanza.NewAddr(c.id.Name, c.host.Domain, "")
	s := c.srv.find(token)
	if err != nil || s == nil || s.rs.Addr().Bare() != bare {
		return c.cannotResume(space, token, bare), nil
	}
	ok, problem := s.resumeOn(c, space, uint32(n), func(resumed []byte) { say(s, resumed) })
	switch {
	case problem != nil:
		s.end("Disconnected: "+problem.Condition, problem)
		return nil, problem
	case !ok:
		return c.cannotResume(space, token, bare), nil
	}
	c.attach(s)
	c.log.WithField("transport", c.meta.Transport).Info("session resumed")
	return nil, nil
}

func (c *conn) cannotResume(space, token string, bare stanza.Addr) []byte {
	var handled *uint32
	if h, ok := c.srv.handledOf(token, bare); ok {
		handled = &h
	}
	c.log.WithField(logx.Address, logx.JID(bare.String())).Info("session could not be resumed")
	return smFailed(space, stanza.ItemNotFound, handled)
}
