package transport

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/dtls/v3"
	"github.com/pion/sctp"
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
	queue chan []byte
}

// SendMessage sends a text over the data channel. It never blocks.
func (s *Session) SendMessage(text []byte) error {
	c := &s.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue == nil {
		return ErrNoChannel
	}
	select {
	case c.queue <- append([]byte(nil), text...):
		return nil
	default:
		return ErrChannelFull
	}
}

// serveDTLS runs the data channel on an established connection until it or the session
// ends. Without SCTP it only keeps the connection alive for alerts.
func (s *Session) serveDTLS(conn *dtls.Conn) {
	closed := make(chan struct{})
	stop := context.AfterFunc(s.ctx, func() {
		_ = conn.Close()
		close(closed)
	})
	defer func() {
		if stop() {
			_ = conn.Close()
			return
		}
		<-closed
	}()
	if s.opts.SCTP {
		s.serveSCTP(conn)
		_ = conn.SetReadDeadline(time.Time{})
	}
	buf := make([]byte, 2048)
	for {
		if _, err := conn.Read(buf); err != nil {
			break
		}
	}
	if s.ctx.Err() == nil {
		// The peer closed DTLS: it leaves for good.
		s.fail(ErrLeft)
		<-s.ctx.Done()
	}
}

// sctpConn lends the DTLS connection to the association, which closes what it is given.
// The connection must outlive it: media has its keys from there.
type sctpConn struct{ *dtls.Conn }

// Close ends the association's reading.
func (c sctpConn) Close() error { return c.SetReadDeadline(time.Unix(1, 0)) }

func (s *Session) serveSCTP(conn *dtls.Conn) {
	assoc, err := s.associate(conn,
		sctp.WithNetConn(sctpConn{conn}),
		// Writes wait for the peer, so that the queue of SendMessage is what bounds memory.
		sctp.WithBlockWrite(true),
		sctp.WithName("bridge"),
		sctp.WithMaxReceiveBufferSize(sctpBuffer),
		sctp.WithMaxMessageSize(maxMessage),
		sctp.WithRTOMax(sctpRTOMax),
		sctp.WithLoggerFactory(pionLogs{s.log}),
	)
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

// associate asks for the association and takes the peer's asking for it: both sides begin
// (RFC 8841), and there are peers that otherwise wait as long as we would. A
// peer that does not answer may come to it later.
func (s *Session) associate(conn *dtls.Conn, options ...sctp.AssociationOption) (*sctp.Association, error) {
	client := make([]sctp.ClientOption, len(options))
	for i, o := range options {
		client[i] = o
	}
	assoc, err := sctp.ClientWithOptions(client...)
	if err == nil || s.opts.OpensChannel {
		return assoc, err
	}
	_ = conn.SetReadDeadline(time.Time{})
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
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	if !s.t.closed {
		s.t.sessionWork.Go(func() { s.serveChannel(channel) })
	}
}

func (s *Session) serveChannel(channel *datachannel.DataChannel) {
	queue := make(chan []byte, s.queueSize())
	s.channel.mu.Lock()
	s.channel.queue = queue
	s.channel.mu.Unlock()
	s.post(s.opts.Handler.ChannelOpened)

	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { writeChannel(channel, queue, done) })
	buf := make([]byte, maxMessage)
	for {
		n, isString, err := channel.ReadDataChannel(buf)
		if errors.Is(err, io.ErrShortBuffer) {
			continue
		}
		if err != nil {
			break
		}
		if isString {
			text := append([]byte(nil), buf[:n]...)
			s.post(func() { s.opts.Handler.ChannelMessage(text) })
		}
	}
	s.channel.mu.Lock()
	s.channel.queue = nil
	s.channel.mu.Unlock()
	close(done)
	_ = channel.Close()
	writer.Wait()
	s.post(s.opts.Handler.ChannelClosed)
}

func writeChannel(channel *datachannel.DataChannel, queue <-chan []byte, done <-chan struct{}) {
	for {
		select {
		case text := <-queue:
			if _, err := channel.WriteDataChannel(text, true); err != nil {
				return
			}
		case <-done:
			return
		}
	}
}
