package transport

import (
	"fmt"
	"net/netip"
)

// uniqueBuffer is the size asked for the buffers of a session's own socket, where the
// shared ones get Config.SocketBuffer.
const uniqueBuffer = 2 << 20

// ownRoute is an address that may send to a session on its own socket.
type ownRoute struct {
	session *Session
	from    netip.AddrPort
}

// openOwn gives the session sockets on ports of its own. Two bridges share many
// conferences, and on the shared port all of them would come from one address.
func (s *Session) openOwn() error {
	for _, shared := range s.t.current() {
		at := netip.AddrPortFrom(shared.local.Addr(), 0)
		sock, err := openSocket(at, min(uniqueBuffer, s.t.cfg.SocketBuffer), false)
		if err != nil {
			s.closeOwn()
			return fmt.Errorf("open a port for another bridge on %s: %w", at.Addr(), err)
		}
		sock.owner = s
		sock.joinRuns()
		s.own = append(s.own, sock)
	}
	for i, sock := range s.own {
		if err := s.lane.watch(sock); err != nil {
			for _, watched := range s.own[:i] {
				s.lane.unwatch(watched)
			}
			for _, rest := range s.own[i:] {
				_ = rest.close()
			}
			s.own = nil
			return fmt.Errorf("wait for the port of another bridge: %w", err)
		}
	}
	return nil
}

// dropOwn gives the session's own sockets up.
func (s *Session) dropOwn() {
	for _, sock := range s.own {
		s.lane.unwatch(sock)
	}
}

// closeOwn closes sockets that were never watched.
func (s *Session) closeOwn() {
	for _, sock := range s.own {
		_ = sock.close()
	}
	s.own = nil
}

// sockets are those the session is reached on.
func (s *Session) sockets() []*udpSocket {
	if s.opts.UniquePort {
		return s.own
	}
	if list := s.shared.Load(); list != nil {
		return *list
	}
	return nil
}

// refresh makes the addresses there are now those of the session. Its rounds of ICE from
// now on use them.
func (s *Session) refresh() {
	list := s.lane.current()
	s.shared.Store(&list)
}

// socketAt finds the session's socket on a local address.
func (s *Session) socketAt(a netip.Addr) *udpSocket {
	for _, sock := range s.sockets() {
		if sock.local.Addr() == a {
			return sock
		}
	}
	return nil
}

// sessionOf finds whose packets come from an address to a socket.
func (m *mux) sessionOf(sock *udpSocket, from netip.AddrPort) *Session {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if sock.owner == nil {
		return m.routes[from].session
	}
	if _, known := m.owned[ownRoute{sock.owner, from}]; known {
		return sock.owner
	}
	return nil
}

// mediaFrom is the peer whose media comes from an address to a socket, 0 if it is nobody's,
// and the lane it belongs to, nil if that is the socket's. mu is held.
func (m *mux) mediaFrom(sock *udpSocket, from netip.AddrPort) (uint32, *Lane) {
	if sock.owner == nil {
		r := m.routes[from]
		return r.peer, r.lane
	}
	if _, known := m.owned[ownRoute{sock.owner, from}]; known {
		return sock.owner.peer, nil
	}
	return 0, nil
}

// bindOwn lets an address send to a session on its own socket.
func (m *mux) bindOwn(s *Session, a netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := ownRoute{s, a}
	if _, known := m.owned[r]; known || m.sessions[s.ufrag] != s {
		return
	}
	if len(s.bound) >= maxBound {
		delete(m.owned, ownRoute{s, s.bound[0]})
		s.bound = s.bound[1:]
	}
	s.bound = append(s.bound, a)
	m.owned[r] = struct{}{}
}
