package xmppd

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"parley/internal/store"
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// offline keeps messages for accounts nobody is logged in to (XEP-0160); it is the
// router.Offline of all hosts.
type offline struct {
	db  *store.Store
	max int // messages of one account
	now func() time.Time
}

// Keep is router.Offline.Keep. What is kept says when it came (XEP-0203).
func (o *offline) Keep(owner stanza.Addr, st *stanza.Stanza) (kept bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	name := owner.Bare().String()
	if !st.Has(ns.Delay, "delay") {
		var b stanza.Builder
		b.Start(ns.Delay, "delay", "from", owner.Domain(), "stamp", o.now().UTC().Format("2006-01-02T15:04:05.000Z")).
			Text("Offline Storage").End()
		st = st.With(b.Bytes())
	}
	err = o.db.Write(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM offline_messages WHERE owner = ?`, name).Scan(&n); err != nil || n >= o.max {
			return err
		}
		kept = true
		_, err := tx.ExecContext(ctx, `INSERT INTO offline_messages (owner, stanza) VALUES (?, ?)`, name, st.String())
		return err
	})
	if err != nil {
		return false, fmt.Errorf("keep message: %w", err)
	}
	return kept, nil
}

// Take is router.Offline.Take.
func (o *offline) Take(owner stanza.Addr) (list []*stanza.Stanza, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), rosterTime)
	defer cancel()
	name := owner.Bare().String()
	var any bool
	if err := o.db.Read().QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM offline_messages WHERE owner = ?)`, name).Scan(&any); err != nil || !any {
		return nil, err
	}
	err = o.db.Write(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT stanza FROM offline_messages WHERE owner = ? ORDER BY id`, name)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			if st, err := stanza.Parse([]byte(text), &stanza.Options{Limits: stanza.Limits{Bytes: 64 << 20}}); err == nil {
				list = append(list, st)
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM offline_messages WHERE owner = ?`, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read kept messages: %w", err)
	}
	return list, nil
}
