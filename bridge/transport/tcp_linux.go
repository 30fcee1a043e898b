package transport

import (
	"net"

	"golang.org/x/sys/unix"
)

// limitUnsent keeps the system from taking more than tcpUnsent bytes ahead of what the
// network takes. Kernels that cannot do it go on with their own idea.
func limitUnsent(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, tcpUnsent)
	})
}
