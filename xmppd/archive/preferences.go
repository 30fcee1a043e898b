package archive

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"sync"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// choice is what an account wants to be kept (XEP-0313, 6).
type choice struct {
	rule          string
	always, never []string
}

// preferences are those of all accounts that have chosen, which are few.
type preferences struct {
	mu sync.RWMutex // guards m; leaf lock
	m  map[stanza.Addr]*choice
}

func (p *preferences) get(owner stanza.Addr) *choice {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.m[owner]
}

func (p *preferences) set(owner stanza.Addr, c *choice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c == nil {
		delete(p.m, owner)
		return
	}
	p.m[owner] = c
}

func (a *Archive) loadPreferences(ctx context.Context) error {
	a.prefs.m = make(map[stanza.Addr]*choice)
	rows, err := a.db.Read().QueryContext(ctx, `SELECT owner, rule, always, never FROM archive_preferences`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var owner, always, never string
		c := &choice{}
		if err := rows.Scan(&owner, &c.rule, &always, &never); err != nil {
			return err
		}
		addr, err := stanza.ParseAddr(owner)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(always), &c.always); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(never), &c.never); err != nil {
			return err
		}
		a.prefs.m[addr] = c
	}
	return rows.Err()
}

type prefsXML struct {
	Default string    `xml:"default,attr"`
	Always  *addrsXML `xml:"always"`
	Never   *addrsXML `xml:"never"`
}

type addrsXML struct {
	JIDs []string `xml:"jid"`
}

func (x *addrsXML) list() ([]string, *stanza.Error) {
	if x == nil {
		return nil, nil
	}
	if len(x.JIDs) > maxNamed {
		return nil, stanza.Err(stanza.Modify, stanza.PolicyViolation, "Too many addresses")
	}
	out := []string{}
	for _, j := range x.JIDs {
		a, err := stanza.ParseAddr(j)
		if err != nil {
			return nil, errJID
		}
		out = append(out, a.String())
	}
	return out, nil
}

// Preferences answers a prefs request of an account.
func (a *Archive) Preferences(owner stanza.Addr, st *stanza.Stanza) ([]byte, *stanza.Error) {
	owner = owner.Bare()
	c := a.prefs.get(owner)
	if c == nil {
		c = &choice{rule: a.cfg.Default}
	}
	if st.Type == stanza.Set {
		payload, _ := st.Payload()
		var in prefsXML
		if st.Decode(payload, &in) != nil || in.Default != Always && in.Default != Never && in.Default != Roster {
			return nil, errBadRequest
		}
		always, e := in.Always.list()
		if e != nil {
			return nil, e
		}
		never, e := in.Never.list()
		if e != nil {
			return nil, e
		}
		c = &choice{rule: in.Default, always: always, never: never}
		if err := a.storePreferences(owner, c); err != nil {
			return nil, a.broken(err)
		}
		a.prefs.set(owner, c)
	}
	var b stanza.Builder
	b.Start(ns.MAM, "prefs", "default", c.rule)
	for _, x := range []struct {
		name string
		list []string
	}{{"always", c.always}, {"never", c.never}} {
		b.Start("", x.name)
		for _, j := range x.list {
			b.Leaf("", "jid", j)
		}
		b.End()
	}
	return b.Bytes(), nil
}

func (a *Archive) storePreferences(owner stanza.Addr, c *choice) error {
	always, err := json.Marshal(c.always)
	if err != nil {
		return err
	}
	never, err := json.Marshal(c.never)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO archive_preferences (owner, rule, always, never) VALUES (?, ?, ?, ?)`,
			owner.String(), c.rule, string(always), string(never))
		return err
	})
}

// wants says whether an account keeps what it says to peer, or hears from it.
func (a *Archive) wants(owner, peer stanza.Addr, contact func() bool) bool {
	c := a.prefs.get(owner)
	if c == nil {
		c = &choice{rule: a.cfg.Default}
	}
	named := func(list []string) bool {
		return slices.Contains(list, peer.String()) || slices.Contains(list, peer.Bare().String())
	}
	switch {
	case named(c.never):
		return false
	case named(c.always):
		return true
	case c.rule == Roster:
		return contact()
	}
	return c.rule == Always
}
