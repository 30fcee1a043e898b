package transport

import (
	"net"
	"os"
	"sync"
	"time"

	"github.com/pion/dtls/v3/pkg/protocol"
	"github.com/pion/dtls/v3/pkg/protocol/alert"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/transport/v4/deadline"
)

const (
	// handshakeQueue bounds the DTLS packets that wait for the handshake, which may begin
	// later than the peer; what comes on top is dropped and sent again by the peer.
	handshakeQueue = 32
	// maxFlight bounds the packets of our last flight that are kept.
	maxFlight = 4
	// flightPause is the least time between two repetitions of it. Clients ask again after 50
	// milliseconds at the soonest; whoever asks more often wants to keep the sockets busy.
	flightPause = 25 * time.Millisecond
)

// dtlsPath is a session's DTLS: first a packet connection for the library, which does the
// handshake, then records.
//
// mu guards all fields. Nothing is called and nothing sent while it is held.
type dtlsPath struct {
	s *Session

	mu      sync.Mutex
	opening *handshakeConn // nil when the handshake is over
	records *records       // nil until then
	// flight is our last one, if it is the handshake's last, too: who asks again did not get
	// it (RFC 6347, section 4.2.4).
	flight   [][]byte
	repeated time.Time // when it was sent again
	sctp     *sctpConn // nil while nobody speaks SCTP
	left     bool      // the peer has taken leave
	closed   bool
}

func newDTLSPath(s *Session) *dtlsPath {
	d := &dtlsPath{s: s}
	d.opening = &handshakeConn{
		path: d, queue: make(chan []byte, handshakeQueue), done: make(chan struct{}), muted: make(chan struct{}),
		deadline: deadline.New(),
	}
	return d
}

// push takes in a datagram of the peer. It never blocks.
func (d *dtlsPath) push(b []byte) {
	d.mu.Lock()
	if c := d.opening; c != nil {
		if !c.push(append([]byte(nil), b...)) {
			d.s.t.stats.queueDropped.Add(1)
		}
		d.mu.Unlock()
		return
	}
	r := d.records
	d.mu.Unlock()
	if r != nil {
		r.open(b, d.take)
	}
}

// take deals with a record.
func (d *dtlsPath) take(kind protocol.ContentType, payload []byte) {
	switch kind {
	case protocol.ContentTypeApplicationData:
		d.data(payload)
	case protocol.ContentTypeAlert:
		if len(payload) == 2 && (alert.Level(payload[0]) == alert.Fatal || alert.Description(payload[1]) == alert.CloseNotify) {
			d.leave()
		}
	case protocol.ContentTypeHandshake:
		if len(payload) > 0 && handshake.Type(payload[0]) == handshake.TypeFinished {
			d.repeat()
		}
	}
}

// leave ends the session, as the peer has.
func (d *dtlsPath) leave() {
	d.mu.Lock()
	before := d.left
	d.left = true
	d.mu.Unlock()
	if !before {
		d.s.t.spawn(func() { d.s.fail(ErrLeft) }) // the caller must not wait
	}
}

// repeat sends our last flight again.
func (d *dtlsPath) repeat() {
	now := time.Now()
	d.mu.Lock()
	flight := d.flight
	if now.Sub(d.repeated) < flightPause {
		flight = nil
	} else {
		d.repeated = now
	}
	d.mu.Unlock()
	for _, b := range flight {
		d.s.t.sendSlow(b, d.s.slot.dest.Load())
	}
}

// send seals and sends a record. One that does not leave is lost like any other.
func (d *dtlsPath) send(kind protocol.ContentType, payload []byte) error {
	d.mu.Lock()
	r, closed := d.records, d.closed
	d.mu.Unlock()
	if r == nil || closed {
		return net.ErrClosed
	}
	b, err := r.seal(kind, payload)
	if err == nil {
		d.s.t.sendSlow(b, d.s.slot.dest.Load())
	}
	return err
}

// established puts the record layer in the place of the handshake. What came in the
// meantime has its turn.
func (d *dtlsPath) established(r *records) {
	d.mu.Lock()
	c := d.opening
	d.opening, d.records, d.flight = nil, r, c.flight
	d.mu.Unlock()
	for _, b := range c.left() {
		r.open(b, d.take)
	}
}

