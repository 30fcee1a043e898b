package muc

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"parley/internal/store"
	"parley/xmppd/stanza"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// storeTime bounds one access to the database.
	storeTime = 5 * time.Second
	// saveDelay is the least time between two saves of what messages change.
	saveDelay = 2 * time.Second
)

// savedRoom is a room as the database keeps it. What was said in it is not kept.
type savedRoom struct {
	Created int64               `json:"created"` // seconds since 1970
	Config  map[string][]string `json:"config"`  // the fields of the form
	Ranks   map[string]string   `json:"affiliations"`
	Nicks   map[string]string   `json:"nicks,omitempty"`
	Waiting [][2]string         `json:"waiting,omitempty"` // accounts and the nicks they want
	Subject *savedSubject       `json:"subject,omitempty"`
	Card    string              `json:"card,omitempty"`
}

type savedSubject struct {
	From string `json:"from"`
	ID   string `json:"id"`
	Text string `json:"text"`
}

// Keep makes rooms that accounts have made persistent outlive the server, and brings
// back those that are in the database. It is called once, before the host gets its
// first stanza.
func (h *Host) Keep(ctx context.Context, db *store.Store) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx, "rooms", dir); err != nil {
		return err
	}
	if err := h.keepSalt(ctx, db); err != nil {
		return fmt.Errorf("rooms of %s: %w", h.domain, err)
	}
	rows, err := db.Read().QueryContext(ctx, `SELECT node, data FROM rooms WHERE host = ? ORDER BY node`, h.domain)
	if err != nil {
		return fmt.Errorf("rooms of %s: %w", h.domain, err)
	}
	defer rows.Close()
	h.db = db
	for rows.Next() {
		var node, data string
		if err := rows.Scan(&node, &data); err != nil {
			return fmt.Errorf("rooms of %s: %w", h.domain, err)
		}
		if err := h.restore(node, data); err != nil {
			return fmt.Errorf("room %s of %s: %w", node, h.domain, err)
		}
	}
	return rows.Err()
}

// keepSalt takes the key of occupant ids from the database, or puts it there.
func (h *Host) keepSalt(ctx context.Context, db *store.Store) error {
	return db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO room_salts (host, salt) VALUES (?, ?) ON CONFLICT DO NOTHING`, h.domain, h.salt); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT salt FROM room_salts WHERE host = ?`, h.domain).Scan(&h.salt)
	})
}

// restore brings back one room. Nothing runs yet, so its fields may be touched.
func (h *Host) restore(node, data string) error {
	var s savedRoom
	if err := json.Unmarshal([]byte(data), &s); err != nil {
		return err
	}
	base, err := stanza.ParseAddr(node + "@" + h.domain)
	if err != nil {
		return err
	}
	at, addr, ok := h.locate(base)
	if !ok {
		return ErrNoRoom
	}
	r := newRoom(h, at, addr)
	r.exists, r.plain, r.stored, r.created = true, true, true, time.Unix(s.Created, 0)
	r.config = plainRoomConfig(&h.cfg)
	r.config.apply(&submission{fields: s.Config}, &h.cfg)
	r.config.persistent = true
	for text, word := range s.Ranks {
		a, err := stanza.ParseAddr(text)
		aff, known := ParseAffiliation(word)
		if err != nil || !known {
			return fmt.Errorf("affiliation %q of %q", word, text)
		}
		r.affiliations[a] = aff
	}
	for text, nick := range s.Nicks {
		if a, err := stanza.ParseAddr(text); err == nil {
			r.reserved.set(a, nick)
		}
	}
	for _, w := range s.Waiting {
		if a, err := stanza.ParseAddr(w[0]); err == nil {
			r.applicants = append(r.applicants, applicant{a, w[1]})
		}
	}
	if s.Subject != nil {
		if from, err := stanza.ParseAddr(s.Subject.From); err == nil {
			var b stanza.Builder
			r.subject = stanza.New(stanza.Message, stanza.Groupchat, from, stanza.Addr{}, s.Subject.ID).
				WithContent(b.Leaf("", "subject", s.Subject.Text).Bytes())
		}
	}
	if s.Card != "" {
		r.avatar, _ = newAvatar([]byte(s.Card))
	}
	r.publish()
	h.rooms[at] = r
	h.kept.Add(1)
	h.stats.rooms.Add(1)
	h.wg.Go(r.run)
	return nil
}

