//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batch = 64
	// fullBytes holds any datagram, headBytes what is looked at of most: the header of RTP,
	// or a whole STUN message.
	fullBytes, headBytes = 2048, 224
	// wholeHeads is how many of a batch are taken in whole all the same, to be opened.
	wholeHeads = 2
)

// udp is a non-blocking socket on loopback.
type udp struct {
	fd    int
	local netip.AddrPort
}

// listenUDP opens a socket; with a valid peer it is connected to it.
func listenUDP(peer netip.AddrPort) (udp, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return udp{}, err
	}
	u := udp{fd: fd}
	for _, o := range [][2]int{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[0], 8<<20) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[1], 8<<20)
		}
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err == nil && peer.IsValid() {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: peer.Addr().As4(), Port: int(peer.Port())})
	}
	var name unix.Sockaddr
	if err == nil {
		name, err = unix.Getsockname(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return udp{}, fmt.Errorf("socket: %w", err)
	}
	u.local = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*unix.SockaddrInet4).Port))
	return u, nil
}

func (u udp) close() { _ = unix.Close(u.fd) }

// send sends one datagram on a connected socket.
func (u udp) send(b []byte) error {
	err := unix.Send(u.fd, b, unix.MSG_DONTWAIT)
	if errors.Is(err, unix.ECONNREFUSED) {
		err = nil // of an earlier one: the bridge is gone, or not there yet
	}
	return err
}

// reader receives a batch of datagrams from any socket.
type reader struct {
	messages [batch]unix.Mmsghdr
	vectors  [batch]unix.Iovec
	names    [batch]unix.RawSockaddrInet4
	buffers  [batch][]byte
}

// newReader makes one that takes in the first ones of a batch whole.
func newReader(whole int) *reader {
	r := &reader{}
	for i := range batch {
		size := headBytes
		if i < whole {
			size = fullBytes
		}
		r.buffers[i] = make([]byte, size)
		r.vectors[i].Base = &r.buffers[i][0]
		r.vectors[i].SetLen(size)
		h := &r.messages[i].Hdr
		h.Iov, h.Name = &r.vectors[i], (*byte)(unsafe.Pointer(&r.names[i]))
		h.SetIovlen(1)
	}
	return r
}

// read returns how many datagrams there were.
func (r *reader) read(fd int) int {
	for i := range batch {
		r.messages[i].Hdr.Namelen = unix.SizeofSockaddrInet4
	}
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.messages[0])), batch, unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
		switch e {
		case 0:
			return int(n)
		case unix.EINTR, unix.ECONNREFUSED:
		default:
			return 0
		}
	}
}

// datagram is what was taken in of the i-th one, and how long it was.
func (r *reader) datagram(i int) (b []byte, size int) {
	size = int(r.messages[i].Len)
	return r.buffers[i][:min(size, len(r.buffers[i]))], size
}

func (r *reader) from(i int) netip.AddrPort {
	n := &r.names[i]
	p := (*[2]byte)(unsafe.Pointer(&n.Port))
	return netip.AddrPortFrom(netip.AddrFrom4(n.Addr), uint16(p[0])<<8|uint16(p[1]))
}

// segmentControl says how long the segments of a message are (UDP_SEGMENT).
type segmentControl [3]uint64

// writer sends many datagrams at once. With runs, those for one receiver that stand
// together make one message.
type writer struct {
	runs     bool
	messages [batch]unix.Mmsghdr
	vectors  [1024]unix.Iovec
	controls [batch]segmentControl
	count    int
	used     int
	// The last message: the socket address of its receiver, its segments and bytes.
	to          *unix.RawSockaddrInet4
	size, total int
	// sent counts messages.
	sent uint64
}

// add queues a datagram for a receiver, nil on a connected socket. The bytes must stay
// until flush.
func (w *writer) add(fd int, b []byte, to *unix.RawSockaddrInet4) {
	if w.count == batch || w.used == len(w.vectors) {
		w.flush(fd)
	}
	w.vectors[w.used].Base = &b[0]
	w.vectors[w.used].SetLen(len(b))
	w.used++
	if w.runs && w.count > 0 && to == w.to && w.size > 0 && len(b) <= w.size && w.total+len(b) < 65000 {
		h, c := &w.messages[w.count-1].Hdr, &w.controls[w.count-1]
		h.SetIovlen(int(h.Iovlen) + 1)
		head := (*unix.Cmsghdr)(unsafe.Pointer(c))
		head.Level, head.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		head.SetLen(unix.CmsgLen(2))
		*(*uint16)(unsafe.Add(unsafe.Pointer(c), unix.CmsgLen(0))) = uint16(w.size)
		h.Control = (*byte)(unsafe.Pointer(c))
		h.SetControllen(unix.CmsgSpace(2))
		w.total += len(b)
		if len(b) < w.size || h.Iovlen == 64 {
			w.size = 0
		}
		return
	}
	h := &w.messages[w.count].Hdr
	*h = unix.Msghdr{Iov: &w.vectors[w.used-1]}
	h.SetIovlen(1)
	if to != nil {
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(to)), unix.SizeofSockaddrInet4
	}
	w.count++
	w.to, w.size, w.total = to, len(b), len(b)
}

func (w *writer) flush(fd int) {
	for done := 0; done < w.count; {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&w.messages[done])), uintptr(w.count-done), unix.MSG_DONTWAIT, 0, 0)
		if e == unix.EINTR || e == unix.ECONNREFUSED {
			continue
		}
		if e != 0 {
			n = 1
		}
		done += int(n)
		w.sent += uint64(n)
	}
	w.count, w.used, w.to, w.size = 0, 0, nil, 0
}

func rawAddress(a netip.AddrPort) *unix.RawSockaddrInet4 {
	s := &unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().As4()}
	p := (*[2]byte)(unsafe.Pointer(&s.Port))
	p[0], p[1] = byte(a.Port()>>8), byte(a.Port())
	return s
}
