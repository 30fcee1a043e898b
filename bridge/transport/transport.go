package transport

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v4"
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

// Transport owns the sockets of the bridge and the sessions on them. It satisfies
// rtp.Link.
type Transport struct {
	cfg Config
	log *logrus.Entry

	sockets   []*udpSocket
	listeners []*net.TCPListener
	poll      *poller
	net       transport.Net
	mux       *mux
	tcp       tcpState
	inbox     inbox
	certs     certificates
	// discovered are the public addresses that were found by asking, nil before.
	discovered atomic.Pointer[[]Mapping]
	// stopDiscovery ends the asking; nil if nobody is asked.
	stopDiscovery context.CancelFunc
	stats         counters
	owned         ownedSockets
	// filled are the sockets Send has to flush; it belongs to its goroutine.
	filled []*udpSocket

	// reading belongs to the goroutine in Receive; read is receiveNow as a value, made once.
	reading reading
	read    func(uintptr) bool

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
	t := &Transport{cfg: cfg, log: log, net: n, mux: newMux(), sessions: map[*Session]struct{}{}}
	t.read = t.receiveNow
	t.tcp.conns = map[tcpKey]*tcpConn{}
	for i := range maxSessions {
		t.free = append(t.free, uint32(maxSessions-1-i))
	}
	return t, nil
}

// Listen binds the sockets; the error names the address and the setting.
func (t *Transport) Listen() (err error) {
	addrs, fallback, err := localAddresses(t.cfg)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			t.closeSockets()
		}
	}()
	for _, a := range addrs {
		at := netip.AddrPortFrom(a, uint16(t.cfg.Port))
		s, err := openSocket(at, t.cfg.SocketBuffer)
		if err != nil {
			return fmt.Errorf("port: cannot listen on %s/udp: %w", at, err)
		}
		t.sockets = append(t.sockets, s)
		t.logSocket(s)
	}
	if fallback {
		t.log.Warn("no address but loopback: only clients on this machine can send media")
	}
	if t.poll, err = newPoller(t.sockets); err != nil {
		return fmt.Errorf("wait for sockets: %w", err)
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
	if len(t.cfg.STUNServers) > 0 || t.cfg.AWS {
		ctx, cancel := context.WithCancel(context.Background())
		t.stopDiscovery = cancel
		t.wg.Go(func() { t.discover(ctx) })
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

// Addresses lists the local UDP addresses, for status pages and tests.
func (t *Transport) Addresses() []netip.AddrPort {
	addrs := make([]netip.AddrPort, 0, len(t.sockets))
	for _, s := range t.sockets {
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
	if t.stopDiscovery != nil {
		t.stopDiscovery()
	}
	for _, l := range t.listeners {
		_ = l.Close()
	}
	t.tcp.closeAll()
	for _, s := range t.sockets {
		_ = s.close()
	}
	t.closeRetired()
	t.wg.Wait()
	if t.poll != nil {
		t.poll.close()
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

// Receive waits for media, see rtp.Link. One goroutine only. A datagram that was not
// media has been dealt with and leaves a size of 0 in its place.
func (t *Transport) Receive(buffers [][]byte, sizes []int, peers []uint32, ages []int64, until time.Time) int {
	t.reading = reading{buffers: buffers, sizes: sizes, peers: peers, ages: ages}
	if until.IsZero() {
		t.receiveNow(0)
	} else {
		t.poll.wait(until, t.read)
	}
	return t.reading.n
}

// reading is what Receive was given and how much of it is filled.
type reading struct {
	buffers [][]byte
	sizes   []int
	peers   []uint32
	ages    []int64
	n       int
}

// receiveNow reads what is there and says whether that was anything.
func (t *Transport) receiveNow(uintptr) bool {
	r := &t.reading
	r.n = t.inbox.drain(r.buffers, r.sizes, r.peers)
	clear(r.ages[:r.n])
	r.n = t.receiveSockets(r.buffers, r.sizes, r.peers, r.ages, r.n)
	return r.n > 0
}

// Wake ends a waiting Receive.
func (t *Transport) Wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.poll != nil && !t.closed {
		t.poll.wake()
	}
}

// Send sends media, see rtp.Link. One goroutine only.
func (t *Transport) Send(peers []uint32, datagrams [][]byte) int {
	var sent, bytes int
	var slot *peerSlot
	var d *destination
	for i, b := range datagrams {
		if slot == nil || slot.peer != peers[i] {
			d = nil
			if slot = t.peers[peers[i]&peerIndexMask].Load(); slot != nil && slot.peer == peers[i] {
				d = slot.dest.Load()
			}
		}
		if d == nil || len(b) == 0 {
			continue
		}
		bytes += len(b)
		if d.tcp != nil {
			if d.tcp.send(b) {
				sent++
			}
			continue
		}
		if d.sock.queued == 0 {
			t.filled = append(t.filled, d.sock)
		}
		if d.sock.queue(b, d) {
			sent += t.flush(d.sock)
		}
	}
	for _, s := range t.filled {
		if s.queued > 0 {
			sent += t.flush(s)
		}
	}
	clear(t.filled)
	t.filled = t.filled[:0]
	t.stats.sent.Add(uint64(sent))
	t.stats.sentBytes.Add(uint64(bytes))
	t.stats.sendDropped.Add(uint64(len(datagrams) - sent))
	return sent
}

// flush sends what is queued at a socket.
func (t *Transport) flush(s *udpSocket) int {
	before := s.messages
	sent := s.flush()
	t.stats.messages.Add(s.messages - before)
	return sent
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

// sortDatagrams deals with what one socket received: media of known addresses stays,
// the rest goes to its session or is dropped, and leaves a size of 0.
func (t *Transport) sortDatagrams(s *udpSocket, buffers [][]byte, sizes []int, peers []uint32) {
	var bytes, garbage int
	t.mux.mu.RLock()
	for i, size := range sizes {
		bytes += size
		if classify(buffers[i][:size]) != classMedia {
			peers[i] = 0
			continue
		}
		peer := t.mux.mediaFrom(s, s.from(i))
		if peer == 0 {
			sizes[i] = 0
			garbage++
		}
		peers[i] = peer
	}
	t.mux.mu.RUnlock()
	for i, size := range sizes {
		if size == 0 {
			continue
		}
		b := buffers[i][:size]
		switch classify(b) {
		case classMedia:
			continue
		case classSTUN:
			t.handleSTUN(b, s, s.from(i))
		case classDTLS:
			t.handleDTLS(b, s, s.from(i))
		default:
			garbage++
		}
		sizes[i] = 0
	}
	t.stats.received.Add(uint64(len(sizes)))
	t.stats.receivedBytes.Add(uint64(bytes))
	if garbage > 0 {
		t.stats.garbage.Add(uint64(garbage))
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
	c.push(b, from)
}

func (t *Transport) handleDTLS(b []byte, sock *udpSocket, from netip.AddrPort) {
	s := t.mux.sessionOf(sock, from)
	if s == nil {
		t.stats.garbage.Add(1)
		return
	}
	s.dtls.push(b)
}
