//go:build !linux

package transport

import (
	"net"
	"net/netip"
	"time"
)

// This is the plain way for systems other than Linux: a goroutine per socket and a
// system call per datagram. It is right, not fast.

type rawAddr struct{}

func newRawAddr(netip.AddrPort) rawAddr { return rawAddr{} }

type udpSocket struct {
	conn             *net.UDPConn
	local            netip.AddrPort
	owner            *Session // nil for the shared ones
	bufRecv, bufSend int
	last             netip.AddrPort
	queued           int
	messages         uint64
	// strangers is there for Lane.handOver; with one lane there are none.
	strangers [1]*Lane
}

// maxLanes is one: one goroutine reads each socket anyway.
const maxLanes = 1

func openSocket(addr netip.AddrPort, buffer int, _ bool) (*udpSocket, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	s := &udpSocket{conn: conn, local: netip.AddrPortFrom(addr.Addr(), conn.LocalAddr().(*net.UDPAddr).AddrPort().Port())}
	if conn.SetReadBuffer(buffer) == nil {
		s.bufRecv = buffer
	}
	if conn.SetWriteBuffer(buffer) == nil {
		s.bufSend = buffer
	}
	return s, nil
}

// joinRuns does nothing: a datagram is read by itself.
func (s *udpSocket) joinRuns() {}

func (s *udpSocket) close() error { return s.conn.Close() }

func (s *udpSocket) from(int) netip.AddrPort { return s.last }

func (s *udpSocket) queue(b []byte, to *destination) bool {
	if s.sendOne(b, to) {
		s.queued++
	}
	return false
}

func (s *udpSocket) flush() int {
	n := s.queued
	s.messages += uint64(n)
	s.queued = 0
	return n
}

func (s *udpSocket) sendOne(b []byte, to *destination) bool {
	_, err := s.conn.WriteToUDPAddrPort(b, to.addr)
	return err == nil
}

func (t *Transport) startSockets() {
	for _, s := range t.sockets {
		t.wg.Go(func() { t.readSocket(s) })
	}
}

func (t *Transport) readSocket(s *udpSocket) {
	l := t.lanes[0]
	buffers, sizes, peers, ages := [][]byte{make([]byte, slotSize)}, make([]int, 1), make([]uint32, 1), make([]int64, 1)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buffers[0])
		if err != nil {
			return
		}
		s.last = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		sizes[0] = n
		l.sortDatagrams(s, buffers, sizes, peers, ages)
		if sizes[0] > 0 {
			l.deliver(peers[0], buffers[0][:n])
		}
	}
}

func (l *Lane) receiveSockets(_ [][]byte, _ []int, _ []uint32, _ []int64, n int) int { return n }

type poller struct{ c chan struct{} }

func newPoller([]*udpSocket) (*poller, error) { return &poller{c: make(chan struct{}, 1)}, nil }

// wait calls read until it says that it found something, the time has come, or wake was
// called, be it before.
func (p *poller) wait(until time.Time, read func(uintptr) bool) {
	if read(0) {
		return
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-p.c:
	case <-timer.C:
	}
	read(0)
}

// rest lets some time pass.
func (p *poller) rest(d time.Duration, _ bool) { time.Sleep(d) }

func (p *poller) wake() {
	select {
	case p.c <- struct{}{}:
	default:
	}
}

func (p *poller) close() {}
