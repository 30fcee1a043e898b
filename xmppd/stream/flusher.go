package stream

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"syscall"
)

const (
	// flushShare is how many Writers may wait for each flusher before another one helps.
	flushShare = 32
	flushTake  = 32 // Writers taken from the list at a time
)

// flushers write for all streams whose sockets can be written to without waiting. A
// room of a hundred is then one goroutine that writes a hundred times, not a hundred
// goroutines that are started, spread over all cores and woken in turn: that costs
// half as much, and the last occupant hears sooner. What comes for a Writer while it
// waits in the list goes out in the same write. A socket that is full is left to a
// goroutine of its own.
//
// There are more of them the longer the list is, at most one for two cores, since the
// rooms, the reading and whatever else runs here need the others, and none while it
// is empty.
type flushers struct {
	max int

	mu      sync.Mutex // guards all below; taken while a Writer's is held, never the other way
	ready   []*Writer  // those with something to write, first come first served
	head    int        // of ready
	running int
}

// sockets are this process's.
var sockets = &flushers{max: max(1, runtime.GOMAXPROCS(0)/2)}

func (f *flushers) add(w *Writer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.head > 0 && len(f.ready) == cap(f.ready) {
		n := copy(f.ready, f.ready[f.head:])
		clear(f.ready[n:])
		f.ready, f.head = f.ready[:n], 0
	}
	f.ready = append(f.ready, w)
	if f.running < f.max && len(f.ready)-f.head > f.running*flushShare {
		f.running++
		go f.run()
	}
}

// take moves the next few from the list to the end of dst. Without any, the caller
// is no flusher any more.
func (f *flushers) take(dst []*Writer) []*Writer {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(f.ready)-f.head, flushTake)
	if n == 0 {
		f.running--
		if f.running == 0 {
			f.ready, f.head = nil, 0
		}
		return dst
	}
	next := f.ready[f.head : f.head+n]
	dst = append(dst, next...)
	clear(next)
	if f.head += n; f.head == len(f.ready) {
		f.ready, f.head = f.ready[:0], 0
	}
	return dst
}

func (f *flushers) run() {
	bp := buffers.Get().(*[]byte)
	buf := *bp
	var mine []*Writer
	for {
		if mine = f.take(mine[:0]); len(mine) == 0 {
			break
		}
		for _, w := range mine {
			done := false
			if buf, done = w.flush(buf); done && w.settle() {
				f.add(w)
			}
		}
	}
	*bp = buf[:0]
	release(bp)
}

// socket is a connection that can be written to without waiting. It belongs to
// whoever writes for a Writer, one at a time.
type socket struct {
	raw syscall.RawConn
	do  func(fd uintptr) bool // s.write; made once, since a method value costs an allocation

	b   []byte
	n   int
	err error
}

// directly makes a socket of a connection, nil if it is none.
func directly(conn net.Conn) *socket {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{raw: raw}
	s.do = s.write
	return s
}

// try writes as much as the socket takes now; less than all is no error.
func (s *socket) try(b []byte) (int, error) {
	s.b, s.n, s.err = b, 0, nil
	if err := s.raw.Write(s.do); err != nil {
		return 0, err
	}
	s.b = nil
	return s.n, s.err
}

// write always says that it is done, so that nobody waits for room in the socket.
func (s *socket) write(fd uintptr) bool {
	for s.n < len(s.b) {
		n, err := syscall.Write(int(fd), s.b[s.n:])
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return true
		case err != nil:
			s.err = err
			return true
		default:
			s.n += n
		}
	}
	return true
}
