package transport

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v4/stdnet"
	"github.com/sirupsen/logrus"

	"parley/internal/logx"
)

const (
	// maxSessions bounds the sessions of one transport; NewSession refuses more.
	maxSessions = 1 << peerIndexBits
	// A peer number is the index of its slot with a generation above, so that a number
	// from before never reaches the slot's next owner.
	peerIndexBits = 14
	peerIndexMask = maxSessions - 1
)

// Transport owns the sockets of the bridge and the sessions on them. Its lanes satisfy
// rtp.Link.
type Transport struct {
	cfg Config
	log *logrus.Entry

	// lanes share the sockets; those in sockets are the first one's.
	lanes     []*Lane
	sockets   []*udpSocket
	listeners []*net.TCPListener
	net       atomic.Pointer[stdnet.Net]
	presence  presence
	mux       *mux
	tcp       tcpState
	certs     certificates
	// discovered are the public addresses that were found by asking, nil before.
	discovered atomic.Pointer[[]Mapping]
	// stopLooking ends the asking, and the look at the machine's addresses.
	stopLooking context.CancelFunc
	stats       counters
	// udpHead is how long the first check over TCP waits for one over UDP.
	udpHead time.Duration

	// peers is read on every packet and written when sessions come and go.
	peers [maxSessions]atomic.Pointer[peerSlot]

	// mu guards what follows.
	mu         sync.Mutex
	listening  bool
	closed     bool
	sessions   map[*Session]struct{}
	generation uint32
	free       []uint32

	// sessionWork counts goroutines of sessions, wg those that read sockets. The former
	// end before the sockets are closed.
	sessionWork, wg sync.WaitGroup
	looking         sync.WaitGroup // of watchAddresses
	closing         sync.Once
}

// peerSlot is what sending needs to know of a session.
type peerSlot struct {
	peer uint32
	dest atomic.Pointer[destination]
}

// destination is where a session's packets go: a socket and an address, or a TCP
// connection. It does not change once it is published.
type destination struct {
	sock *udpSocket
	raw  rawAddr
	addr netip.AddrPort
	tcp  *tcpConn
	// plain says that the way there takes no message of several datagrams.
	plain atomic.Bool
}

func newDestination(sock *udpSocket, addr netip.AddrPort) *destination {
	return &destination{sock: sock, addr: addr, raw: newRawAddr(addr)}
}

// counters are the numbers behind Stats.
type counters struct {
	received, receivedBytes, sent, sentBytes atomic.Uint64
	messages                                 atomic.Uint64
	garbage, sendDropped, queueDropped       atomic.Uint64
	tcpRefused                               atomic.Uint64
	iceOK, iceOKTCP, iceFailed               atomic.Uint64
	restarts, restartsOK, roamed             atomic.Uint64
	dtlsOK, dtlsFailed, rejectedChannels     atomic.Uint64
}

// New checks the settings. It binds nothing.
func New(cfg Config, log *logrus.Entry) (*Transport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n, err := stdnet.NewNet()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	t := &Transport{cfg: cfg, log: log, mux: newMux(), sessions: map[*Session]struct{}{}, udpHead: udpHead}
	t.net.Store(n)
	t.presence.pause = addressPause
	t.presence.list = func() ([]netip.Addr, bool, error) { return localAddresses(t.cfg) }
	for range min(max(cfg.Lanes, 1), maxLanes) {
		t.lanes = append(t.lanes, newLane(t))
	}
	t.tcp.conns = map[tcpKey]*tcpConn{}
	for i := range maxSessions {
		t.free = append(t.free, uint32(maxSessions-1-i))
	}
	return t, nil
}

// Listen binds the sockets; the error names the address and the setting.
func (t *Transport) Listen() (err error) {
	addrs, fallback, err := t.presence.list()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			t.closeSockets()
		}
	}()
	if err := t.openLanes(addrs); err != nil {
		return err
	}
	t.present(addrs, fallback)
	if fallback {
		t.log.Warn("no address but loopback: only clients on this machine can send media")
	}
	if t.cfg.TCP.Enabled {
		if err := t.listenTCP(); err != nil {
			return err
		}
	}
	t.mu.Lock()
	t.listening = true
	t.mu.Unlock()
	t.startSockets()
	ctx, cancel := context.WithCancel(context.Background())
	t.stopLooking = cancel
	if len(t.cfg.STUNServers) > 0 || t.cfg.AWS {
		t.wg.Go(func() { t.discover(ctx) })
	}
	if len(t.cfg.Addresses) == 0 {
		t.looking.Go(func() { t.watchAddresses(ctx) })
	}
	return nil
}

