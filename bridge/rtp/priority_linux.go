package rtp

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// mediaPriority is how far ahead of others the process goes on a busy machine: every
// packet that waits is a delay in all ears.
const mediaPriority = -5

// raisePriority puts the threads of the process ahead, where it is allowed to; those to
// come inherit it. All of them, since the shard's goroutine is bound to none: a thread of
// its own would have to be woken by another one for every packet.
func raisePriority() {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, mediaPriority)
		}
	}
}
