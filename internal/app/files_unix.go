//go:build unix

package app

import "syscall"

// openFiles is how many files the process may have open. The runtime has raised the soft
// limit to the hard one already.
func openFiles() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return uint64(l.Cur)
}
