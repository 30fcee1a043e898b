package bosh

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

var (
	errSilent   = errors.New("BOSH client silent for too long")
	errOrder    = errors.New("a BOSH request outside the window")
	errShutdown = errors.New("the server stops")
	errEnded    = errors.New("the stream was ended")
)

// session is one stream; it is the stream.Carrier.
type session struct {
	srv     *Server
	sid     string
	wait    time.Duration
	handler stream.Handler // its methods are called with work held

	work sync.Mutex // held while a request is worked on
	over bool       // guarded by work: the Handler knows of the end
	to   string     // likewise: the host of the last stream header

	mu       sync.Mutex // guards the fields below
	rid      int64      // of the last request worked on
	created  bool       // the creation answer was given
	header   stream.Header
	queue    []item
	bytes    int
	busy     bool       // request rid is worked on, or about to be: do not answer yet
	held     *request   // waits for something to say
	parked   []*request // wait for their turn: rid+1 or rid+2, each at most once
	answered []answer   // the last hold+1
	ended    bool       // nothing more goes out but last
	last     []byte     // content of the terminating body
	cond     string     // its condition
	told     bool       // a terminating body was given
	silence  *time.Timer
	gather   *time.Timer // ends in an answer to the held request
	spoke    time.Time   // when something was in an answer
}

type item struct {
	raw []byte
	e   *stanza.Encoded
	to  stanza.Addr
}

// request is an open HTTP request. body gets its answer, once.
type request struct {
	rid   int64
	body  chan []byte
	timer *time.Timer
	turn  chan bool // parked requests: true when their turn has come
}

type answer struct {
	rid  int64
	body []byte
}

func newSession(srv *Server, rid int64, wait time.Duration) *session {
	x := &session{srv: srv, sid: rand.Text(), wait: wait, rid: rid}
	x.silence = time.AfterFunc(srv.o.Inactivity, x.silent)
	x.gather = time.AfterFunc(time.Hour, x.answerHeld)
	x.gather.Stop()
	return x
}

// serve takes a request with a valid rid through its life.
func (x *session) serve(w http.ResponseWriter, r *http.Request, body *stream.Body, rid int64) {
	q := &request{rid: rid, body: make(chan []byte, 1)}
	switch x.admit(q) {
	case again:
	case later:
		select {
		case mine := <-q.turn:
			if mine {
				x.process(q, body)
			}
		case <-r.Context().Done():
			if x.abandon(q) {
				return
			}
			if <-q.turn { // it was given already
				x.process(q, body)
			}
		}
	case outside:
		x.finish(errOrder)
		send(w, terminate("item-not-found"))
		return
	case now:
		x.process(q, body)
	}
	select {
	case b := <-q.body:
		send(w, b)
	case <-r.Context().Done():
		x.abandon(q)
	}
}

// place is where a request stands in the order.
type place uint8

const (
	now     place = iota // the next one
	later                // one too early
	again                // a repetition
	outside              // of the window
)

func (x *session) admit(q *request) place {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.silence.Stop()
	switch {
	case q.rid == x.rid+1 && !x.busy:
		x.rid, x.busy = q.rid, true
		return now
	case q.rid == x.rid+1 || q.rid == x.rid+2:
		if old := x.unparkLocked(q.rid); old != nil {
			old.turn <- false
			old.body <- x.emptyLocked()
		}
		q.turn = make(chan bool, 1)
		x.parked = append(x.parked, q)
		return later
	case x.held != nil && q.rid == x.held.rid:
		// The client repeats a request that is still held: the new one takes its place.
		old := x.held
		old.timer.Stop()
		old.body <- x.emptyLocked()
		x.held = nil
		x.holdLocked(q)
		return again
	}
	for _, a := range x.answered {
		if a.rid == q.rid {
			q.body <- a.body
			x.watchLocked()
			return again
		}
	}
	x.endLocked(nil)
	x.told = true
	return outside
}

// unparkLocked takes a request out of those that wait for their turn.
func (x *session) unparkLocked(rid int64) *request {
	for i, q := range x.parked {
		if q.rid == rid {
			x.parked = slices.Delete(x.parked, i, i+1)
			return q
		}
	}
	return nil
}

