//go:build !linux

package stream

import "golang.org/x/sys/unix"

// writeNow writes what the socket takes at once, and less than nothing with an error.
func writeNow(fd uintptr, b []byte) (int, error) { return unix.Write(int(fd), b) }

// readNow reads what the socket has; EAGAIN if that is nothing, 0 bytes at its end.
func readNow(fd uintptr, b []byte) (int, error) { return unix.Read(int(fd), b) }
