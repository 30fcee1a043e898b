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
	welcome atomic.Pointer[string]   // for who is here for the first time
	admins  atomic.Pointer[[]string] // named by other administrators
	blocked atomic.Pointer[map[string]bool]
	allowed atomic.Pointer[map[string]bool] // if not empty, only these besides our own
}

// Names of what is kept.
const (
	noticeMotd    = "motd"
	noticeWelcome = "welcome"
	noticeAdmins  = "admins"
	noticeBlocked = "blocked"
	noticeAllowed = "allowed"
)

func openNotices(ctx context.Context, db *store.Store) (*notices, error) {
	n := &notices{db: db}
	for _, name := range []string{noticeMotd, noticeWelcome, noticeAdmins, noticeBlocked, noticeAllowed} {
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
	case noticeWelcome:
		n.welcome.Store(&text)
	case noticeAdmins:
		n.admins.Store(&lines)
	case noticeBlocked, noticeAllowed:
		m := make(map[string]bool, len(lines))
		for _, l := range lines {
			m[l] = true
		}
		if name == noticeBlocked {
			n.blocked.Store(&m)
		} else {
			n.allowed.Store(&m)
		}
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

// shuns says whether administrators want nobody to talk with an address: it, its
// account or its domain was blocked, or is not among those allowed. ours says that the
// domain is one of this server.
func (n *notices) shuns(a stanza.Addr, ours func(domain string) bool) bool {
	listed := func(m map[string]bool) bool {
		return m[a.Domain()] || m[a.Bare().String()] || m[a.String()]
	}
	if m := *n.blocked.Load(); len(m) > 0 && listed(m) {
		return true
	}
	m := *n.allowed.Load()
	return len(m) > 0 && !a.IsZero() && !listed(m) && !ours(a.Domain())
}
