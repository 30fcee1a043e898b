// Package loop is one goroutine with a bounded mailbox: the owner of a room, a
// conference or a session runs in it, and everybody else posts.
//
// Functions posted from one goroutine run in the order of posting, one at a time.
package loop

import "sync"

// Loop runs posted functions one after the other. Make one with New.
type Loop struct {
	size      int
	recovered func(any)
	wake      chan struct{} // holds something when the goroutine has to look
	done      chan struct{} // closed when the goroutine has returned

	// mu guards what follows. The mailbox grows with what is in it: most loops never
	// have more than a few functions waiting.
	mu      sync.Mutex
	mail    []func()
	waiting int // posted and not begun; those the goroutine took are no longer in mail
	stopped bool
}

// New starts a loop whose mailbox holds size functions. recovered is called, on the
// loop, when a posted function panics; nil lets the panic end the process.
func New(size int, recovered func(any)) *Loop {
	l := &Loop{size: size, recovered: recovered, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	return l
}

// Post hands f to the loop. It returns false, and f never runs, if the mailbox is full or
// the loop stopped: the caller decides what that means. It never blocks.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped || l.waiting >= l.size {
		return false
	}
	l.mail = append(l.mail, f)
	l.waiting++
	l.nudge()
	return true
}

// nudge makes the goroutine look, once.
func (l *Loop) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
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
	l.stopped = true
	l.nudge()
}

// Done is closed when the loop has ended.
func (l *Loop) Done() <-chan struct{} { return l.done }

// Len is how many functions wait.
func (l *Loop) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

// keep is the largest mailbox that is not given back after a rush.
const keep = 256

func (l *Loop) run() {
	defer close(l.done)
	var spare []func()
	for range l.wake {
		for {
			batch, stopped := l.take(spare) // which belongs to the mailbox from now on
			spare = batch[:0]
			if cap(batch) > keep {
				spare = nil
			}
			for i, f := range batch {
				batch[i] = nil
				l.begin()
				call(f, l.recovered)
			}
			if len(batch) == 0 {
				if stopped {
					return
				}
				break
			}
		}
	}
}

// take empties the mailbox, into which spare goes.
func (l *Loop) take(spare []func()) (batch []func(), stopped bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	batch, l.mail = l.mail, spare
	return batch, l.stopped
}

func (l *Loop) begin() {
	l.mu.Lock()
	l.waiting--
	l.mu.Unlock()
}

// call runs f and hands a panic of it to recovered, if there is that.
func call(f func(), recovered func(any)) {
	if recovered != nil {
		defer func() {
			if p := recover(); p != nil {
				recovered(p)
			}
		}()
	}
	f()
}
