// Package upload takes files by HTTP and gives out addresses for them (XEP-0363).
//
// A Host hands out slots to accounts; its HTTP handler takes what a slot was made
// for, once and in time, and serves it until it is too old. What a file is called
// on disk is ours; what it is called in the address only decorates. Files are
// served so that a browser runs nothing of them.
//
// Names, sizes and owners stand in the store, the bytes in a directory. All
// methods may be called from any goroutine; one goroutine removes what is too old.
package upload

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/sirupsen/logrus"

	"parley/internal/store"
	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Host is the router.Host of the upload domain.
type Host struct {
	cfg Config
	rt  *router.Router
	db  *store.Store
	log *logrus.Entry
	now func() time.Time

	close sync.Once
	stop  chan struct{}
	done  chan struct{}
}

// Open makes the directory and the Host. The caller calls Close.
func Open(ctx context.Context, cfg Config, db *store.Store, rt *router.Router, log *logrus.Entry) (*Host, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Directory, 0o700); err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	// What a crash has left half done.
	half, _ := filepath.Glob(filepath.Join(cfg.Directory, "upload-*"))
	for _, name := range half {
		_ = os.Remove(name)
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "upload", dir); err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg, rt: rt, db: db, log: log, now: time.Now, stop: make(chan struct{}), done: make(chan struct{})}
	go h.run()
	return h, nil
}

// Close ends the removal of old files. It may be called twice.
func (h *Host) Close() {
	h.close.Do(func() { close(h.stop) })
	<-h.done
}

func (h *Host) run() {
	defer close(h.done)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		h.sweep()
		select {
		case <-tick.C:
		case <-h.stop:
			return
		}
	}
}

var (
	errUnavailable = stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
	errAccount     = stanza.Err(stanza.Cancel, stanza.NotAllowed, "Only accounts of this server may upload")
	errName        = stanza.Err(stanza.Modify, stanza.BadRequest, "The name of the file cannot be used")
	errSize        = stanza.Err(stanza.Modify, stanza.BadRequest, "The size of the file is missing")
	errType        = stanza.Err(stanza.Modify, stanza.BadRequest, "The type of the file cannot be used")
	errStore       = stanza.Err(stanza.Wait, stanza.InternalServerError, "")
)

// HandleStanza is router.Host.HandleStanza.
func (h *Host) HandleStanza(st *stanza.Stanza, from *router.Session) {
	if !st.IsRequest() {
		if st.Kind == stanza.Message && st.MayBounce() {
			h.rt.Bounce(st, errUnavailable)
		}
		return
	}
	p, _ := st.Payload()
	var content []byte
	e := errUnavailable
	switch {
	case st.To.Local() != "" || st.To.IsFull() || st.Type != stanza.Get:
	case p.Is(ns.Ping, "ping"):
		e = nil
	case p.Is(ns.DiscoInfo, "query") && st.ChildAttr(p, "node") == "":
		content, e = h.info(), nil
	case p.Is(ns.DiscoItems, "query"):
		var b stanza.Builder
		content, e = b.Empty(ns.DiscoItems, "query").Bytes(), nil
	case p.Is(ns.Upload, "request"):
		content, e = h.slot(st, p, from)
	}
	if e != nil {
		h.rt.Bounce(st, e)
		return
	}
	h.rt.Reply(st, content)
}

func (h *Host) info() []byte {
	var b stanza.Builder
	b.Start(ns.DiscoInfo, "query").Empty("", "identity", "category", "store", "type", "file", "name", "Parley files")
	for _, f := range []string{ns.DiscoInfo, ns.DiscoItems, ns.Ping, ns.Upload} {
		b.Empty("", "feature", "var", f)
	}
	f := dataform.Form{Type: "result", FormType: ns.Upload}
	f.Add("max-file-size", "text-single", "", strconv.FormatInt(h.cfg.MaxFile, 10)).Append(&b)
	return b.Bytes()
}

