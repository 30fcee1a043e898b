//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// loop is one thread that reads all sockets. Everything here and in the clients
// happens on the goroutine that calls until; nothing is locked.
type loop struct {
	epoll  int
	socks  map[int32]*sock
	buf    []byte
	timers []timer
	err    error // the first thing that went wrong
}

type timer struct {
	at time.Time
	do func()
}

// sock is one connection.
type sock struct {
	l      *loop
	fd     int
	in     []byte // not yet taken
	out    []byte // not yet sent
	closed bool
	feed   func(b []byte) int // says how many bytes it took
	ended  func(err error)
}

func newLoop() (*loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &loop{epoll: ep, socks: make(map[int32]*sock), buf: make([]byte, 256<<10)}, nil
}

// close ends all connections.
func (l *loop) close() {
	for _, s := range l.socks {
		s.close()
	}
	_ = unix.Close(l.epoll)
}

// fail makes until return err; the first one counts.
func (l *loop) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// after calls do on the loop.
func (l *loop) after(d time.Duration, do func()) {
	l.timers = append(l.timers, timer{time.Now().Add(d), do})
}

// until runs the loop until done is true, something fails, or the time is over.
func (l *loop) until(what string, limit time.Duration, done func() bool) error {
	end := time.Now().Add(limit)
	events := make([]unix.EpollEvent, 512)
	for !done() {
		if l.err != nil {
			return fmt.Errorf("%s: %w", what, l.err)
		}
		now := time.Now()
		if now.After(end) {
			return fmt.Errorf("%s: not done within %v", what, limit)
		}
		wait := l.runTimers(now)
		n, err := pwait2(l.epoll, events, min(wait, time.Until(end)))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("%s: epoll: %w", what, err)
		}
		for _, ev := range events[:max(n, 0)] {
			s := l.socks[ev.Fd]
			if s == nil {
				continue
			}
			if ev.Events&unix.EPOLLOUT != 0 {
				s.flush()
			}
			if ev.Events&^unix.EPOLLOUT != 0 && !s.closed {
				s.read()
			}
		}
	}
	return l.err
}

// runTimers runs what is due and says how long nothing will be.
func (l *loop) runTimers(now time.Time) time.Duration {
	wait := time.Second
	due := l.timers
	l.timers = nil
	for _, t := range due {
		if d := t.at.Sub(now); d > 0 {
			wait = min(wait, d)
			l.timers = append(l.timers, t)
		} else {
			t.do()
			wait = 0
		}
	}
	return wait
}

func (l *loop) dial(to netip.AddrPort, feed func([]byte) int, ended func(error)) (*sock, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLIN})
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("connect %v: %w", to, err)
	}
	s := &sock{l: l, fd: fd, feed: feed, ended: ended}
	l.socks[int32(fd)] = s
	return s, nil
}

func (s *sock) read() {
	n, err := unix.Read(s.fd, s.l.buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return
	case err != nil || n == 0:
		s.close()
		if err == nil {
			err = io.EOF
		}
		s.ended(err)
		return
	}
	b := s.l.buf[:n]
	if len(s.in) > 0 {
		s.in = append(s.in, b...)
		b = s.in
	}
	s.in = append(s.in[:0], b[s.feed(b):]...)
}

func (s *sock) write(b []byte) {
	if s.closed {
		return
	}
	s.out = append(s.out, b...)
	if len(s.out) == len(b) {
		s.flush()
	}
}

func (s *sock) flush() {
	n, err := unix.Write(s.fd, s.out)
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		s.close()
		s.ended(err)
		return
	}
	s.out = append(s.out[:0], s.out[max(n, 0):]...)
	events := uint32(unix.EPOLLIN)
	if len(s.out) > 0 {
		events |= unix.EPOLLOUT
	} else if n >= 0 && cap(s.out) > 64<<10 {
		s.out = nil
	}
	if len(s.out) > 0 || err != nil || events == unix.EPOLLIN && n < 0 {
		_ = unix.EpollCtl(s.l.epoll, unix.EPOLL_CTL_MOD, s.fd, &unix.EpollEvent{Fd: int32(s.fd), Events: events})
	}
}

func (s *sock) close() {
	if !s.closed {
		s.closed = true
		delete(s.l.socks, int32(s.fd))
		_ = unix.Close(s.fd)
	}
}
