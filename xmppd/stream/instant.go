package stream

import (
	"io"
	"net"
	"syscall"
)

// A connection that is not encrypted is read and written by system calls that never wait
// (writeNow, readNow). The Go runtime does not hear of them, unlike of those of package
// net: for a call of more than some 20 µs, which is nothing unusual for a write on
// loopback, it gives the caller's processor away, and the rest of a round then has to
// queue for another one; and after each rest the first call wakes its watching thread,
// which looks around every 20 µs for a while.

// Plain is how to read from and write to a connection without waiting. Encrypted ones
// cannot: half a record, once begun, must be finished.
func Plain(c net.Conn) (syscall.RawConn, error) {
	if s, ok := c.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, syscall.EOPNOTSUPP
}

// rawOf is nil for what is encrypted, or no socket.
func rawOf(c any) syscall.RawConn {
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// instant reads with readNow.
type instant struct {
	raw syscall.RawConn
	try func(fd uintptr) (done bool) // readTry, bound once, since that allocates

	// of the Read under way
	b   []byte
	n   int
	err error
}

// Instant reads from a connection, with calls that never wait if it is not encrypted.
// It belongs to one goroutine.
func Instant(c net.Conn) io.Reader {
	raw := rawOf(c)
	if raw == nil {
		return c
	}
	i := &instant{raw: raw}
	i.try = i.readTry
	return i
}

func (i *instant) readTry(fd uintptr) (done bool) {
	i.n, i.err = readNow(fd, i.b)
	return i.err != syscall.EAGAIN
}

// Read is io.Reader.Read.
func (i *instant) Read(b []byte) (int, error) {
	i.b = b
	err := i.raw.Read(i.try)
	i.b = nil
	switch {
	case err != nil:
		return 0, err
	case i.err != nil:
		return 0, i.err
	case i.n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return i.n, nil
}
