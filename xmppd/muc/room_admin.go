package muc

import (
	"sort"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// maxItems bounds the items of one admin request.
const maxItems = 1024

type adminQuery struct {
	Items []adminXML `xml:"item"`
}

type adminXML struct {
	Affiliation string `xml:"affiliation,attr"`
	Role        string `xml:"role,attr"`
	JID         string `xml:"jid,attr"`
	Nick        string `xml:"nick,attr"`
	Reason      string `xml:"reason"`
}

// handleAdmin answers moderators' and owners' requests (XEP-0045, 8 to 10; xmpp.md
// §4.8). A set may have many items; they are done in order, and the first that is
// not possible is answered with its error. What was done before it stays.
func (r *Room) handleAdmin(st *stanza.Stanza, query stanza.Child) {
	var q adminQuery
	if stanza.Decode(st.Raw(query), &q) != nil || len(q.Items) == 0 || len(q.Items) > maxItems {
		r.host.rt.Bounce(st, errBadRequest)
		return
	}
	if st.Type == stanza.Get {
		r.listItems(st, q.Items[0])
		return
	}
	actor := r.actor(st.From)
	for _, it := range q.Items {
		if err := r.adminItem(actor, it); err != nil {
			r.host.rt.Bounce(st, err)
			return
		}
	}
	r.host.rt.Reply(st, nil)
	r.closeIfEmpty("")
}

// actor is who asks: an occupant, or an account outside that has a rank here.
func (r *Room) actor(from stanza.Addr) *Occupant {
	if at, inside := r.seats[from]; inside {
		return at.o
	}
	aff := r.Affiliation(from)
	role := NoRole
	if aff >= Admin {
		role = Moderator
	}
	// An actor outside is not named in what others hear; see named.
	return &Occupant{bare: from.Bare(), affiliation: aff, role: role}
}

// named is the actor as it may be shown.
func named(actor *Occupant) *Occupant {
	if actor == nil || actor.nick == "" {
		return nil
	}
	return actor
}

func (r *Room) adminItem(actor *Occupant, it adminXML) *stanza.Error {
	if (it.Affiliation == "") == (it.Role == "") {
		return errItem
	}
	item, err := r.resolve(actor, it)
	if err != nil {
		return err
	}
	for _, f := range r.host.hooks.admin {
		if err := f(r, item); err != nil {
			return err
		}
	}
	if item.SetsAffiliation {
		return r.setAffiliation(actor, item, it.Reason)
	}
	return r.setRole(actor, item, it.Reason)
}

// resolve finds whom an item means. Old clients name a nick where a bare address
// is meant, so a missing one is looked up.
func (r *Room) resolve(actor *Occupant, it adminXML) (*AdminItem, *stanza.Error) {
	item := &AdminItem{Actor: actor, Nick: it.Nick}
	var ok bool
	if it.Affiliation != "" {
		item.SetsAffiliation = true
		if item.Affiliation, ok = ParseAffiliation(it.Affiliation); !ok {
			return nil, errItemValue
		}
	} else if item.Role, ok = ParseRole(it.Role); !ok {
		return nil, errItemValue
	}
	if it.JID != "" {
		addr, err := stanza.ParseAddr(it.JID)
		switch {
		case err != nil:
			return nil, errItemJID
		case item.SetsAffiliation && addr.IsFull():
			return nil, errItemJID
		}
		item.Target = addr.Bare()
		if item.Nick == "" || r.occupants[item.Nick] == nil || r.occupants[item.Nick].bare != item.Target {
			item.Nick = ""
			for _, o := range r.order {
				if o.bare == item.Target && (addr.IsBare() || o.Real() == addr) {
					item.Nick = o.nick
					break
				}
			}
		}
	} else if o := r.occupants[it.Nick]; o != nil {
		item.Target = o.bare
	}
	if item.SetsAffiliation && item.Target.IsZero() || !item.SetsAffiliation && r.occupants[item.Nick] == nil {
		if it.JID == "" && it.Nick == "" {
			return nil, errItem
		}
		return nil, errItemNick
	}
	return item, nil
}

// setAffiliation checks rank and does it.
func (r *Room) setAffiliation(actor *Occupant, item *AdminItem, reason string) *stanza.Error {
	old := r.Affiliation(item.Target)
	switch {
	case r.host.rt.IsAdmin(item.Target):
		if item.Affiliation == Owner {
			return nil
		}
		return errAdminRank
	case actor.affiliation < Admin:
		return errForbidden
	case actor.affiliation == Admin && (item.Affiliation >= Admin || old >= Admin):
		return errNotAllowed
	case old == Owner && item.Affiliation != Owner && actor.bare == item.Target && r.ownerCount() < 2:
		return errLastOwner
	case old == None && len(r.affiliations) >= r.host.cfg.MaxAffiliations:
		return errTooMany
	}
	r.SetAffiliation(item.Target, item.Affiliation, actor, reason)
	return nil
}

// ownerCount is how many accounts own the room; administrators inside count.
func (r *Room) ownerCount() int {
	n := 0
	for _, aff := range r.affiliations {
		if aff == Owner {
			n++
		}
	}
	for _, o := range r.order {
		if r.host.rt.IsAdmin(o.bare) {
			n++
		}
	}
	return n
}

// SetAffiliation gives an account an affiliation, with the role that goes with it,
// and tells everybody; actor may be nil. It does not ask for rank. Administrators
// of the server stay what they are. During a join it sets what the newcomer will
// enter with.
func (r *Room) SetAffiliation(account stanza.Addr, aff Affiliation, actor *Occupant, reason string) {
	bare := account.Bare()
	old := r.Affiliation(bare)
	if r.host.rt.IsAdmin(bare) {
		return
	}
	if aff == None {
		delete(r.affiliations, bare)
	} else {
		r.affiliations[bare] = aff
	}
	if old == aff {
		return
	}
	inside := false
	for _, o := range r.order {
		if o.bare != bare {
			continue
		}
		inside = true
		r.affiliationChanged(o, old, aff, actor, reason)
	}
	if !inside && r.exists && len(r.order) > 0 {
		c := &Change{Bare: bare, From: old, To: aff, Actor: named(actor), Reason: reason}
		for _, f := range r.host.hooks.affil {
			f(r, c)
		}
		r.announceAffiliation(bare, aff, reason, nil)
	}
}

// affiliationChanged applies a new affiliation to somebody inside.
func (r *Room) affiliationChanged(o *Occupant, old, aff Affiliation, actor *Occupant, reason string) {
	c := &Change{Occupant: o, Bare: o.bare, From: old, To: aff, Actor: named(actor), Reason: reason}
	o.affiliation = aff
	o.role = defaultRole(aff, r.config.moderated)
	for _, f := range r.host.hooks.affil {
		f(r, c)
	}
	switch {
	case aff == Outcast:
		c.status = []string{"301"}
		r.eject(o, c)
	case aff == None && r.config.membersOnly:
		c.status = []string{"321"}
		r.eject(o, c)
	default:
		for _, s := range o.seats {
			r.tell(o, s, s.presence, c, false)
		}
	}
}

// announceAffiliation tells those inside about an account that is not (XEP-0045,
// 9.3), but for one who is about to hear worse.
func (r *Room) announceAffiliation(bare stanza.Addr, aff Affiliation, reason string, except *Occupant) {
	var b stanza.Builder
	b.Start(ns.MUCUser, "x").Start("", "item", "affiliation", aff.String(), "jid", bare.String())
	if reason != "" {
		b.Leaf("", "reason", reason)
	}
	msg := r.message("", b.Bytes()).Encode()
	for _, o := range r.order {
		if o != except && r.seesAddresses(o) {
			r.deliverAll(o, msg)
		}
	}
}

// setRole checks rank and does it; role none is a kick.
func (r *Room) setRole(actor *Occupant, item *AdminItem, reason string) *stanza.Error {
	o := r.occupants[item.Nick]
	switch {
	case actor.role < Moderator || actor.affiliation < o.affiliation:
		// Clients know this one answer for everybody who may not.
		return errNotAllowed
	case item.Role == Moderator && actor.affiliation < Admin:
		return errNotAllowed
	case item.Role != NoRole && item.Role < Moderator && o.affiliation >= Admin:
		return errNotAllowed // owners and admins always moderate
	}
	if item.Role == NoRole {
		c := &Change{Occupant: o, Bare: o.bare, From: o.affiliation, To: o.affiliation, Actor: named(actor), Reason: reason, status: []string{"307"}}
		for _, f := range r.host.hooks.kicked {
			f(r, c)
		}
		r.beforeKick(o, c)
		r.eject(o, c)
		return nil
	}
	if o.role == item.Role {
		return nil
	}
	o.role = item.Role
	c := &Change{Occupant: o, Bare: o.bare, From: o.affiliation, To: o.affiliation, Actor: named(actor), Reason: reason}
	for _, s := range o.seats {
		r.tell(o, s, s.presence, c, false)
	}
	return nil
}

// beforeKick takes the rank of somebody who is put out, so that he does not come
// back with it (xmpp.md §4.6(2)).
func (r *Room) beforeKick(o *Occupant, c *Change) {
	if !r.host.cfg.KickTakesRank || r.host.rt.IsAdmin(o.bare) {
		return
	}
	delete(r.affiliations, o.bare)
	o.affiliation = None
	c.To = None
	for _, f := range r.host.hooks.affil {
		f(r, c)
	}
	r.announceAffiliation(o.bare, None, "", o)
}

// listItems answers a request for a list (XEP-0045, 9.5 and following).
func (r *Room) listItems(st *stanza.Stanza, it adminXML) {
	actor := r.actor(st.From)
	var b stanza.Builder
	b.Start(ns.MUCAdmin, "query")
	switch {
	case (it.Affiliation == "") == (it.Role == ""):
		r.host.rt.Bounce(st, errItem)
		return
	case it.Affiliation != "":
		aff, ok := ParseAffiliation(it.Affiliation)
		if !ok || aff == None {
			r.host.rt.Bounce(st, errItemValue)
			return
		}
		members := aff == Member && r.config.membersOnly && r.config.whoisAnyone && actor.affiliation >= Member
		if !members && (actor.affiliation < Admin || aff > actor.affiliation) {
			r.host.rt.Bounce(st, errForbidden)
			return
		}
		r.listAffiliation(&b, aff)
	default:
		role, ok := ParseRole(it.Role)
		if !ok {
			r.host.rt.Bounce(st, errItemValue)
			return
		}
		if actor.role < Moderator {
			r.host.rt.Bounce(st, errForbidden)
			return
		}
		for _, o := range r.order {
			if o.role == role {
				b.Empty("", "item", "affiliation", o.affiliation.String(), "role", role.String(), "nick", o.nick, "jid", o.Real().String())
			}
		}
	}
	r.host.rt.Reply(st, b.Bytes())
}

func (r *Room) listAffiliation(b *stanza.Builder, aff Affiliation) {
	var addrs []string
	for bare, a := range r.affiliations {
		if a == aff && !r.host.rt.IsAdmin(bare) {
			addrs = append(addrs, bare.String())
		}
	}
	if aff == Owner {
		for _, o := range r.order {
			if r.host.rt.IsAdmin(o.bare) {
				addrs = append(addrs, o.bare.String())
			}
		}
	}
	sort.Strings(addrs)
	for _, a := range addrs {
		b.Empty("", "item", "affiliation", aff.String(), "jid", a)
	}
}
