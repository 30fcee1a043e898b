package muc

import "sync"

// maxMail bounds a room's mailbox. When it is full, stanzas are refused with
// wait/resource-constraint. Half as much again is kept free for those who leave.
// What the server itself posts is always taken: there is one end of a session per
// occupant, one timer per waiting join, and one question per asking operator.
const (
	maxMail    = 4096
	maxLeaving = maxMail + maxMail/2
)

type urgency uint8

const (
	ordinary urgency = iota // a stanza
	leaving                 // an unavailable presence
	internal                // from the server itself
)

type postResult uint8

const (
	posted postResult = iota
	full
	closed
)

// mailbox is the queue into a room's goroutine.
type mailbox struct {
	wake chan struct{} // holds at most one token

	mu     sync.Mutex // guards the fields below
	queue  []func()
	closed bool
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

// post puts f behind what is queued.
func (m *mailbox) post(f func(), u urgency) postResult {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return closed
	case u == ordinary && len(m.queue) >= maxMail, u == leaving && len(m.queue) >= maxLeaving:
		return full
	}
	m.queue = append(m.queue, f)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return posted
}

// take empties the queue into spare's memory.
func (m *mailbox) take(spare []func()) []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.queue
	clear(spare[:cap(spare)])
	m.queue = spare[:0]
	return q
}

// empty says that nothing is waiting.
func (m *mailbox) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.queue) == 0
}

// closeIfEmpty closes the box unless something is waiting in it.
func (m *mailbox) closeIfEmpty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) > 0 {
		return false
	}
	m.closed = true
	return true
}