// keep says whether the room may become persistent, if next makes it so.
func (r *Room) keep(next roomConfig) *stanza.Error {
	if next.persistent && !r.stored && r.host.kept.Load() >= int64(r.host.cfg.MaxPersistent) {
		return errPersistent
	}
	return nil
}

// save puts a persistent room into the database, or takes it out when it is
// persistent no longer. The room waits for the disk, as what is acknowledged next must
// not be lost: this happens when owners and admins change something, and only in
// rooms that accounts have made persistent.
func (r *Room) save() *stanza.Error {
	if !r.config.persistent {
		r.erase()
		return nil
	}
	if !r.plain && !r.stored {
		return nil // a meeting; the server made it persistent for as long as it runs
	}
	if r.host.db != nil {
		data, err := json.Marshal(r.saved())
		if err == nil {
			err = r.write(`INSERT INTO rooms (host, node, data) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET data = excluded.data`,
				r.host.domain, r.node, string(data))
		}
		if err != nil {
			r.log.WithError(err).Error("room cannot be saved")
			return errStore
		}
	}
	if !r.stored {
		r.stored = true
		r.host.kept.Add(1)
	}
	return nil
}

// saveConfig saves the room as it will be with next, which is not in force yet.
func (r *Room) saveConfig(next roomConfig) *stanza.Error {
	now := r.config
	r.config = next
	err := r.save()
	r.config = now
	return err
}

func (r *Room) write(query string, args ...any) error {
	r.round.End() // what was said before does not wait for the disk
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	return r.host.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

// erase takes the room out of the database, if it is there.
func (r *Room) erase() {
	if !r.stored {
		return
	}
	r.stored = false
	r.host.kept.Add(-1)
	if r.host.db == nil {
		return
	}
	if err := r.write(`DELETE FROM rooms WHERE host = ? AND node = ?`, r.host.domain, r.node); err != nil {
		r.log.WithError(err).Error("room cannot be taken out of the database")
	}
}

// saveSoon saves what messages change, which may be many: at once what comes alone, what
// follows close upon it together.
func (r *Room) saveSoon() {
	if !r.stored || r.unsaved {
		return
	}
	if now := time.Now(); now.Sub(r.savedSoon) >= saveDelay {
		r.savedSoon = now
		_ = r.save() // logged there, and nobody waits for an answer
		return
	}
	r.unsaved = true
	r.After(saveDelay, r.saveNow)
}

func (r *Room) saveNow() {
	if r.unsaved && r.exists {
		r.unsaved, r.savedSoon = false, time.Now()
		_ = r.save() // logged there, and nobody waits for an answer
	}
}

func (r *Room) saved() savedRoom {
	s := savedRoom{Created: r.created.Unix(), Config: make(map[string][]string), Ranks: make(map[string]string), Nicks: make(map[string]string)}
	for _, f := range r.configForm().Fields {
		s.Config[f.Var] = f.Values
	}
	for a, aff := range r.affiliations {
		s.Ranks[a.String()] = aff.String()
	}
	for a, nick := range r.reserved.nicks {
		s.Nicks[a.String()] = nick
	}
	for _, a := range r.applicants {
		s.Waiting = append(s.Waiting, [2]string{a.addr.String(), a.nick})
	}
	if r.subject != nil {
		s.Subject = &savedSubject{From: r.subject.From.String(), ID: r.subject.ID, Text: r.subjectText()}
	}
	s.Card = string(r.avatar.card)
	return s
}
