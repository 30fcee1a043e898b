package upload

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/logx"
	"parley/internal/store"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB) *Host {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(filepath.Join(dir, "x.db"), logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Enabled, cfg.Directory, cfg.URL = true, filepath.Join(dir, "files"), "https://x/upload/"
	h, err := Open(context.Background(), cfg, db, router.New(logx.Discard()), logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		h.Close()
		_ = db.Close()
	})
	return h
}

func (h *Host) reserved(t testing.TB, id string, size int64) {
	t.Helper()
	if wait, err := h.reserve(file{id: id, name: "n", typ: "image/png", size: size, owner: "ann@x"}, hashOf("s")); wait != 0 || err != nil {
		t.Fatal(wait, err)
	}
}

func (h *Host) do(method, path, body string, chunked bool) int {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if chunked {
		r.ContentLength = -1
	}
	r.Header.Set("Authorization", "Bearer s")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestSizes(t *testing.T) {
	h := open(t)
	h.reserved(t, "a", 4)
	for _, tt := range []struct {
		name, body string
		chunked    bool
		status     int
	}{
		{"announced too long", "12345", false, 400},
		{"too long", "12345", true, 413},
		{"too short", "123", true, 400},
		{"right", "1234", true, 201},
	} {
		if got := h.do("PUT", "/upload/a/n", tt.body, tt.chunked); got != tt.status {
			t.Errorf("%s: %d", tt.name, got)
		}
	}
	left, err := os.ReadDir(h.cfg.Directory)
	if err != nil || len(left) != 1 {
		t.Errorf("the directory holds %v, %v", left, err)
	}
}

func TestTimes(t *testing.T) {
	h := open(t)
	h.reserved(t, "a", 1)
	h.reserved(t, "b", 1)
	if got := h.do("PUT", "/upload/b/n", "x", false); got != http.StatusCreated {
		t.Fatal(got)
	}
	start := time.Now()
	at := func(after time.Duration) { h.now = func() time.Time { return start.Add(after) } }
	at(slotTime + time.Second)
	if got := h.do("PUT", "/upload/a/n", "x", false); got != http.StatusGone {
		t.Errorf("a late upload: %d", got)
	}
	at(h.cfg.MaxAge + time.Minute)
	if got := h.do("GET", "/upload/b/n", "", false); got != http.StatusNotFound {
		t.Errorf("an old file: %d", got)
	}
	h.sweep()
	if _, err := os.Stat(h.path("b")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an old file is kept: %v", err)
	}
	for _, id := range []string{"a", "b"} {
		if f, err := h.find(context.Background(), id); f != nil || err != nil {
			t.Errorf("%s is kept: %v", id, err)
		}
	}
}

func TestForget(t *testing.T) {
	h := open(t)
	h.reserved(t, "a", 1)
	h.do("PUT", "/upload/a/n", "x", false)
	h.Forget(stanza.MustAddr("ann@x/y"))
	if got := h.do("GET", "/upload/a/n", "", false); got != http.StatusNotFound {
		t.Error(got)
	}
}

func FuzzPath(f *testing.F) {
	h := open(f)
	h.reserved(f, "a", 1)
	for _, s := range []string{"/upload/a/n", "/upload/../x", "/upload//", "/upload/a/%2e%2e/n", "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/upload/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("%q: %d", path, w.Code)
		}
	})
}
