package module

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"parley/internal/store"
	"parley/xmppd/stanza"
)

//go:embed migrations/*.sql
var migrations embed.FS

// storeTime bounds one look into the database.
const storeTime = 5 * time.Second

// PeopleConfig bounds what is kept for an account.
type PeopleConfig struct {
	// MaxCard is the largest card (vCard) with its picture, in bytes.
	MaxCard int `yaml:"max_card"`
	// MaxPrivate is the largest private fragment, in bytes.
	MaxPrivate int `yaml:"max_private"`
	// MaxFragments is the most private fragments of one account.
	MaxFragments int `yaml:"max_fragments"`
	// MaxBlocked is the most addresses one account may block.
	MaxBlocked int `yaml:"max_blocked"`
}

// DefaultPeopleConfig fits what clients keep.
func DefaultPeopleConfig() PeopleConfig {
	return PeopleConfig{MaxCard: 128 << 10, MaxPrivate: 64 << 10, MaxFragments: 100, MaxBlocked: 1000}
}

// Validate names the first key that does not fit.
func (c PeopleConfig) Validate() error {
	for _, x := range []struct {
		key string
		n   int
	}{{"max_card", c.MaxCard}, {"max_private", c.MaxPrivate}, {"max_fragments", c.MaxFragments}, {"max_blocked", c.MaxBlocked}} {
		if x.n < 1 || x.n > 10<<20 {
			return fmt.Errorf("%s: must be between 1 and %d", x.key, 10<<20)
		}
	}
	return nil
}

// People keeps cards, private fragments and block lists of all accounts. What is
// looked at for each stanza, blocks and hashes of pictures, is also in memory.
type People struct {
	cfg PeopleConfig
	db  *store.Store
	log *logrus.Entry

	mu     sync.RWMutex // guards the maps; leaf lock, not held while the store is used
	blocks map[stanza.Addr]map[stanza.Addr]bool
	photos map[stanza.Addr]string // of those who have a card
	asked  map[stanza.Addr]bool   // sessions that asked for their block list

	cardChanged func(owner stanza.Addr, photo Photo)
}

// NewPeople opens what is kept.
func NewPeople(ctx context.Context, cfg PeopleConfig, db *store.Store, log *logrus.Entry) (*People, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "people", dir); err != nil {
		return nil, err
	}
	p := &People{cfg: cfg, db: db, log: log, blocks: make(map[stanza.Addr]map[stanza.Addr]bool),
		photos: make(map[stanza.Addr]string), asked: make(map[stanza.Addr]bool)}
	err = p.query(func(r *sql.Rows) error {
		owner, addr, err := scanPair(r)
		if err == nil {
			p.block(owner, addr)
		}
		return err
	}, `SELECT owner, addr FROM blocked`)
	if err != nil {
		return nil, err
	}
	return p, p.query(func(r *sql.Rows) error {
		var owner, photo string
		if err := r.Scan(&owner, &photo); err != nil {
			return err
		}
		addr, err := stanza.ParseAddr(owner)
		p.photos[addr] = photo
		return err
	}, `SELECT owner, photo FROM vcards`)
}

func scanPair(r *sql.Rows) (a, b stanza.Addr, err error) {
	var x, y string
	if err = r.Scan(&x, &y); err != nil {
		return a, b, err
	}
	if a, err = stanza.ParseAddr(x); err != nil {
		return a, b, err
	}
	b, err = stanza.ParseAddr(y)
	return a, b, err
}

func (p *People) query(scan func(*sql.Rows) error, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	rows, err := p.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read people: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("read people: %w", err)
		}
	}
	return rows.Err()
}

func (p *People) write(f func(ctx context.Context, tx *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	return p.db.Write(ctx, func(tx *sql.Tx) error { return f(ctx, tx) })
}

// Broken logs what the store says.
func (p *People) Broken(err error) { p.broken(err) }

func (p *People) broken(err error) *stanza.Error {
	p.log.WithError(err).Error("what is kept for an account cannot be used")
	return stanza.Err(stanza.Wait, stanza.InternalServerError, "")
}

// Forget removes what belonged to an account that is gone.
func (p *People) Forget(owner stanza.Addr) {
	owner = owner.Bare()
	err := p.write(func(ctx context.Context, tx *sql.Tx) error {
		for _, q := range []string{`DELETE FROM vcards WHERE owner = ?`, `DELETE FROM private_xml WHERE owner = ?`, `DELETE FROM blocked WHERE owner = ?`} {
			if _, err := tx.ExecContext(ctx, q, owner.String()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.broken(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.blocks, owner)
	delete(p.photos, owner)
}
