package muc

import (
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// ownRules are the rules of this package, at their places in the pipeline.
func (h *Host) ownRules() {
	on := func(priority float64, name string, check func(*Join) Outcome) {
		h.hooks.join = addRule(h.hooks.join, joinRule{priority, name, check, true})
	}
	h.hooks.create = addRule(h.hooks.create, joinRule{0, "restriction", h.mayCreate, true})
	on(98, "services", func(j *Join) Outcome {
		if j.Admin || len(h.cfg.Services) == 0 {
			return Continue
		}
		for _, d := range h.cfg.Services {
			if d == j.From.Domain() {
				return Continue
			}
		}
		return Refuse(errServices)
	})
	on(11, "nick", func(j *Join) Outcome { return j.Room.checkNick(j) })
	on(10, "max occupants", func(j *Join) Outcome {
		if !j.Admin && j.Room.occupants[j.Nick] == nil && j.Room.full(j.From) {
			return Refuse(errFull)
		}
		return Continue
	})
	on(-5, "members only", func(j *Join) Outcome {
		if j.Room.config.membersOnly && j.Room.Affiliation(j.From) == None {
			return Refuse(errMembersOnly)
		}
		return Continue
	})
	on(-10, "outcast", func(j *Join) Outcome {
		if j.Room.Affiliation(j.From) == Outcast {
			return Refuse(errOutcast)
		}
		return Continue
	})
	on(-20, "password", func(j *Join) Outcome {
		want := []byte(j.Room.config.password)
		if len(want) == 0 || j.Admin || subtle.ConstantTimeCompare(want, []byte(j.Password)) == 1 {
			return Continue
		}
		return Refuse(errPassword)
	})
	on(-30, "locked", func(j *Join) Outcome {
		if j.Room.locked && !j.Admin && j.Room.Affiliation(j.From) != Owner {
			return Refuse(errLocked)
		}
		return Continue
	})
	on(-40, "conflict", func(j *Join) Outcome {
		if e := j.Room.nickFree(j.Nick, j.From.Bare(), nil); e != nil {
			return Refuse(e)
		}
		return Continue
	})
}

func (h *Host) mayCreate(j *Join) Outcome {
	if h.cfg.RestrictCreation && !j.Admin && !j.plainly() {
		return Refuse(errCreation)
	}
	return Continue
}

// full says that the room has no place for an account. Owners and admins always
// find one, up to what the host bears (XEP-0045, 7.2.9).
func (r *Room) full(from stanza.Addr) bool {
	n := len(r.order)
	if len(r.host.cfg.Uncounted) > 0 {
		n = 0
		for _, o := range r.order {
			if !r.host.uncounted(o.bare) {
				n++
			}
		}
	}
	switch {
	case r.host.uncounted(from):
		return false
	case n >= r.host.cfg.MaxOccupants:
		return true
	case r.config.maxUsers == 0 || n < r.config.maxUsers:
		return false
	}
	return r.Affiliation(from) < Admin
}

// uncounted says that somebody takes no place in a room.
func (h *Host) uncounted(a stanza.Addr) bool {
	for _, u := range h.cfg.Uncounted {
		if u == a.Domain() || u == a.Bare().String() {
			return true
		}
	}
	return false
}

// nickFree says whether an account may carry a nick: nobody else does, nor one that
// looks the same, and nobody else has registered it. except is who gives his up.
func (r *Room) nickFree(nick string, bare stanza.Addr, except *Occupant) *stanza.Error {
	key := nickKey(nick)
	if o := r.nickKeys[key]; o != nil && o != except && o.bare != bare {
		return errNickTaken
	}
	if owner, ok := r.reserved.owner(key); ok && owner != bare {
		return errNickKept
	}
	return nil
}

// reserved says whether only administrators may carry a nick, or one that looks like it.
func (h *Host) reserved(nick string) bool {
	key := nickKey(nick)
	for _, n := range h.cfg.ReservedNicks {
		if nickKey(n) == key {
			return true
		}
	}
	return false
}

// checkNick refuses nicks nobody may have, and of anonymous people, where that is wanted,
// all but the one their user name begins with (Jitsi's mod_muc_resource_validate).
func (r *Room) checkNick(j *Join) Outcome {
	cfg := &r.host.cfg
	switch {
	case j.Nick == "":
		return Refuse(errNick)
	case len(j.Nick) > cfg.MaxNick:
		return Refuse(errNickLong)
	case strings.TrimSpace(j.Nick) == "":
		return Refuse(errBlankNick)
	case r.host.reserved(j.Nick) && !j.Admin:
		return Refuse(errNickReserved)
	}
	if !cfg.StrictNicks || !j.Anonymous() || j.Admin {
		return Continue
	}
	if !plainNick(j.Nick) {
		return Refuse(errNickInvalid)
	}
	if cfg.AnonymousNicks && !strings.HasPrefix(j.From.Local(), j.Nick) || cfg.AnonymousNicks && len(j.Nick) != 8 {
		return Refuse(errNickAnonymous)
	}
	return Continue
}

// plainNick is a letter or digit followed by letters, digits and underscores.
func plainNick(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (c != '_' || i == 0) {
			return false
		}
	}
	return s != ""
}

