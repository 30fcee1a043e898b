package upload

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
)

// Path is where ServeHTTP belongs.
const Path = "/upload/"

// harmless are the kinds of files a browser may show in its own window.
var harmless = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "audio/", "video/", "text/plain"}

// ServeHTTP takes and serves files below Path.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Access-Control-Allow-Origin", "*")
	head.Set("Access-Control-Allow-Methods", "GET, HEAD, PUT, OPTIONS")
	head.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
	head.Set("Access-Control-Max-Age", "7200")
	if r.Method == http.MethodOptions {
		return
	}
	id, name, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, Path), "/")
	if !ok || id == "" {
		http.NotFound(w, r)
		return
	}
	f, err := h.find(r.Context(), id)
	switch {
	case err != nil:
		h.log.WithError(err).Error("uploaded file cannot be found")
		http.Error(w, "The file cannot be found now.", http.StatusInternalServerError)
	case f == nil || f.name != name:
		http.NotFound(w, r)
	case r.Method == http.MethodPut:
		h.put(w, r, f)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		h.get(w, r, f)
	default:
		head.Set("Allow", "GET, HEAD, PUT, OPTIONS")
		http.Error(w, "Files are put and fetched here.", http.StatusMethodNotAllowed)
	}
}

func (h *Host) get(w http.ResponseWriter, r *http.Request, f *file) {
	if f.secret != "" || h.now().Sub(f.created) > h.cfg.MaxAge {
		http.NotFound(w, r)
		return
	}
	x, err := os.Open(h.path(f.id))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer x.Close()
	head := w.Header()
	head.Set("Content-Type", f.typ)
	show := "attachment"
	for _, t := range harmless {
		if strings.HasPrefix(f.typ, t) {
			show = "inline"
		}
	}
	head.Set("Content-Disposition", mime.FormatMediaType(show, map[string]string{"filename": f.name}))
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	head.Set("Cross-Origin-Resource-Policy", "cross-origin")
	head.Set("Cache-Control", "private, max-age=86400, immutable")
	http.ServeContent(w, r, "", f.created, x)
}

var errTaken = errors.New("the file was put already")

func (h *Host) put(w http.ResponseWriter, r *http.Request, f *file) {
	secret, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case f.secret == "":
		http.Error(w, "The file was put already.", http.StatusConflict)
		return
	case subtle.ConstantTimeCompare([]byte(hashOf(secret)), []byte(f.secret)) != 1:
		http.Error(w, "This upload was not allowed.", http.StatusForbidden)
		return
	case h.now().Sub(f.created) > slotTime:
		http.Error(w, "This upload came too late.", http.StatusGone)
		return
	case r.ContentLength >= 0 && r.ContentLength != f.size:
		http.Error(w, "The size is not the one that was announced.", http.StatusBadRequest)
		return
	}
	// A client that sends a byte a minute must not hold a file open for ever.
	_ = http.NewResponseController(w).SetReadDeadline(h.now().Add(slotTime))
	switch err := h.store(http.MaxBytesReader(w, r.Body, f.size), f); {
	case errors.Is(err, errTaken):
		http.Error(w, "The file was put already.", http.StatusConflict)
	case errors.Is(err, io.ErrUnexpectedEOF):
		http.Error(w, "The size is not the one that was announced.", http.StatusBadRequest)
	case err != nil:
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			http.Error(w, "The file is larger than announced.", http.StatusRequestEntityTooLarge)
			return
		}
		h.log.WithError(err).Warn("a file was not uploaded")
		http.Error(w, "The file cannot be kept now.", http.StatusInternalServerError)
	default:
		w.WriteHeader(http.StatusCreated)
	}
}

// store writes the file aside and gives it its name when it is complete; the
// first of two uploads into one slot wins.
func (h *Host) store(body io.Reader, f *file) error {
	tmp, err := os.CreateTemp(h.cfg.Directory, "upload-*")
	if err != nil {
		return fmt.Errorf("store file: %w", err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	n, err := io.Copy(tmp, body)
	if err != nil {
		return fmt.Errorf("store file: %w", err)
	}
	if n != f.size {
		return io.ErrUnexpectedEOF
	}
	if err := tmp.Sync(); err != nil {
		return fmt.Errorf("store file: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	return h.db.Write(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `UPDATE upload_files SET secret = '' WHERE id = ? AND secret != ''`, f.id)
		if err != nil {
			return err
		}
		if k, err := done.RowsAffected(); err != nil || k == 0 {
			return errors.Join(err, errTaken)
		}
		if err := os.Rename(tmp.Name(), h.path(f.id)); err != nil {
			return fmt.Errorf("store file: %w", err)
		}
		return nil
	})
}
