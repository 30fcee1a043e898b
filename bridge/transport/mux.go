package transport

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// transactionAge is how long a response may take, at least; at most twice that.
	transactionAge = 10 * time.Second
	// maxTransactions bounds the transactions of one age that wait for a response. Beyond
	// it responses are routed by address.
	maxTransactions = 1 << 16
	// maxBound bounds the addresses of one session that may send media; the oldest goes.
	maxBound = 16
)

// route is where the packets of a remote address go.
type route struct {
	peer    uint32
	session *Session
	lane    *Lane
}

// connKey names one of a session's connections: by the index of the UDP socket, or by
// tcpIndex for all TCP ones.
type connKey struct {
	ufrag string
	local netip.Addr
	tcp   bool
}

// mux finds the session a packet belongs to. STUN requests go by user name, so that a
// peer that uses its port again for a new session is never glued to the old one;
// responses go by transaction, and only what misses goes by address.
//
// mu guards all fields. Nothing is called and nothing sent while it is held.
type mux struct {
	mu       sync.RWMutex
	sessions map[string]*Session
	conns    map[connKey]*stunConn
	routes   map[netip.AddrPort]route
	owned    map[ownRoute]struct{} // the same for sessions with a port of their own

	// young and old hold transactions by age; they change places every transactionAge.
	young, old map[transactionID]*stunConn
	turned     time.Time
}

func newMux() *mux {
	return &mux{
		sessions: map[string]*Session{},
		conns:    map[connKey]*stunConn{},
		routes:   map[netip.AddrPort]route{},
		owned:    map[ownRoute]struct{}{},
		young:    map[transactionID]*stunConn{},
		old:      map[transactionID]*stunConn{},
	}
}

// addRound makes a round's user name lead to its session.
func (m *mux) addRound(r *round) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[r.ufrag] = r.s
}

// removeRound forgets a round, but not the session's name, which is that of the first.
func (m *mux) removeRound(r *round) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.ufrag != r.s.ufrag {
		delete(m.sessions, r.ufrag)
	}
	m.forgetConns(func(c *stunConn) bool { return c.round == r })
}

// forgetConns closes connections and drops their transactions. mu is held.
func (m *mux) forgetConns(gone func(*stunConn) bool) {
	for k, c := range m.conns {
		if gone(c) {
			delete(m.conns, k)
			_ = c.Close()
		}
	}
	for _, ids := range []map[transactionID]*stunConn{m.young, m.old} {
		for id, c := range ids {
			if gone(c) {
				delete(ids, id)
			}
		}
	}
}

// removeSession forgets a session with its connections, addresses and transactions.
func (m *mux) removeSession(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ufrag, o := range m.sessions {
		if o == s {
			delete(m.sessions, ufrag)
		}
	}
	m.forgetConns(func(c *stunConn) bool { return c.round.s == s })
	for _, a := range s.bound {
		delete(m.owned, ownRoute{s, a})
		if m.routes[a].session == s {
			delete(m.routes, a)
		}
	}
	s.bound = nil
}

// addConn makes a connection of a session known.
func (m *mux) addConn(k connKey, c *stunConn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns[k] = c
}

// conn returns the connection of a session for a local address.
func (m *mux) conn(k connKey) (net.PacketConn, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if c := m.conns[k]; c != nil {
		return c, nil
	}
	return nil, net.InvalidAddrError("not an address of this session")
}

// openConns makes all connections of a round before its agent asks for them, so that
// checks that come early find a queue.
func (t *Transport) openConns(r *round) {
	s := r.s
	for _, sock := range s.sockets() {
		send := func(b []byte, to netip.AddrPort) bool { return sock.sendOne(b, newDestination(sock, to)) }
		c := newStunConn(r, net.UDPAddrFromAddrPort(sock.local), false, send)
		t.mux.addConn(connKey{r.ufrag, sock.local.Addr(), false}, c)
		if len(t.listeners) == 0 || s.opts.UniquePort {
			continue
		}
		local := &net.TCPAddr{IP: sock.local.Addr().AsSlice(), Port: t.listeners[0].Addr().(*net.TCPAddr).Port}
		sendTCP := func(b []byte, to netip.AddrPort) bool {
			conn := t.tcp.findRemote(s, to)
			return conn != nil && conn.send(b)
		}
		t.mux.addConn(connKey{r.ufrag, sock.local.Addr(), true}, newStunConn(r, local, true, sendTCP))
	}
}

