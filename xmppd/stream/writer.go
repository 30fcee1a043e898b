package stream

import (
	"crypto/rand"
	"io"
	"sync"
	"syscall"
	"time"

	"parley/xmppd/stanza"
)

// Encoding writes the pieces of a stream as one carrier wants them.
type Encoding interface {
	AppendHeader(dst []byte, h Header) []byte
	AppendFeatures(dst, inner []byte) []byte
	AppendElement(dst, xml []byte) []byte
	AppendStanza(dst []byte, to stanza.Addr, e *stanza.Encoded) []byte
	AppendError(dst []byte, e *Error) []byte
	AppendEnd(dst []byte) []byte
}

// Conn is where a Writer writes to.
type Conn interface {
	io.Writer
	SetWriteDeadline(t time.Time) error
	Close() error
}

const (
	// DefaultQueue is how many bytes may wait for a peer that reads slowly.
	DefaultQueue = 4 << 20
	writeChunk   = 64 << 10 // of one write
	writeTime    = 20 * time.Second
	lingerTime   = time.Second // for the last words of a stream
)

// item is a stanza for one recipient, or bytes that are encoded already.
type item struct {
	raw []byte
	e   *stanza.Encoded
	to  stanza.Addr
}

// Writer is the sending half of a Carrier over a connection. What is queued while
// a write is under way goes out in the next one. The writing goroutine exists only
// while something is queued, so an idle stream costs no stack. Who delivers to many
// streams writes himself, see Gather and Flush.
type Writer struct {
	enc Encoding

	mu       sync.Mutex // guards all below; never held while writing
	conn     Conn
	raw      syscall.RawConn // of conn, nil if it cannot be written to without waiting
	maxQueue int
	queue    []item
	bytes    int  // in queue
	running  bool // somebody is the writer: the goroutine, or a Round that will call Flush
	closing  bool // close when the queue is empty
	closed   bool
	opened   bool       // our header was sent
	idle     *sync.Cond // signalled when the goroutine ends

	// until is the write deadline that conn has. It belongs to the writing goroutine,
	// of which there is one at a time.
	until time.Time
}

// NewWriter makes a Writer; maxQueue 0 is DefaultQueue.
func NewWriter(conn Conn, enc Encoding, maxQueue int) *Writer {
	if maxQueue <= 0 {
		maxQueue = DefaultQueue
	}
	w := &Writer{conn: conn, raw: rawOf(conn), enc: enc, maxQueue: maxQueue}
	w.idle = sync.NewCond(&w.mu)
	return w
}

// Header is Carrier.Header.
func (w *Writer) Header(h Header) {
	w.push(item{raw: w.enc.AppendHeader(nil, h)}, nil)
	w.mu.Lock()
	w.opened = true
	w.mu.Unlock()
}

// Features is Carrier.Features.
func (w *Writer) Features(inner []byte) { w.push(item{raw: w.enc.AppendFeatures(nil, inner)}, nil) }

// Element is Carrier.Element.
func (w *Writer) Element(xml []byte) { w.push(item{raw: w.enc.AppendElement(nil, xml)}, nil) }

// Deliver is Carrier.Deliver.
func (w *Writer) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	return w.push(item{e: e, to: to}, nil)
}

// Gather is Gatherer.Gather.
func (w *Writer) Gather(r Round, to stanza.Addr, e *stanza.Encoded) bool {
	return w.push(item{e: e, to: to}, r)
}

// SetQueue changes how many bytes may wait.
func (w *Writer) SetQueue(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.maxQueue = bytes
}

// Raw queues bytes as they are, for instance a ping frame.
func (w *Writer) Raw(b []byte) { w.push(item{raw: b}, nil) }

func (i item) size() int {
	if i.e != nil {
		return i.e.Size(i.to, "")
	}
	return len(i.raw)
}

func (w *Writer) push(i item, r Round) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.closing {
		return false
	}
	n := i.size()
	if w.bytes+n > w.maxQueue && w.bytes > 0 {
		w.queue, w.bytes = nil, 0
		w.closeLocked(Err(ResourceConstraint, "The stream is not read fast enough"))
		return false
	}
	w.queue = append(w.queue, i)
	w.bytes += n
	if r != nil && !w.running {
		w.running = true
		r.Add(w)
		return true
	}
	w.startLocked()
	return true
}

