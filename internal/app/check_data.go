package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// data looks at the data directory as a start would use it: who may read it, whether all
// in it belongs together, and whether what was kept there is still of use.
func (c *checker) data(d data) {
	info, err := os.Stat(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		if err = canMake(string(d)); err != nil {
			err = d.explain(fmt.Errorf("%s does not exist and cannot be made: %w", d, err))
		}
		c.say("data", string(d)+" does not exist yet; the first start makes it", err)
		return
	}
	if err == nil && !info.IsDir() {
		err = d.explain(&fs.PathError{Op: "open", Path: string(d), Err: syscall.ENOTDIR})
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("%s is open to others (mode %#o); chmod 700 closes it", d, info.Mode().Perm())
	}
	c.say("data", string(d), err)
	if err != nil {
		return
	}
	if err := c.files(d, info); err != nil {
		c.say("data", "", err)
		return
	}
	if _, err := d.readSecrets(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.say("secrets", "", err)
	}
	if err := checkDatabase(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.say("database", "", err)
	}
}

// canMake says whether a directory can be made where none is yet.
func canMake(dir string) error {
	parent := filepath.Dir(dir)
	err := unix.Access(parent, unix.W_OK|unix.X_OK)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		return canMake(parent)
	}
	return err
}

// files looks at owners and modes. A file of another user than the directory's is what a
// command given as root leaves behind, and parley itself cannot use it then.
func (c *checker) files(d data, dir fs.FileInfo) error {
	return filepath.WalkDir(string(d), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return d.explain(err)
		}
		if path == d.uploads() {
			return fs.SkipDir // many, and looked after by the XMPP server
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // was gone again a moment later
		}
		if err != nil {
			return err
		}
		if owner, own := ownerOf(info), ownerOf(dir); owner != own {
			return fmt.Errorf("%s belongs to user %d and the directory to user %d, who then cannot use it; chown -R %d %s mends that", path, owner, own, own, d)
		}
		secret := path == d.secrets() || path == d.key() || strings.HasPrefix(path, d.database())
		if secret && info.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%s can be read by others (mode %#o); chmod 600 closes it", path, info.Mode().Perm())
		}
		return nil
	})
}

func ownerOf(info fs.FileInfo) uint32 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Uid
	}
	return 0
}

// checkDatabase looks whether the file can be opened and is a database, without touching
// what may be in use.
func checkDatabase(d data) error {
	f, err := os.OpenFile(d.database(), os.O_RDWR, 0)
	if err != nil {
		return d.explain(err)
	}
	defer f.Close()
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	if n == 0 && errors.Is(err, io.EOF) {
		return nil // made, and nothing written yet
	}
	if !bytes.Equal(head[:n], []byte("SQLite format 3\x00")) {
		return fmt.Errorf("%s is no database; bring back a copy, or move the file away to start without accounts", d.database())
	}
	return nil
}
