package transport

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/dtls/v3/pkg/protocol"
	"github.com/pion/sctp"

	"parley/internal/loop"
)

const (
	// channelQueue bounds the messages that wait to be sent on the data channel;
	// SendMessage refuses more.
	channelQueue = 256
	// relayQueue is the same towards another bridge, to which many clients speak.
	relayQueue = 4096
	// maxMessage bounds a message either way.
	maxMessage = 64 << 10
	// sctpBuffer bounds what an association holds for us to read.
	sctpBuffer = 256 << 10
	// channelLabel names the channel we open towards another bridge.
	channelLabel = "default"
	// sctpRTOMax is the greatest retransmission timeout in milliseconds.
	sctpRTOMax = 3000
)

// channelState is the open data channel of a session. mu guards queue, which is nil
// while there is no channel.
type channelState struct {
	mu    sync.Mutex
	queue func(text []byte) bool
}

// SendMessage sends a text over the data channel. It never blocks.
func (s *Session) SendMessage(text []byte) error {
	c := &s.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue == nil {
		return ErrNoChannel
	}
	if !c.queue(append([]byte(nil), text...)) {
		return ErrChannelFull
	}
	return nil
}

// sctpConn is the association's way through DTLS. Its queue is bounded and drops what
// comes last.
type sctpConn struct {
	path  *dtlsPath
	queue chan []byte
	done  chan struct{}
	once  sync.Once
}

// sctpQueue bounds the packets that wait for the association.
const sctpQueue = 64

// startSCTP begins an association, by asking for it, or with the peer's asking for it.
func (d *dtlsPath) startSCTP(asked []byte) {
	d.mu.Lock()
	if d.sctp != nil || d.closed {
		d.mu.Unlock()
		return
	}
	c := &sctpConn{path: d, queue: make(chan []byte, sctpQueue), done: make(chan struct{})}
	d.sctp = c
	d.mu.Unlock()
	if asked != nil {
		c.queue <- asked
	}
	d.s.t.spawn(func() {
		d.s.serveSCTP(c, asked == nil)
		_ = c.Close()
		d.mu.Lock()
		d.sctp = nil
		d.mu.Unlock()
	})
}

// data takes in what the peer says to the association. There is none while nobody speaks:
// it begins with the peer's asking for it (INIT, RFC 9260, section 3.3.2).
func (d *dtlsPath) data(payload []byte) {
	d.mu.Lock()
	c := d.sctp
	d.mu.Unlock()
	const header, chunkInit = 12, 1
	switch {
	case c != nil:
		select {
		case c.queue <- append([]byte(nil), payload...):
		default:
			d.s.t.stats.queueDropped.Add(1)
		}
	case d.s.opts.SCTP && len(payload) > header && payload[header] == chunkInit:
		d.startSCTP(append([]byte(nil), payload...))
	}
}

// Read gives the association the next packet.
func (c *sctpConn) Read(b []byte) (int, error) {
	select {
	case p := <-c.queue:
		return copy(b, p), nil
	case <-c.done:
		return 0, net.ErrClosed
	}
}

// Write sends a packet of the association.
func (c *sctpConn) Write(b []byte) (int, error) {
	select {
	case <-c.done:
		return 0, net.ErrClosed
	default:
	}
	return len(b), c.path.send(protocol.ContentTypeApplicationData, b)
}

// Close ends the association's reading.
func (c *sctpConn) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

// LocalAddr and RemoteAddr stand for the path of the session.
func (c *sctpConn) LocalAddr() net.Addr  { return peerAddr{} }
func (c *sctpConn) RemoteAddr() net.Addr { return peerAddr{} }

// Deadlines do nothing: writes never block, and reads end with Close.
func (c *sctpConn) SetDeadline(time.Time) error      { return nil }
func (c *sctpConn) SetReadDeadline(time.Time) error  { return nil }
func (c *sctpConn) SetWriteDeadline(time.Time) error { return nil }

