package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"parley/internal/logx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dir(name, up string) fstest.MapFS {
	return fstest.MapFS{name: {Data: []byte("-- +goose Up\n" + up + "\n-- +goose Down\nSELECT 1;\n")}}
}

func TestTwoUsersOneFile(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	for range 2 { // the second time nothing is left to migrate
		s, err := Open(path, logx.Discard())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b"} {
			if err := s.Migrate(ctx, name, dir("0001_x.sql", "CREATE TABLE "+name+"_things (x INTEGER) STRICT;")); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", fi, err)
	}
}

func TestWriteIsAtomicAndSerial(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := Open(path, logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(ctx, "a", dir("0001_x.sql", "CREATE TABLE things (x INTEGER) STRICT; INSERT INTO things VALUES (0);")); err != nil {
		t.Fatal(err)
	}
	other, err := Open(path, logx.Discard()) // as another process would
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	boom := errors.New("boom")
	if err := s.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE things SET x = 100`)
		return errors.Join(err, boom)
	}); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			db := s
			if i%2 == 0 {
				db = other
			}
			err := db.Write(ctx, func(tx *sql.Tx) error {
				var x int
				if err := tx.QueryRow(`SELECT x FROM things`).Scan(&x); err != nil {
					return err
				}
				_, err := tx.Exec(`UPDATE things SET x = ?`, x+1)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var x int
	if err := other.Read().QueryRow(`SELECT x FROM things`).Scan(&x); err != nil || x != 20 {
		t.Errorf("x = %d, %v", x, err)
	}
}

func TestBadFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(path, logx.Discard()); err == nil {
		s.Close()
		t.Error("text was taken for a database")
	} else if !strings.Contains(err.Error(), "move the file away") {
		t.Errorf("no way on in %q", err)
	}
	if _, err := Open(filepath.Join(path, "y"), logx.Discard()); err == nil {
		t.Error("a folder that does not exist")
	}
	s, err := Open(filepath.Join(t.TempDir(), "x.db"), logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(context.Background(), "a", dir("0001_x.sql", "NONSENSE;")); err == nil || !strings.HasPrefix(err.Error(), "migrate a: ") {
		t.Errorf("got %v", err)
	}
}
