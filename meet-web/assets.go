package meetweb

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// built is the page as the last build left it; without a build it holds only
// placeholder.html, which says how to get one.
//
//go:embed all:ui/dist
var built embed.FS

// asset is one file of the page in every form it can be sent in.
type asset struct {
	contentType string
	cache       string
	etag        string // without quotes and encoding
	plain       []byte
	gzip, br    []byte // nil when not worth it
}

// assets are the files of the page by path without leading slash. They do not
// change after loading.
type assets map[string]*asset

var (
	hashed     = regexp.MustCompile(`[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$`) // name-HASH.ext, as the build names what never changes
	compresses = regexp.MustCompile(`^(text/|application/(javascript|json|manifest\+json|wasm)|image/svg)`)
)

// types are those a bare system does not know by ending.
var types = map[string]string{
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json", ".wasm": "application/wasm",
	".wav": "audio/wav", ".mp3": "audio/mpeg", ".ico": "image/x-icon", ".woff2": "font/woff2", ".map": "application/json",
	".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8",
}

// loadAssets reads a built page. Files ending in .gz and .br beside another are
// its compressed forms; a missing .gz is made here.
func loadAssets(dist fs.FS) (assets, error) {
	all := assets{}
	err := fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || isEncoded(name) || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		plain, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		a := newAsset(name, plain)
		a.gzip, _ = fs.ReadFile(dist, name+".gz")
		a.br, _ = fs.ReadFile(dist, name+".br")
		if a.gzip == nil && compresses.MatchString(a.contentType) && len(plain) > 256 {
			a.gzip = compress(plain)
		}
		all[name] = a
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the built page: %w", err)
	}
	return all, nil
}

func isEncoded(name string) bool {
	return strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".br")
}

func newAsset(name string, plain []byte) *asset {
	ext := strings.ToLower(path.Ext(name))
	contentType := types[ext]
	if contentType == "" {
		if contentType = mime.TypeByExtension(ext); contentType == "" {
			contentType = "application/octet-stream"
		}
	}
	cache := "no-cache"
	if hashed.MatchString(path.Base(name)) && strings.HasPrefix(name, "assets/") {
		cache = "public, max-age=31536000, immutable"
	}
	sum := sha256.Sum256(plain)
	return &asset{contentType: contentType, cache: cache, etag: hex.EncodeToString(sum[:12]), plain: plain}
}

func compress(plain []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	w.Write(plain)                                        // a buffer takes everything
	w.Close()
	if b.Len() >= len(plain) {
		return nil
	}
	return b.Bytes()
}

// serve answers with the asset in the best form the browser takes.
func (a *asset) serve(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	body, etag := a.plain, a.etag
	accept := r.Header.Get("Accept-Encoding")
	switch {
	case a.br != nil && accepts(accept, "br"):
		body, etag = a.br, a.etag+"-br"
		h.Set("Content-Encoding", "br")
	case a.gzip != nil && accepts(accept, "gzip"):
		body, etag = a.gzip, a.etag+"-gz"
		h.Set("Content-Encoding", "gzip")
	}
	etag = `"` + etag + `"`
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", a.cache)
	h.Set("ETag", etag)
	h.Add("Vary", "Accept-Encoding")
	if status == http.StatusOK && matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body) // a browser that leaves is its own news
	}
}

// accepts reads an Accept-Encoding header (RFC 9110, 12.5.3) for one coding.
func accepts(header, coding string) bool {
	for item := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		q, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
		if !ok {
			return true
		}
		weight, err := strconv.ParseFloat(q, 64)
		return err == nil && weight > 0
	}
	return false
}

// matches reads an If-None-Match header (RFC 9110, 13.1.2), weakly.
func matches(header, etag string) bool {
	for item := range strings.SplitSeq(header, ",") {
		item = strings.TrimPrefix(strings.TrimSpace(item), "W/")
		if item == etag || item == "*" {
			return true
		}
	}
	return false
}
