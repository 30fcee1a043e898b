package pubsub

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"parley/internal/store"
	"parley/xmppd/stanza"
)

//go:embed migrations/*.sql
var migrations embed.FS

// nodes keeps everything in the store. Its methods are called on the loop of the
// service they name.
type nodes struct{ db *store.Store }

func openNodes(ctx context.Context, db *store.Store) (*nodes, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "pubsub", dir); err != nil {
		return nil, err
	}
	return &nodes{db}, nil
}

// item is something published.
type item struct {
	id        string
	publisher string
	payload   []byte
	published time.Time
}

// subscription is who hears of a node.
type subscription struct {
	node    string
	addr    stanza.Addr
	subid   string
	state   string
	deliver bool
	nodes   bool // of a collection: hears of nodes, not of items
	deep    bool // of a collection: hears of all below it, not only of its own
}

const (
	subscribed = "subscribed"
	pending    = "pending"
	noSub      = "none"
)

func patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), storeTime)
}

func (d *nodes) exec(query string, args ...any) error {
	ctx, cancel := patience()
	defer cancel()
	return d.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

// query calls scan for each row.
func (d *nodes) query(scan func(*sql.Rows) error, query string, args ...any) error {
	ctx, cancel := patience()
	defer cancel()
	rows, err := d.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read nodes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("read nodes: %w", err)
		}
	}
	return rows.Err()
}

func (d *nodes) count(query string, args ...any) (n int, err error) {
	err = d.query(func(r *sql.Rows) error { return r.Scan(&n) }, query, args...)
	return n, err
}

const nodeColumns = `name, config, creator, created, parent`

func scanNode(service stanza.Addr, r *sql.Rows) (*node, error) {
	n := &node{service: service}
	var config string
	var created int64
	if err := r.Scan(&n.name, &config, &n.creator, &created, &n.config.Collection); err != nil {
		return nil, err
	}
	n.created = time.Unix(created, 0)
	return n, json.Unmarshal([]byte(config), &n.config)
}

// node is nil if there is none.
func (d *nodes) node(service stanza.Addr, name string) (n *node, err error) {
	err = d.query(func(r *sql.Rows) (err error) { n, err = scanNode(service, r); return err },
		`SELECT `+nodeColumns+` FROM pubsub_nodes WHERE service = ? AND name = ?`, service.String(), name)
	return n, err
}

func (d *nodes) list(service stanza.Addr) (all []*node, err error) {
	err = d.query(func(r *sql.Rows) error {
		n, err := scanNode(service, r)
		all = append(all, n)
		return err
	}, `SELECT `+nodeColumns+` FROM pubsub_nodes WHERE service = ? ORDER BY name`, service.String())
	return all, err
}

// children are the nodes in a collection, or with "" those in none.
func (d *nodes) children(service stanza.Addr, collection string) (all []*node, err error) {
	err = d.query(func(r *sql.Rows) error {
		n, err := scanNode(service, r)
		all = append(all, n)
		return err
	}, `SELECT `+nodeColumns+` FROM pubsub_nodes WHERE service = ? AND parent = ? ORDER BY name`, service.String(), collection)
	return all, err
}

// create writes a node and its owner.
func (d *nodes) create(n *node, by stanza.Addr) error {
	config, err := json.Marshal(n.config)
	if err != nil {
		return err
	}
	ctx, cancel := patience()
	defer cancel()
	return d.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO pubsub_nodes (service, `+nodeColumns+`) VALUES (?, ?, ?, ?, ?, ?)`,
			n.service.String(), n.name, string(config), n.creator, n.created.Unix(), n.config.Collection); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO pubsub_affiliations (service, node, addr, affiliation) VALUES (?, ?, ?, ?)`,
			n.service.String(), n.name, by.Bare().String(), string(owner))
		return err
	})
}

