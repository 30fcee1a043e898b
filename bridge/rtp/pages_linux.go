package rtp

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// pages returns memory for an arena, outside the heap: the collector lets the heap grow in
// proportion to its size, and an arena in it would let as much garbage pile up. It is given
// back when the arena is, and not before its shard has stopped (Shard.Run): no slice of it
// leaves the shard's goroutine, and a Link uses none after its call.
func pages(a *arena, size int) []byte {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return make([]byte, size)
	}
	runtime.AddCleanup(a, func(b []byte) { _ = unix.Munmap(b) }, b)
	return b
}
