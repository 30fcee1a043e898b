package transport

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is the number of datagrams one system call carries.
const batchSize = 64

// rawAddr is a remote address in the form the kernel wants.
type rawAddr struct {
	name [unix.SizeofSockaddrInet6]byte
	size uint32
}

func newRawAddr(a netip.AddrPort) (r rawAddr) {
	port := [2]byte{byte(a.Port() >> 8), byte(a.Port())}
	if a.Addr().Is4() {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&r.name))
		sa.Family = unix.AF_INET
		sa.Port = *(*uint16)(unsafe.Pointer(&port))
		sa.Addr = a.Addr().As4()
		r.size = unix.SizeofSockaddrInet4
		return r
	}
	sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&r.name))
	sa.Family = unix.AF_INET6
	sa.Port = *(*uint16)(unsafe.Pointer(&port))
	sa.Addr = a.Addr().As16()
	r.size = unix.SizeofSockaddrInet6
	return r
}

func (r *rawAddr) addrPort() netip.AddrPort {
	switch *(*uint16)(unsafe.Pointer(&r.name)) {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&r.name))
		p := (*[2]byte)(unsafe.Pointer(&sa.Port))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(p[0])<<8|uint16(p[1]))
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&r.name))
		p := (*[2]byte)(unsafe.Pointer(&sa.Port))
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(p[0])<<8|uint16(p[1]))
	default:
		return netip.AddrPort{}
	}
}

// udpSocket is one UDP socket on one local address. The receive and send arrays belong
// to the goroutine that calls Receive and Send; sendOne may be called from anywhere.
type udpSocket struct {
	fd    int
	local netip.AddrPort
	// bufRecv and bufSend are the sizes of the kernel's buffers.
	bufRecv, bufSend int

	in      [batchSize]unix.Mmsghdr
	inVec   [batchSize]unix.Iovec
	inNames [batchSize]rawAddr
	inTimes [batchSize]timeControl

	out    [batchSize]unix.Mmsghdr
	outVec [batchSize]unix.Iovec
	queued int
}

func openSocket(addr netip.AddrPort, buffer int) (*udpSocket, error) {
	family := unix.AF_INET
	if addr.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &udpSocket{fd: fd}
	if err := s.setUp(addr, buffer); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	for i := range batchSize {
		s.in[i].Hdr.Iov = &s.inVec[i]
		s.in[i].Hdr.SetIovlen(1)
		s.in[i].Hdr.Name = &s.inNames[i].name[0]
		s.in[i].Hdr.Control = (*byte)(unsafe.Pointer(&s.inTimes[i]))
		s.out[i].Hdr.Iov = &s.outVec[i]
		s.out[i].Hdr.SetIovlen(1)
	}
	return s, nil
}

func (s *udpSocket) setUp(addr netip.AddrPort, buffer int) error {
	var sa unix.Sockaddr
	if addr.Addr().Is6() {
		if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return err
		}
		sa = &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	} else {
		sa = &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	for _, o := range [][2]int{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		// Root may go beyond the system's limit; others get what there is.
		if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, o[0], buffer) != nil {
			_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, o[1], buffer)
		}
	}
	// Without the kernel's time stamps arrivals are simply those of our reading.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	// The kernel reports twice what it grants, the rest is its book-keeping.
	if n, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil {
		s.bufRecv = n / 2
	}
	if n, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF); err == nil {
		s.bufSend = n / 2
	}
	if err := unix.Bind(s.fd, sa); err != nil {
		return err
	}
	got, err := unix.Getsockname(s.fd)
	if err != nil {
		return err
	}
	switch got := got.(type) {
	case *unix.SockaddrInet4:
		s.local = netip.AddrPortFrom(addr.Addr(), uint16(got.Port))
	case *unix.SockaddrInet6:
		s.local = netip.AddrPortFrom(addr.Addr(), uint16(got.Port))
	default:
		return fmt.Errorf("unexpected kind of address %T", got)
	}
	return nil
}

func (s *udpSocket) close() error { return unix.Close(s.fd) }

// timeControl is the control message with the time of a datagram's arrival.
type timeControl struct {
	header unix.Cmsghdr
	time   unix.Timespec
}

// maxAge bounds the age of a datagram that is believed; more means that the clock was
// set.
const maxAge = 2_000_000