// handleJoin begins a join: the rules of Hooks are asked one after the other.
func (r *Room) handleJoin(st *stanza.Stanza, x stanza.Child, from *router.Session) {
	j := &Join{Room: r, Presence: st, From: st.From, Nick: st.To.Resource(), Session: from, Admin: r.host.rt.IsAdmin(st.From)}
	var v struct {
		Password string `xml:"password"`
	}
	if stanza.Decode(st.Raw(x), &v) == nil {
		j.Password = v.Password
	}
	if old := r.held[j.From]; old != nil {
		// Asked again while waiting: the newest presence counts, the place is kept.
		old.Presence, old.Nick, old.Password = j.Presence, j.Nick, j.Password
		return
	}
	j.creating = !r.exists
	r.proceed(j)
}

// proceed asks the rules from where the join stands, and lets it in behind the last.
func (r *Room) proceed(j *Join) {
	if j.creating && r.exists {
		// Somebody opened the room meanwhile.
		j.creating, j.next = false, 0
	}
	if j.focus() && r.plain {
		r.becomeMeeting()
	}
	if j.creating {
		if !r.ask(j, r.host.hooks.create) {
			return
		}
		j.creating, j.next = false, 0
	}
	if r.ask(j, r.host.hooks.join) {
		r.enter(j)
	}
}

// ask runs the rules that are left; it is false if one refused or holds the join.
func (r *Room) ask(j *Join, rules []joinRule) bool {
	for j.next < len(rules) {
		rule := rules[j.next]
		j.next++
		if !rule.own && j.plainly() {
			continue
		}
		switch out := rule.check(j); out.kind {
		case refused:
			r.log.WithField(logx.Occupant, j.From.String()).WithField(logx.Reason, rule.name).Debug("join refused")
			r.Refuse(j, out.err)
			return false
		case handled:
			r.host.stats.refused.Add(1)
			return false
		case held:
			if len(r.held) >= maxHeld {
				r.Refuse(j, errWaiting)
				return false
			}
			j.rule = rule.name
			r.held[j.From] = j
			r.heldOrder = append(r.heldOrder, j)
			return false
		}
	}
	return true
}

// Resume goes on with a join that was held; one whose sender is gone is dropped.
// A rule that held it on creation is followed by all join rules if the room exists
// by now.
func (r *Room) Resume(j *Join) {
	if r.held[j.From] != j {
		return
	}
	r.unhold(j)
	if j.gone() {
		return
	}
	r.proceed(j)
}

// Refuse answers a join with an error.
func (r *Room) Refuse(j *Join, e *stanza.Error) {
	r.unhold(j)
	r.host.stats.refused.Add(1)
	r.host.rt.Bounce(j.Presence, e)
}

// Holds says whether a join still waits.
func (r *Room) Holds(j *Join) bool { return r.held[j.From] == j }

// Held are the joins a rule holds, in the order in which they came.
func (r *Room) Held(rule string) []*Join {
	var js []*Join
	for _, j := range r.heldOrder {
		if j.rule == rule {
			js = append(js, j)
		}
	}
	return js
}

// unhold forgets that a join waits, if it does.
func (r *Room) unhold(j *Join) {
	if r.held[j.From] != j {
		return
	}
	delete(r.held, j.From)
	r.heldOrder = slices.DeleteFunc(slices.Clone(r.heldOrder), func(o *Join) bool { return o == j })
}

