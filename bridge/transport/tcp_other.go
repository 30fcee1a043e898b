//go:build !linux

package transport

import "net"

// limitUnsent gives the system a small buffer, so that it does not take seconds of media.
func limitUnsent(conn *net.TCPConn) { _ = conn.SetWriteBuffer(8 * tcpUnsent) }
