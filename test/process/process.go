//go:build linux

// Package process tells what another process uses, for the load tools. Linux only.
package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// CPU is what a process has used, from the scheduler's own account, which counts
// nanoseconds where /proc/PID/stat counts hundredths of a second. Threads that ended
// are missing; those of Go and of Prosody stay.
func CPU(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("process %d is gone", pid)
	}
	var sum time.Duration
	for _, f := range files {
		b, _ := os.ReadFile(f) // a thread may end between
		first, _, _ := strings.Cut(string(b), " ")
		n, _ := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(n)
	}
	return sum, nil
}

// Resident is the memory of a process in KiB.
func Resident(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(b, []byte("VmRSS:"))
	return strconv.Atoi(strings.Fields(string(rest))[0])
}
