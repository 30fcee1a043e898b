package xmppclient

import (
	"context"
	"strings"
	"sync"
	"time"

	"parley/internal/logx"
)

// Handler hears of received presence or message stanzas. It is called on the reader's
// goroutine and must not block.
type Handler func(*Stanza)

// IQHandler answers a request. It is called on the reader's goroutine and must not
// block; the answer may be given later, from any goroutine.
type IQHandler func(*Request)

type handlerKey struct{ space, local string }

// HandleIQ registers the handler of IQ requests (get and set) whose payload has that
// name. The last one registered for a name counts.
func (c *Client) HandleIQ(space, local string, h IQHandler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.iq[handlerKey{space, local}] = h
}

// HandlePresence adds a handler of all presence stanzas that belong to no Room of ours.
func (c *Client) HandlePresence(h Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.presence = append(c.presence, h)
}

// HandleMessage adds a handler of all messages that belong to no Room of ours.
func (c *Client) HandleMessage(h Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.message = append(c.message, h)
}

// Request is an IQ that wants an answer, exactly one: Reply or Fail. Later ones are
// ignored. The answer goes out on the connection the request came from.
type Request struct {
	*Stanza
	s    *session
	once sync.Once
}

// Reply sends a result with that payload, which may be nil.
func (r *Request) Reply(payload any) {
	r.answer(IQ{Type: TypeResult, Payload: payload})
}

// Fail sends an error. Anything but a *StanzaError becomes internal-server-error, and
// its text stays with us.
func (r *Request) Fail(err error) {
	e, ok := err.(*StanzaError)
	if !ok {
		r.s.c.log.WithError(err).WithField(logx.Name, r.Payload.Local).Error("request failed")
		e = NewError(InternalServerError, "")
	}
	r.answer(IQ{Type: TypeError, Payload: e})
}

func (r *Request) answer(iq IQ) {
	r.once.Do(func() {
		iq.ID, iq.To = r.ID, r.From
		if r.s.from != "" {
			iq.From = r.To // a component answers from the address it was asked at
		}
		if err := r.s.sendAs(iq, ""); err != nil {
			r.s.c.log.WithError(err).Debug("answer not sent")
		}
	})
}

// pending is an IQ that waits for its answer.
type pending struct {
	to    string
	timer *time.Timer
	once  sync.Once
	fn    func(*Stanza, error)
}

func (p *pending) finish(st *Stanza, err error) {
	p.once.Do(func() {
		if p.timer != nil {
			p.timer.Stop()
		}
		p.fn(st, err)
	})
}

// Ask sends a request and calls fn exactly once: with the answer, with an answer of
// type error and its *StanzaError, or with nil and ErrTimeout or ErrDisconnected. fn is
// called on the reader's goroutine or a timer's and must not block. If Ask returns an
// error, fn is not called. A timeout of 0 is Options.ReplyTimeout.
func (c *Client) Ask(iq IQ, timeout time.Duration, fn func(*Stanza, error)) error {
	s, err := c.session()
	if err != nil {
		return err
	}
	if timeout <= 0 {
		timeout = c.opts.ReplyTimeout
	}
	return s.ask(iq, timeout, fn)
}

// IQ sends a request and waits for the answer. An answer of type error is returned
// together with its *StanzaError. Without a deadline in ctx it waits Options.ReplyTimeout.
// It must not be called from a handler.
func (c *Client) IQ(ctx context.Context, iq IQ) (*Stanza, error) {
	timeout := c.opts.ReplyTimeout
	if dl, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(dl), time.Nanosecond)
	}
	type answer struct {
		st  *Stanza
		err error
	}
	got := make(chan answer, 1)
	if err := c.Ask(iq, timeout, func(st *Stanza, err error) { got <- answer{st, err} }); err != nil {
		return nil, err
	}
	select {
	case a := <-got:
		return a.st, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *session) ask(iq IQ, timeout time.Duration, fn func(*Stanza, error)) error {
	if iq.ID == "" {
		iq.ID = s.c.NewID()
	}
	p := &pending{to: iq.To, fn: fn}
	s.mu.Lock()
	switch {
	case s.failed:
		s.mu.Unlock()
		return ErrNotConnected
	case len(s.open) >= s.c.opts.MaxOpen:
		s.mu.Unlock()
		return ErrTooManyOpen
	}
	s.open[iq.ID] = p
	p.timer = time.AfterFunc(timeout, func() {
		if s.forget(iq.ID, p) {
			p.finish(nil, ErrTimeout)
		}
	})
	s.mu.Unlock()
	if err := s.sendAs(iq, iq.ID); err != nil {
		if s.forget(iq.ID, p) {
			p.timer.Stop()
			return err
		}
		return nil // the session failed meanwhile, and fn has heard of it
	}
	return nil
}

// forget takes p out of the open requests; false if somebody else has done so.
func (s *session) forget(id string, p *pending) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[id] != p {
		return false
	}
	delete(s.open, id)
	return true
}

func (s *session) dispatchIQ(st *Stanza) {
	switch st.Type {
	case TypeResult, TypeError:
		s.mu.Lock()
		p := s.open[st.ID]
		if p != nil && !s.answers(st.From, p.to) {
			p = nil // somebody who guessed an id must not answer for another
		}
		if p != nil {
			delete(s.open, st.ID)
		}
		s.mu.Unlock()
		if p != nil {
			p.finish(st, st.Err())
		}
	case TypeGet, TypeSet:
		s.request(st)
	}
}

// answers says whether an answer from that address may answer a request sent to the
// other. Requests to our own account are answered by the server in several names
// (RFC 6120 §10.3.3).
func (s *session) answers(from, to string) bool {
	if strings.EqualFold(from, to) {
		return true
	}
	if to != "" && to != Bare(s.addr) {
		return false
	}
	return from == "" || from == s.addr || from == Bare(s.addr) || from == Domain(s.addr)
}

func (s *session) request(st *Stanza) {
	s.c.mu.Lock()
	h := s.c.iq[handlerKey{st.Payload.Space, st.Payload.Local}]
	s.c.mu.Unlock()
	r := &Request{Stanza: st, s: s}
	if h == nil {
		r.Fail(NewError(ServiceUnavailable, ""))
		return
	}
	defer func() {
		if p := recover(); p != nil {
			r.Fail(NewError(InternalServerError, ""))
			panic(p) // logged above
		}
	}()
	h(r)
}

func (c *Client) dispatchPresence(st *Stanza) {
	if r := c.roomOf(st.From); r != nil {
		r.handlePresence(st)
		return
	}
	c.mu.Lock()
	hs := c.presence
	c.mu.Unlock()
	for _, h := range hs {
		h(st)
	}
}

func (c *Client) dispatchMessage(st *Stanza) {
	if r := c.roomOf(st.From); r != nil && r.opts.OnMessage != nil {
		r.opts.OnMessage(st)
		return
	}
	c.mu.Lock()
	hs := c.message
	c.mu.Unlock()
	for _, h := range hs {
		h(st)
	}
}
