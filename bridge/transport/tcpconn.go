package transport

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// tcpConn is one TCP connection of an endpoint. read runs on its own goroutine, as does
// write; send may be called from anywhere and never blocks.
type tcpConn struct {
	t       *Transport
	conn    *net.TCPConn
	key     tcpKey
	session atomic.Pointer[Session]

	// mu guards pending, waiting and closed, and the closing of wake. pending are the frames
	// that wait, one after the other, and waiting what is known of each.
	mu      sync.Mutex
	pending []byte
	waiting []tcpFrame
	closed  bool
	wake    chan struct{}
}

// tcpFrame is a frame that waits: since when, how many bytes of pending it takes, and
// whether it is media, which is of no use when it is late.
type tcpFrame struct {
	since time.Time
	size  int
	media bool
}

func newTCPConn(t *Transport, conn *net.TCPConn) *tcpConn {
	local, remote := conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	limitUnsent(conn)
	return &tcpConn{
		t: t, conn: conn, wake: make(chan struct{}, 1),
		key: tcpKey{
			local:  local.Addr().Unmap().WithZone(""),
			remote: netip.AddrPortFrom(remote.Addr().Unmap().WithZone(""), remote.Port()),
		},
	}
}

// send queues a packet. It says no when the connection is closed or too slow.
func (c *tcpConn) send(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.pending)+2+len(b) > tcpQueue || len(b) > 0xFFFF {
		return false
	}
	c.pending = appendFrame(c.pending, b)
	c.waiting = append(c.waiting, tcpFrame{since: time.Now(), size: 2 + len(b), media: classify(b) == classMedia})
	// Under the lock, or close could close the channel before.
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return true
}

// take moves the frames that are next to out, until it has tcpUnsent bytes, and leaves out
// media that has waited too long. stale counts what was left out.
func (c *tcpConn) take(out []byte, now time.Time) (_ []byte, stale int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	frames, bytes := 0, 0
	for _, f := range c.waiting {
		if len(out) >= tcpUnsent {
			break
		}
		if f.media && now.Sub(f.since) > tcpPatience {
			stale++
		} else {
			out = append(out, c.pending[bytes:bytes+f.size]...)
		}
		frames++
		bytes += f.size
	}
	c.waiting = append(c.waiting[:0], c.waiting[frames:]...)
	c.pending = append(c.pending[:0], c.pending[bytes:]...)
	return out, stale
}

func (c *tcpConn) write() {
	var out []byte
	var stale int
	for range c.wake {
		for {
			out, stale = c.take(out[:0], time.Now())
			c.t.stats.sendDropped.Add(uint64(stale))
			if len(out) == 0 {
				break
			}
			_ = c.conn.SetWriteDeadline(time.Now().Add(tcpIdle))
			if _, err := c.conn.Write(out); err != nil {
				_ = c.conn.Close()
				break
			}
		}
	}
}

func (c *tcpConn) close() {
	_ = c.conn.Close()
	c.t.tcp.remove(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		close(c.wake)
	}
}
