package module

import (
	"bytes"
	"context"
	"crypto/sha1"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Photo is the picture of a card; Hash is "" without one.
type Photo struct {
	Type string
	Data []byte
	Hash string // SHA-1 in hex
}

// OnCardChanged is told of the picture of each card an account sets itself.
func (p *People) OnCardChanged(f func(owner stanza.Addr, photo Photo)) { p.cardChanged = f }

type cardXML struct {
	Photo *struct {
		Type string `xml:"TYPE"`
		Data string `xml:"BINVAL"`
	} `xml:"PHOTO"`
	Inner []byte `xml:",innerxml"`
}

func readCard(raw []byte) (cardXML, Photo, error) {
	var c cardXML
	if err := stanza.Decode(raw, &c); err != nil {
		return c, Photo{}, err
	}
	if c.Photo == nil {
		return c, Photo{}, nil
	}
	text := strings.Join(strings.Fields(c.Photo.Data), "")
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		if data, err = base64.RawStdEncoding.DecodeString(text); err != nil {
			return c, Photo{}, err
		}
	}
	if len(data) == 0 {
		return c, Photo{}, nil
	}
	return c, NewPhoto(c.Photo.Type, data), nil
}

// NewPhoto is a picture of that media type.
func NewPhoto(typ string, data []byte) Photo { return Photo{Type: typ, Data: data, Hash: hashOf(data)} }

func hashOf(data []byte) string {
	sum := sha1.Sum(data)
	return hex.EncodeToString(sum[:])
}

// VCard answers vcard-temp (XEP-0054): everybody may read a card, its owner write it.
func (s *Service) VCard(p *People, users func() *router.Users) {
	s.OnAccount(stanza.Get, ns.VCardTemp, "vCard", ns.VCardTemp, func(r *Request) ([]byte, *stanza.Error) {
		card, err := p.card(r.To.Bare(), r)
		switch {
		case err != nil:
			return nil, p.broken(err)
		case card == nil && !r.Own():
			return nil, errNobody // the same whether the account exists or not (XEP-0054, 3.3)
		case card == nil:
			return nil, stanza.Err(stanza.Cancel, stanza.ItemNotFound, "")
		}
		return card, nil
	})
	s.OnAccount(stanza.Set, ns.VCardTemp, "vCard", "", func(r *Request) ([]byte, *stanza.Error) {
		switch {
		case !r.Own():
			return nil, errNotYours
		case r.Session.Info().Anonymous:
			return nil, stanza.Err(stanza.Cancel, stanza.NotAllowed, "Nothing is kept without an account")
		}
		raw := r.Raw(r.Payload)
		_, photo, err := readCard(raw)
		switch {
		case err != nil:
			return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "The card cannot be read")
		case len(raw) > p.cfg.MaxCard:
			return nil, stanza.Err(stanza.Modify, stanza.PolicyViolation, "The card is too large")
		}
		owner := r.Session.Addr().Bare()
		if err := p.setCard(users(), owner, raw, photo); err != nil {
			return nil, p.broken(err)
		}
		if p.cardChanged != nil {
			p.cardChanged(owner, photo)
		}
		return nil, nil
	})
	s.features = append(s.features, ns.VCardTemp)
}

// card is nil if there is none. Without an address the sender's own is meant.
func (p *People) card(owner stanza.Addr, r *Request) (card []byte, err error) {
	if r != nil && r.Own() {
		owner = r.Session.Addr().Bare()
	}
	err = p.query(func(row *sql.Rows) error { return row.Scan(&card) }, `SELECT card FROM vcards WHERE owner = ?`, owner.String())
	return card, err
}

func (p *People) setCard(u *router.Users, owner stanza.Addr, raw []byte, photo Photo) error {
	err := p.write(func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO vcards (owner, card, photo) VALUES (?, ?, ?)`, owner.String(), raw, photo.Hash)
		return err
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	was := p.photos[owner]
	p.photos[owner] = photo.Hash
	p.mu.Unlock()
	if was == photo.Hash || u == nil {
		return nil
	}
	// Those who hear our presence learn of the new picture (XEP-0153, 3.1).
	for _, x := range u.Sessions(owner.Local()) {
		if last := x.LastPresence(); last != nil {
			u.FromSession(x, last)
		}
	}
	return nil
}

// SetPhoto puts a picture into an account's card, for avatars published by other
// means (XEP-0398). An empty one removes it.
func (p *People) SetPhoto(u *router.Users, owner stanza.Addr, photo Photo) error {
	owner = owner.Bare()
	card, err := p.card(owner, nil)
	if err != nil {
		return err
	}
	if len(card) == 0 {
		card = []byte(`<vCard xmlns="` + ns.VCardTemp + `"/>`)
	}
	c, was, err := readCard(card)
	if err == nil && was.Hash == photo.Hash {
		return nil
	}
	rest := (&stanza.Stanza{}).WithContent(c.Inner).Without(func(x stanza.Child) bool { return x.Name == "PHOTO" })
	var b stanza.Builder
	b.Start(ns.VCardTemp, "vCard").Raw(bytes.Clone(rest.Content()))
	if photo.Hash != "" {
		b.Start("", "PHOTO").Leaf("", "TYPE", photo.Type).Leaf("", "BINVAL", base64.StdEncoding.EncodeToString(photo.Data)).End()
	}
	raw := b.Bytes()
	if len(raw) > p.cfg.MaxCard {
		return nil // too large for a card; the avatar itself is there
	}
	return p.setCard(u, owner, raw, photo)
}

// Avatar puts the hash of the card's picture into presence, whatever the client
// wrote there (XEP-0153, XEP-0398).
func (p *People) Avatar(s *router.Session, st *stanza.Stanza) *stanza.Stanza {
	if s.Info().Anonymous {
		return st
	}
	p.mu.RLock()
	photo, ok := p.photos[s.Addr().Bare()]
	p.mu.RUnlock()
	if !ok {
		return st
	}
	var b stanza.Builder
	b.Start(ns.VCardUpdate, "x").Leaf("", "photo", photo).End()
	for _, c := range st.Children() {
		if c.Is(ns.VCardUpdate, "x") && slices.Equal(st.Raw(c), b.Bytes()) {
			return st
		}
	}
	return st.Without(func(c stanza.Child) bool { return c.Is(ns.VCardUpdate, "x") }).With(b.Bytes())
}