// configure writes the configuration and drops what it no longer keeps.
func (d *nodes) configure(n *node) error {
	config, err := json.Marshal(n.config)
	if err != nil {
		return err
	}
	ctx, cancel := patience()
	defer cancel()
	return d.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE pubsub_nodes SET config = ?, parent = ? WHERE service = ? AND name = ?`,
			string(config), n.config.Collection, n.service.String(), n.name); err != nil {
			return err
		}
		return trim(ctx, tx, n)
	})
}

// delete removes a node; what was in it is in no collection afterwards.
func (d *nodes) delete(n *node) error {
	ctx, cancel := patience()
	defer cancel()
	return d.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE pubsub_nodes SET parent = '' WHERE service = ? AND parent = ?`, n.service.String(), n.name); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM pubsub_nodes WHERE service = ? AND name = ?`, n.service.String(), n.name)
		return err
	})
}

func (d *nodes) purge(n *node) error {
	return d.exec(`DELETE FROM pubsub_items WHERE service = ? AND node = ?`, n.service.String(), n.name)
}

// trim keeps the newest items.
func trim(ctx context.Context, tx *sql.Tx, n *node) error {
	keep := n.config.MaxItems
	if !n.config.Persist {
		keep = 0
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM pubsub_items WHERE service = ?1 AND node = ?2 AND seq NOT IN
		(SELECT seq FROM pubsub_items WHERE service = ?1 AND node = ?2 ORDER BY seq DESC LIMIT ?3)`, n.service.String(), n.name, keep)
	return err
}

