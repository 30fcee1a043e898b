package stream

import "sync"

// flushBytes is the most that Flush writes by itself: what a socket takes at once, and
// what holds nobody else up for long.
const flushBytes = 32 << 10

// spareQueue is how much of an empty queue an idle stream keeps.
const spareQueue = 2

// attempt is one write that does not wait.
type attempt struct {
	b   []byte
	n   int
	err error
	do  func(fd uintptr) // bound to the attempt once, since that allocates
}

var attempts = sync.Pool{New: func() any {
	a := &attempt{b: make([]byte, 0, 4<<10)}
	a.do = func(fd uintptr) { a.n, a.err = writeNow(fd, a.b) }
	return a
}}

// Flush writes what has gathered since the Writer was handed to a Round, as far as the
// connection takes it at once. What it does not take, and whatever is out of the
// ordinary, is left to the goroutine; so a peer that does not read costs the caller
// nothing. Only a Round calls it, once each time: until then it is the writer.
func (w *Writer) Flush() {
	w.mu.Lock()
	if w.raw == nil || w.closing || w.closed || w.bytes > flushBytes {
		w.mu.Unlock()
		go w.run(nil)
		return
	}
	batch := w.queue
	w.queue, w.bytes = nil, 0
	raw := w.raw
	w.mu.Unlock()

	a := attempts.Get().(*attempt)
	a.b = w.append(a.b[:0], batch)
	a.n, a.err = 0, nil
	if err := raw.Control(a.do); err != nil {
		a.err = err
	}
	clear(batch)
	if rest := a.b[max(a.n, 0):]; len(rest) > 0 {
		go w.run(append([]byte(nil), rest...))
	} else {
		w.flushed(batch)
	}
	if cap(a.b) <= 2*flushBytes {
		attempts.Put(a)
	}
}

// flushed ends the caller's time as the writer, or gives it on to the goroutine.
func (w *Writer) flushed(spare []item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) > 0 || w.closing || w.closed {
		go w.run(nil)
		return
	}
	w.running = false
	w.idle.Broadcast()
	if cap(spare) <= spareQueue {
		w.queue = spare[:0]
	}
}

func (w *Writer) append(b []byte, batch []item) []byte {
	for _, i := range batch {
		if i.e != nil {
			b = w.enc.AppendStanza(b, i.to, i.e)
		} else {
			b = append(b, i.raw...)
		}
	}
	return b
}
