package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Version is set by the linker.
var Version = "unknown"

// DefaultData is where state lives when nobody says otherwise: /var/lib/parley
// for root, else below XDG_STATE_HOME.
func DefaultData() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/parley", nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "parley"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for the data is known, say --data DIR: %w", err)
	}
	return filepath.Join(home, ".local", "state", "parley"), nil
}

// data is the directory that holds all state.
type data string

func (d data) path(name string) string { return filepath.Join(string(d), name) }

func (d data) secrets() string     { return d.path("secrets.yaml") }
func (d data) database() string    { return d.path("parley.db") }
func (d data) uploads() string     { return d.path("upload") }
func (d data) certificate() string { return d.path("tls/cert.pem") }
func (d data) key() string         { return d.path("tls/key.pem") }

// socket is the control socket of a process that runs one part, or all of them for "".
func (d data) socket(part Part) string {
	if part == "" {
		part = "ctl"
	}
	return d.path(string(part) + ".sock")
}

// make creates the directory, closed to others.
func (d data) make() error {
	if err := os.MkdirAll(d.path("tls"), 0o700); err != nil {
		return d.explain(fmt.Errorf("make the data directory: %w", err))
	}
	return d.explain(closeToOthers(string(d)))
}

// closeToOthers takes away what others may do with a file.
func closeToOthers(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	if err := os.Chmod(path, info.Mode().Perm()&0o700); err != nil {
		return fmt.Errorf("close %s to others: %w", path, err)
	}
	return nil
}

// lock is a file lock; the system drops it with the process, however that ends.
type lock struct{ file *os.File }

// heldError is a lock somebody else has; pid is who, as far as known.
type heldError struct{ pid string }

func (e heldError) Error() string { return "held by process " + e.pid }

// tryLock takes the lock name or returns heldError.
func (d data) tryLock(name string) (*lock, error) { return d.lock(name, syscall.LOCK_NB) }

// waitLock takes the lock name when it is free.
func (d data) waitLock(name string) (*lock, error) { return d.lock(name, 0) }

func (d data) lock(name string, flags int) (*lock, error) {
	f, err := os.OpenFile(d.path(name+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, d.explain(fmt.Errorf("open the lock: %w", err))
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|flags)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		text, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close()
		pid := strings.TrimSpace(string(text))
		if pid == "" {
			pid = "unknown"
		}
		return nil, heldError{pid}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	if err := f.Truncate(0); err == nil {
		f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // only for the sentence of the other
	}
	return &lock{f}, nil
}

func (l *lock) release() { l.file.Close() }

// writePrivate writes a file of mode 0600, whole or not at all.
func writePrivate(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	if _, err := f.Write(text); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
