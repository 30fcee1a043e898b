package stream

import (
	"bytes"
	"sync"
	"syscall"
)

// flushBytes is the most that Flush writes by itself: what a socket takes at once, and
// what holds nobody else up for long.
const flushBytes = 32 << 10

// spareQueue is how much of an empty queue an idle stream keeps.
const spareQueue = 2

// attempt is one write that does not wait.
type attempt struct {
	b  []byte
	n  int
	do func(fd uintptr) // bound to the attempt once, since that allocates
}

var attempts = sync.Pool{New: func() any {
	a := &attempt{}
	a.do = func(fd uintptr) { a.n, _ = writeNow(fd, a.b) }
	return a
}}

// tryWrite is how many bytes the connection took at once. What is wrong with it, if
// anything is, the next write that waits will hear.
func tryWrite(raw syscall.RawConn, b []byte) int {
	a := attempts.Get().(*attempt)
	a.b, a.n = b, 0
	if err := raw.Control(a.do); err != nil {
		a.n = 0
	}
	n := max(a.n, 0)
	a.b = nil
	attempts.Put(a)
	return n
}

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

	bp := buffers.Get().(*[]byte)
	*bp = w.append((*bp)[:0], batch)
	clear(batch)
	if rest := (*bp)[tryWrite(raw, *bp):]; len(rest) > 0 {
		go w.run(bytes.Clone(rest))
	} else {
		w.flushed(batch)
	}
	if cap(*bp) <= 2*writeChunk {
		buffers.Put(bp)
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
