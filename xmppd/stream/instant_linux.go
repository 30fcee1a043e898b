package stream

import (
	"syscall"
	"unsafe"
)

// writeNow writes what the socket takes at once, and less than nothing with an error.
func writeNow(fd uintptr, b []byte) (int, error) { return now(syscall.SYS_WRITE, fd, b) }

// readNow reads what the socket has; EAGAIN if that is nothing, 0 bytes at its end.
func readNow(fd uintptr, b []byte) (int, error) { return now(syscall.SYS_READ, fd, b) }

func now(call, fd uintptr, b []byte) (int, error) {
	for len(b) > 0 {
		n, _, e := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch e {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		}
		return -1, e
	}
	return 0, nil
}