// slot answers a request for a place to put a file (XEP-0363, 4).
func (h *Host) slot(st *stanza.Stanza, p stanza.Child, from *router.Session) ([]byte, *stanza.Error) {
	if from == nil || from.Info().Anonymous {
		return nil, errAccount
	}
	name, typ := st.ChildAttr(p, "filename"), st.ChildAttr(p, "content-type")
	size, err := strconv.ParseInt(st.ChildAttr(p, "size"), 10, 64)
	switch {
	case !goodName(name):
		return nil, errName
	case err != nil || size <= 0:
		return nil, errSize
	case size > h.cfg.MaxFile:
		return nil, h.tooLarge()
	}
	if typ == "" {
		typ = "application/octet-stream"
	} else if typ, _, err = mime.ParseMediaType(typ); err != nil || len(typ) > maxType {
		return nil, errType
	}
	secret := router.NewID()
	f := file{id: router.NewID(), name: name, typ: typ, size: size, owner: st.From.Bare().String()}
	wait, err := h.reserve(f, hashOf(secret))
	switch {
	case err != nil:
		h.log.WithError(err).Error("upload cannot be prepared")
		return nil, errStore
	case wait > 0:
		return nil, h.later(wait)
	}
	at := h.cfg.URL + f.id + "/" + url.PathEscape(name)
	var b stanza.Builder
	b.Start(ns.Upload, "slot").Start("", "put", "url", at).Leaf("", "header", "Bearer "+secret, "name", "Authorization").End()
	b.Empty("", "get", "url", at)
	return b.Bytes(), nil
}

func goodName(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool {
		return r == '/' || r == '\\' || unicode.IsControl(r)
	})
}

func (h *Host) tooLarge() *stanza.Error {
	var b stanza.Builder
	b.Start(ns.Upload, "file-too-large").Leaf("", "max-file-size", strconv.FormatInt(h.cfg.MaxFile, 10)).End()
	return &stanza.Error{Type: stanza.Modify, Condition: stanza.NotAcceptable, Text: "The file is too large", App: b.Bytes()}
}

func (h *Host) later(wait time.Duration) *stanza.Error {
	var b stanza.Builder
	b.Empty(ns.Upload, "retry", "stamp", h.now().Add(wait).UTC().Format("2006-01-02T15:04:05Z"))
	return &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "No more can be uploaded for now", App: b.Bytes()}
}

// file is what is known of one.
type file struct {
	id, name, typ, owner, secret string
	size                         int64
	created                      time.Time
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// reserve notes a file that may come. If there is no room it says when to ask again.
func (h *Host) reserve(f file, secret string) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	now := h.now()
	err = h.db.Write(ctx, func(tx *sql.Tx) error {
		var daily, total, files, waiting int64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(sum(size), 0), count(*), count(*) FILTER (WHERE secret != '' AND created > ?3)
			FROM upload_files WHERE owner = ?1 AND created > ?2`,
			f.owner, now.Add(-24*time.Hour).Unix(), now.Add(-slotTime).Unix()).Scan(&daily, &files, &waiting); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(sum(size), 0) FROM upload_files`).Scan(&total); err != nil {
			return err
		}
		switch {
		case waiting >= maxWaiting:
			wait = slotTime
			return nil
		case daily+f.size > h.cfg.MaxDaily || files >= maxDailyFiles:
			wait = 24 * time.Hour
			return nil
		case total+f.size > h.cfg.MaxTotal:
			wait = time.Hour
			return nil
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO upload_files (id, name, type, size, owner, secret, created) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			f.id, f.name, f.typ, f.size, f.owner, secret, now.Unix())
		return err
	})
	return wait, err
}

// find is nil if there is no such file.
func (h *Host) find(ctx context.Context, id string) (*file, error) {
	f := &file{id: id}
	var created int64
	err := h.db.Read().QueryRowContext(ctx, `SELECT name, type, size, owner, secret, created FROM upload_files WHERE id = ?`, id).
		Scan(&f.name, &f.typ, &f.size, &f.owner, &f.secret, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	f.created = time.Unix(created, 0)
	return f, err
}

// path is where a file lies; id is one that find knows.
func (h *Host) path(id string) string { return filepath.Join(h.cfg.Directory, id) }

// sweep removes files that are too old, and slots nobody used.
func (h *Host) sweep() {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	now := h.now()
	h.remove(ctx, `created < ? OR (secret != '' AND created < ?)`, now.Add(-h.cfg.MaxAge).Unix(), now.Add(-2*slotTime).Unix())
}

// Forget removes the files of an account that is gone.
func (h *Host) Forget(account stanza.Addr) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	h.remove(ctx, `owner = ?`, account.Bare().String())
}

func (h *Host) remove(ctx context.Context, where string, args ...any) {
	var gone []string
	err := h.db.Write(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `DELETE FROM upload_files WHERE `+where+` RETURNING id`, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			gone = append(gone, id)
		}
		return rows.Err()
	})
	if err != nil {
		h.log.WithError(err).Error("uploaded files cannot be removed")
		return
	}
	for _, id := range gone {
		if err := os.Remove(h.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.log.WithError(err).Error("an uploaded file cannot be removed")
		}
	}
}
