package muc

import (
	"slices"
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

// handleAdmin answers moderators' and owners' requests (XEP-0045, 8 to 10). A set may
// have many items: either all are done, in order, or none, and then the answer is the
// error of the first that is not possible.
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
	items := make([]*AdminItem, len(q.Items))
	for i, it := range q.Items {
		item, err := r.adminItem(actor, it)
		if err != nil {
			r.host.rt.Bounce(st, err)
			return
		}
		items[i] = item
	}
	if err := r.checkItems(actor, items); err != nil {
		r.host.rt.Bounce(st, err)
		return
	}
	for i, item := range items {
		r.doItem(actor, item, q.Items[i])
	}
	if err := r.save(); err != nil {
		r.host.rt.Bounce(st, err)
		return
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

// adminItem understands an item and asks the rules that join in.
func (r *Room) adminItem(actor *Occupant, it adminXML) (*AdminItem, *stanza.Error) {
	if (it.Affiliation == "") == (it.Role == "") {
		return nil, errItem
	}
	item, err := r.resolve(actor, it)
	if err != nil {
		return nil, err
	}
	for _, f := range r.hooks().admin {
		if err := f(r, item); err != nil {
			return nil, err
		}
	}
	return item, nil
}

// checkItems says whether the actor may do all of it.
func (r *Room) checkItems(actor *Occupant, items []*AdminItem) *stanza.Error {
	will := make(map[stanza.Addr]Affiliation)
	for _, item := range items {
		err := r.mayRole(actor, item)
		if item.SetsAffiliation {
			err = r.mayAffiliate(actor, item)
			will[item.Target] = item.Affiliation
		}
		if err != nil {
			return err
		}
	}
	if len(will) == 0 {
		return nil
	}
	if r.ownerCount(nil) > 0 && r.ownerCount(will) == 0 {
		return errLastOwner
	}
	grow := 0
	for bare, aff := range will {
		if _, there := r.affiliations[bare]; !there && aff != None {
			grow++
		}
	}
	if grow > 0 && len(r.affiliations)+grow > r.host.cfg.MaxAffiliations {
		return errTooMany
	}
	return nil
}

// doItem does what was allowed. Who was put out by an item before is not there for
// the next.
func (r *Room) doItem(actor *Occupant, item *AdminItem, it adminXML) {
	if item.SetsAffiliation {
		r.SetAffiliation(item.Target, item.Affiliation, actor, it.Reason)
		if item.Affiliation >= Member && it.Nick != "" && it.JID != "" {
			r.reserveNick(item.Target, it.Nick)
		}
		return
	}
	if o := r.occupants[item.Nick]; o != nil {
		r.setRole(actor, o, item.Role, it.Reason)
	}
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
		case item.SetsAffiliation && addr.IsFull() && !r.plain:
			// Jitsi's clients know this answer; the specification has the bare part
			// of it count (XEP-0045, 9.2).
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

// mayAffiliate checks rank: who is no admin may nothing, and an admin nothing that
// owners do (XEP-0045, 5.2.1, 9 and 10).
func (r *Room) mayAffiliate(actor *Occupant, item *AdminItem) *stanza.Error {
	old := r.Affiliation(item.Target)
	switch {
	case r.host.rt.IsAdmin(item.Target):
		if item.Affiliation == Owner {
			return nil
		}
		return errAdminRank
	case actor.affiliation < Admin:
		return errForbidden
	case item.Affiliation == Outcast && item.Target == actor.bare:
		return errSelfBan
	case actor.affiliation == Admin && item.Affiliation == Outcast && old >= Admin:
		return errNotAllowed
	case actor.affiliation == Admin && (item.Affiliation >= Admin || old >= Admin):
		return errForbidden
	}
	return nil
}

// ownerCount is how many accounts own the room, or will when the given changes are
// made; administrators inside count.
func (r *Room) ownerCount(will map[stanza.Addr]Affiliation) int {
	n := 0
	for bare, aff := range r.affiliations {
		if next, changes := will[bare]; changes {
			aff = next
		}
		if aff == Owner {
			n++
		}
	}
	for bare, aff := range will {
		if _, there := r.affiliations[bare]; !there && aff == Owner {
			n++
		}
	}
	for _, o := range r.order {
		if _, there := r.affiliations[o.bare]; !there && r.host.rt.IsAdmin(o.bare) {
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
		r.withdraw(bare)
	}
	if aff < Member {
		r.reserved.drop(bare)
	}
	if old == aff {
		return
	}
	inside := false
	for _, o := range slices.Clone(r.order) {
		if o.bare != bare {
			continue
		}
		inside = true
		r.affiliationChanged(o, old, aff, actor, reason)
	}
	if !inside && r.exists && len(r.order) > 0 {
		c := &Change{Bare: bare, From: old, To: aff, Actor: named(actor), Reason: reason}
		for _, f := range r.hooks().affil {
			f(r, c)
		}
		r.announceAffiliation(bare, aff, reason, nil)
	}
}

// affiliationChanged applies a new affiliation to somebody inside.
func (r *Room) affiliationChanged(o *Occupant, old, aff Affiliation, actor *Occupant, reason string) {
	c := &Change{Occupant: o, Bare: o.bare, From: old, To: aff, Actor: named(actor), Reason: reason}
	o.affiliation = aff
	o.role = roleAfter(o.role, old, aff, r.config.moderated)
	for _, f := range r.hooks().affil {
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

// roleAfter is the role somebody has when his affiliation has changed: admins always
// moderate, and who was one or becomes an outcast begins anew; a member has voice.
// Else a role that a moderator gave stays.
func roleAfter(role Role, old, aff Affiliation, moderated bool) Role {
	switch {
	case aff >= Admin || aff == Outcast || old >= Admin:
		return defaultRole(aff, moderated)
	case aff == Member && role < Participant:
		return Participant
	}
	return role
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

// mayRole checks rank: moderators give and take voice and kick, admins make
// moderators, and nobody touches who ranks above him (XEP-0045, 8 and 9).
func (r *Room) mayRole(actor *Occupant, item *AdminItem) *stanza.Error {
	if item.SetsAffiliation {
		return nil
	}
	o := r.occupants[item.Nick]
	switch {
	case actor.role < Moderator:
		return errForbidden
	case item.Role == o.role:
		return nil // nothing changes
	case actor.affiliation < o.affiliation:
		return errNotAllowed
	case item.Role != NoRole && item.Role < Moderator && o.affiliation >= Admin:
		return errNotAllowed // owners and admins always moderate
	case item.Role == NoRole:
		return nil
	case actor.affiliation < Admin && (item.Role == Moderator || o.role == Moderator):
		return errForbidden
	}
	return nil
}

// setRole gives an occupant a role; none is a kick.
func (r *Room) setRole(actor, o *Occupant, role Role, reason string) {
	c := &Change{Occupant: o, Bare: o.bare, From: o.affiliation, To: o.affiliation, Actor: named(actor), Reason: reason}
	if role == NoRole {
		c.status = []string{"307"}
		for _, f := range r.hooks().kicked {
			f(r, c)
		}
		r.beforeKick(o, c)
		r.eject(o, c)
		return
	}
	if o.role == role {
		return
	}
	o.role = role
	for _, s := range o.seats {
		r.tell(o, s, s.presence, c, false)
	}
}

// beforeKick takes the rank of somebody who is put out, so that he does not come
// back with it (Jitsi's mod_muc_meeting_id).
func (r *Room) beforeKick(o *Occupant, c *Change) {
	if !r.host.cfg.KickTakesRank || r.plain || r.host.rt.IsAdmin(o.bare) {
		return
	}
	delete(r.affiliations, o.bare)
	o.affiliation = None
	c.To = None
	for _, f := range r.hooks().affil {
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
		if !r.mayList(actor, aff) {
			r.host.rt.Bounce(st, errForbidden)
			return
		}
		for _, a := range r.accounts(aff) {
			b.Empty("", "item", "affiliation", aff.String(), "jid", a, "nick", r.reserved.nick(stanza.MustAddr(a)))
		}
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

// mayList says who may read a list: owners all; admins those they change; and where
// addresses are open anyway, occupants of the roles the room lets see the lists of
// members and above.
func (r *Room) mayList(actor *Occupant, aff Affiliation) bool {
	switch {
	case actor.affiliation == Owner || actor.affiliation == Admin && aff <= Admin:
		return true
	case aff < Member || !r.config.whoisAnyone || actor.nick == "":
		return false
	case r.plain:
		return r.config.lists[actor.role]
	}
	return aff == Member && r.config.membersOnly && actor.affiliation >= Member
}

// accounts are those of an affiliation, sorted; administrators own the room while
// they are inside.
func (r *Room) accounts(aff Affiliation) []string {
	var addrs []string
	for bare, a := range r.affiliations {
		if a == aff && (r.plain || !r.host.rt.IsAdmin(bare)) {
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
	return slices.Compact(addrs)
}
