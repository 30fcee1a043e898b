package transport

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
	"parley/internal/network"
)

const (
	// identifyTimeout is how long a connection may take to tell its session.
	identifyTimeout = 10 * time.Second
	// tcpIdle ends a connection from which nothing comes; consent checks come every few
	// seconds on a living one.
	tcpIdle = 60 * time.Second
	// tcpQueue bounds the bytes waiting for a slow connection: about a quarter of a second
	// of good video. What comes on top is dropped, whole packets only.
	tcpQueue = 128 << 10
	// tcpPatience is how long media may wait for a slow connection. Older packets are dropped:
	// late pictures are of no use, and the estimate of the bandwidth needs to see the loss.
	tcpPatience = 500 * time.Millisecond
	// tcpUnsent bounds, in bytes, what the system holds of a connection without having sent
	// it: what it has can be dropped no more, and it would take megabytes.
	tcpUnsent = 16 << 10
	// tcpPerSession bounds the connections of one session.
	tcpPerSession = 8
)

// tcpKey names a connection by both its ends.
type tcpKey struct {
	local  netip.Addr
	remote netip.AddrPort
}

// tcpState holds the connections that belong to a session. mu guards the fields.
type tcpState struct {
	mu           sync.Mutex
	conns        map[tcpKey]*tcpConn
	unidentified map[*tcpConn]uint64 // what came later has the greater number
	arrived      uint64
	closed       bool
}

func (st *tcpState) count() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return len(st.conns) + len(st.unidentified)
}

// findRemote finds the connection of a session to a remote address.
func (st *tcpState) findRemote(s *Session, remote netip.AddrPort) *tcpConn {
	st.mu.Lock()
	defer st.mu.Unlock()
	for k, c := range st.conns {
		if k.remote == remote && c.session.Load() == s {
			return c
		}
	}
	return nil
}

func (st *tcpState) closeAll() {
	st.closeIf(func(*tcpConn) bool { return true }, true)
}

func (st *tcpState) closeOf(s *Session) {
	st.closeIf(func(c *tcpConn) bool { return c.session.Load() == s }, false)
}

func (st *tcpState) closeIf(match func(*tcpConn) bool, forever bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.closed = st.closed || forever
	for _, c := range st.conns {
		if match(c) {
			_ = c.conn.Close()
		}
	}
	for c := range st.unidentified {
		if match(c) {
			_ = c.conn.Close()
		}
	}
}

// addUnidentified takes in a new connection. If there are too many strangers already, one
// has to go for it, which it returns: a browser tells its session at once, so whoever holds
// connections open in silence shall lose those, and not keep others out.
func (st *tcpState) addUnidentified(c *tcpConn, limit int) (gone *tcpConn, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		return nil, false
	}
	if st.unidentified == nil {
		st.unidentified = map[*tcpConn]uint64{}
	}
	if len(st.unidentified) >= limit {
		if gone = st.dispensableLocked(); gone == nil {
			return nil, false
		}
		delete(st.unidentified, gone)
	}
	st.arrived++
	st.unidentified[c] = st.arrived
	return gone, true
}

// dispensableLocked is the oldest connection of the network that has most of them.
func (st *tcpState) dispensableLocked() (oldest *tcpConn) {
	count := make(map[netip.Prefix]int, len(st.unidentified))
	for c := range st.unidentified {
		count[network.Of(c.key.remote.Addr())]++
	}
	for c, at := range st.unidentified {
		if oldest == nil {
			oldest = c
			continue
		}
		n, most := count[network.Of(c.key.remote.Addr())], count[network.Of(oldest.key.remote.Addr())]
		if n > most || n == most && at < st.unidentified[oldest] {
			oldest = c
		}
	}
	return oldest
}

// identify gives a connection to a session.
func (st *tcpState) identify(c *tcpConn, s *Session) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	n := 0
	for _, o := range st.conns {
		if o.session.Load() == s {
			n++
		}
	}
	if n >= tcpPerSession {
		return false
	}
	c.session.Store(s)
	delete(st.unidentified, c)
	st.conns[c.key] = c
	return true
}

func (st *tcpState) remove(c *tcpConn) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.unidentified, c)
	if st.conns[c.key] == c {
		delete(st.conns, c.key)
	}
}

func (t *Transport) listenTCP() error {
	hosts := t.cfg.Addresses
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	for _, h := range hosts {
		at := net.JoinHostPort(h, fmt.Sprint(t.cfg.TCP.Port))
		l, err := net.Listen("tcp", at)
		if err != nil {
			if op := (*net.OpError)(nil); errors.As(err, &op) {
				err = op.Err // the address stands in the sentence already
			}
			return fmt.Errorf("tcp.port: cannot listen on %s/tcp: %w", at, err)
		}
		t.listeners = append(t.listeners, l.(*net.TCPListener))
		t.log.WithField(logx.Listen, l.Addr().String()+"/tcp").Info("media listener is open")
		t.wg.Go(func() { t.acceptTCP(l) })
	}
	return nil
}

