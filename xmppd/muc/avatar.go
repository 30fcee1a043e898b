package muc

import (
	"crypto/sha1" //nolint:gosec // XEP-0153 names pictures by it
	"encoding/base64"
	"encoding/hex"
	"strings"

	"parley/xmppd/stanza"
)

// avatar is the picture card of a plain room (XEP-0486).
type avatar struct {
	card []byte // the vCard element, nil if there is none
	hash string // of the picture in it, in hex; empty without
}

// newAvatar reads a vCard; an empty one takes the picture away.
func newAvatar(card []byte) (avatar, bool) {
	var v struct {
		Photo struct {
			Binary string `xml:"BINVAL"`
		} `xml:"PHOTO"`
	}
	if stanza.Decode(card, &v) != nil {
		return avatar{}, false
	}
	a := avatar{card: card}
	if text := strings.Join(strings.Fields(v.Photo.Binary), ""); text != "" {
		picture, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return avatar{}, false
		}
		sum := sha1.Sum(picture)
		a.hash = hex.EncodeToString(sum[:])
	}
	return a, true
}

// handleAvatar shows the room's vCard, or lets an owner set it.
func (r *Room) handleAvatar(st *stanza.Stanza, card stanza.Child) {
	if st.Type == stanza.Get {
		if r.avatar.card == nil {
			r.host.rt.Bounce(st, stanza.Err(stanza.Cancel, stanza.ItemNotFound, ""))
			return
		}
		r.host.rt.Reply(st, r.avatar.card)
		return
	}
	raw := st.Raw(card)
	a, readable := newAvatar(append([]byte(nil), raw...))
	switch {
	case r.Affiliation(st.From) != Owner:
		r.host.rt.Bounce(st, errOwnersOnly)
		return
	case !r.plain:
		r.host.rt.Bounce(st, errUnavailable)
		return
	case !readable || len(raw) > r.host.cfg.MaxAvatar:
		r.host.rt.Bounce(st, errAvatar)
		return
	}
	old := r.avatar
	r.avatar = a
	if err := r.save(); err != nil {
		r.avatar = old
		r.host.rt.Bounce(st, err)
		return
	}
	r.host.rt.Reply(st, nil)
	if old.hash != a.hash {
		r.Broadcast(r.avatarPresence())
		r.announceStatus("104")
	}
}

// avatarPresence names the picture, in the room's own name.
func (r *Room) avatarPresence() *stanza.Stanza {
	var b stanza.Builder
	b.Start(nsCardPhoto, "x").Leaf("", "photo", r.avatar.hash)
	return stanza.New(stanza.Presence, "", r.addr, stanza.Addr{}, "").WithContent(b.Bytes())
}

// tellAvatar names the picture to a newcomer, if there is one.
func (r *Room) tellAvatar(at taken) {
	if r.avatar.hash != "" {
		r.deliver(at.s, r.avatarPresence().Encode())
	}
}
