package transport

import (
	"maps"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readyBatch bounds the sessions' own sockets that are read in one turn; the others are
// read in the next.
const readyBatch = 64

// ownedSockets are the sockets that belong to single sessions. byFD is a snapshot nobody
// changes after publishing; retired waits to be closed and is guarded by Transport.mu;
// ready belongs to the goroutine in Receive.
type ownedSockets struct {
	byFD    atomic.Pointer[map[int32]*udpSocket]
	retired []*udpSocket
	waiting atomic.Bool // retired is not empty
	ready   [readyBatch]unix.EpollEvent
}

// watch makes Receive read a session's own socket.
func (l *Lane) watch(s *udpSocket) error {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)}
	if err := unix.EpollCtl(l.poll.fd, unix.EPOLL_CTL_ADD, s.fd, &ev); err != nil {
		return err
	}
	next := make(map[int32]*udpSocket)
	if old := l.owned.byFD.Load(); old != nil {
		maps.Copy(next, *old)
	}
	next[int32(s.fd)] = s
	l.owned.byFD.Store(&next)
	return nil
}

// unwatch ends that. The descriptor may be in use by the goroutine in Receive and Send,
// and its number must not go to another file before; so that one closes it.
func (l *Lane) unwatch(s *udpSocket) {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := l.owned.byFD.Load(); old != nil {
		next := maps.Clone(*old)
		delete(next, int32(s.fd))
		l.owned.byFD.Store(&next)
	}
	l.owned.retired = append(l.owned.retired, s)
	l.owned.waiting.Store(true)
	if !t.closed {
		l.poll.wake()
	}
}

// closeRetired closes the sockets of sessions that are gone.
func (l *Lane) closeRetired() {
	t := l.t
	t.mu.Lock()
	list := l.owned.retired
	l.owned.retired = nil
	l.owned.waiting.Store(false)
	t.mu.Unlock()
	for _, s := range list {
		_ = s.close()
	}
}

// receiveOwned appends what the sessions' own sockets have. One call of the system tells
// which of them have anything.
func (l *Lane) receiveOwned(buffers [][]byte, sizes []int, peers []uint32, ages []int64, n int) int {
	o := &l.owned
	if o.waiting.Load() {
		l.closeRetired()
	}
	list := o.byFD.Load()
	if list == nil || len(*list) == 0 || n == len(buffers) {
		return n
	}
	ready, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.poll.fd),
		uintptr(unsafe.Pointer(&o.ready[0])), readyBatch, 0, 0, 0)
	if errno != 0 {
		return n
	}
	for i := 0; i < int(ready) && n < len(buffers); i++ {
		s := (*list)[o.ready[i].Fd]
		if s == nil {
			continue // one of the shared, which were read already
		}
		if got := s.receive(buffers[n:], sizes[n:], ages[n:]); got > 0 {
			l.sortDatagrams(s, buffers[n:n+got], sizes[n:n+got], peers[n:n+got], ages[n:n+got])
			n += got
		}
	}
	return n
}
