package archive

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
	"parley/internal/loop"
	"parley/internal/store"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

var errSlow = errors.New("the database is too slow")

//go:embed migrations/*.sql
var migrations embed.FS

// Archive keeps messages. Its methods may be called from any goroutine.
type Archive struct {
	cfg Config
	db  *store.Store
	rt  *router.Router
	log *logrus.Entry
	now func() time.Time
	// patience is how long a message waits for the disk.
	patience time.Duration

	// mu guards stopped: once it is set nothing enters mail.
	mu      sync.RWMutex
	stopped bool
	mail    chan entry
	done    chan struct{}
	// lost are all messages that were not written in time; complained is when that was
	// last logged, in nanoseconds since 1970.
	lost       atomic.Uint64
	complained atomic.Int64
	// late is set while the database does not write in time: then nobody waits for it.
	late atomic.Bool

	readers *loop.Loop // queries are answered there, one after the other
	prefs   preferences
}

// entry is a message to be written, or without one a mark. written, which has room for
// it, gets the outcome.
type entry struct {
	owner, peer stanza.Addr
	id          string
	at          time.Time
	stanza      []byte // nil: nothing is added
	drop        bool   // what was added before is removed
	written     chan<- error
}

// Open opens the archives. The caller calls Close.
func Open(ctx context.Context, cfg Config, db *store.Store, rt *router.Router, log *logrus.Entry) (*Archive, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "archive", dir); err != nil {
		return nil, err
	}
	a := &Archive{cfg: cfg, db: db, rt: rt, log: log, now: time.Now, patience: appendTime, mail: make(chan entry, queue), done: make(chan struct{})}
	if err := a.loadPreferences(ctx); err != nil {
		return nil, err
	}
	a.readers = loop.New(maxQueries, func(p any) {
		log.WithField(logx.Reason, fmt.Sprint(p)).Error("a query was lost by a fault in the server")
	})
	go a.run()
	return a, nil
}

// Close writes what waits and ends. It may be called twice.
func (a *Archive) Close() {
	a.readers.Stop()
	a.mu.Lock()
	if !a.stopped {
		a.stopped = true
		close(a.mail)
	}
	a.mu.Unlock()
	<-a.done
}

func (a *Archive) post(e entry) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.stopped {
		return false
	}
	select {
	case a.mail <- e:
		return true
	default:
		return false
	}
}

// Append keeps a message of an archive: owner is the account or room, peer the
// other side, an occupant's address in a room. It returns the message as it is to
// be delivered, with its id in the archive, or unchanged if it could not be kept: it
// waits for the disk, so that what anybody was shown as archived is there whatever
// becomes of the process.
func (a *Archive) Append(owner, peer stanza.Addr, st *stanza.Stanza) *stanza.Stanza {
	owner = owner.Bare()
	st = st.Without(func(c stanza.Child) bool {
		return c.Is(ns.StanzaID, "stanza-id") && st.ChildAttr(c, "by") == owner.String()
	})
	id := router.NewID()
	done := make(chan error, 1)
	if !a.post(entry{owner: owner, peer: peer, id: id, at: a.now(), stanza: st.Append(nil, ns.Client), written: done}) {
		a.complain(1, errSlow)
		return st
	}
	if !a.wait(done) {
		return st
	}
	var b stanza.Builder
	return st.With(b.Empty(ns.StanzaID, "stanza-id", "by", owner.String(), "id", id).Bytes())
}

// Rewrite puts what f makes of a message of an archive in its place, where its id and
// its time stay. found is false if no message has the id, or f returns nil.
func (a *Archive) Rewrite(owner stanza.Addr, id string, f func(old *stanza.Stanza) *stanza.Stanza) (found bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), a.patience)
	defer cancel()
	err = a.db.Write(ctx, func(tx *sql.Tx) error {
		var kept []byte
		err := tx.QueryRowContext(ctx, `SELECT stanza FROM archive_messages WHERE owner = ? AND id = ?`, owner.Bare().String(), id).Scan(&kept)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		old, err := stanza.Parse(kept, &stanza.Options{Limits: stanza.Limits{Bytes: len(kept)}})
		if err != nil {
			return err
		}
		st := f(old)
		if st == nil {
			return nil
		}
		found = true
		_, err = tx.ExecContext(ctx, `UPDATE archive_messages SET stanza = ? WHERE owner = ? AND id = ?`, st.Append(nil, ns.Client), owner.Bare().String(), id)
		return err
	})
	if err != nil {
		a.log.WithError(err).Error("an archived message cannot be changed")
		return false, fmt.Errorf("change an archived message: %w", err)
	}
	return found, nil
}

// wait says whether a message was written. While the database is late nobody waits for
// it, so that talk goes on at its usual pace.
func (a *Archive) wait(done <-chan error) bool {
	if a.late.Load() {
		return false
	}
	patience := time.NewTimer(a.patience)
	defer patience.Stop()
	select {
	case err := <-done:
		return err == nil // else it was logged
	case <-patience.C:
		a.late.Store(true)
		a.complain(1, errSlow)
		return false
	}
}

