package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"parley/internal/wire/ns"
)

// TCPOptions are the settings of the TCP carrier. All streams of a listener share them.
type TCPOptions struct {
	// Space is the default namespace, ns.Client if empty.
	Space string
	// TLS allows STARTTLS; nil does not.
	TLS *tls.Config
	// Direct starts TLS before anything else (XEP-0368).
	Direct bool
	// Trusted says that plain connections from this address count as secure; may be nil.
	Trusted func(netip.Addr) bool
	// Proxy says that connections from this address come from a proxy that begins them
	// with a header of the PROXY protocol; may be nil.
	Proxy func(netip.Addr) bool
	// ProxyFault hears why a proxy's connection was closed; may be nil.
	ProxyFault func(proxy netip.Addr, err error)
	// Limit is the largest element before SetLimits is called, in bytes.
	Limit int
	// Queue is how many bytes may wait for a slow reader.
	Queue int
	// Idle is how long a silence may last; 0 is for ever.
	Idle time.Duration
	// Recovered hears of panics, see Guard.
	Recovered func(v any, stack []byte)
	// Handshake is how long TLS may take, and a proxy's header; 0 is ten seconds.
	Handshake time.Duration
}

func (o *TCPOptions) handshake() time.Duration {
	if o.Handshake <= 0 {
		return 10 * time.Second
	}
	return o.Handshake
}

func (o *TCPOptions) space() string {
	if o.Space == "" {
		return ns.Client
	}
	return o.Space
}

// SecureConn is a connection that says itself whether it is trusted, for instance
// one inside our own process.
type SecureConn interface{ Secure() bool }

// tcp is one TCP stream. All fields but the Writer and the flags belong to the
// goroutine in ServeTCP.
type tcp struct {
	*Writer
	o      *TCPOptions
	conn   net.Conn // as accepted
	tls    *tls.Conn
	shown  *shownConn
	reader *Reader
	want   bool // StartTLS was called
	secure atomic.Bool
	inner  bool        // the connection does not leave this process
	over   atomic.Bool // TLS is done or impossible
}

// halfConn closes the sending side first, so that the peer gets to read our last
// words even if it is still sending; the reading goroutine closes the rest.
type halfConn struct {
	net.Conn
	raw net.Conn
}

func (c halfConn) Close() error {
	if t, ok := c.Conn.(*tls.Conn); ok {
		_ = t.CloseWrite()
	}
	h, ok := c.raw.(interface{ CloseWrite() error })
	if !ok || h.CloseWrite() != nil {
		return c.raw.Close()
	}
	return c.raw.SetReadDeadline(time.Now().Add(lingerTime))
}

// SyscallConn is syscall.Conn, for a connection that is not encrypted.
func (c halfConn) SyscallConn() (syscall.RawConn, error) { return Plain(c.Conn) }

// ServeTCP runs one accepted connection until it ends or ctx is done, then the
// stream is closed with system-shutdown. What it waits in has small frames, see serve.
func ServeTCP(ctx context.Context, conn net.Conn, o *TCPOptions, accept Acceptor) {
	defer conn.Close()
	t, h := openTCP(ctx, conn, o, accept)
	if t == nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { t.Fail(Err(SystemShutdown, "")) })
	defer stop()
	t.run(ctx, h)
}

// openTCP takes a connection in, up to its Handler; nil if it ends before.
func openTCP(ctx context.Context, conn net.Conn, o *TCPOptions, accept Acceptor) (*tcp, Handler) {
	client, err := o.clientAddr(ctx, conn)
	if err != nil {
		if o.ProxyFault != nil && ctx.Err() == nil {
			o.ProxyFault(RemoteAddr(conn), err)
		}
		return nil, nil
	}
	t := &tcp{o: o, conn: conn}
	m := Meta{Transport: TCP, Client: client}
	if s, ok := conn.(SecureConn); ok && s.Secure() {
		t.inner = true
	}
	t.secure.Store(t.inner || o.Trusted != nil && o.Trusted(m.Client))
	t.over.Store(t.inner || o.TLS == nil)
	t.Writer = NewWriter(halfConn{conn, conn}, encodeTCP{o.space()}, o.Queue)
	t.reader = NewReader(conn, o.space(), o.Limit)
	if o.Direct {
		if err := t.handshake(ctx); err != nil {
			return nil, nil
		}
	}
	m.Secure = t.secure.Load()
	return t, accept(t, m)
}

func (t *tcp) run(ctx context.Context, h Handler) {
	silent := false
	if !Guard(t.o.Recovered, func() { silent = t.serve(ctx, h) }) {
		t.Fail(Err(InternalServerError, ""))
		h.Lost(ErrPanic)
	}
	if !t.Ended() {
		t.Writer.Close()
	}
	if !silent {
		t.discard()
	}
}

