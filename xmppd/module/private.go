package module

import (
	"context"
	"database/sql"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// Fragments is who keeps certain private fragments elsewhere, too (XEP-0402, 7).
type Fragments interface {
	// Fragment makes what is shown of what is stored here.
	Fragment(owner stanza.Addr, space, name string, stored []byte) []byte
	// SetFragment takes a fragment and calls next when that is done. If it is
	// false it does not care, and next is not called.
	SetFragment(owner stanza.Addr, space, name string, fragment []byte, next func()) bool
}

// Private answers jabber:iq:private (XEP-0049). other may be nil.
func (s *Service) Private(p *People, other Fragments) {
	// inside reads the one fragment a request names.
	inside := func(r *Request) (*stanza.Stanza, stanza.Child, *stanza.Error) {
		if !r.Own() {
			return nil, stanza.Child{}, errNotYours
		}
		var q struct {
			Inner []byte `xml:",innerxml"`
		}
		if r.Decode(r.Payload, &q) != nil {
			return nil, stanza.Child{}, stanza.Err(stanza.Modify, stanza.BadRequest, "")
		}
		st := (&stanza.Stanza{}).WithContent(q.Inner)
		if len(st.Children()) != 1 {
			return nil, stanza.Child{}, stanza.Err(stanza.Modify, stanza.BadRequest, "Name one fragment")
		}
		c := st.Children()[0]
		if c.Space == "" || c.Space == ns.VCardTemp || strings.HasPrefix(c.Space, "jabber:") || strings.HasPrefix(c.Space, "http://jabber.org/protocol/") {
			// 3.2: those namespaces are the server's.
			return nil, c, stanza.Err(stanza.Modify, stanza.NotAcceptable, "A private fragment has a namespace of its own")
		}
		return st, c, nil
	}
	s.OnAccount(stanza.Get, ns.Private, "query", ns.Private, func(r *Request) ([]byte, *stanza.Error) {
		st, c, e := inside(r)
		if e != nil {
			return nil, e
		}
		owner := r.Session.Addr().Bare()
		content := st.Raw(c)
		err := p.query(func(row *sql.Rows) error { content = nil; return row.Scan(&content) },
			`SELECT content FROM private_xml WHERE owner = ? AND space = ? AND name = ?`, owner.String(), c.Space, c.Name)
		if err != nil {
			return nil, p.broken(err)
		}
		if other != nil {
			content = other.Fragment(owner, c.Space, c.Name, content)
		}
		return wrapPrivate(content), nil
	})
	s.OnAccount(stanza.Set, ns.Private, "query", "", func(r *Request) ([]byte, *stanza.Error) {
		st, c, e := inside(r)
		if e != nil {
			return nil, e
		}
		if r.Session.Info().Anonymous {
			return nil, stanza.Err(stanza.Cancel, stanza.NotAllowed, "Nothing is kept without an account")
		}
		if len(st.Raw(c)) > p.cfg.MaxPrivate {
			return nil, stanza.Err(stanza.Modify, stanza.PolicyViolation, "The fragment is too large")
		}
		owner := r.Session.Addr().Bare()
		if e := p.setFragment(owner, c, st.Raw(c)); e != nil {
			return nil, e
		}
		if other != nil && other.SetFragment(owner, c.Space, c.Name, st.Raw(c), func() { s.router.Reply(r.Stanza, nil) }) {
			return nil, Answered
		}
		return nil, nil
	})
}

func (p *People) setFragment(owner stanza.Addr, c stanza.Child, raw []byte) *stanza.Error {
	full := false
	err := p.write(func(ctx context.Context, tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM private_xml WHERE owner = ? AND NOT (space = ? AND name = ?)`,
			owner.String(), c.Space, c.Name).Scan(&n); err != nil {
			return err
		}
		if full = n >= p.cfg.MaxFragments; full {
			return nil
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO private_xml (owner, space, name, content) VALUES (?, ?, ?, ?)`,
			owner.String(), c.Space, c.Name, raw)
		return err
	})
	switch {
	case err != nil:
		return p.broken(err)
	case full:
		return stanza.Err(stanza.Wait, stanza.ResourceConstraint, "There are too many fragments")
	}
	return nil
}

func wrapPrivate(fragment []byte) []byte {
	var b stanza.Builder
	return b.Start(ns.Private, "query").Raw(fragment).End().Bytes()
}