// process works on a request whose turn it is: nobody else's, until it gives it on.
func (x *session) process(q *request, body *stream.Body) {
	x.work.Lock()
	terminating := body.Attr("type") == "terminate"
	x.mu.Lock()
	if x.held != nil && !terminating {
		x.replyLocked(x.held) // at most hold requests stay open
	}
	first := !x.created
	x.mu.Unlock()
	if !x.over {
		if !stream.Guard(x.srv.o.Recovered, func() { x.handle(body, first, terminating) }) {
			x.Fail(stream.Err(stream.InternalServerError, ""))
		}
	}
	x.mu.Lock()
	x.busy = false
	if x.ended || len(x.queue) > 0 || first {
		x.replyLocked(q)
	} else {
		x.holdLocked(q)
	}
	if x.ended && x.held != nil {
		x.replyLocked(x.held)
	}
	next := x.unparkLocked(x.rid + 1)
	if next != nil {
		x.rid, x.busy = next.rid, true
	}
	ended := x.ended
	x.mu.Unlock()
	x.work.Unlock()
	if next != nil {
		next.turn <- true
	}
	if ended {
		x.finish(errEnded)
	}
}

// handle gives the Handler what the body holds.
func (x *session) handle(body *stream.Body, first, terminating bool) {
	if first || body.AttrNS(ns.XBOSH, "restart") == "true" {
		lang := body.AttrNS(ns.XML, "lang")
		if to := body.Attr("to"); to != "" {
			x.to = to // else a restart means the host of before, as clients may leave it out
		}
		x.handler.Header(stream.Header{To: x.to, From: body.Attr("from"), Version: "1.0", Lang: lang, Default: ns.Client})
	}
	for _, st := range body.Elements {
		if x.isEnded() {
			return
		}
		x.handler.Element(st)
	}
	if terminating && !x.isEnded() {
		x.over = true
		x.handler.End()
		x.End()
	}
}

func (x *session) isEnded() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ended
}

// holdLocked keeps a request until there is something to say.
func (x *session) holdLocked(q *request) {
	x.held = q
	q.timer = time.AfterFunc(x.wait, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.held == q {
			x.replyLocked(q)
		}
	})
}

// replyLocked answers a request with all that waits.
func (x *session) replyLocked(q *request) {
	if x.held == q {
		x.held = nil
		q.timer.Stop()
	}
	if len(x.queue) > 0 {
		x.spoke = time.Now()
	}
	b := x.bodyLocked()
	x.answered = append(x.answered, answer{q.rid, b})
	if len(x.answered) > hold+1 {
		x.answered = x.answered[1:]
	}
	q.body <- b
	x.watchLocked()
}

// watchLocked starts the clock of inactivity when no request is open.
func (x *session) watchLocked() {
	if x.held == nil && len(x.parked) == 0 && !x.busy {
		x.silence.Reset(x.srv.o.Inactivity)
	}
}

// abandon forgets a request whose client went away; false if it was not waiting any
// more.
func (x *session) abandon(q *request) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	waited := true
	switch {
	case q == x.held:
		x.held = nil
		q.timer.Stop()
	case slices.Contains(x.parked, q):
		x.unparkLocked(q.rid)
	default:
		waited = false
	}
	x.watchLocked()
	return waited
}

// silent ends a session whose client has stopped asking.
func (x *session) silent() {
	x.mu.Lock()
	if x.held != nil || len(x.parked) > 0 || x.busy {
		x.mu.Unlock()
		return
	}
	x.endLocked(nil)
	x.mu.Unlock()
	x.finish(errSilent)
}

// finish tells the Handler of the end, once, and forgets the session when its
// client has been told too.
func (x *session) finish(err error) {
	x.work.Lock()
	if !x.over {
		x.over = true
		x.handler.Lost(err)
	}
	x.work.Unlock()
	x.mu.Lock()
	told := x.told || err == errSilent || err == errShutdown
	x.mu.Unlock()
	if told {
		x.silence.Stop()
		x.srv.remove(x)
	}
}

// Header is stream.Carrier.Header.
func (x *session) Header(h stream.Header) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.header = h
}

// Features is stream.Carrier.Features.
func (x *session) Features(inner []byte) {
	b := append([]byte(`<stream:features xmlns="`+ns.Client+`">`), inner...)
	x.push(item{raw: append(b, "</stream:features>"...)})
}

// Element is stream.Carrier.Element.
func (x *session) Element(xml []byte) { x.push(item{raw: xml}) }

// Deliver is stream.Carrier.Deliver.
func (x *session) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	return x.push(item{e: e, to: to})
}

