//go:build linux

package main

import (
	"runtime"
	"time"
	"unsafe"

	"github.com/pion/rtp"
	"golang.org/x/sys/unix"
)

// engine runs all participants on one thread: it waits for their sockets, sends what is
// due, and keeps count. Everything of clients and sources belongs to it once they were
// posted.
type engine struct {
	epoll   int
	base    time.Time
	mail    chan func()
	done    chan struct{}
	clients []*client
	sources []*source

	whole, heads *reader
	out          writer
	store        []byte
	plain        []byte
	opened       []byte
	header       rtp.Header
	nextKeep     int64

	// measuring says that delays are noted.
	measuring bool
	delays    []int64 // nanoseconds
	faults    faults
}

// faults are what must not happen.
type faults struct {
	disorder, forged, wrong int
}

const (
	keepEvery = 20 * time.Millisecond
	// longestWait bounds how long mail waits.
	longestWait = 5 * time.Millisecond
)

func newEngine() (*engine, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	e := &engine{
		epoll: fd, base: time.Now(), mail: make(chan func(), 4096), done: make(chan struct{}),
		whole: newReader(batch), heads: newReader(wholeHeads),
		store: make([]byte, batch*fullBytes), plain: make([]byte, fullBytes), opened: make([]byte, fullBytes),
		delays: make([]int64, 0, 1<<20),
	}
	go e.run()
	return e, nil
}

// now is the time since the engine began.
func (e *engine) now() int64 { return int64(time.Since(e.base)) }

// do runs f on the engine's thread and waits for it.
func (e *engine) do(f func()) {
	ran := make(chan struct{})
	e.mail <- func() { f(); close(ran) }
	<-ran
}

// close ends the engine and closes the sockets.
func (e *engine) close() {
	e.mail <- nil
	<-e.done
	for _, c := range e.clients {
		c.udp.close()
	}
	_ = unix.Close(e.epoll)
}

func (e *engine) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // a thread that ends takes the processes it started along
	defer close(e.done)
	events := make([]unix.EpollEvent, 256)
	for {
		for more := true; more; {
			select {
			case f := <-e.mail:
				if f == nil {
					return
				}
				f()
			default:
				more = false
			}
		}
		now := e.now()
		next := e.sendDue(now)
		if now >= e.nextKeep {
			e.nextKeep = now + int64(keepEvery)
			for _, c := range e.clients {
				c.keep(now)
			}
		}
		n, err := pwait2(e.epoll, events, time.Duration(min(next-e.now(), int64(longestWait))))
		if err != nil {
			continue
		}
		for _, ev := range events[:n] {
			e.clients[ev.Fd].receive()
		}
	}
}

// add makes the engine look after a client. Its mail only.
func (e *engine) add(c *client) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(len(e.clients))}
	if err := unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, c.udp.fd, &ev); err != nil {
		return err
	}
	e.clients = append(e.clients, c)
	return nil
}

// sendDue sends what is due and returns when the next is.
func (e *engine) sendDue(now int64) (next int64) {
	next = now + int64(longestWait)
	for _, s := range e.sources {
		if !s.on {
			continue
		}
		for range 8 { // a late engine catches up, slowly
			if s.next > now {
				break
			}
			s.step(now)
		}
		next = min(next, s.next)
	}
	return next
}

// pwait2 is epoll_pwait2, which waits to the nanosecond.
func pwait2(epoll int, events []unix.EpollEvent, wait time.Duration) (int, error) {
	ts := unix.NsecToTimespec(max(wait.Nanoseconds(), 0))
	n, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
