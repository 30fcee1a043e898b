package channel

import (
	"net/url"
	"sync"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"
)

// Bounds of one endpoint's channel.
const (
	// MaxMessage is the largest message a client may send; WebSocket close 1009 beyond.
	MaxMessage = 64 << 10
	// A client that sends faster than this waits (WebSocket) or loses messages (data
	// channel, whose reader also serves the transport).
	messagesPerSecond, messageBurst = 50, 100
	// sendQueue is how many messages may wait for a slow client; when it is full the
	// WebSocket is closed with 1008, and the client comes back and is greeted anew.
	sendQueue = 256
	// relayFactor is how many times as much goes between two bridges.
	relayFactor = 20
)

// Kind is what carries a channel.
type Kind int

// The carriers.
const (
	WebSocket Kind = iota + 1
	DataChannel
)

// String names the carrier.
func (k Kind) String() string {
	switch k {
	case WebSocket:
		return "websocket"
	case DataChannel:
		return "datachannel"
	}
	return "none"
}

// Handler hears what happens on a channel. Its methods are called from the carriers'
// goroutines and may wait until the conference has room; that slows down this
// client only.
type Handler interface {
	// ChannelOpened: a carrier is there, and messages sent from now on go to it.
	ChannelOpened(Kind)
	// ChannelMessage: a message came in; text is the handler's to keep.
	ChannelMessage(text []byte)
	// ChannelClosed: no carrier is left. Another one may come.
	ChannelClosed()
}

// Channel is one endpoint's bridge channel.
type Channel struct {
	server   *Server
	key      key
	password string
	handler  Handler
	log      *logrus.Entry
	limit    *rate.Limiter
	queue    int    // messages that may wait
	farewell string // why the WebSocket is closed in the end
	gone     chan struct{}

	mu     sync.Mutex // guards the rest; active is one of socket and data, or Kind 0
	socket *socket
	data   func([]byte) error
	active Kind
	closed bool
	dialed string // the address Connect was given
}

// URLs are the addresses of the WebSocket, one for each configured domain.
func (c *Channel) URLs() []string {
	return c.server.urls(c.key, url.QueryEscape(c.password))
}

// Active is the carrier in use, 0 if there is none.
func (c *Channel) Active() Kind {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active
}

// Send sends a message over the carrier that received last. Without one it is
// dropped: whoever connects is greeted with everything that still holds.
func (c *Channel) Send(message []byte) {
	c.mu.Lock()
	kind, socket, data := c.active, c.socket, c.data
	c.mu.Unlock()
	switch kind {
	case WebSocket:
		socket.send(message)
		c.server.counters.SocketSent.Inc()
	case DataChannel:
		if err := data(message); err != nil {
			c.server.counters.DataDropped.Inc()
			return
		}
		c.server.counters.DataSent.Inc()
	}
}

// Close ends the channel for good: the WebSocket closes with 1001, by which clients
// know that the endpoint is gone.
func (c *Channel) Close() {
	c.server.unregister(c)
	c.mu.Lock()
	socket := c.socket
	if !c.closed {
		close(c.gone)
	}
	c.closed, c.socket, c.data, c.active = true, nil, nil, 0
	c.mu.Unlock()
	if socket != nil {
		socket.end(closeGone, c.farewell)
	}
}

// DataOpened says that the client opened its data channel; send never blocks.
func (c *Channel) DataOpened(send func([]byte) error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.data, c.active = send, DataChannel
	c.mu.Unlock()
	c.handler.ChannelOpened(DataChannel)
}

// DataMessage hands in a message from the data channel.
func (c *Channel) DataMessage(text []byte) {
	if len(text) > MaxMessage || !c.limit.Allow() {
		c.server.counters.DataRefused.Inc()
		return
	}
	c.server.counters.DataReceived.Inc()
	c.received(DataChannel)
	c.handler.ChannelMessage(text)
}

// DataClosed says that the data channel is gone.
func (c *Channel) DataClosed() { c.lost(func() { c.data = nil }) }

// received makes the carrier the active one.
func (c *Channel) received(kind Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if (kind == WebSocket && c.socket != nil) || (kind == DataChannel && c.data != nil) {
		c.active = kind
	}
}

// attach makes a new WebSocket the channel's, in place of an older one.
func (c *Channel) attach(s *socket) bool {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return false
	}
	old := c.socket
	c.socket, c.active = s, WebSocket
	c.mu.Unlock()
	if old != nil {
		old.end(closeNormal, "replaced")
	}
	return true
}

// detach forgets a WebSocket that ended, unless another one took its place.
func (c *Channel) detach(s *socket) {
	c.lost(func() {
		if c.socket == s {
			c.socket = nil
		}
	})
}

// lost removes a carrier and tells the handler if none is left.
func (c *Channel) lost(remove func()) {
	c.mu.Lock()
	before := c.active
	remove()
	switch {
	case c.closed:
		before = 0
	case c.socket != nil && (c.active == WebSocket || c.data == nil):
		c.active = WebSocket
	case c.data != nil:
		c.active = DataChannel
	default:
		c.active = 0
	}
	gone := before != 0 && c.active == 0
	c.mu.Unlock()
	if gone {
		c.handler.ChannelClosed()
	}
}
