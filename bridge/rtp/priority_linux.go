package rtp

import "golang.org/x/sys/unix"

// mediaPriority is how far ahead of others the shard's thread goes on a busy machine:
// every packet that waits is a delay in all ears.
const mediaPriority = -10

// raisePriority puts the calling thread ahead, where the process is allowed to.
func raisePriority() { _ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), mediaPriority) }