// publish writes items in order; one of the same id is replaced.
func (d *nodes) publish(n *node, items []item) error {
	ctx, cancel := patience()
	defer cancel()
	return d.db.Write(ctx, func(tx *sql.Tx) error {
		for _, i := range items {
			if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO pubsub_items (service, node, id, publisher, payload, published) VALUES (?, ?, ?, ?, ?, ?)`,
				n.service.String(), n.name, i.id, i.publisher, i.payload, i.published.Unix()); err != nil {
				return err
			}
		}
		return trim(ctx, tx, n)
	})
}

func (d *nodes) retract(n *node, ids []string) error {
	ctx, cancel := patience()
	defer cancel()
	return d.db.Write(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, `DELETE FROM pubsub_items WHERE service = ? AND node = ? AND id = ?`,
				n.service.String(), n.name, id); err != nil {
				return err
			}
		}
		return nil
	})
}

const itemColumns = `id, publisher, payload, published`

func scanItem(r *sql.Rows) (i item, err error) {
	var at int64
	err = r.Scan(&i.id, &i.publisher, &i.payload, &at)
	i.published = time.Unix(at, 0)
	return i, err
}

// alive is the condition of items that have not expired.
func alive(n *node, now time.Time) (string, []any) {
	args := []any{n.service.String(), n.name}
	if n.config.Expire == 0 {
		return `service = ? AND node = ?`, args
	}
	return `service = ? AND node = ? AND published > ?`, append(args, now.Unix()-int64(n.config.Expire))
}

// ids are those of all items, oldest first.
func (d *nodes) ids(n *node, now time.Time) (out []string, err error) {
	where, args := alive(n, now)
	err = d.query(func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		out = append(out, id)
		return err
	}, `SELECT id FROM pubsub_items WHERE `+where+` ORDER BY seq`, args...)
	return out, err
}

// items are those asked for, oldest first.
func (d *nodes) items(n *node, ids []string, now time.Time) (out []item, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	where, args := alive(n, now)
	for _, id := range ids {
		args = append(args, id)
	}
	err = d.query(func(r *sql.Rows) error {
		i, err := scanItem(r)
		out = append(out, i)
		return err
	}, `SELECT `+itemColumns+` FROM pubsub_items WHERE `+where+` AND id IN (?`+strings.Repeat(`, ?`, len(ids)-1)+`) ORDER BY seq`, args...)
	return out, err
}

// last is the newest item; ok is false without one.
func (d *nodes) last(n *node, now time.Time) (i item, ok bool, err error) {
	where, args := alive(n, now)
	err = d.query(func(r *sql.Rows) (err error) { i, err = scanItem(r); ok = true; return err },
		`SELECT `+itemColumns+` FROM pubsub_items WHERE `+where+` ORDER BY seq DESC LIMIT 1`, args...)
	return i, ok, err
}

func (d *nodes) affiliation(n *node, addr stanza.Addr) (a affiliation, err error) {
	a = none
	err = d.query(func(r *sql.Rows) error { return r.Scan(&a) },
		`SELECT affiliation FROM pubsub_affiliations WHERE service = ? AND node = ? AND addr = ?`, n.service.String(), n.name, addr.Bare().String())
	return a, err
}

// standing is one row of an affiliation list.
type standing struct {
	node, addr string
	rank       affiliation
}

// standings are those of a node, or with node "" those of an account on the service.
func (d *nodes) standings(service stanza.Addr, node, addr string) (out []standing, err error) {
	err = d.query(func(r *sql.Rows) error {
		var x standing
		err := r.Scan(&x.node, &x.addr, &x.rank)
		out = append(out, x)
		return err
	}, `SELECT node, addr, affiliation FROM pubsub_affiliations WHERE service = ?1 AND (?2 = '' OR node = ?2) AND (?3 = '' OR addr = ?3) ORDER BY node, addr`,
		service.String(), node, addr)
	return out, err
}

// setStandings changes affiliations together; none removes one.
func (d *nodes) setStandings(n *node, list []standing) error {
	ctx, cancel := patience()
	defer cancel()
	return d.db.Write(ctx, func(tx *sql.Tx) error {
		for _, x := range list {
			query, args := `DELETE FROM pubsub_affiliations WHERE service = ? AND node = ? AND addr = ?`, []any{n.service.String(), n.name, x.addr}
			if x.rank != none {
				query = `INSERT OR REPLACE INTO pubsub_affiliations (service, node, addr, affiliation) VALUES (?, ?, ?, ?)`
				args = append(args, string(x.rank))
			}
			if _, err := tx.ExecContext(ctx, query, args...); err != nil {
				return err
			}
			if x.rank == outcast {
				if _, err := tx.ExecContext(ctx, `DELETE FROM pubsub_subscriptions WHERE service = ? AND node = ? AND bare = ?`,
					n.service.String(), n.name, x.addr); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// subscriptions are those of a node, or with node "" those of an account.
func (d *nodes) subscriptions(service stanza.Addr, node, bare string) (out []subscription, err error) {
	err = d.query(func(r *sql.Rows) error {
		var x subscription
		var addr string
		if err := r.Scan(&x.node, &addr, &x.subid, &x.state, &x.deliver, &x.nodes, &x.deep); err != nil {
			return err
		}
		var err error
		if x.addr, err = stanza.ParseAddr(addr); err != nil {
			return errors.Join(fmt.Errorf("subscription of %q", addr), err)
		}
		out = append(out, x)
		return nil
	}, `SELECT node, addr, subid, state, deliver, nodes, deep FROM pubsub_subscriptions WHERE service = ?1 AND (?2 = '' OR node = ?2) AND (?3 = '' OR bare = ?3) ORDER BY node, addr`,
		service.String(), node, bare)
	return out, err
}

// subscription is that of exactly this address; nil without one.
func (d *nodes) subscription(n *node, addr stanza.Addr) (*subscription, error) {
	all, err := d.subscriptions(n.service, n.name, addr.Bare().String())
	for i := range all {
		if all[i].addr == addr {
			return &all[i], err
		}
	}
	return nil, err
}

func (d *nodes) setSubscription(n *node, x subscription) error {
	if x.state == noSub {
		return d.exec(`DELETE FROM pubsub_subscriptions WHERE service = ? AND node = ? AND addr = ?`, n.service.String(), n.name, x.addr.String())
	}
	return d.exec(`INSERT OR REPLACE INTO pubsub_subscriptions (service, node, addr, bare, subid, state, deliver, nodes, deep) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		n.service.String(), n.name, x.addr.String(), x.addr.Bare().String(), x.subid, x.state, x.deliver, x.nodes, x.deep)
}

// forget removes an account: its nodes, and what others know of it.
func (d *nodes) forget(account stanza.Addr) error {
	ctx, cancel := patience()
	defer cancel()
	return d.db.Write(ctx, func(tx *sql.Tx) error {
		for _, query := range []string{`DELETE FROM pubsub_nodes WHERE service = ?`, `DELETE FROM pubsub_subscriptions WHERE bare = ?`,
			`DELETE FROM pubsub_affiliations WHERE addr = ?`} {
			if _, err := tx.ExecContext(ctx, query, account.String()); err != nil {
				return err
			}
		}
		return nil
	})
}
