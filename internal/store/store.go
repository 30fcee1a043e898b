// Package store keeps what must survive a restart in one SQLite file.
//
// It owns the file, its settings and its one writer; the tables belong to the
// packages that use them, each of which brings its own migrations and has its own
// version table. Readers never wait for the writer (WAL). A second process (an
// offline command) may work on the same file; it waits a few seconds for locks.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"sync"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/sirupsen/logrus"

	"modernc.org/sqlite" // also the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"parley/internal/logx"
)

// Store is an open database. Its methods may be called from any goroutine.
type Store struct {
	log   *logrus.Entry
	path  string
	write *sql.DB // one connection: SQLite has one writer anyway
	read  *sql.DB

	close sync.Once
}

const readers = 4

// Open opens or makes the file, readable by its owner only.
func Open(path string, log *logrus.Entry) (*Store, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", explain(err))
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s := &Store{log: log.WithField(logx.Path, path), path: path}
	if s.write, err = open(path, "immediate"); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	// The first connection turns WAL on; do it before readers come.
	if err := s.write.Ping(); err != nil {
		_ = s.write.Close()
		return nil, fmt.Errorf("open database %s: %w", path, explain(err))
	}
	if s.read, err = open(path, "deferred"); err != nil {
		_ = s.write.Close()
		return nil, err
	}
	s.read.SetMaxOpenConns(readers)
	return s, nil
}

func open(path, lock string) (*sql.DB, error) {
	q := url.Values{}
	q.Set("_txlock", lock)
	for _, p := range []string{"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)", "secure_delete(1)"} {
		q.Add("_pragma", p)
	}
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return db, nil
}

// explain adds what a person can do about a file that does not work.
func explain(err error) error {
	const mayWrite = "%w; look who may write to the file and its folder"
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf(mayWrite, err)
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the rest says more than anybody wants to know
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%w; bring back a copy, or move the file away to start without accounts", err)
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return fmt.Errorf("%w; look whether the disk is full or broken", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf(mayWrite, err)
	}
	return err
}

// Migrate brings the tables of one package up to date. name is that package's; dir
// holds its goose migrations (0001_what.sql, …).
func (s *Store) Migrate(ctx context.Context, name string, dir fs.FS) error {
	versions, err := database.NewStore(database.DialectSQLite3, name+"_versions")
	if err != nil {
		return fmt.Errorf("migrate %s: %w", name, err)
	}
	p, err := goose.NewProvider("", s.write, dir, goose.WithStore(versions), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("migrate %s: %w", name, err)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", name, explain(err))
	}
	if len(done) > 0 {
		s.log.WithFields(logrus.Fields{logx.Name: name, logx.Count: len(done)}).Debug("database migrated")
	}
	return nil
}

// Read is for queries.
func (s *Store) Read() *sql.DB { return s.read }

// Write runs f in a transaction, which is committed if f returns nil.
func (s *Store) Write(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.failed("begin", err)
	}
	if err := f(tx); err != nil {
		return errors.Join(explain(err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return s.failed("write", err)
	}
	return nil
}

// failed names the file, for whoever has to find the disk that is full.
func (s *Store) failed(what string, err error) error {
	return fmt.Errorf("%s %s: %w", what, s.path, explain(err))
}

// Close closes the file. It may be called twice.
func (s *Store) Close() error {
	var err error
	s.close.Do(func() { err = errors.Join(s.read.Close(), s.write.Close()) })
	return err
}
