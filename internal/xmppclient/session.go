package xmppclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
)

// session is one login. Its goroutine carries it from connection to connection, as long
// as it can be resumed; what is below a connection is a line.
type session struct {
	c    *Client
	addr string
	from string // written into our stanzas: components must say who they are

	ctx    context.Context
	cancel context.CancelCauseFunc
	done   sync.WaitGroup
	early  []*Stanza // came before the reader began, which takes them first

	// mu guards what follows. After the session has failed nothing is added to out or open.
	mu     sync.Mutex
	line   *line // nil while the connection is lost
	out    *bytes.Buffer
	spare  *bytes.Buffer
	open   map[string]*pending
	sm     management
	failed bool
	heard  bool // something arrived since the last ping

	wake chan struct{} // capacity 1: there is something in out
}

// line is a connection that carries a session. One goroutine owns in, another writes.
type line struct {
	conn   net.Conn
	in     *stanzaReader
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func newLine(n *negotiation) *line {
	l := &line{conn: n.conn, in: n.in}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	return l
}

// cut ends the line; the first reason counts.
func (l *line) cut(err error) {
	l.cancel(err)
	_ = l.conn.Close()
}

func newSession(c *Client, l *line, addr string) *session {
	s := &session{
		c: c, line: l, addr: addr,
		out: &bytes.Buffer{}, spare: &bytes.Buffer{},
		open: map[string]*pending{},
		wake: make(chan struct{}, 1),
	}
	if c.cfg.Component {
		s.from = addr
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

func (s *session) start() {
	l := s.line
	s.done.Go(func() { s.serve(l) })
}

// serve carries the session until it is over.
func (s *session) serve(l *line) {
	for {
		err := s.carry(l)
		if !s.away(err) {
			s.fail(err)
			return
		}
		log := s.c.log.WithField(logx.Remote, s.c.cfg.Address)
		log.WithError(err).Warn("connection to the XMPP server lost, taking the session up again")
		var gone error
		if l, gone = s.c.resume(s); gone != nil {
			s.fail(fmt.Errorf("%w (%w)", err, gone))
			return
		}
		log.Info("the session with the XMPP server goes on")
	}
}

// carry runs the session on a connection until that ends, and says why.
func (s *session) carry(l *line) error {
	var others sync.WaitGroup
	others.Go(func() { s.write(l) })
	others.Go(func() { s.keepAlive(l) })
	l.cut(s.read(l))
	others.Wait()
	return context.Cause(l.ctx)
}

// away notes that the connection is lost; false if the session cannot go on without it.
// What was on its way is in the account of stream management.
func (s *session) away(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line, s.heard = nil, false
	s.out.Reset()
	if s.spare == nil { // it was being written
		s.spare = &bytes.Buffer{}
	}
	return !s.failed && s.sm.id != "" && errors.Is(err, errBroken)
}

// attached says whether there is a connection at the moment.
func (s *session) attached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line != nil
}

// fail ends the session; the first reason counts.
func (s *session) fail(err error) {
	s.mu.Lock()
	if s.failed {
		s.mu.Unlock()
		return
	}
	s.failed = true
	open, l := s.open, s.line
	s.open, s.line = nil, nil
	s.mu.Unlock()
	s.cancel(err)
	if l != nil {
		l.cut(err)
	}
	for _, p := range open {
		p.finish(nil, ErrDisconnected)
	}
}

func (s *session) err() error { return context.Cause(s.ctx) }

func (s *session) wait() { s.done.Wait() }

// read hands each stanza to its handlers, in order.
func (s *session) read(l *line) error {
	for _, st := range s.early {
		s.dispatch(st)
	}
	s.early = nil
	for {
		st, err := l.in.next()
		switch {
		case err != nil && l.in.rec.err != nil:
			return fmt.Errorf("%w: read: %w", errBroken, err)
		case err != nil:
			return fmt.Errorf("read: %w", err)
		}
		s.trace("received stanza", st.Raw)
		if st.Name == "stream:error" {
			return streamError(st)
		}
		counted := st.Name == NameIQ || st.Name == NamePresence || st.Name == NameMessage
		s.mu.Lock()
		s.heard = true
		if counted {
			s.sm.in++
		}
		managed := s.sm.on
		s.mu.Unlock()
		switch {
		case counted:
			s.dispatch(st)
		case managed:
			if err := s.manage(st); err != nil {
				return fmt.Errorf("stream management: %w", err)
			}
		}
	}
}

// dispatch survives a handler that panics: the stanza was a peer's, so it must not end
// the process.
func (s *session) dispatch(st *Stanza) {
	defer func() {
		if p := recover(); p != nil {
			s.c.log.WithField(logx.Stanza, st.Name).WithField(logx.Reason, fmt.Sprint(p)).
				Error("a handler of a stanza panicked")
		}
	}()
	switch st.Name {
	case NameIQ:
		s.dispatchIQ(st)
	case NamePresence:
		s.c.dispatchPresence(st)
	case NameMessage:
		s.c.dispatchMessage(st)
	}
}

func (s *session) trace(what string, raw []byte) {
	if s.c.log.Logger.IsLevelEnabled(logrus.TraceLevel) {
		s.c.log.WithField(logx.Stanza, logx.Redact(string(raw))).Trace(what)
	}
}

// send appends the stanza to the output.
func (s *session) send(o Outgoing) error {
	id := ""
	if name, _, oid, _, _ := o.header(); name == NameIQ && oid == "" {
		id = s.c.NewID()
	}
	return s.sendAs(o, id)
}

func (s *session) sendAs(o Outgoing, id string) error {
	var b bytes.Buffer
	if err := appendStanza(&b, o, id, s.from); err != nil {
		return err
	}
	s.trace("sent stanza", b.Bytes())
	return s.append(b.Bytes(), true)
}

// append adds to what is written next; a stanza is counted, and kept until the server has
// it. b is not changed afterwards.
func (s *session) append(b []byte, stanza bool) error {
	s.mu.Lock()
	if s.failed {
		s.mu.Unlock()
		return ErrNotConnected
	}
	if max(s.out.Len(), s.sm.bytes)+len(b) > s.c.opts.MaxQueue {
		s.mu.Unlock()
		s.fail(ErrQueueFull)
		return ErrQueueFull
	}
	ask := stanza && s.sm.sent(b)
	if s.line != nil {
		s.out.Write(b)
		if ask {
			s.out.Write(smRequest)
		}
		s.awake()
	}
	s.mu.Unlock()
	return nil
}

func (s *session) awake() {
	select {
	case s.wake <- struct{}{}:
	default: // the writer is awake already
	}
}

func (s *session) write(l *line) {
	for {
		select {
		case <-s.wake:
		case <-l.ctx.Done():
			return
		}
		if err := s.flush(l); err != nil {
			l.cut(fmt.Errorf("%w: write: %w", errBroken, err))
			return
		}
	}
}

// flush writes what has gathered. The two buffers change places, so that senders go on
// while the connection is written.
func (s *session) flush(l *line) error {
	s.mu.Lock()
	b := s.out
	if s.out.Len() == 0 || s.line != l {
		s.mu.Unlock()
		return nil
	}
	s.out, s.spare = s.spare, nil
	s.mu.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := l.conn.Write(b.Bytes())
	if b.Cap() > 1<<20 {
		b = &bytes.Buffer{}
	}
	b.Reset()
	s.mu.Lock()
	s.spare = b
	s.mu.Unlock()
	return err
}

// keepAlive pings; whatever arrives in the meantime counts as an answer.
func (s *session) keepAlive(l *line) {
	t := time.NewTicker(s.c.opts.PingInterval)
	defer t.Stop()
	pinged, missed := false, 0
	for {
		select {
		case <-t.C:
		case <-l.ctx.Done():
			return
		}
		s.mu.Lock()
		heard := s.heard
		s.heard = false
		owing := len(s.sm.unacked) > 0
		s.mu.Unlock()
		if heard {
			missed = 0
		} else if pinged {
			missed++
		}
		if missed >= 2 {
			l.cut(fmt.Errorf("%w: the XMPP server does not answer pings", errBroken))
			return
		}
		if owing {
			_ = s.append(smRequest, false) // a failure ends the session
		}
		pinged = s.ask(s.pingIQ(), 2*s.c.opts.PingInterval, func(*Stanza, error) {}) == nil
	}
}

// goodbye ends the session as RFC 6120 §4.4 wants it: presence, end of stream, and a
// moment for the server to answer in kind.
func (s *session) goodbye() {
	if !s.attached() {
		return
	}
	if !s.c.cfg.Component {
		_ = s.send(Presence{Type: TypeUnavailable})
	}
	if s.append([]byte("</stream:stream>"), false) != nil {
		return
	}
	select {
	case <-s.ctx.Done():
	case <-time.After(goodbyeWait):
	}
}

// streamError turns <stream:error/> into a Go error.
func streamError(st *Stanza) error {
	var v struct {
		Text string `xml:"urn:ietf:params:xml:ns:xmpp-streams text"`
	}
	_ = st.Decode(&v) // the text is a courtesy
	cond := st.Payload.Local
	err := fmt.Errorf("stream error %s", cond)
	if v.Text != "" {
		err = fmt.Errorf("stream error %s: %s", cond, logx.Shorten(v.Text, 200))
	}
	if cond == "not-authorized" {
		return errors.Join(ErrCredentials, err)
	}
	return err
}
