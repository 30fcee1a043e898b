package transport

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for any of the sockets or for a wake-up. The sockets hang on an epoll
// descriptor of their own, that one on a second, the gate, and the gate is waited for by the
// runtime like any connection: a goroutine that waits in a system call of its own would hold
// a thread and make the runtime's monitor look after it thousands of times a second, which
// costs more than the media.
//
// Whoever rests shuts the gate: one call of the system, however many sockets there are, and
// packets wake nobody any more. Otherwise each burst would wake the runtime's poller, which
// then finds that nobody waits.
type poller struct {
	fd   int
	gate int
	file *os.File
	conn syscall.RawConn
	// until is the deadline in force, shut says that the gate is; only the waiter uses them.
	until time.Time
	shut  bool
	woken atomic.Bool
}

func newPoller(sockets []*udpSocket) (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	gate, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	for _, s := range sockets {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)}
		err = errors.Join(err, unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, s.fd, &ev))
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	err = errors.Join(err, unix.EpollCtl(gate, unix.EPOLL_CTL_ADD, fd, &ev))
	// Files that would block are handed to the runtime's poller.
	err = errors.Join(err, unix.SetNonblock(gate, true))
	p := &poller{fd: fd, gate: gate, file: os.NewFile(uintptr(gate), "sockets")}
	if err == nil {
		err = p.file.SetReadDeadline(time.Time{})
	}
	if err == nil {
		p.conn, err = p.file.SyscallConn()
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// wait calls read until it says that it found something, the time has come, or wake was
// called, be it before.
func (p *poller) wait(until time.Time, read func(uintptr) bool) {
	p.setGate(false)
	if until != p.until {
		p.until = until
		_ = p.file.SetReadDeadline(until)
	}
	if p.woken.Swap(false) {
		read(0)
		return
	}
	if p.conn.Read(read) != nil {
		// Too late, or woken: read was perhaps not called at all.
		p.until = time.Time{}
		p.woken.Store(false)
		read(0)
	}
}

// rest lets some time pass, in which packets wake nobody.
//
// Where the scheduler has another processor for everybody else (spare) it is not told: its own
// way to sleep wakes two threads, which is what the rest is to save, and so does asking it to
// let others go first. The rest is short, and a signal ends it: the collector's way to stop a
// goroutine, and the scheduler's after ten milliseconds if others wait for this processor.
func (p *poller) rest(d time.Duration, spare bool) {
	p.setGate(true)
	if !spare {
		time.Sleep(d)
		return
	}
	ts := unix.NsecToTimespec(d.Nanoseconds())
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// setGate shuts the gate or opens it. What came meanwhile counts as new.
func (p *poller) setGate(shut bool) {
	if p.shut == shut {
		return
	}
	p.shut = shut
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(p.fd)}
	if shut {
		ev.Events = 0
	}
	_ = unix.EpollCtl(p.gate, unix.EPOLL_CTL_MOD, p.fd, &ev)
}

// wake ends a wait, or the next one; a rest is too short to be ended.
func (p *poller) wake() {
	p.woken.Store(true)
	_ = p.file.SetReadDeadline(time.Unix(1, 0))
}

func (p *poller) close() {
	_ = p.file.Close()
	_ = unix.Close(p.fd)
}