// age returns how many microseconds ago a datagram arrived.
func (c *timeControl) age(now int64) int64 {
	if c.header.Level != unix.SOL_SOCKET || c.header.Type != unix.SO_TIMESTAMPNS {
		return 0
	}
	if age := (now - c.time.Nano()) / 1000; age > 0 && age < maxAge {
		return age
	}
	return 0
}

// receive reads what is there into buffers without waiting and returns how many
// datagrams there were.
func (s *udpSocket) receive(buffers [][]byte, sizes []int, ages []int64) int {
	n := min(len(buffers), batchSize)
	for i := range n {
		s.inVec[i].Base = &buffers[i][0]
		s.inVec[i].SetLen(len(buffers[i]))
		s.in[i].Hdr.Namelen = unix.SizeofSockaddrInet6
		s.in[i].Hdr.Flags = 0
		s.in[i].Hdr.SetControllen(int(unsafe.Sizeof(timeControl{})))
		s.inTimes[i].header = unix.Cmsghdr{}
	}
	for {
		got, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&s.in[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0
		}
		now := time.Now().UnixNano()
		for i := range int(got) {
			sizes[i] = int(s.in[i].Len)
			ages[i] = s.inTimes[i].age(now)
			if s.in[i].Hdr.Flags&unix.MSG_TRUNC != 0 {
				// Longer than anything of ours. One byte is garbage whatever it says.
				sizes[i] = 1
			}
		}
		return int(got)
	}
}

// from is the sender of the i-th datagram of the last receive.
func (s *udpSocket) from(i int) netip.AddrPort { return s.inNames[i].addrPort() }

// queue adds a datagram to the next flush; the caller flushes when it is full.
func (s *udpSocket) queue(b []byte, to *destination) (full bool) {
	i := s.queued
	s.outVec[i].Base = &b[0]
	s.outVec[i].SetLen(len(b))
	s.out[i].Hdr.Name = &to.raw.name[0]
	s.out[i].Hdr.Namelen = to.raw.size
	s.queued++
	return s.queued == batchSize
}

// flush sends what is queued. A datagram the kernel refuses is skipped; when the
// socket's buffer is full the rest is dropped, because waiting would stall everybody.
func (s *udpSocket) flush() (sent int) {
	for done := 0; done < s.queued; {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&s.out[done])), uintptr(s.queued-done), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			s.queued = 0
			return sent
		case errno != 0:
			done++
		default:
			sent += int(n)
			done += int(n)
		}
	}
	s.queued = 0
	return sent
}

// sendOne sends a single datagram.
func (s *udpSocket) sendOne(b []byte, to *destination) bool {
	if len(b) == 0 {
		return false
	}
	for {
		_, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])),
			uintptr(len(b)), unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&to.raw.name[0])), uintptr(to.raw.size))
		if errno != unix.EINTR {
			return errno == 0
		}
	}
}

// The states of a poller.
const (
	pollerIdle = iota
	pollerWoken
	pollerAsleep
)

// poller waits for any of the sockets or for a wake-up.
type poller struct {
	fds   []unix.PollFd
	event int
	state atomic.Int32
}

func newPoller(sockets []*udpSocket) (*poller, error) {
	event, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	p := &poller{event: event, fds: []unix.PollFd{{Fd: int32(event), Events: unix.POLLIN}}}
	for _, s := range sockets {
		p.fds = append(p.fds, unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN})
	}
	return p, nil
}

// wait returns when a socket is readable, after d, or when woken, be it before.
func (p *poller) wait(d time.Duration) {
	if !p.state.CompareAndSwap(pollerIdle, pollerAsleep) {
		p.state.Store(pollerIdle)
		return
	}
	ts := unix.NsecToTimespec(int64(d))
	_, err := unix.Ppoll(p.fds, &ts, nil)
	p.state.Store(pollerIdle)
	// The event is drained by what poll says, not by the state: a waker may have changed
	// the state and not yet written.
	if err == nil && p.fds[0].Revents != 0 {
		var b [8]byte
		_, _ = unix.Read(p.event, b[:])
	}
}

// wake ends a wait, or the next one.
func (p *poller) wake() {
	if p.state.Swap(pollerWoken) == pollerAsleep {
		one := [8]byte{1}
		_, _ = unix.Write(p.event, one[:])
	}
}

func (p *poller) close() { _ = unix.Close(p.event) }
