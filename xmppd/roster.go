package xmppd

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"parley/internal/store"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

//go:embed migrations/*.sql
var migrations embed.FS

// rosterTime bounds one look into the database.
const rosterTime = 5 * time.Second

// roster keeps contact lists in the store; it is the router.Roster of all hosts.
type roster struct{ db *store.Store }

func newRoster(ctx context.Context, db *store.Store) (*roster, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "roster", dir); err != nil {
		return nil, err
	}
	return &roster{db}, nil
}

const contactColumns = `addr, name, groups, subscription, ask, pending, listed, approved, request, version`

func scanContact(row interface{ Scan(...any) error }) (c router.Contact, err error) {
	var addr, groups, sub string
	var version int64
	if err = row.Scan(&addr, &c.Name, &groups, &sub, &c.Ask, &c.Pending, &c.Listed, &c.Approved, &c.Request, &version); err != nil {
		return c, err
	}
	if c.Addr, err = stanza.ParseAddr(addr); err != nil {
		return c, fmt.Errorf("contact %q: %w", addr, err)
	}
	c.Subscription, c.Version = router.Subscription(sub), versionText(version)
	return c, json.Unmarshal([]byte(groups), &c.Groups)
}

func versionText(v int64) string { return strconv.FormatInt(v, 36) }

// Contacts is router.Roster.Contacts.
func (r *roster) Contacts(owner stanza.Addr) ([]router.Contact, error) {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	rows, err := r.db.Read().QueryContext(ctx, `SELECT `+contactColumns+` FROM contacts WHERE owner = ? ORDER BY addr`, owner.Bare().String())
	if err != nil {
		return nil, fmt.Errorf("read contacts: %w", err)
	}
	defer rows.Close()
	var out []router.Contact
	for rows.Next() {
		c, err := scanContact(rows)
		if err != nil {
			return nil, fmt.Errorf("read contacts: %w", err)
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// Contact is router.Roster.Contact.
func (r *roster) Contact(owner, contact stanza.Addr) (router.Contact, bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	c, err := scanContact(r.db.Read().QueryRowContext(ctx, `SELECT `+contactColumns+` FROM contacts WHERE owner = ? AND addr = ?`,
		owner.Bare().String(), contact.Bare().String()))
	if errors.Is(err, sql.ErrNoRows) {
		return c, false, nil
	}
	if err != nil {
		return c, false, fmt.Errorf("read contact: %w", err)
	}
	return c, true, nil
}

// SetContact is router.Roster.SetContact.
func (r *roster) SetContact(owner stanza.Addr, c router.Contact) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	groups, err := json.Marshal(c.Groups)
	if err != nil {
		return "", err
	}
	name, addr, version := owner.Bare().String(), c.Addr.Bare().String(), int64(0)
	err = r.db.Write(ctx, func(tx *sql.Tx) error {
		if version, err = nextVersion(ctx, tx, name); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM removed_contacts WHERE owner = ? AND addr = ?`, name, addr); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO contacts (owner, `+contactColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (owner, addr) DO UPDATE SET name = excluded.name, groups = excluded.groups,
				subscription = excluded.subscription, ask = excluded.ask, pending = excluded.pending, listed = excluded.listed,
				approved = excluded.approved, request = excluded.request, version = excluded.version`,
			name, addr, c.Name, string(groups), string(c.Subscription), c.Ask, c.Pending, c.Listed, c.Approved, c.Request, version)
		return err
	})
	return versionText(version), err
}

// nextVersion counts a change of a list. Versions begin with the time, so that those
// of an account that was removed and made again do not come back.
func nextVersion(ctx context.Context, tx *sql.Tx, owner string) (v int64, err error) {
	now := time.Now().UnixMilli()
	err = tx.QueryRowContext(ctx, `INSERT INTO contact_lists (owner, version, oldest) VALUES (?, ?, ?)
		ON CONFLICT (owner) DO UPDATE SET version = version + 1 RETURNING version`, owner, now, now).Scan(&v)
	return v, err
}

// RemoveContact is router.Roster.RemoveContact.
func (r *roster) RemoveContact(owner, contact stanza.Addr) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	name, addr, version := owner.Bare().String(), contact.Bare().String(), int64(0)
	err := r.db.Write(ctx, func(tx *sql.Tx) error {
		var err error
		if version, err = nextVersion(ctx, tx, name); err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, `DELETE FROM contacts WHERE owner = ? AND addr = ?`, name, addr); err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO removed_contacts (owner, addr, version) VALUES (?, ?, ?)`, name, addr, version); err != nil {
			return err
		}
		return forgetRemoved(ctx, tx, name)
	})
	return versionText(version), err
}

// maxRemoved is how many removed contacts are remembered for clients that were away.
const maxRemoved = 1000

func forgetRemoved(ctx context.Context, tx *sql.Tx, owner string) error {
	var v int64
	err := tx.QueryRowContext(ctx, `SELECT version FROM removed_contacts WHERE owner = ? ORDER BY version DESC LIMIT 1 OFFSET ?`,
		owner, maxRemoved).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err = tx.ExecContext(ctx, `DELETE FROM removed_contacts WHERE owner = ? AND version <= ?`, owner, v); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE contact_lists SET oldest = ? WHERE owner = ?`, v, owner)
	return err
}

// Changes is router.Roster.Changes.
func (r *roster) Changes(owner stanza.Addr, since string) (list []router.Contact, version string, ok bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	name := owner.Bare().String()
	var now, oldest int64
	err = r.db.Read().QueryRowContext(ctx, `SELECT version, oldest FROM contact_lists WHERE owner = ?`, name).Scan(&now, &oldest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, "", false, fmt.Errorf("read contact list: %w", err)
	}
	version = versionText(now)
	from, err := strconv.ParseInt(since, 36, 64)
	if err != nil || from < oldest || from > now {
		return nil, version, false, nil
	}
	rows, err := r.db.Read().QueryContext(ctx, `SELECT `+contactColumns+` FROM contacts WHERE owner = ?1 AND version > ?2
		UNION ALL SELECT addr, '', '[]', 'remove', 0, 0, 1, 0, '', version FROM removed_contacts WHERE owner = ?1 AND version > ?2
		ORDER BY version`, name, from)
	if err != nil {
		return nil, "", false, fmt.Errorf("read contact list: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		c, err := scanContact(rows)
		if err != nil {
			return nil, "", false, fmt.Errorf("read contact list: %w", err)
		}
		list = append(list, c)
	}
	return list, version, true, rows.Err()
}

// forget removes all that was kept for an account.
func (r *roster) forget(owner stanza.Addr) error {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	return r.db.Write(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"contacts", "removed_contacts", "contact_lists", "offline_messages"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE owner = ?`, owner.Bare().String()); err != nil {
				return err
			}
		}
		return nil
	})
}
