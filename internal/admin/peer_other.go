//go:build !linux

package admin

import "net"

// allowed relies on the mode of the socket where the kernel is not asked.
func allowed(net.Conn) error { return nil }