func (w *Writer) startLocked() {
	if !w.running {
		w.running = true
		go w.run(nil)
	}
}

func (w *Writer) closeLocked(e *Error) {
	var b []byte
	if !w.opened {
		// RFC 6120 §4.9.1.2: even a refusal begins with a header.
		b = w.enc.AppendHeader(b, Header{ID: rand.Text(), Version: "1.0", Lang: "en"})
	}
	if e != nil {
		b = w.enc.AppendError(b, e)
	}
	b = w.enc.AppendEnd(b)
	w.queue = append(w.queue, item{raw: b})
	w.closing = true
	// Whatever write is under way now must not hold the last words up for long.
	_ = w.conn.SetWriteDeadline(time.Now().Add(lingerTime))
	w.startLocked()
}

// Fail is Carrier.Fail.
func (w *Writer) Fail(e *Error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed && !w.closing {
		w.closeLocked(e)
	}
}

// End is Carrier.End.
func (w *Writer) End() { w.Fail(nil) }

// Close ends the connection at once.
func (w *Writer) Close() {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	w.closed = true
	w.queue, w.bytes = nil, 0
	conn := w.conn
	w.mu.Unlock()
	_ = conn.Close()
}

// CloseWhenWritten ends the connection when the queue is empty, without further words.
func (w *Writer) CloseWhenWritten() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed && !w.closing {
		w.closing = true
		_ = w.conn.SetWriteDeadline(time.Now().Add(lingerTime))
		w.startLocked()
	}
}

// Ended says that nothing more will be taken.
func (w *Writer) Ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closing || w.closed
}

// Drain waits until everything queued is written or given up.
func (w *Writer) Drain() { w.drain(nil) }

// drain waits until everything queued is written, and swaps the connection.
func (w *Writer) drain(next Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.running {
		w.idle.Wait()
	}
	if next != nil {
		w.conn, w.raw, w.until = next, rawOf(next), time.Time{}
	}
}

// buffers hold what one write sends.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// run writes first, which a write has left over, and then until the queue is empty.
func (w *Writer) run(first []byte) {
	bp := buffers.Get().(*[]byte)
	var batch []item
	if len(first) > 0 {
		batch = append(batch, item{raw: first})
		w.mu.Lock()
		conn, raw := w.conn, w.raw
		w.mu.Unlock()
		if err := w.write(conn, raw, bp, batch); err != nil {
			w.Close()
		}
	}
	for {
		w.mu.Lock()
		clear(batch)
		batch, w.queue = w.queue, batch[:0]
		w.bytes = 0
		conn, raw := w.conn, w.raw
		if len(batch) == 0 {
			w.queue = nil
			w.running = false
			closeNow := w.closing && !w.closed
			if closeNow {
				w.closed = true
			}
			w.idle.Broadcast()
			w.mu.Unlock()
			if closeNow {
				_ = conn.Close()
			}
			break
		}
		w.mu.Unlock()
		if err := w.write(conn, raw, bp, batch); err != nil {
			w.Close()
		}
	}
	if cap(*bp) <= 2*writeChunk {
		buffers.Put(bp)
	}
}

// renew gives the next write its time. A deadline costs a timer; one for every small
// write would be dear. That of the last words is set already, and stays.
func (w *Writer) renew(conn Conn) {
	now := time.Now()
	if w.until.Sub(now) >= writeTime/2 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closing {
		w.until = now.Add(writeTime)
		_ = conn.SetWriteDeadline(w.until)
	}
}

func (w *Writer) write(conn Conn, raw syscall.RawConn, bp *[]byte, batch []item) error {
	b := (*bp)[:0]
	for n, i := range batch {
		if i.e != nil {
			b = w.enc.AppendStanza(b, i.to, i.e)
		} else {
			b = append(b, i.raw...)
		}
		if len(b) < writeChunk && n < len(batch)-1 {
			continue
		}
		if err := w.put(conn, raw, b); err != nil {
			return err
		}
		b = b[:0]
	}
	*bp = b[:0]
	return nil
}

// put writes what the connection takes at once, which nearly always is everything, and
// waits with the rest.
func (w *Writer) put(conn Conn, raw syscall.RawConn, b []byte) error {
	if raw != nil {
		b = b[tryWrite(raw, b):]
	}
	if len(b) == 0 {
		return nil
	}
	w.renew(conn)
	_, err := conn.Write(b)
	return err
}
