package stream

import (
	"bytes"
	"crypto/rand"
	"io"
	"net"
	"sync"
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

// Conn is where a Writer writes to. One that has a method Socket() net.Conn is a plain
// connection that bytes go to as they are.
type Conn interface {
	io.Writer
	SetWriteDeadline(t time.Time) error
	Close() error
}

// socketOf is the socket under a connection, nil if there is none, or something is
// done with the bytes on the way.
func socketOf(conn Conn) *socket {
	if c, ok := conn.(interface{ Socket() net.Conn }); ok {
		return directly(c.Socket())
	}
	return nil
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
// a write is under way, or is waited for, goes out in the next one. The flushers
// write for it; where a connection is no plain socket, or is full, a goroutine of its
// own does, which exists only while something is queued. So an idle stream costs no
// stack.
type Writer struct {
	enc Encoding

	mu       sync.Mutex // guards all below; never held while writing
	conn     Conn
	socket   *socket // of conn, see socketOf; used by whoever writes
	maxQueue int
	queue    []item
	bytes    int  // in queue
	running  bool // somebody writes, or will soon
	closing  bool // close when the queue is empty
	closed   bool
	opened   bool       // our header was sent
	idle     *sync.Cond // signalled when running ends

	// until is the write deadline that conn has. It belongs to whoever writes, of whom
	// there is one at a time.
	until time.Time
}

// NewWriter makes a Writer; maxQueue 0 is DefaultQueue.
func NewWriter(conn Conn, enc Encoding, maxQueue int) *Writer {
	if maxQueue <= 0 {
		maxQueue = DefaultQueue
	}
	w := &Writer{conn: conn, socket: socketOf(conn), enc: enc, maxQueue: maxQueue}
	w.idle = sync.NewCond(&w.mu)
	return w
}

// Header is Carrier.Header.
func (w *Writer) Header(h Header) {
	w.push(item{raw: w.enc.AppendHeader(nil, h)})
	w.mu.Lock()
	w.opened = true
	w.mu.Unlock()
}

// Features is Carrier.Features.
func (w *Writer) Features(inner []byte) { w.push(item{raw: w.enc.AppendFeatures(nil, inner)}) }

// Element is Carrier.Element.
func (w *Writer) Element(xml []byte) { w.push(item{raw: w.enc.AppendElement(nil, xml)}) }

// Deliver is Carrier.Deliver.
func (w *Writer) Deliver(to stanza.Addr, e *stanza.Encoded) bool { return w.push(item{e: e, to: to}) }

// SetQueue changes how many bytes may wait.
func (w *Writer) SetQueue(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.maxQueue = bytes
}

// Raw queues bytes as they are, for instance a ping frame.
func (w *Writer) Raw(b []byte) { w.push(item{raw: b}) }

func (i item) size() int {
	if i.e != nil {
		return i.e.Size(i.to, "")
	}
	return len(i.raw)
}

func (w *Writer) push(i item) bool {
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
	if w.queue == nil {
		w.queue = *queues.Get().(*[]item)
	}
	w.queue = append(w.queue, i)
	w.bytes += n
	w.startLocked()
	return true
}

func (w *Writer) startLocked() {
	switch {
	case w.running:
	case w.socket != nil:
		w.running = true
		sockets.add(w)
	default:
		w.running = true
		go w.run(nil, nil)
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
		w.conn, w.socket, w.until = next, socketOf(next), time.Time{}
	}
}

// buffers hold what one write sends, queues what waits for it.
var (
	buffers = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}
	queues  = sync.Pool{New: func() any { q := make([]item, 0, 4); return &q }}
)

func release(bp *[]byte) {
	if cap(*bp) <= 2*writeChunk {
		buffers.Put(bp)
	}
}

// recycle keeps the memory of items that were written.
func recycle(batch []item) {
	if cap(batch) > 0 && cap(batch) <= 1024 {
		clear(batch)
		batch = batch[:0]
		queues.Put(&batch)
	}
}

// take is what is to be written now; nothing when the Writer is closed.
func (w *Writer) take() (batch []item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch, w.queue, w.bytes = w.queue, nil, 0
	return batch
}

// settle ends the writing, unless more has come meanwhile.
func (w *Writer) settle() (more bool) {
	w.mu.Lock()
	if len(w.queue) > 0 {
		w.mu.Unlock()
		return true
	}
	conn, closeNow := w.conn, w.closing && !w.closed
	w.closed = w.closed || closeNow
	if w.socket != nil && !w.until.IsZero() && !w.closed {
		// Flushers do not look after deadlines, and fail when one is over.
		w.until = time.Time{}
		_ = conn.SetWriteDeadline(w.until)
	}
	w.running = false
	w.idle.Broadcast()
	w.mu.Unlock()
	if closeNow {
		_ = conn.Close()
	}
	return false
}

// load appends items until a write is full, and gives what is left.
func (w *Writer) load(b []byte, batch []item) ([]byte, []item) {
	for n, i := range batch {
		if i.e != nil {
			b = w.enc.AppendStanza(b, i.to, i.e)
		} else {
			b = append(b, i.raw...)
		}
		if len(b) >= writeChunk {
			return b, batch[n+1:]
		}
	}
	return b, nil
}

// flush writes what waits, as far as the socket takes it now, by way of buf. If that
// is not all, the rest is left to a goroutine of its own, which also settles.
func (w *Writer) flush(buf []byte) (_ []byte, done bool) {
	batch := w.take()
	for rest := batch; len(rest) > 0; {
		buf, rest = w.load(buf[:0], rest)
		n, err := w.socket.try(buf)
		if err != nil {
			w.Close()
			break
		}
		if n < len(buf) {
			go w.run(bytes.Clone(buf[n:]), rest)
			return buf, false
		}
	}
	recycle(batch)
	return buf, true
}

// run writes until the queue is empty, and waits for the connection where it must:
// first some bytes and items that were taken before.
func (w *Writer) run(b []byte, batch []item) {
	bp := buffers.Get().(*[]byte)
	buf := *bp
	var err error
	if len(b) > 0 {
		err = w.write(b)
	}
	for {
		for rest := batch; len(rest) > 0 && err == nil; {
			buf, rest = w.load(buf[:0], rest)
			err = w.write(buf)
		}
		if err != nil {
			w.Close()
		}
		recycle(batch)
		if batch = w.take(); len(batch) == 0 && !w.settle() {
			break
		}
	}
	*bp = buf[:0]
	release(bp)
}

func (w *Writer) write(b []byte) error {
	w.mu.Lock()
	conn := w.conn
	// A deadline costs a timer; one for every small write would be dear. That of the
	// last words is set already.
	if now := time.Now(); !w.closing && w.until.Sub(now) < writeTime/2 {
		w.until = now.Add(writeTime)
		_ = conn.SetWriteDeadline(w.until)
	}
	w.mu.Unlock()
	_, err := conn.Write(b)
	return err
}