// tcpPort is the port to announce.
func (t *Transport) tcpPort() uint16 {
	if t.cfg.TCP.MappedPort != 0 {
		return uint16(t.cfg.TCP.MappedPort)
	}
	return t.listeners[0].Addr().(*net.TCPAddr).AddrPort().Port()
}

func (t *Transport) acceptTCP(l net.Listener) {
	var short logx.Seldom
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors, most likely: let others finish first.
			if short.Due() {
				t.log.WithError(err).Warn("media connections cannot be accepted: give the process more open files")
			}
			timer := time.NewTimer(100 * time.Millisecond)
			<-timer.C
			continue
		}
		c := newTCPConn(t, conn.(*net.TCPConn))
		gone, ok := t.tcp.addUnidentified(c, t.cfg.TCP.MaxUnidentified)
		if gone != nil {
			t.stats.tcpRefused.Add(1)
			_ = gone.conn.Close()
		}
		if !ok {
			t.stats.tcpRefused.Add(1)
			_ = conn.Close()
			continue
		}
		t.wg.Go(c.read)
	}
}

func (c *tcpConn) read() {
	defer c.close()
	defer func() {
		if p := recover(); p != nil {
			c.t.log.WithField("panic", p).Error("media connection panicked and is closed\n" + string(debug.Stack()))
		}
	}()
	r := bufio.NewReaderSize(c.conn, 8192)
	_ = c.conn.SetReadDeadline(time.Now().Add(identifyTimeout))
	if err := c.greet(r); err != nil {
		c.refuse("no greeting")
		return
	}
	frames := &frameReader{r: r}
	first, err := frames.next()
	if err != nil {
		c.refuse("no first packet")
		return
	}
	msg, ok := parseSTUN(first)
	if !ok || msg.kind != stunRequest {
		c.refuse("first packet is not a check")
		return
	}
	s := c.t.mux.sessionByUfrag(msg.ufrag)
	if s == nil || !c.t.tcp.identify(c, s) {
		c.refuse("unknown session")
		return
	}
	c.t.wg.Go(c.write)
	for packet := first; err == nil; packet, err = frames.next() {
		_ = c.conn.SetReadDeadline(time.Now().Add(tcpIdle))
		c.handle(s, packet)
	}
}

func (c *tcpConn) greet(r *bufio.Reader) error {
	ssl, err := takeSSLHello(r)
	if err != nil || !ssl {
		return err
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(identifyTimeout))
	_, err = c.conn.Write(sslAnswer)
	return err
}

func (c *tcpConn) refuse(why string) {
	c.t.stats.tcpRefused.Add(1)
	c.t.log.WithFields(logrus.Fields{logx.Remote: logx.IP(c.key.remote.String()), logx.Reason: why}).
		Debug("media connection refused")
}

func (c *tcpConn) handle(s *Session, b []byte) {
	c.t.stats.received.Add(1)
	c.t.stats.receivedBytes.Add(uint64(len(b)))
	switch classify(b) {
	case classMedia:
		s.lane.deliver(s.peer, b)
	case classDTLS:
		s.dtls.push(b)
	case classSTUN:
		if msg, ok := parseSTUN(b); ok {
			// A connection belongs to one session for life.
			if to := c.t.mux.stunTarget(msg, nil, c.key.local, c.key.remote); to != nil && to.round.s == s {
				to.push(b, msg, c.key.remote)
				return
			}
		}
		c.t.stats.garbage.Add(1)
	default:
		c.t.stats.garbage.Add(1)
	}
}

// tcpMux is the TCP side as the ICE agent sees it.
type tcpMux struct{ t *Transport }

// GetConnByUfrag returns the agent's connection for a local address of the bridge.
func (m tcpMux) GetConnByUfrag(ufrag string, _ bool, local net.IP) (net.PacketConn, error) {
	a, ok := netip.AddrFromSlice(local)
	if !ok {
		return nil, net.InvalidAddrError("not an address")
	}
	return m.t.mux.conn(connKey{ufrag, a.Unmap(), true})
}

// RemoveConnByUfrag forgets what belongs to an agent that closes; the session has done
// it already.
func (m tcpMux) RemoveConnByUfrag(string) {}

// Close does nothing: the listeners belong to the Transport.
func (m tcpMux) Close() error { return nil }
