package channel

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	closeNormal = websocket.StatusNormalClosure
	closeGone   = websocket.StatusGoingAway
	closeSlow   = websocket.StatusPolicyViolation

	pingAfter    = 15 * time.Second
	idleLimit    = 60 * time.Second
	writeTimeout = 10 * time.Second
	slowGrace    = time.Second
)

// socket is one WebSocket of a channel. The reader is the goroutine of the HTTP
// request; a writer and a pinger stand beside it.
type socket struct {
	conn    *websocket.Conn
	channel *Channel

	queue   chan []byte
	ending  chan struct{} // closed by end
	endOnce sync.Once
	code    websocket.StatusCode // set before ending is closed
	reason  string

	lastFrame atomic.Int64 // unix nanoseconds of the last message either way
}

func newSocket(conn *websocket.Conn, c *Channel) *socket {
	conn.SetReadLimit(MaxMessage)
	s := &socket{conn: conn, channel: c, queue: make(chan []byte, c.queue), ending: make(chan struct{})}
	s.touch()
	return s
}

func (s *socket) touch() { s.lastFrame.Store(time.Now().UnixNano()) }

// send queues a message. A client too slow for its queue is cut off.
func (s *socket) send(message []byte) {
	select {
	case s.queue <- message:
	default:
		s.end(closeSlow, "too slow")
	}
}

// end makes the writer close the socket; the first call counts.
func (s *socket) end(code websocket.StatusCode, reason string) {
	s.endOnce.Do(func() {
		s.code, s.reason = code, reason
		close(s.ending)
		if code == closeSlow {
			// A writer that is stuck cannot say goodbye.
			time.AfterFunc(slowGrace, func() { _ = s.conn.CloseNow() })
		}
	})
}

// errClosed says that the channel was closed before its WebSocket came.
var errClosed = errors.New("the channel is closed")

// serve runs the socket until it ends, and says why.
func (s *socket) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() { _ = s.conn.CloseNow() }()
	if !s.channel.attach(s) {
		_ = s.conn.Close(closeGone, s.channel.farewell)
		return errClosed
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.write(ctx) })
	wg.Go(func() { s.ping(ctx) })

	s.channel.handler.ChannelOpened(WebSocket)
	err := s.read(ctx)
	s.count(err)
	s.end(closeNormal, "") // lets the writer go if it was the client who closed
	cancel()
	wg.Wait()
	s.channel.detach(s)
	return err
}

func (s *socket) count(err error) {
	switch websocket.CloseStatus(err) {
	case closeNormal, closeGone:
		s.channel.server.counters.SocketClosedNormally.Inc()
	default:
		s.channel.server.counters.SocketClosedBadly.Inc()
	}
}

func (s *socket) read(ctx context.Context) error {
	for {
		_, message, err := s.conn.Read(ctx)
		if err != nil {
			return err
		}
		s.touch()
		s.channel.server.counters.SocketReceived.Inc()
		if err := s.channel.limit.Wait(ctx); err != nil {
			return err
		}
		s.channel.received(WebSocket)
		s.channel.handler.ChannelMessage(message)
	}
}

func (s *socket) write(ctx context.Context) {
	for {
		select {
		case message := <-s.queue:
			wctx, cancel := context.WithTimeout(ctx, writeTimeout)
			err := s.conn.Write(wctx, websocket.MessageText, message)
			cancel()
			if err != nil {
				_ = s.conn.CloseNow() // ends the reader too
				return
			}
			s.touch()
		case <-s.ending:
			_ = s.conn.Close(s.code, s.reason)
			return
		case <-ctx.Done():
			return
		}
	}
}

// ping asks a silent client whether it is there, and cuts it off if it is not.
func (s *socket) ping(ctx context.Context) {
	timer := time.NewTimer(pingAfter)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.ending:
			return
		case <-ctx.Done():
			return
		}
		quiet := time.Since(time.Unix(0, s.lastFrame.Load()))
		if quiet < pingAfter {
			timer.Reset(pingAfter - quiet)
			continue
		}
		pctx, cancel := context.WithTimeout(ctx, idleLimit-pingAfter)
		err := s.conn.Ping(pctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) {
			_ = s.conn.CloseNow()
			return
		}
		if err != nil {
			return
		}
		s.touch()
		timer.Reset(pingAfter)
	}
}