// sending notes what an outgoing STUN message teaches us.
func (m *mux) sending(c *stunConn, b []byte, to netip.AddrPort) {
	msg, ok := parseSTUN(b)
	if !ok {
		return
	}
	switch msg.kind {
	case stunRequest:
		m.mu.Lock()
		m.turn(time.Now())
		if len(m.young) < maxTransactions {
			m.young[msg.id] = c
		}
		m.mu.Unlock()
	case stunSuccess:
		c.round.s.consented()
		c.round.proved(to)
		if !c.tcp {
			m.bind(c.round.s, to)
		}
	}
}

// turn ages the transactions. mu is held.
func (m *mux) turn(now time.Time) {
	if now.Sub(m.turned) < transactionAge {
		return
	}
	m.turned = now
	m.young, m.old = m.old, m.young
	clear(m.young)
}

// bind lets an address send media to a session.
func (m *mux) bind(s *Session, a netip.AddrPort) {
	if s.opts.UniquePort {
		m.bindOwn(s, a)
		return
	}
	m.mu.RLock()
	known := m.routes[a].session == s
	m.mu.RUnlock()
	if known {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions[s.ufrag] != s {
		return
	}
	if before := m.routes[a].session; before != nil && before != s {
		before.bound = slices.DeleteFunc(before.bound, func(b netip.AddrPort) bool { return b == a })
	}
	if len(s.bound) >= maxBound {
		delete(m.routes, s.bound[0])
		s.bound = s.bound[1:]
	}
	s.bound = append(s.bound, a)
	m.routes[a] = route{peer: s.peer, session: s, lane: s.lane}
}

// stunTarget finds the connection a STUN message is for; it came over TCP if there is no
// socket.
func (m *mux) stunTarget(msg stunMessage, sock *udpSocket, local netip.Addr, from netip.AddrPort) *stunConn {
	tcp := sock == nil
	m.mu.RLock()
	defer m.mu.RUnlock()
	if msg.kind == stunRequest {
		return m.connOf(string(msg.ufrag), local, tcp)
	}
	if c := m.young[msg.id]; c != nil {
		return c
	}
	if c := m.old[msg.id]; c != nil {
		return c
	}
	if sock != nil && sock.owner != nil {
		return m.connOf(sock.owner.ufrag, local, false)
	}
	if s := m.routes[from].session; s != nil {
		return m.connOf(s.ufrag, local, tcp)
	}
	return nil
}

// connOf finds the connection of a round for a local address; for TCP any of the same
// family will do, since the port is forwarded in some networks. mu is held.
func (m *mux) connOf(ufrag string, local netip.Addr, tcp bool) *stunConn {
	if c := m.conns[connKey{ufrag, local, tcp}]; c != nil || !tcp {
		return c
	}
	for k, c := range m.conns {
		if k.tcp && k.ufrag == ufrag && k.local.Is4() == local.Is4() {
			return c
		}
	}
	return nil
}

func (m *mux) sessionByUfrag(ufrag []byte) *Session {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.sessions[string(ufrag)]
}

// udpMux is the mux as the ICE agent sees it.
type udpMux struct{ s *Session }

// GetConn returns the agent's connection on a local address.
func (u udpMux) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	a, ok := addr.(*net.UDPAddr)
	if !ok {
		return nil, net.InvalidAddrError("not a UDP address")
	}
	return u.s.t.mux.conn(connKey{ufrag, a.AddrPort().Addr().Unmap(), false})
}

// RemoveConnByUfrag forgets what belongs to an agent that closes; the session has done
// it already.
func (u udpMux) RemoveConnByUfrag(string) {}

// GetListenAddresses lists the local addresses.
func (u udpMux) GetListenAddresses() []net.Addr {
	addrs := make([]net.Addr, 0, len(u.s.sockets()))
	for _, s := range u.s.sockets() {
		addrs = append(addrs, net.UDPAddrFromAddrPort(s.local))
	}
	return addrs
}

// Close does nothing: the sockets belong to the Transport.
func (u udpMux) Close() error { return nil }
