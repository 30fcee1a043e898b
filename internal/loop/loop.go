// Package loop is one goroutine with a bounded mailbox: the owner of a room, a
// conference or a session runs in it, and everybody else posts.
//
// Functions posted from one goroutine run in the order of posting, one at a time.
package loop

import "sync"

// Loop runs posted functions one after the other. Make one with New.
type Loop struct {
	mail chan func()
	done chan struct{} // closed when the goroutine has returned

	// mu guards stopped: after it is set nothing enters mail.
	mu      sync.RWMutex
	stopped bool

	recovered func(any)
}

// New starts a loop whose mailbox holds size functions. recovered is called, on the
// loop, when a posted function panics; nil lets the panic end the process.
func New(size int, recovered func(any)) *Loop {
	l := &Loop{mail: make(chan func(), size), done: make(chan struct{}), recovered: recovered}
	go l.run()
	return l
}

// Post hands f to the loop. It returns false, and f never runs, if the mailbox is full or
// the loop stopped: the caller decides what that means. It never blocks.
func (l *Loop) Post(f func()) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.stopped {
		return false
	}
	select {
	case l.mail <- f:
		return true
	default:
		return false
	}
}

// Stop lets everything posted so far run, then ends the loop, and waits for that. It may
// be called twice, but not on the loop itself; there, use StopSoon.
func (l *Loop) Stop() {
	l.StopSoon()
	<-l.done
}

// StopSoon is Stop without waiting.
func (l *Loop) StopSoon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.stopped = true
		close(l.mail)
	}
}

// Done is closed when the loop has ended.
func (l *Loop) Done() <-chan struct{} { return l.done }

// Len is how many functions wait.
func (l *Loop) Len() int { return len(l.mail) }

func (l *Loop) run() {
	defer close(l.done)
	for f := range l.mail {
		l.call(f)
	}
}

func (l *Loop) call(f func()) {
	if l.recovered != nil {
		defer func() {
			if p := recover(); p != nil {
				l.recovered(p)
			}
		}()
	}
	f()
}