func (x *session) push(i item) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		return false
	}
	n := len(i.raw)
	if i.e != nil {
		n = i.e.Size(i.to, ns.Client)
	}
	if x.bytes+n > x.srv.o.Queue && x.bytes > 0 {
		x.queue, x.bytes = nil, 0
		x.endLocked(stream.Err(stream.ResourceConstraint, "The stream is not read fast enough"))
		go x.finish(errEnded)
		return false
	}
	x.queue = append(x.queue, i)
	x.bytes += n
	if x.held != nil && !x.busy && len(x.queue) == 1 {
		delay := flushDelay
		if time.Since(x.spoke) < busyTime {
			delay = busyDelay
		}
		x.gather.Reset(delay)
	}
	return true
}

func (x *session) answerHeld() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.held != nil && !x.busy && len(x.queue) > 0 {
		x.replyLocked(x.held)
	}
}

// Fail is stream.Carrier.Fail.
func (x *session) Fail(e *stream.Error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		return
	}
	x.endLocked(e)
	if !x.busy {
		go x.finish(errEnded)
	}
}

// End is stream.Carrier.End.
func (x *session) End() { x.Fail(nil) }

func (x *session) endLocked(e *stream.Error) {
	if x.ended {
		return
	}
	x.ended = true
	if e != nil {
		x.cond = "remote-stream-error"
		x.last = append(append([]byte("<stream:error>"), e.Content()...), "</stream:error>"...)
	}
	for _, q := range x.parked {
		q.turn <- false
		if x.held == nil && !x.busy && !x.told {
			x.replyLocked(q)
		} else {
			q.body <- terminate("")
		}
	}
	x.parked = nil
	if x.held != nil && !x.busy {
		x.replyLocked(x.held)
	}
}

// lastWords is the terminating body for a request that could not be read.
func (x *session) lastWords() []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.bodyLocked()
}

// SetLimits is stream.Carrier.SetLimits. A body is read before it is known whose it
// is, so the limits stay those of the server.
func (x *session) SetLimits(int, int) {}

// Restart is stream.Carrier.Restart: the client asks for it with an attribute.
func (x *session) Restart() {}

// emptyLocked is a body without content.
func (x *session) emptyLocked() []byte {
	b := stanza.AppendAttr([]byte("<body"), "xmlns", ns.HTTPBind)
	return append(stanza.AppendAttr(b, "sid", x.sid), "/>"...)
}

// bodyLocked takes all that waits into one body.
func (x *session) bodyLocked() []byte {
	b := make([]byte, 0, x.bytes+512)
	b = stanza.AppendAttr(append(b, "<body"...), "xmlns", ns.HTTPBind)
	b = stanza.AppendAttr(b, "sid", x.sid)
	b = stanza.AppendAttr(b, "xmlns:stream", ns.Stream)
	if !x.created {
		x.created = true
		b = x.creationLocked(b)
	}
	var last []byte
	if x.ended {
		b = stanza.AppendAttr(b, "type", "terminate")
		if x.cond != "" && !x.told {
			b = stanza.AppendAttr(b, "condition", x.cond)
			last = x.last
		}
		x.told = true
	}
	if len(x.queue) == 0 && last == nil {
		return append(b, "/>"...)
	}
	b = append(b, '>')
	for _, i := range x.queue {
		if i.e != nil {
			b = i.e.Append(b, i.to, ns.Client)
		} else {
			b = append(b, i.raw...)
		}
	}
	x.queue, x.bytes = nil, 0
	b = append(b, last...)
	return append(b, "</body>"...)
}

// creationLocked adds the attributes of a session's first answer (XEP-0124 §7.2), as
// Prosody's mod_bosh sets them.
func (x *session) creationLocked(b []byte) []byte {
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	for _, a := range [...][2]string{
		{"authid", x.sid}, {"wait", seconds(x.wait)}, {"inactivity", seconds(x.srv.o.Inactivity)},
		{"polling", strconv.Itoa(polling)}, {"requests", strconv.Itoa(hold + 1)}, {"hold", strconv.Itoa(hold)},
		{"secure", "true"}, {"ver", "1.6"}, {"from", x.header.From}, {"xmlns:xmpp", ns.XBOSH}, {"xmpp:version", "1.0"},
	} {
		b = stanza.AppendAttr(b, a[0], a[1])
	}
	return b
}
