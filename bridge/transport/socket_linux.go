package transport

import (
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batchSize is the number of messages one system call carries.
	batchSize = 64
	// outVectors is the number of datagrams in them.
	outVectors = 1024
	// runSegments and runBytes bound the datagrams one message carries: the kernel takes 64
	// of them, and a packet's length must fit into 16 bits with its headers.
	runSegments = 64
	runBytes    = 65000
)

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
	// owner is the session the socket belongs to, nil for the shared ones.
	owner *Session
	// gate keeps sendOne off a descriptor that is closed, and perhaps another's already.
	gate sync.RWMutex
	shut bool
	// bufRecv and bufSend are the sizes of the kernel's buffers.
	bufRecv, bufSend int

	in      [batchSize]unix.Mmsghdr
	inVec   [batchSize]unix.Iovec
	inNames [batchSize]rawAddr
	inTimes [batchSize]timeControl
	// runsIn reads runs, nil where there are none.
	runsIn *runReader
	// strangers are the other lanes that the datagrams being sorted belong to.
	strangers [batchSize]*Lane

	// What is queued: messages, their receivers and control messages, and the datagrams.
	out        [batchSize]unix.Mmsghdr
	outTo      [batchSize]*destination
	outControl [batchSize]segmentControl
	outVec     [outVectors]unix.Iovec
	queued     int
	vectors    int
	// segments says that the kernel knows UDP_SEGMENT. run is the state of the last message.
	segments bool
	run      run
	// messages counts what the kernel was given.
	messages uint64
}

// run is a message that may still grow: datagrams of one size to one receiver, of which
// the last may be smaller.
type run struct {
	size, total int
	open        bool
}

// segmentControl is the control message with the size of the segments.
type segmentControl [3]uint64

func (c *segmentControl) set(size int) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(c))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	*(*uint16)(unsafe.Add(unsafe.Pointer(c), unix.CmsgLen(0))) = uint16(size)
}

// openSocket binds a socket; a shared one lets others of this process bind the same address.
func openSocket(addr netip.AddrPort, buffer int, shared bool) (*udpSocket, error) {
	family := unix.AF_INET
	if addr.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &udpSocket{fd: fd}
	if err := s.setUp(addr, buffer, shared); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	for i := range batchSize {
		s.in[i].Hdr.Iov = &s.inVec[i]
		s.in[i].Hdr.SetIovlen(1)
		s.in[i].Hdr.Name = &s.inNames[i].name[0]
		s.in[i].Hdr.Control = (*byte)(unsafe.Pointer(&s.inTimes[i]))
	}
	_, err = unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	s.segments = err == nil
	return s, nil
}

func (s *udpSocket) setUp(addr netip.AddrPort, buffer int, shared bool) error {
	var sa unix.Sockaddr
	if shared {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return err
		}
	}
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

func (s *udpSocket) close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.shut {
		return nil
	}
	s.shut = true
	return unix.Close(s.fd)
}

// timeControl is the control message with the time of a datagram's arrival.
type timeControl struct {
	header unix.Cmsghdr
	time   unix.Timespec
}

// age returns how many microseconds ago a datagram arrived.
func (c *timeControl) age(now int64) int64 {
	if c.header.Level != unix.SOL_SOCKET || c.header.Type != unix.SO_TIMESTAMPNS {
		return 0
	}
	return ageOf(&c.time, now)
}

// ageOf is how many microseconds before now that was, 0 if it makes no sense.
func ageOf(at *unix.Timespec, now int64) int64 {
	if age := (now - at.Nano()) / 1000; age > 0 && age < maxAge {
		return age
	}
	return 0
}

// receive reads what is there into buffers without waiting and returns how many
// datagrams there were.
func (s *udpSocket) receive(buffers [][]byte, sizes []int, ages []int64) int {
	if s.runsIn != nil {
		return s.receiveRuns(buffers, sizes, ages)
	}
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
		// It never waits, so the scheduler need not know.
		got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd),
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

// queue adds a datagram to the next flush; the caller flushes when it is full. A
// datagram for the same receiver as the one before, and not longer, travels in the same
// message: the kernel walks its send path once for all of them (UDP_SEGMENT).
func (s *udpSocket) queue(b []byte, to *destination) (full bool) {
	v := s.vectors
	s.outVec[v].Base = &b[0]
	s.outVec[v].SetLen(len(b))
	s.vectors++
	if !s.extendRun(len(b), to) {
		i := s.queued
		h := &s.out[i].Hdr
		h.Iov = &s.outVec[v]
		h.SetIovlen(1)
		h.Name, h.Namelen = &to.raw.name[0], to.raw.size
		h.Control, h.Controllen = nil, 0
		s.outTo[i] = to
		s.queued++
		s.run = run{size: len(b), total: len(b), open: s.segments && !to.plain.Load()}
	}
	return s.queued == batchSize || s.vectors == outVectors
}

// extendRun adds the datagram queued last to the last message if it fits.
func (s *udpSocket) extendRun(size int, to *destination) bool {
	r := &s.run
	if !r.open || s.queued == 0 || s.outTo[s.queued-1] != to || size > r.size || r.total+size > runBytes {
		return false
	}
	i := s.queued - 1
	h := &s.out[i].Hdr
	n := int(h.Iovlen) + 1
	h.SetIovlen(n)
	if n == 2 {
		s.outControl[i].set(r.size)
		h.Control = (*byte)(unsafe.Pointer(&s.outControl[i]))
		h.SetControllen(unix.CmsgSpace(2))
	}
	r.total += size
	r.open = size == r.size && n < runSegments
	return true
}

// flush sends what is queued. A message the kernel refuses is skipped; when the socket's
// buffer is full the rest is dropped, because waiting would stall everybody.
func (s *udpSocket) flush() (sent int) {
	for done := 0; done < s.queued; {
		// Like receiving it never waits. Telling the scheduler would wake the runtime's
		// monitor each time, at the price of a few packets.
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&s.out[done])), uintptr(s.queued-done), unix.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			n = uintptr(s.queued - done)
		case errno != 0:
			n = 1
			sent += s.refused(done, errno)
		default:
			s.messages += uint64(n)
			for i := range int(n) {
				sent += int(s.out[done+i].Hdr.Iovlen)
			}
		}
		done += int(n)
	}
	clear(s.outTo[:s.queued])
	s.queued, s.vectors, s.run = 0, 0, run{}
	return sent
}

// refused deals with a message the kernel did not take. If it carried several datagrams,
// the way to that receiver may be one that cannot cut them: no checksums by the device, a
// tunnel, a small MTU. Then they go one by one, and so does all that follows.
func (s *udpSocket) refused(i int, why syscall.Errno) (sent int) {
	h := &s.out[i].Hdr
	if h.Iovlen < 2 || why != unix.EIO && why != unix.EINVAL && why != unix.EMSGSIZE && why != unix.EOPNOTSUPP {
		return 0
	}
	s.outTo[i].plain.Store(true)
	for _, v := range unsafe.Slice(h.Iov, int(h.Iovlen)) {
		if s.sendOne(unsafe.Slice(v.Base, int(v.Len)), s.outTo[i]) {
			sent++
			s.messages++
		}
	}
	return sent
}

// sendOne sends a single datagram.
func (s *udpSocket) sendOne(b []byte, to *destination) bool {
	if len(b) == 0 {
		return false
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.shut {
		return false
	}
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])),
			uintptr(len(b)), unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&to.raw.name[0])), uintptr(to.raw.size))
		if errno != unix.EINTR {
			return errno == 0
		}
	}
}
