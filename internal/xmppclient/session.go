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

// session is one logged-in connection. The reader goroutine owns in; the writer
// goroutine empties out.
type session struct {
	c    *Client
	conn net.Conn
	in   *stanzaReader
	addr string
	from string // written into our stanzas: components must say who they are

	ctx    context.Context
	cancel context.CancelCauseFunc
	done   sync.WaitGroup

	// mu guards out and open. After the session has failed nothing is added to either.
	mu     sync.Mutex
	out    *bytes.Buffer
	spare  *bytes.Buffer
	open   map[string]*pending
	failed bool

	wake     chan struct{} // capacity 1: there is something in out
	readerIn chan struct{} // closed when the reader has returned
	heard    bool          // under mu: something arrived since the last ping
}

func newSession(c *Client, conn net.Conn, in *stanzaReader, addr string) *session {
	s := &session{
		c: c, conn: conn, in: in, addr: addr,
		out: &bytes.Buffer{}, spare: &bytes.Buffer{},
		open: map[string]*pending{},
		wake: make(chan struct{}, 1), readerIn: make(chan struct{}),
	}
	if c.cfg.Component {
		s.from = addr
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

func (s *session) start() {
	s.done.Add(3)
	go func() {
		defer s.done.Done()
		defer close(s.readerIn)
		s.fail(s.read())
	}()
	go func() {
		defer s.done.Done()
		s.write()
	}()
	go func() {
		defer s.done.Done()
		s.keepAlive()
	}()
}

// fail ends the session; the first reason counts.
func (s *session) fail(err error) {
	s.mu.Lock()
	if s.failed {
		s.mu.Unlock()
		return
	}
	s.failed = true
	open := s.open
	s.open = nil
	s.mu.Unlock()
	s.cancel(err)
	_ = s.conn.Close()
	for _, p := range open {
		p.finish(nil, ErrDisconnected)
	}
}

func (s *session) err() error { return context.Cause(s.ctx) }

func (s *session) wait() { s.done.Wait() }

// read hands each stanza to its handlers, in order.
func (s *session) read() error {
	for {
		st, err := s.in.next()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		s.mu.Lock()
		s.heard = true
		s.mu.Unlock()
		s.trace("received stanza", st.Raw)
		if st.Name == "stream:error" {
			return streamError(st)
		}
		s.dispatch(st)
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
	return s.append(b.Bytes())
}

func (s *session) append(b []byte) error {
	s.mu.Lock()
	if s.failed {
		s.mu.Unlock()
		return ErrNotConnected
	}
	if s.out.Len()+len(b) > s.c.opts.MaxQueue {
		s.mu.Unlock()
		s.fail(ErrQueueFull)
		return ErrQueueFull
	}
	s.out.Write(b)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // the writer is awake already
	}
	return nil
}

func (s *session) write() {
	for {
		select {
		case <-s.wake:
		case <-s.ctx.Done():
			return
		}
		if err := s.flush(); err != nil {
			s.fail(fmt.Errorf("write: %w", err))
			return
		}
	}
}

// flush writes what has gathered. The two buffers change places, so that senders go on
// while the connection is written.
func (s *session) flush() error {
	s.mu.Lock()
	b := s.out
	if s.out.Len() == 0 {
		s.mu.Unlock()
		return nil
	}
	s.out, s.spare = s.spare, nil
	s.mu.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := s.conn.Write(b.Bytes())
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
func (s *session) keepAlive() {
	t := time.NewTicker(s.c.opts.PingInterval)
	defer t.Stop()
	pinged, missed := false, 0
	for {
		select {
		case <-t.C:
		case <-s.ctx.Done():
			return
		}
		s.mu.Lock()
		heard := s.heard
		s.heard = false
		s.mu.Unlock()
		if heard {
			missed = 0
		} else if pinged {
			missed++
		}
		if missed >= 2 {
			s.fail(errors.New("the XMPP server does not answer pings"))
			return
		}
		pinged = s.ask(s.pingIQ(), 2*s.c.opts.PingInterval, func(*Stanza, error) {}) == nil
	}
}

// goodbye ends the session as RFC 6120 §4.4 wants it: presence, end of stream, and a
// moment for the server to answer in kind.
func (s *session) goodbye() {
	if !s.c.cfg.Component {
		_ = s.send(Presence{Type: TypeUnavailable})
	}
	if s.append([]byte("</stream:stream>")) != nil {
		return
	}
	select {
	case <-s.readerIn:
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
