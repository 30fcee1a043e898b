package router

import (
	"crypto/rand"
	"sync"
	"time"

	"parley/xmppd/stanza"
)

// calls are the requests Hosts have sent and that are not answered yet.
type calls struct {
	mu sync.Mutex // guards m; never held while a callback runs
	m  map[callKey]*call
}

type callKey struct {
	from, to stanza.Addr // of the request
	id       string
}

type call struct {
	reply func(*stanza.Stanza)
	timer *time.Timer
}

// Call sends an iq of type get or set from a Host's address and calls reply once:
// with the answer, or after timeout with an error wait/remote-server-timeout that
// looks like one. An empty id is filled in. reply runs on a foreign goroutine and
// must not block; a Host posts the answer to its mailbox.
func (r *Router) Call(req *stanza.Stanza, timeout time.Duration, reply func(*stanza.Stanza)) {
	if req.ID == "" {
		req = req.Copy()
		req.ID = NewID()
	}
	key := callKey{req.From, req.To, req.ID}
	c := &call{reply: reply}
	r.calls.mu.Lock()
	c.timer = time.AfterFunc(timeout, func() {
		r.calls.answer(stanza.ErrorReply(req, stanza.Err(stanza.Wait, stanza.RemoteServerTimeout, "No answer in time")))
	})
	r.calls.m[key] = c
	r.calls.mu.Unlock()
	r.Route(req, nil)
}

// answer gives a reply to the call it belongs to, if there is one.
func (cs *calls) answer(st *stanza.Stanza) bool {
	key := callKey{st.To, st.From, st.ID}
	cs.mu.Lock()
	c, ok := cs.m[key]
	delete(cs.m, key)
	cs.mu.Unlock()
	if !ok {
		return false
	}
	c.timer.Stop()
	c.reply(st)
	return true
}

// NewID is a stanza id nobody can guess.
func NewID() string { return rand.Text() }