func (t *Transport) logSocket(s *udpSocket) {
	l := t.log.WithFields(logrus.Fields{
		logx.Listen: s.local.String() + "/udp", "receive_buffer": s.bufRecv, "send_buffer": s.bufSend,
	})
	if s.bufRecv < t.cfg.SocketBuffer || s.bufSend < t.cfg.SocketBuffer {
		l.WithField("wanted", t.cfg.SocketBuffer).Info("media socket has smaller buffers than wanted, see net.core.rmem_max and wmem_max")
		return
	}
	l.Info("media socket is open")
}

// Addresses lists the local UDP addresses there are now, for status pages and tests.
func (t *Transport) Addresses() []netip.AddrPort {
	sockets := t.current()
	addrs := make([]netip.AddrPort, 0, len(sockets))
	for _, s := range sockets {
		addrs = append(addrs, s.local)
	}
	return addrs
}

// Close closes all sessions and sockets and waits for their goroutines. Whoever calls
// Receive and Send must have stopped before.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	var sessions []*Session
	for s := range t.sessions {
		sessions = append(sessions, s)
	}
	t.mu.Unlock()
	for _, s := range sessions {
		s.Close()
	}
	t.sessionWork.Wait()
	t.closeSockets()
	return nil
}

func (t *Transport) closeSockets() { t.closing.Do(t.closeAll) }

func (t *Transport) closeAll() {
	if t.stopLooking != nil {
		t.stopLooking()
	}
	t.looking.Wait()
	for _, l := range t.listeners {
		_ = l.Close()
	}
	t.tcp.closeAll()
	for _, l := range t.lanes {
		l.closeSockets()
	}
	t.closePresence()
	t.wg.Wait()
	for _, l := range t.lanes {
		if l.poll != nil {
			l.poll.close()
		}
	}
}

// Stats returns a snapshot of the counters.
func (t *Transport) Stats() Stats {
	t.mu.Lock()
	sessions := len(t.sessions)
	t.mu.Unlock()
	c := &t.stats
	return Stats{
		DatagramsReceived: c.received.Load(), BytesReceived: c.receivedBytes.Load(),
		DatagramsSent: c.sent.Load(), BytesSent: c.sentBytes.Load(), MessagesSent: c.messages.Load(),
		Garbage: c.garbage.Load(), SendDropped: c.sendDropped.Load(), QueueDropped: c.queueDropped.Load(),
		Sessions: sessions, TCPConnections: t.tcp.count(), TCPRefused: c.tcpRefused.Load(),
		ICESucceeded: c.iceOK.Load(), ICEFailed: c.iceFailed.Load(), ICESucceededTCP: c.iceOKTCP.Load(),
		Roamed: c.roamed.Load(), Restarts: c.restarts.Load(), RestartsSucceeded: c.restartsOK.Load(),
		DTLSSucceeded: c.dtlsOK.Load(), DTLSFailed: c.dtlsFailed.Load(),
		RejectedChannels: c.rejectedChannels.Load(),
	}
}

// sendSlow sends one datagram of the slow path (DTLS) to a session's current address.
func (t *Transport) sendSlow(b []byte, d *destination) bool {
	switch {
	case d == nil:
		return false
	case d.tcp != nil:
		return d.tcp.send(b)
	default:
		return d.sock.sendOne(b, d)
	}
}

func (t *Transport) handleSTUN(b []byte, sock *udpSocket, from netip.AddrPort) {
	msg, ok := parseSTUN(b)
	if !ok {
		t.stats.garbage.Add(1)
		return
	}
	c := t.mux.stunTarget(msg, sock, sock.local.Addr(), from)
	if c == nil {
		t.stats.garbage.Add(1)
		return
	}
	c.push(b, msg, from)
}

func (t *Transport) handleDTLS(b []byte, sock *udpSocket, from netip.AddrPort) {
	s := t.mux.sessionOf(sock, from)
	if s == nil {
		t.stats.garbage.Add(1)
		return
	}
	s.dtls.push(b)
}
