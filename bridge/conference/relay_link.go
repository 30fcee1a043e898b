package conference

import (
	"sync/atomic"
	"time"

	"parley/bridge/channel"
	"parley/bridge/endpoint"
	"parley/bridge/relay"
	"parley/bridge/transport"
)

// relayLink takes what session and channel of a relay say to the conference's goroutine. r
// belongs to that goroutine: it is set when the relay exists.
type relayLink struct {
	c       *Conference
	channel *channel.Channel
	r       *relay.Relay
	session atomic.Pointer[endpoint.Session] // set once the session is open
}

// do posts f, which is skipped if the relay is gone when its turn comes.
func (l *relayLink) do(f func(r *relay.Relay, now time.Time)) {
	l.c.post(func() {
		if l.r != nil && l.c.relays[l.r.ID] == l.r {
			f(l.r, time.Now())
		}
	})
}

// relaySession is the link as a transport session sees it.
type relaySession struct{ *relayLink }

// TransportConnected implements transport.Handler.
func (h relaySession) TransportConnected() {}

// TransportReady implements transport.Handler.
func (h relaySession) TransportReady(k transport.Keys) {
	h.do(func(r *relay.Relay, now time.Time) { h.c.handleRelayReady(r, k, now) })
}

// TransportFailed implements transport.Handler.
func (h relaySession) TransportFailed(err error) {
	h.do(func(r *relay.Relay, _ time.Time) { h.c.handleRelayFailed(r, err) })
}

// ChannelOpened implements transport.Handler.
func (h relaySession) ChannelOpened() {
	if s := h.session.Load(); s != nil {
		h.channel.DataOpened((*s).SendMessage)
	}
}

// ChannelMessage implements transport.Handler.
func (h relaySession) ChannelMessage(text []byte) { h.channel.DataMessage(text) }

// ChannelClosed implements transport.Handler.
func (h relaySession) ChannelClosed() { h.channel.DataClosed() }

// relayChannel is the link as a channel sees it.
type relayChannel struct{ *relayLink }

// ChannelOpened implements channel.Handler.
func (h relayChannel) ChannelOpened(kind channel.Kind) {
	h.do(func(r *relay.Relay, _ time.Time) { h.c.handleRelayChannel(r, kind) })
}

// ChannelMessage implements channel.Handler.
func (h relayChannel) ChannelMessage(text []byte) {
	msg, ok := h.c.decode(text)
	if !ok {
		return
	}
	h.do(func(r *relay.Relay, _ time.Time) { h.c.handleRelayMessage(r, msg) })
}

// ChannelClosed implements channel.Handler.
func (h relayChannel) ChannelClosed() {
	h.do(func(r *relay.Relay, _ time.Time) { r.ChannelUp = false })
}