// complain logs that messages found no place in the archive, once a minute: a full disk
// must not be filled with lines about it.
func (a *Archive) complain(n int, why error) {
	lost, now := a.lost.Add(uint64(n)), a.now().UnixNano()
	if last := a.complained.Load(); now-last < int64(time.Minute) || !a.complained.CompareAndSwap(last, now) {
		return
	}
	a.log.WithError(why).WithField("lost", lost).Error("messages cannot be archived; they are delivered all the same")
}

// settle waits until what was appended before is written.
func (a *Archive) settle(ctx context.Context) error {
	c := make(chan error, 1)
	for !a.post(entry{written: c}) {
		a.mu.RLock()
		stopped := a.stopped
		a.mu.RUnlock()
		if stopped {
			return context.Canceled
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the writing goroutine.
func (a *Archive) run() {
	defer close(a.done)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	a.sweep()
	since := make(map[stanza.Addr]int)
	for {
		select {
		case <-tick.C:
			a.sweep()
		case e, ok := <-a.mail:
			if !ok {
				return
			}
			list := append(make([]entry, 0, 16), e)
		more:
			for len(list) < batch {
				select {
				case e, ok := <-a.mail:
					if !ok {
						break more
					}
					list = append(list, e)
				default:
					break more
				}
			}
			a.write(list, since)
		}
	}
}

// write writes a batch. since counts appends to each archive.
func (a *Archive) write(list []entry, since map[stanza.Addr]int) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	began := time.Now()
	err := a.db.Write(ctx, func(tx *sql.Tx) error {
		for _, e := range list {
			if e.drop {
				if _, err := tx.ExecContext(ctx, `DELETE FROM archive_messages WHERE owner = ?`, e.owner.String()); err != nil {
					return err
				}
			}
			if e.stanza == nil {
				continue
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO archive_messages (owner, id, peer, bare, at, stanza) VALUES (?, ?, ?, ?, ?, ?)`,
				e.owner.String(), e.id, e.peer.String(), e.peer.Bare().String(), e.at.UnixMilli(), e.stanza); err != nil {
				return err
			}
			if since[e.owner]++; since[e.owner] < trimEvery && since[e.owner] < a.cfg.MaxMessages {
				continue
			}
			delete(since, e.owner)
			if _, err := tx.ExecContext(ctx, `DELETE FROM archive_messages WHERE owner = ?1 AND seq <=
				(SELECT seq FROM archive_messages WHERE owner = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)`, e.owner.String(), a.cfg.MaxMessages); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		a.complain(len(list), err)
	}
	// A disk that took too long just now will do so again: else every message that comes
	// between two writes would be waited for in vain.
	if slices.ContainsFunc(list, func(e entry) bool { return e.stanza != nil }) {
		a.late.Store(time.Since(began) > a.patience)
	}
	for _, e := range list {
		e.written <- err
	}
	if len(since) > 10_000 {
		clear(since)
	}
}

// sweep removes what is too old.
func (a *Archive) sweep() {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	err := a.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM archive_messages WHERE at < ?`, a.now().Add(-a.cfg.MaxAge).UnixMilli())
		return err
	})
	if err != nil {
		a.log.WithError(err).Error("old messages cannot be removed from archives")
	}
}

// Drop removes what an archive holds until now. It returns at once. It stands in the queue of
// what is added, for a clock cannot tell what is added within the same millisecond.
func (a *Archive) Drop(owner stanza.Addr) {
	if a.post(entry{owner: owner.Bare(), drop: true, written: make(chan error, 1)}) {
		return
	}
	until := a.now()
	if !a.readers.Post(func() {
		ctx, cancel := context.WithTimeout(context.Background(), storeTime)
		defer cancel()
		err := a.settle(ctx)
		if err == nil {
			err = a.db.Write(ctx, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, `DELETE FROM archive_messages WHERE owner = ? AND at <= ?`, owner.Bare().String(), until.UnixMilli())
				return err
			})
		}
		if err != nil {
			a.log.WithError(err).Error("archive cannot be removed")
		}
	}) {
		a.log.Warn("archive is not removed: too many queries wait")
	}
}

// Forget removes an archive.
func (a *Archive) Forget(owner stanza.Addr) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	if err := a.settle(ctx); err != nil {
		a.log.WithError(err).Error("archive cannot be removed")
		return
	}
	err := a.db.Write(ctx, func(tx *sql.Tx) error {
		for _, q := range []string{`DELETE FROM archive_messages WHERE owner = ?`, `DELETE FROM archive_preferences WHERE owner = ?`} {
			if _, err := tx.ExecContext(ctx, q, owner.Bare().String()); err != nil {
				return fmt.Errorf("forget %s: %w", owner.Bare(), err)
			}
		}
		return nil
	})
	if err != nil {
		a.log.WithError(err).Error("archive cannot be removed")
	}
	a.prefs.set(owner.Bare(), nil)
}
