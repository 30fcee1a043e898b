package xmppd

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"parley/internal/store"
	"parley/xmppd/stanza"
)

// notices are the few texts and lists administrators keep in the server itself.
type notices struct {
	db      *store.Store
	motd    atomic.Pointer[string]
	admins  atomic.Pointer[[]string] // named by other administrators
	blocked atomic.Pointer[map[string]bool]
}

// Names of what is kept.
const (
	noticeMotd    = "motd"
	noticeAdmins  = "admins"
	noticeBlocked = "blocked"
)

func openNotices(ctx context.Context, db *store.Store) (*notices, error) {
	n := &notices{db: db}
	for _, name := range []string{noticeMotd, noticeAdmins, noticeBlocked} {
		var text string
		err := db.Read().QueryRowContext(ctx, `SELECT text FROM notices WHERE name = ?`, name).Scan(&text)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("read notices: %w", err)
		}
		n.publish(name, text)
	}
	return n, nil
}

func (n *notices) publish(name, text string) {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	switch name {
	case noticeMotd:
		n.motd.Store(&text)
	case noticeAdmins:
		n.admins.Store(&lines)
	case noticeBlocked:
		m := make(map[string]bool, len(lines))
		for _, l := range lines {
			m[l] = true
		}
		n.blocked.Store(&m)
	}
}

// set keeps a text; an empty one is removed.
func (n *notices) set(name, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	err := n.db.Write(ctx, func(tx *sql.Tx) error {
		if text == "" {
			_, err := tx.ExecContext(ctx, `DELETE FROM notices WHERE name = ?`, name)
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO notices (name, text) VALUES (?, ?)`, name, text)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep notice: %w", err)
	}
	n.publish(name, text)
	return nil
}

// shuns says whether an address, its account or its domain was blocked by an administrator.
func (n *notices) shuns(a stanza.Addr) bool {
	m := *n.blocked.Load()
	return len(m) > 0 && (m[a.Domain()] || m[a.Bare().String()] || m[a.String()])
}
