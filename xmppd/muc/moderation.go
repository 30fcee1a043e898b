package muc

import (
	"encoding/xml"
	"slices"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

var (
	errModerate       = stanza.Err(stanza.Auth, stanza.Forbidden, "Only moderators may withdraw messages of others")
	errModerateWhat   = stanza.Err(stanza.Modify, stanza.BadRequest, "Messages can be retracted, by their id in the room")
	errModerateReason = stanza.Err(stanza.Modify, stanza.NotAcceptable, "The reason is too long")
	errModerateNone   = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "The room keeps no such message")
)

type moderateXML struct {
	ID      string `xml:"id,attr"`
	Retract *struct {
		XMLName xml.Name
	} `xml:"urn:xmpp:message-retract:1 retract"`
	Reason string `xml:"reason"`
}

// handleModerate withdraws a message for a moderator (XEP-0425). Only messages of plain
// rooms have the ids it takes. Newcomers are not shown the message any more, the archive
// keeps a tombstone in its place, and everybody who has it hears that it is withdrawn.
func (r *Room) handleModerate(st *stanza.Stanza, p stanza.Child) {
	at, inside := r.seats[st.From]
	var q moderateXML
	switch err := st.Decode(p, &q); {
	case !r.plain || st.Type != stanza.Set:
		r.host.rt.Bounce(st, errUnavailable)
		return
	case !inside:
		r.host.rt.Bounce(st, errNotInRoom)
		return
	case at.o.role < Moderator:
		r.host.rt.Bounce(st, errModerate)
		return
	case err != nil || q.ID == "" || q.Retract == nil:
		r.host.rt.Bounce(st, errModerateWhat)
		return
	case len(q.Reason) > r.host.cfg.MaxSubject:
		r.host.rt.Bounce(st, errModerateReason)
		return
	}
	kept := false
	if r.host.archive != nil {
		r.round.End() // this waits for the disk
		var err error
		kept, err = r.host.archive.Rewrite(r.addr, q.ID, func(old *stanza.Stanza) *stanza.Stanza {
			return r.tombstone(old, at.o, q.Reason)
		})
		if err != nil {
			r.host.rt.Bounce(st, errStore)
			return
		}
	}
	if !r.history.withdraw(q.ID) && !kept {
		r.host.rt.Bounce(st, errModerateNone)
		return
	}
	r.host.rt.Reply(st, nil)
	r.announceModeration(q.ID, at.o, q.Reason)
}

// moderated writes who withdrew a message and why. The builder's parent is in ns.Retract.
func (r *Room) moderated(b *stanza.Builder, by *Occupant, reason string) {
	b.Start(ns.Moderate1, "moderated", "by", by.addr.String()).Raw(r.occupantIDElement(by)).End()
	if reason != "" {
		b.Leaf("", "reason", reason)
	}
}

// announceModeration also goes into history and archive, for those who have the message
// and are away.
func (r *Room) announceModeration(id string, by *Occupant, reason string) {
	var b stanza.Builder
	b.Start(ns.Retract, "retract", "id", id)
	r.moderated(&b, by, reason)
	b.End()
	b.Empty(nsHints, "store")
	msg := r.message(stanza.Groupchat, b.Bytes())
	msg.ID = router.NewID()
	msg = r.named(msg)
	r.Broadcast(msg)
	r.history.add(msg, r.addr, time.Now(), r.config.historyLength, r.host.cfg.MaxHistoryBytes)
}

// tombstone is what the archive keeps of a message, nil if there is nothing to withdraw:
// it was, or the room itself has said it.
func (r *Room) tombstone(old *stanza.Stanza, by *Occupant, reason string) *stanza.Stanza {
	if old.From.Resource() == "" || old.Has(ns.Retract, "retracted") {
		return nil
	}
	var b stanza.Builder
	if c, ok := old.Child(ns.OccupantID, "occupant-id"); ok {
		b.Raw(old.Raw(c))
	}
	b.Start(ns.Retract, "retracted", "stamp", time.Now().UTC().Format(stampFormat))
	r.moderated(&b, by, reason)
	return old.WithContent(b.End().Bytes())
}

// withdraw forgets the occupant's message of an id.
func (h *history) withdraw(id string) bool {
	i := slices.IndexFunc(h.lines, func(l line) bool {
		c, ok := l.st.Child(ns.StanzaID, "stanza-id")
		return ok && l.st.ChildAttr(c, "id") == id && l.st.From.Resource() != ""
	})
	if i < 0 {
		return false
	}
	h.bytes -= h.lines[i].bytes
	h.lines = slices.Delete(slices.Clone(h.lines), i, i+1)
	return true
}
