package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// What the system refuses it says in its own words; the functions of this file add what a
// person can do about it.

// explainPort is for a port that is taken, forbidden or not ours.
func explainPort(err error) error {
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return err // no port's
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; stop what listens there (ss -lntup shows it), or set another address in the settings", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w; ports below 1024 need root or CAP_NET_BIND_SERVICE", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w; this machine has no such address", err)
	}
	return err
}

// explainFile is for a file that cannot be read or opened.
func explainFile(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; parley runs as user %d here, which needs to own or be allowed to read it", err, os.Geteuid())
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; correct the path, or leave it out", err)
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("%w; name a file", err)
	}
	return err
}

// explain is for the data directory and what parley writes there.
func (d data) explain(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w; make room there, or name another directory with --data", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w; mount it for writing, or name another directory with --data", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; parley runs as user %d here: let it own %s and all in it, or name another directory with --data", err, os.Geteuid(), d)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; name a directory with --data", err)
	}
	return err
}
