package muc

import "sync"

// maxMail bounds a room's mailbox. When it is full, what can be refused is refused
// with wait/resource-constraint; that somebody is gone is always taken, so it is
// bounded by the number of occupants.
const maxMail = 4096

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

// post puts f behind what is queued. An urgent one is taken even when the box is full.
func (m *mailbox) post(f func(), urgent bool) postResult {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return closed
	case len(m.queue) >= maxMail && !urgent:
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