// serveSCTP runs an association and the data channel in it until either ends.
//
// At first we ask for the association as well (RFC 8841), since there are peers that
// otherwise wait as long as we would. Who does not answer may come to it later.
func (s *Session) serveSCTP(c *sctpConn, asks bool) {
	options := []sctp.AssociationOption{
		sctp.WithNetConn(c),
		// Writes wait for the peer, so that the queue of SendMessage is what bounds memory.
		sctp.WithBlockWrite(true),
		sctp.WithName("bridge"),
		sctp.WithMaxReceiveBufferSize(sctpBuffer),
		sctp.WithMaxMessageSize(maxMessage),
		sctp.WithRTOMax(sctpRTOMax),
		sctp.WithLoggerFactory(pionLogs{s.log}),
	}
	assoc, err := associate(options, asks)
	if err != nil {
		s.log.WithError(err).Debug("no data channel association")
		return
	}
	defer func() { _ = assoc.Close() }()
	first := true
	if s.opts.OpensChannel {
		channel, err := datachannel.Dial(assoc, 0, &datachannel.Config{Label: channelLabel, LoggerFactory: pionLogs{s.log}})
		if err != nil {
			s.log.WithError(err).Debug("data channel did not open")
			return
		}
		first = false
		s.begin(channel)
	}
	for {
		stream, err := assoc.AcceptStream()
		if err != nil {
			return
		}
		if !first {
			s.t.stats.rejectedChannels.Add(1)
			_ = stream.Close()
			continue
		}
		channel, err := datachannel.Server(stream, &datachannel.Config{LoggerFactory: pionLogs{s.log}})
		if err != nil {
			s.log.WithError(err).Debug("data channel did not open")
			_ = stream.Close()
			continue
		}
		first = false
		s.begin(channel)
	}
}

func associate(options []sctp.AssociationOption, asks bool) (*sctp.Association, error) {
	if asks {
		client := make([]sctp.ClientOption, len(options))
		for i, o := range options {
			client[i] = o
		}
		return sctp.ClientWithOptions(client...)
	}
	server := make([]sctp.ServerOption, len(options))
	for i, o := range options {
		server[i] = o
	}
	return sctp.ServerWithOptions(server...)
}

func (s *Session) queueSize() int {
	if s.opts.Patient {
		return relayQueue
	}
	return channelQueue
}

// begin serves an open channel on a goroutine of its own.
func (s *Session) begin(channel *datachannel.DataChannel) {
	s.t.spawn(func() { s.serveChannel(channel) })
}

func (s *Session) serveChannel(channel *datachannel.DataChannel) {
	var writing sync.WaitGroup
	out := loop.NewQueue(s.queueSize(), writing.Go, nil)
	set := func(queue func([]byte) bool) {
		s.channel.mu.Lock()
		defer s.channel.mu.Unlock()
		s.channel.queue = queue
	}
	set(func(text []byte) bool {
		return out.Post(func() {
			if _, err := channel.WriteDataChannel(text, true); err != nil {
				out.End(nil)
			}
		})
	})
	s.post(s.opts.Handler.ChannelOpened)
	err := readChannel(channel, func(text []byte) {
		s.post(func() { s.opts.Handler.ChannelMessage(text) })
	})
	s.log.WithError(err).Debug("data channel ended")
	set(nil)
	out.End(nil)
	_ = channel.Close()
	writing.Wait()
	s.post(s.opts.Handler.ChannelClosed)
}

// smallMessage is what a channel has room for while no larger message comes.
const smallMessage = 1 << 10

// readChannel hands over texts until the channel ends. One that is too large ends it: the
// association would offer it again and again.
func readChannel(channel datachannel.Reader, take func(text []byte)) error {
	buf := make([]byte, smallMessage)
	for {
		n, isString, err := channel.ReadDataChannel(buf)
		switch {
		case errors.Is(err, io.ErrShortBuffer) && len(buf) < maxMessage:
			buf = make([]byte, 4*len(buf))
			continue
		case err != nil:
			return err
		}
		if isString {
			take(append([]byte(nil), buf[:n]...))
		}
		if len(buf) > smallMessage {
			buf = make([]byte, smallMessage)
		}
	}
}
