package transport

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	// stunQueueEarly bounds the requests kept for an agent that has not started, because
	// the peer's credentials are not known yet, or that waits for UDP. The newest are kept.
	stunQueueEarly = 8
	// stunQueue bounds them afterwards.
	stunQueue = 32
	// maxSources bounds the addresses one round hears checks from. The agent keeps something
	// for each whose check is authentic, and forgets none.
	maxSources = 128
)

type stunPacket struct {
	data []byte
	from netip.AddrPort
}

// stunConn is what the ICE agent sees of one local address: a packet connection that
// carries nothing but STUN messages of one round. Incoming messages wait in a bounded
// queue that drops the oldest.
type stunConn struct {
	round *round
	local net.Addr
	// write sends a message; TCP and UDP differ in it.
	write func(b []byte, to netip.AddrPort) bool
	tcp   bool

	queue   chan stunPacket
	done    chan struct{}
	closing sync.Once
}

func newStunConn(r *round, local net.Addr, tcp bool, write func([]byte, netip.AddrPort) bool) *stunConn {
	return &stunConn{
		round: r, local: local, tcp: tcp, write: write,
		queue: make(chan stunPacket, stunQueue), done: make(chan struct{}),
	}
}

// push takes in a message if it proves that its sender knows the password: ours for a
// request, the peer's for an answer. Nothing else is of use to the agent.
func (c *stunConn) push(b []byte, m stunMessage, from netip.AddrPort) {
	stats := &c.round.s.t.stats
	if !c.round.hears(from) {
		stats.queueDropped.Add(1)
		return
	}
	by := c.round.ours
	switch m.kind {
	case stunRequest:
	case stunSuccess:
		by = c.round.theirs.Load()
	default:
		by = nil
	}
	if !by.holds(b, m.integrity) {
		stats.garbage.Add(1)
		return
	}
	c.enqueue(proven(b, m.integrity), from)
}

// enqueue puts a message where the agent takes it from, which then owns it.
func (c *stunConn) enqueue(b []byte, from netip.AddrPort) {
	limit := stunQueueEarly
	if c.round.started.Load() && !(c.tcp && c.round.prefer.holdsTCP()) {
		limit = stunQueue
	}
	for len(c.queue) >= limit {
		select {
		case <-c.queue:
			c.round.s.t.stats.queueDropped.Add(1)
		default:
		}
	}
	p := stunPacket{data: b, from: from}
	select {
	case c.queue <- p:
	default:
		c.round.s.t.stats.queueDropped.Add(1)
	}
}

// ReadFromAddrPort gives the agent the next message; the first one over TCP waits for UDP.
func (c *stunConn) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-c.queue:
		if c.tcp && !c.round.prefer.yield(c.round.s.t.udpHead, c.done) {
			return 0, netip.AddrPort{}, net.ErrClosed
		}
		return copy(b, p.data), p.from, nil
	case <-c.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

// WriteToAddrPort sends a message of the agent. The mux learns from it: a request's
// transaction will be answered to this connection, and a success response proves that
// its receiver knows our password.
func (c *stunConn) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	select {
	case <-c.done:
		return 0, net.ErrClosed
	default:
	}
	to = netip.AddrPortFrom(to.Addr().Unmap().WithZone(""), to.Port())
	c.round.s.t.mux.sending(c, b, to)
	if !c.write(b, to) {
		return 0, os.ErrDeadlineExceeded
	}
	return len(b), nil
}

// ReadFrom is ReadFromAddrPort for users of net.PacketConn.
func (c *stunConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	if c.tcp {
		return n, net.TCPAddrFromAddrPort(from), nil
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo is WriteToAddrPort for users of net.PacketConn.
func (c *stunConn) WriteTo(b []byte, to net.Addr) (int, error) {
	switch a := to.(type) {
	case *net.UDPAddr:
		return c.WriteToAddrPort(b, a.AddrPort())
	case *net.TCPAddr:
		return c.WriteToAddrPort(b, a.AddrPort())
	default:
		return 0, net.InvalidAddrError("not an address of ours")
	}
}

// Close ends waiting reads. The sockets stay open.
func (c *stunConn) Close() error {
	c.closing.Do(func() { close(c.done) })
	return nil
}

// LocalAddr is the address of the socket behind it.
func (c *stunConn) LocalAddr() net.Addr { return c.local }

// SetDeadline does nothing: the agent only uses it to get out of a read before Close.
func (c *stunConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, see SetDeadline.
func (c *stunConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: writes never block.
func (c *stunConn) SetWriteDeadline(time.Time) error { return nil }