// enter lets somebody in, in the order of XEP-0045, 7.1.
func (r *Room) enter(j *Join) {
	now := time.Now()
	creates := !r.exists
	if creates {
		r.create(j, now)
	}
	at, ok := r.seat(j, now)
	if !ok {
		r.Refuse(j, errNick)
		return
	}
	r.tellOccupants(at)
	c := &Change{Occupant: at.o}
	if creates {
		c.self = []string{"201"}
	}
	for _, f := range r.hooks().entering {
		f(r, at.o)
	}
	r.tell(at.o, at.s, at.s.presence, c, true)
	for _, f := range r.hooks().joined {
		f(r, at.o)
	}
	x, _ := j.Presence.Child(ns.MUC, "x")
	r.tellPast(at, j.Presence.Raw(x))
	r.host.stats.joins.Add(1)
	r.log.WithField(logx.Occupant, j.From.String()).WithField(logx.Name, at.o.nick).Debug("occupant joined")
	for _, f := range r.hooks().settled {
		f(r, at.o)
	}
}

// create brings the room into being. Who creates it owns it. One that an account
// opens is locked until it is configured.
func (r *Room) create(j *Join, now time.Time) {
	if j.plainly() {
		r.plain, r.locked = true, true
		r.config = plainRoomConfig(&r.host.cfg)
		r.dropArchive()
	}
	r.exists, r.created = true, now
	r.publish()
	if !j.Admin || r.plain {
		r.affiliations[j.From.Bare()] = Owner
	}
	r.host.stats.rooms.Add(1)
	r.host.stats.created.Add(1)
	r.log.WithField(logx.Occupant, j.From.String()).Info("room created")
	for _, f := range r.hooks().created {
		f(r)
	}
}

// seat gives the newcomer a place: a new occupant, or one more session of one.
func (r *Room) seat(j *Join, now time.Time) (taken, bool) {
	o := r.occupants[j.Nick]
	if o == nil {
		addr, err := r.addr.WithResource(j.Nick)
		if err != nil {
			return taken{}, false
		}
		bare := j.From.Bare()
		aff := r.Affiliation(bare)
		o = &Occupant{nick: j.Nick, addr: addr, bare: bare, affiliation: aff, role: defaultRole(aff, r.config.moderated), id: r.occupantID(bare), joined: now}
		r.occupants[j.Nick] = o
		r.nickKeys[nickKey(j.Nick)] = o
		r.order = append(r.order, o)
		r.present.Store(int32(len(r.order)))
		r.host.stats.occupants.Add(1)
	}
	if j.Anonymous() {
		r.passing[o.bare] = true
		if len(r.passing) > r.host.cfg.MaxAffiliations {
			r.prune()
		}
	}
	s := &seat{real: j.From, session: j.Session, stop: func() {}}
	s.presence = r.clean(j.Presence, &Speaker{Room: r, From: j.From, Session: j.Session, Joining: true}, o)
	// The newest session speaks for all.
	o.seats = append([]*seat{s}, o.seats...)
	r.seats[j.From] = taken{o, s}
	if j.Session != nil {
		s.stop = j.Session.OnEnd(func() { r.box.post(func() { r.vanished(s.real, "") }, internal) })
	}
	return taken{o, s}, true
}

// prune forgets the ranks of people without an account who are gone: such an
// address does not come back. Outcasts stay, for those who are still connected.
func (r *Room) prune() {
	inside := make(map[stanza.Addr]bool, len(r.order))
	for _, o := range r.order {
		inside[o.bare] = true
	}
	for bare := range r.passing {
		if inside[bare] {
			continue
		}
		delete(r.passing, bare)
		if r.affiliations[bare] != Outcast {
			delete(r.affiliations, bare)
		}
	}
}

// tellPast gives a newcomer history and subject.
func (r *Room) tellPast(at taken, x []byte) {
	wish := parseHistoryWish(x, time.Now())
	r.tellAvatar(at)
	for _, l := range r.history.pick(wish, r.config.historyDefault, r.config.historyLength) {
		r.deliver(at.s, l.st.Encode())
	}
	subject := r.subject
	if subject == nil {
		var b stanza.Builder
		subject = r.message(stanza.Groupchat, b.Empty("", "subject").Bytes())
	}
	r.deliver(at.s, subject.Encode())
	r.tellApplicants(at)
}
