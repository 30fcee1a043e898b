package xmppclient

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"parley/internal/wire/ns"
)

const (
	// ackEvery is after how many stanzas, and ackBytes after how many bytes of them, the
	// server is asked what it has.
	ackEvery = 10
	ackBytes = 64 << 10
	// resumeTime bounds the attempts to resume a session. A server that has not noticed the
	// loss keeps the session for longer than it said, so that is no bound for us.
	resumeTime = time.Minute
)

var (
	// errBroken is in the error of a connection that broke under a session, as opposed to
	// a session that was ended: only that can be made good.
	errBroken = errors.New("connection broken")
	// errNotResumed says that the server has our session no more.
	errNotResumed = errors.New("the XMPP server does not resume the session")
)

// management is our half of stream management (XEP-0198 §4): what was received, and what
// the server has not acknowledged yet. The lock of its session guards it; counters wrap at
// 2³² as the XEP says.
type management struct {
	on      bool
	id      string   // of the session to be resumed; empty if it cannot be
	in      uint32   // stanzas received
	acked   uint32   // stanzas of ours the server has
	unacked [][]byte // those after them, if the session can be resumed
	bytes   int      // of unacked
	asked   int      // stanzas since the server was asked last
	askedB  int      // … and their bytes
}

// sent keeps a stanza until the server has it; true if the server should be asked now.
func (m *management) sent(stanza []byte) bool {
	if m.id == "" {
		return false
	}
	m.unacked = append(m.unacked, stanza)
	m.bytes += len(stanza)
	m.asked++
	m.askedB += len(stanza)
	if m.asked < ackEvery && m.askedB < ackBytes {
		return false
	}
	m.asked, m.askedB = 0, 0
	return true
}

// ack takes the server's count; false if that is not possible.
func (m *management) ack(h uint32) bool {
	n := h - m.acked
	if m.id == "" {
		return true
	}
	if uint64(n) > uint64(len(m.unacked)) {
		return false
	}
	for _, b := range m.unacked[:n] {
		m.bytes -= len(b)
	}
	clear(m.unacked[:n])
	m.unacked = m.unacked[n:]
	if len(m.unacked) == 0 {
		m.unacked = nil
	}
	m.acked = h
	return true
}

var smRequest = []byte("<r xmlns='" + ns.SM3 + "'/>")

// manage takes an element of stream management on a running session.
func (s *session) manage(st *Stanza) error {
	switch st.Name {
	case "r":
		s.mu.Lock()
		h := s.sm.in
		s.mu.Unlock()
		_ = s.append(fmt.Appendf(nil, "<a xmlns='%s' h='%d'/>", ns.SM3, h), false) // a failure ends the session
	case "a":
		h, err := handled(st)
		if err != nil {
			return err
		}
		s.mu.Lock()
		ok := s.sm.ack(h)
		s.mu.Unlock()
		if !ok {
			return errors.New("the server acknowledges more than was sent")
		}
	}
	return nil
}

// handled reads the count of an acknowledgement.
func handled(st *Stanza) (uint32, error) {
	var v struct {
		H string `xml:"h,attr"`
	}
	if err := st.Decode(&v); err != nil {
		return 0, err
	}
	h, err := strconv.ParseUint(v.H, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("<%s/> without a count", st.Name)
	}
	return uint32(h), nil
}

// enable asks for stream management with resumption (XEP-0198 §3, §5), if that is wanted
// and offered. Stanzas that come before the answer are kept for the reader.
func (n *negotiation) enable(f *features) (m management, early []*Stanza, err error) {
	want := n.c.opts.Resume
	if want <= 0 || f.SM == nil {
		return management{}, nil, nil
	}
	_, err = fmt.Fprintf(n.conn, "<enable xmlns='%s' resume='true' max='%d'/>", ns.SM3, max(1, int(want.Seconds())))
	if err != nil {
		return management{}, nil, err
	}
	for {
		st, err := n.next()
		if err != nil {
			return management{}, nil, fmt.Errorf("stream management: %w", err)
		}
		switch st.Name {
		case "enabled":
			var v struct {
				ID     string `xml:"id,attr"`
				Resume string `xml:"resume,attr"`
			}
			if err := st.Decode(&v); err != nil {
				return management{}, nil, fmt.Errorf("stream management: %w", err)
			}
			if v.Resume != "true" && v.Resume != "1" {
				v.ID = ""
			}
			return management{on: true, id: v.ID}, early, nil
		case "failed":
			return management{}, early, nil
		case NameIQ, NameMessage, NamePresence:
			early = append(early, st)
		}
	}
}

// resume takes the session over to a new connection, once that can be made. An error is
// the end of the session.
func (c *Client) resume(s *session) (*line, error) {
	deadline := time.Now().Add(resumeTime)
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		select {
		case <-time.After(backoff/2 + rand.N(backoff)):
		case <-s.ctx.Done():
			return nil, s.err()
		}
		l, err := c.resumeOnce(s.ctx, s)
		switch {
		case err == nil:
			return l, nil
		case errors.Is(err, errNotResumed), errors.Is(err, ErrCredentials), time.Now().After(deadline):
			return nil, err
		}
		c.log.WithError(err).Debug("the session is not resumed yet")
	}
}

func (c *Client) resumeOnce(ctx context.Context, s *session) (*line, error) {
	var l *line
	err := c.negotiate(ctx, func(n *negotiation) error {
		f, err := n.login()
		if err != nil {
			return err
		}
		if f.SM == nil {
			return errNotResumed
		}
		h, err := n.resume(s)
		if err != nil {
			return err
		}
		l = newLine(n)
		return s.resumed(l, h)
	})
	return l, err
}

// resume asks for the session of before, and returns how much of ours the server has.
func (n *negotiation) resume(s *session) (uint32, error) {
	s.mu.Lock()
	in, id := s.sm.in, s.sm.id
	s.mu.Unlock()
	var b bytes.Buffer
	fmt.Fprintf(&b, "<resume xmlns='%s' h='%d' previd='", ns.SM3, in)
	_ = xml.EscapeText(&b, []byte(id)) // a bytes.Buffer does not fail
	b.WriteString("'/>")
	if _, err := n.conn.Write(b.Bytes()); err != nil {
		return 0, err
	}
	st, err := n.next()
	if err != nil {
		return 0, err
	}
	if st.Name != "resumed" {
		return 0, errNotResumed
	}
	return handled(st)
}

// resumed goes on with the session on another connection: what the server does not have
// is said again, in order.
func (s *session) resumed(l *line, h uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		return ErrClosed
	}
	if !s.sm.ack(h) {
		return fmt.Errorf("%w: it has more than was sent", errNotResumed)
	}
	s.out.Reset()
	for _, b := range s.sm.unacked {
		s.out.Write(b)
	}
	s.line = l
	s.awake()
	return nil
}
