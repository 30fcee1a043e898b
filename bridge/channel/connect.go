package channel

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/coder/websocket"
)

const (
	// relayClosed is the reason by which a bridge says that the other one shall not come
	// back.
	relayClosed = "relay_closed"
	// Another bridge is tried again after redialFirst, then twice as long each time, at most
	// redialMax.
	redialFirst = time.Second
	redialMax   = time.Minute
	dialTimeout = 10 * time.Second
)

// Connect makes the WebSocket of a channel to another bridge, which told us the address,
// and makes it again whenever it breaks. It does not wait; a second call with the same
// address does nothing.
func (c *Channel) Connect(address string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" {
		c.log.Warn("the other bridge's channel has no address that can be used")
		return
	}
	c.mu.Lock()
	known := c.dialed == address || c.closed
	c.dialed = address
	c.mu.Unlock()
	if known || !c.server.enter() {
		return
	}
	go func() {
		defer c.server.wg.Done()
		c.keepConnected(address)
	}()
}

// keepConnected dials until the channel is closed, at one end or the other, or another
// address is tried.
func (c *Channel) keepConnected(address string) {
	wait := redialFirst
	for c.current(address) {
		err := c.dial(address)
		var closed websocket.CloseError
		switch {
		case errors.As(err, &closed) && closed.Code == closeGone && closed.Reason == relayClosed:
			return
		case errors.As(err, &closed):
			wait = redialFirst // it did work
		default:
			c.log.WithError(err).Debug("no channel to the other bridge yet")
		}
		select {
		case <-time.After(wait):
		case <-c.gone:
			return
		case <-c.server.ctx.Done():
			return
		}
		wait = min(2*wait, redialMax)
	}
}

func (c *Channel) current(address string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && c.dialed == address
}

// dial connects once and serves the WebSocket until it ends.
func (c *Channel) dial(address string) error {
	ctx, cancel := context.WithTimeout(c.server.ctx, dialTimeout)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, address, &websocket.DialOptions{CompressionMode: websocket.CompressionDisabled})
	if resp != nil && resp.Body != nil && err != nil {
		_ = resp.Body.Close()
	}
	var bare *url.Error // it names the address, and so the password
	switch {
	case errors.As(err, &bare):
		return bare.Err
	case err != nil:
		return err
	}
	return newSocket(c.server.ctx, conn, c).serve()
}
