package xmppd

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

const contactColumns = `addr, name, groups, subscription, ask, pending, listed`

func scanContact(row interface{ Scan(...any) error }) (c router.Contact, err error) {
	var addr, groups, sub string
	if err = row.Scan(&addr, &c.Name, &groups, &sub, &c.Ask, &c.Pending, &c.Listed); err != nil {
		return c, err
	}
	if c.Addr, err = stanza.ParseAddr(addr); err != nil {
		return c, fmt.Errorf("contact %q: %w", addr, err)
	}
	c.Subscription = router.Subscription(sub)
	return c, json.Unmarshal([]byte(groups), &c.Groups)
}

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
func (r *roster) SetContact(owner stanza.Addr, c router.Contact) error {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	groups, err := json.Marshal(c.Groups)
	if err != nil {
		return err
	}
	return r.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO contacts (owner, `+contactColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (owner, addr) DO UPDATE SET name = excluded.name, groups = excluded.groups,
				subscription = excluded.subscription, ask = excluded.ask, pending = excluded.pending, listed = excluded.listed`,
			owner.Bare().String(), c.Addr.Bare().String(), c.Name, string(groups), string(c.Subscription), c.Ask, c.Pending, c.Listed)
		return err
	})
}

// RemoveContact is router.Roster.RemoveContact.
func (r *roster) RemoveContact(owner, contact stanza.Addr) error {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	return r.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM contacts WHERE owner = ? AND addr = ?`, owner.Bare().String(), contact.Bare().String())
		return err
	})
}
