package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// link is a listener for dials from the same process. Each connection is a pair
// of sockets the kernel joins: it buffers, has deadlines and closes like a TCP
// connection, but nobody outside can open, see or forge it.
type link struct {
	name  string
	conns chan net.Conn // unbuffered: a dial waits for its accept
	done  chan struct{}
	once  sync.Once
}

func newLink(name string) *link {
	return &link{name: name, conns: make(chan net.Conn), done: make(chan struct{})}
}

// dial opens a connection; network and address do not matter.
func (l *link) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far, err := socketPair()
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "inprocess", Err: err}
	}
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	near.Close()
	far.Close()
	return nil, &net.OpError{Op: "dial", Net: "inprocess", Err: fmt.Errorf("%s: %w", l.name, err)}
}

// Accept waits for the next dial.
func (l *link) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "inprocess", Err: net.ErrClosed}
	}
}

// Close refuses further dials; connections stay.
func (l *link) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr is loopback, where rules for nearby peers expect it.
func (l *link) Addr() net.Addr { return loopback }

var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}

// inprocessConn is one end. It counts as loopback where addresses are compared,
// and as secure where encryption is asked for.
type inprocessConn struct{ *net.UnixConn }

// Secure says that nobody can listen in, so that no TLS is needed.
func (inprocessConn) Secure() bool         { return true }
func (inprocessConn) LocalAddr() net.Addr  { return loopback }
func (inprocessConn) RemoteAddr() net.Addr { return loopback }

func socketPair() (near, far net.Conn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	near, err = fromDescriptor(fds[0])
	if err != nil {
		unix.Close(fds[1])
		return nil, nil, err
	}
	far, err = fromDescriptor(fds[1])
	if err != nil {
		near.Close()
		return nil, nil, err
	}
	return near, far, nil
}

// fromDescriptor takes the descriptor over.
func fromDescriptor(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "inprocess")
	defer f.Close() // FileConn has its own copy
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return inprocessConn{c.(*net.UnixConn)}, nil
}