// shutdown ends DTLS; the peer is told.
func (d *dtlsPath) shutdown() {
	_ = d.send(protocol.ContentTypeAlert, []byte{byte(alert.Warning), byte(alert.CloseNotify)})
	d.mu.Lock()
	c, sctp := d.opening, d.sctp
	d.closed = true
	d.mu.Unlock()
	if c != nil {
		_ = c.Close()
	}
	if sctp != nil {
		_ = sctp.Close()
	}
}

// handshakeConn is what the DTLS library sees of the network, until the handshake is over:
// a packet connection with a bounded queue that drops what comes last.
type handshakeConn struct {
	path   *dtlsPath
	queue  chan []byte
	done   chan struct{}
	muted  chan struct{} // closed when nothing is to come through any more, either way
	once   sync.Once
	muting sync.Once
	// deadline ends reads: the library gets out of them that way when a handshake fails.
	deadline *deadline.Deadline

	// held is application data that overtook the end of the handshake; dtlsPath.mu guards it
	// and flight.
	held   [][]byte
	flight [][]byte
}

func (c *handshakeConn) push(b []byte) bool {
	select {
	case c.queue <- b:
		return true
	default:
		return false
	}
}

// mute lets nothing through any more: the library then takes leave of nobody.
func (c *handshakeConn) mute() { c.muting.Do(func() { close(c.muted) }) }

func (c *handshakeConn) isMuted() bool {
	select {
	case <-c.muted:
		return true
	default:
		return false
	}
}

// left is what the handshake did not take.
func (c *handshakeConn) left() [][]byte {
	c.path.mu.Lock()
	defer c.path.mu.Unlock()
	left := c.held
	for {
		select {
		case b := <-c.queue:
			left = append(left, b)
		default:
			return left
		}
	}
}

// hold keeps a packet for the time after the handshake.
func (c *handshakeConn) hold(b []byte) {
	c.path.mu.Lock()
	defer c.path.mu.Unlock()
	if len(c.held) < handshakeQueue {
		c.held = append(c.held, b)
	}
}

// ReadFrom gives the library the next packet of the handshake.
func (c *handshakeConn) ReadFrom(b []byte) (int, net.Addr, error) {
	queue := c.queue
	for {
		if c.isMuted() {
			queue = nil
		}
		muted := c.muted
		if queue == nil {
			muted = nil
		}
		select {
		case p := <-queue:
			if c.isMuted() || len(p) > 0 && protocol.ContentType(p[0]) == protocol.ContentTypeApplicationData {
				c.hold(p)
				continue
			}
			return copy(b, p), peerAddr{}, nil
		case <-muted:
		case <-c.deadline.Done():
			return 0, nil, os.ErrDeadlineExceeded
		case <-c.done:
			return 0, nil, net.ErrClosed
		}
	}
}

// WriteTo sends a packet of the handshake.
func (c *handshakeConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case <-c.done:
		return 0, net.ErrClosed
	case <-c.muted:
		return len(b), nil
	default:
	}
	c.note(b)
	// A packet that does not leave is lost like any other and will be repeated.
	_ = c.path.s.t.sendSlow(b, c.path.s.slot.dest.Load())
	return len(b), nil
}

// note keeps the packets with which our side of the handshake ends: from the change of the
// cipher on. The library puts them into one, but need not.
func (c *handshakeConn) note(b []byte) {
	if len(b) < 5 {
		return
	}
	c.path.mu.Lock()
	defer c.path.mu.Unlock()
	switch {
	case protocol.ContentType(b[0]) == protocol.ContentTypeChangeCipherSpec:
		c.flight = [][]byte{append([]byte(nil), b...)}
	case protocol.ContentType(b[0]) == protocol.ContentTypeHandshake && b[4] == recordEpoch && len(c.flight) > 0 && len(c.flight) < maxFlight:
		c.flight = append(c.flight, append([]byte(nil), b...))
	}
}

// Close ends waiting reads.
func (c *handshakeConn) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

// LocalAddr stands for the path of the session.
func (c *handshakeConn) LocalAddr() net.Addr { return peerAddr{} }

// SetDeadline is SetReadDeadline: writes never block.
func (c *handshakeConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline ends reads.
func (c *handshakeConn) SetReadDeadline(t time.Time) error {
	c.deadline.Set(t)
	return nil
}

// SetWriteDeadline does nothing: writes never block.
func (c *handshakeConn) SetWriteDeadline(time.Time) error { return nil }
