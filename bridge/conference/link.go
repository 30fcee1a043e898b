package conference

import (
	"sync/atomic"
	"time"

	"parley/bridge/channel"
	"parley/bridge/endpoint"
	"parley/bridge/transport"
)

// link takes what session and channel of an endpoint say to the conference's
// goroutine. e belongs to that goroutine: it is set when the endpoint exists.
type link struct {
	c       *Conference
	channel *channel.Channel
	e       *endpoint.Endpoint
	session atomic.Pointer[endpoint.Session] // set once the session is open
}

// do posts f, which is skipped if the endpoint is gone when its turn comes.
func (l *link) do(f func(e *endpoint.Endpoint, now time.Time)) {
	l.c.post(func() {
		if l.e != nil && l.c.endpoints[l.e.ID] == l.e {
			f(l.e, time.Now())
		}
	})
}

// sessionHandler is the link as a transport session sees it.
type sessionHandler struct{ *link }

// TransportConnected implements transport.Handler.
func (h sessionHandler) TransportConnected() {
	h.do(func(e *endpoint.Endpoint, now time.Time) {
		e.Heard = now
		h.c.set.counters.ICESucceeded.Inc()
	})
}

// TransportReady implements transport.Handler.
func (h sessionHandler) TransportReady(k transport.Keys) {
	h.do(func(e *endpoint.Endpoint, now time.Time) { h.c.handleReady(e, k, now) })
}

// TransportFailed implements transport.Handler.
func (h sessionHandler) TransportFailed(err error) {
	h.do(func(e *endpoint.Endpoint, _ time.Time) { h.c.handleFailed(e, err) })
}

// ChannelOpened implements transport.Handler.
func (h sessionHandler) ChannelOpened() {
	if s := h.session.Load(); s != nil {
		h.channel.DataOpened((*s).SendMessage)
	}
}

// ChannelMessage implements transport.Handler.
func (h sessionHandler) ChannelMessage(text []byte) { h.channel.DataMessage(text) }

// ChannelClosed implements transport.Handler.
func (h sessionHandler) ChannelClosed() { h.channel.DataClosed() }

// channelHandler is the link as a bridge channel sees it.
type channelHandler struct{ *link }

// ChannelOpened implements channel.Handler.
func (h channelHandler) ChannelOpened(kind channel.Kind) {
	h.do(func(e *endpoint.Endpoint, now time.Time) { h.c.handleChannelOpened(e, kind, now) })
}

// ChannelMessage implements channel.Handler. Decoding is done on the goroutine of the
// client's own channel.
func (h channelHandler) ChannelMessage(text []byte) {
	msg, ok := h.c.decode(text)
	if !ok {
		return
	}
	h.do(func(e *endpoint.Endpoint, now time.Time) { h.c.handleMessage(e, msg, now) })
}

// ChannelClosed implements channel.Handler.
func (h channelHandler) ChannelClosed() {
	h.do(func(e *endpoint.Endpoint, _ time.Time) { e.ChannelUp = false })
}