// RemoteText is an address for people; a peer inside this process has none.
func RemoteText(a netip.Addr) string {
	if !a.IsValid() {
		return "this process"
	}
	return a.String()
}

// RemoteAddr is the peer's address, if the connection has one.
func RemoteAddr(conn net.Conn) netip.Addr {
	a, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// serve reads until the end. The result is true if the peer will say nothing more.
//
// An idle stream is a goroutine that waits in here, and costs the memory of its stack. The
// runtime halves that where less than a quarter is used: four kilobytes are left if no
// function on the way has large values on it.
func (t *tcp) serve(ctx context.Context, h Handler) bool {
	silent := false
	for {
		if t.o.Idle > 0 && !t.Ended() {
			_ = t.conn.SetReadDeadline(time.Now().Add(t.o.Idle))
		}
		ev, err := t.reader.Next()
		if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && !silent && !t.Ended() {
			silent = h.Idle()
			continue
		}
		if err != nil {
			return t.broken(h, err)
		}
		silent = false
		if dispatch(h, ev) {
			return false
		}
		if t.want {
			t.want = false
			if err := t.handshake(ctx); err != nil {
				h.Lost(err)
				return false
			}
		}
	}
}

// broken tells both sides why reading ended; true if the peer will say nothing more.
func (t *tcp) broken(h Handler, err error) bool {
	var se *Error
	switch {
	case errors.As(err, &se):
		t.Fail(se)
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.Fail(Err(ConnectionTimeout, "Nothing was heard for too long"))
	}
	h.Lost(err)
	return se == nil
}

// dispatch is true when the peer has closed the stream.
func dispatch(h Handler, ev Event) bool {
	switch ev.Kind {
	case Opened:
		h.Header(*ev.Header)
	case Element:
		h.Element(ev.Stanza)
	case Closed:
		h.End()
		return true
	}
	return false
}

// discard reads what the peer still sends, so that closing does not reset the
// connection under our last words.
func (t *tcp) discard() {
	_ = t.conn.SetReadDeadline(time.Now().Add(lingerTime))
	t.Drain()
	_, _ = io.CopyN(io.Discard, t.conn, 16<<20)
}

// SetLimits is Carrier.SetLimits.
func (t *tcp) SetLimits(element, queue int) {
	t.reader.SetLimit(element)
	t.SetQueue(queue)
}

// Restart is Carrier.Restart.
func (t *tcp) Restart() { t.reader.Restart(nil) }

// Secure is TLSStarter.Secure.
func (t *tcp) Secure() bool { return t.secure.Load() }

// Encrypted is TLSStarter.Encrypted.
func (t *tcp) Encrypted() bool { return t.inner || t.tls != nil }

// TLS is TLSStarter.TLS.
func (t *tcp) TLS() *Encryption {
	if t.tls == nil {
		return nil
	}
	return &Encryption{State: t.tls.ConnectionState(), Certificate: t.shown.cert}
}

// shownConn remembers the certificate that was shown on a connection.
type shownConn struct {
	net.Conn
	cert *tls.Certificate
}

// Remember lets a stream know which certificate it showed its peer.
func Remember(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := get(hello)
		if c, ok := hello.Conn.(*shownConn); ok {
			c.cert = cert
		}
		return cert, err
	}
}

// CanStartTLS is TLSStarter.CanStartTLS.
func (t *tcp) CanStartTLS() bool { return !t.over.Load() }

// StartTLS is TLSStarter.StartTLS.
func (t *tcp) StartTLS() {
	t.Element([]byte(`<proceed xmlns="` + ns.StartTLS + `"/>`))
	t.want = true
}

func (t *tcp) handshake(ctx context.Context) error {
	if t.reader.Buffered() {
		// Said in the clear, but meant to look as if it had been encrypted.
		t.Fail(Err(PolicyViolation, "Nothing may be sent before the TLS handshake"))
		return errors.New("bytes before the TLS handshake")
	}
	ctx, cancel := context.WithTimeout(ctx, t.o.handshake())
	defer cancel()
	t.Drain()
	_ = t.conn.SetDeadline(time.Time{})
	t.shown = &shownConn{Conn: t.conn}
	conn := tls.Server(t.shown, t.o.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = t.conn.Close()
		return err
	}
	t.tls = conn
	t.drain(halfConn{t.tls, t.conn})
	t.reader.Restart(t.tls)
	t.secure.Store(true)
	t.over.Store(true)
	return nil
}
