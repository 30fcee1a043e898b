//go:build !linux

package bridge

import "time"

// machineTime is not known here: the process stands for the machine.
func machineTime() (busy, total time.Duration, ok bool) { return 0, 0, false }
