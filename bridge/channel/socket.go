package channel

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"parley/internal/loop"
)

const (
	closeNormal = websocket.StatusNormalClosure
	closeGone   = websocket.StatusGoingAway
	closeSlow   = websocket.StatusPolicyViolation
	closeBroken = websocket.StatusInternalError

	pingAfter    = 15 * time.Second
	idleLimit    = 60 * time.Second
	writeTimeout = 10 * time.Second
	slowGrace    = time.Second
)

// socket is one WebSocket of a channel. It has one goroutine, which reads; those that write
// and ask whether a silent client is there come and go.
type socket struct {
	conn    *websocket.Conn
	channel *Channel

	ctx    context.Context // ends with the socket, which made it
	cancel context.CancelFunc
	out    *loop.Queue // what is to be written
	work   sync.WaitGroup

	began     time.Time
	lastFrame atomic.Int64 // when the last message went either way, in nanoseconds since began

	mu    sync.Mutex // guards timer and over
	timer *time.Timer
	over  bool // no more timers
}

func newSocket(ctx context.Context, conn *websocket.Conn, c *Channel) *socket {
	conn.SetReadLimit(MaxMessage)
	s := &socket{conn: conn, channel: c, began: time.Now()}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.out = loop.NewQueue(c.queue, s.work.Go, nil)
	return s
}

func (s *socket) touch() { s.lastFrame.Store(int64(time.Since(s.began))) }

// send queues a message. A client too slow for its queue is cut off.
func (s *socket) send(message []byte) {
	if !s.out.Post(func() { s.write(message) }) {
		s.end(closeSlow, "too slow")
	}
}

// end closes the socket; the first call counts.
func (s *socket) end(code websocket.StatusCode, reason string) {
	first := s.out.End(func() { _ = s.conn.Close(code, reason) })
	if first && code == closeSlow {
		// A writer that is stuck cannot say goodbye.
		time.AfterFunc(slowGrace, func() { _ = s.conn.CloseNow() })
	}
}

// errClosed says that the channel was closed before its WebSocket came.
var errClosed = errors.New("the channel is closed")

// serve runs the socket until it ends, and says why.
func (s *socket) serve() error {
	defer s.cancel()
	defer func() { _ = s.conn.CloseNow() }()
	if !s.channel.attach(s) {
		_ = s.conn.Close(closeGone, s.channel.farewell)
		return errClosed
	}
	s.askIn(pingAfter)
	err := s.guarded(s.listen)
	s.count(err)
	if errors.Is(err, errPanicked) {
		s.end(closeBroken, "internal error")
	}
	s.end(closeNormal, "") // lets the writer go if it was the client who closed
	s.cancel()
	s.askNoMore()
	s.work.Wait()
	_ = s.guarded(func() error { s.channel.detach(s); return nil }) // has logged it
	return err
}

// errPanicked ends a socket whose messages do harm.
var errPanicked = errors.New("the message could not be taken in")

// guarded runs what calls the handler. What panics there must not end the process: the
// client is cut off.
func (s *socket) guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.channel.log.WithField("panic", p).Error("bridge channel handler panicked; the channel is closed\n" + string(debug.Stack()))
			err = errPanicked
		}
	}()
	return f()
}

// listen tells the handler that the socket is there, and reads.
func (s *socket) listen() error {
	s.channel.handler.ChannelOpened(WebSocket)
	return s.read()
}

func (s *socket) count(err error) {
	switch websocket.CloseStatus(err) {
	case closeNormal, closeGone:
		s.channel.server.counters.SocketClosedNormally.Inc()
	default:
		s.channel.server.counters.SocketClosedBadly.Inc()
	}
}

func (s *socket) read() error {
	for {
		_, message, err := s.conn.Read(s.ctx)
		if err != nil {
			return err
		}
		s.touch()
		s.channel.server.counters.SocketReceived.Inc()
		if err := s.channel.limit.Wait(s.ctx); err != nil {
			return err
		}
		s.channel.received(WebSocket)
		s.channel.handler.ChannelMessage(message)
	}
}

func (s *socket) write(message []byte) {
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	defer cancel()
	if s.conn.Write(ctx, websocket.MessageText, message) != nil {
		s.out.End(nil)
		_ = s.conn.CloseNow() // ends the reader too
		return
	}
	s.touch()
}

// askIn has the client asked in a while whether it is there, if it is silent until then.
func (s *socket) askIn(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.work.Add(1)
	s.timer = time.AfterFunc(d, func() {
		defer s.work.Done()
		s.ask()
	})
}

func (s *socket) askNoMore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer.Stop() {
		s.work.Done()
	}
}

// ask asks a silent client whether it is there, and cuts it off if it is not.
func (s *socket) ask() {
	quiet := time.Since(s.began) - time.Duration(s.lastFrame.Load())
	if quiet < pingAfter {
		s.askIn(pingAfter - quiet)
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, idleLimit-pingAfter)
	defer cancel()
	err := s.conn.Ping(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) {
		_ = s.conn.CloseNow()
		return
	}
	if err != nil {
		return
	}
	s.touch()
	s.askIn(pingAfter)
}
