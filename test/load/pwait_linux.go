package main

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pwait2 is epoll_pwait2, which waits to the nanosecond: a paced message must not
// be late by the millisecond that epoll_wait counts in.
func pwait2(epoll int, events []unix.EpollEvent, wait time.Duration) (int, error) {
	ts := unix.NsecToTimespec(max(wait.Nanoseconds(), 0))
	n, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
