package meeting

import (
	"maps"
	"slices"

	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// moderatedMedia are what can be moderated, in the order newcomers hear of them.
var moderatedMedia = []string{"audio", "video", "desktop"}

// avModeration is who may send what in a room.
type avModeration struct {
	media map[string]*moderatedMedium
}

// moderatedMedium is one that is moderated now.
type moderatedMedium struct {
	actor   string
	allowed []string // occupants' addresses
	before  any      // startMuted of the metadata before
}

// moderationNote is every message of the service (mod_av_moderation_component).
type moderationNote struct {
	Type       string              `json:"type"`
	Room       string              `json:"room"`
	MediaType  string              `json:"mediaType,omitempty"`
	Enabled    *bool               `json:"enabled,omitempty"`
	Actor      string              `json:"actor,omitempty"`
	Whitelists map[string][]string `json:"whitelists,omitempty"`
	Approved   bool                `json:"approved,omitempty"`
	Removed    bool                `json:"removed,omitempty"`
	From       string              `json:"from,omitempty"`
}

// installAVModeration lets moderators decide who may send audio, video or the
// screen. The focus hears the same and mutes the others.
func (m *Rules) installAVModeration(d *desk) {
	d.on(topic{space: ns.Client, name: "av_moderation", moderators: true, handle: func(q *request) *stanza.Error { return m.moderate(d, q) }})
	h := m.host.Hooks()
	h.OnJoined(func(r *muc.Room, o *muc.Occupant) {
		s := stateOf[avModeration](r)
		for _, media := range moderatedMedia {
			if mm := s.media[media]; mm != nil {
				r.SendTo(o, d.note(switched(r, media, mm.actor, true)))
			}
		}
		m.tellLists(d, r, o)
	})
	h.OnAffiliation(func(r *muc.Room, c *muc.Change) {
		if c.Occupant != nil && c.To == muc.Owner {
			m.tellLists(d, r, c.Occupant)
		}
	})
	h.OnLeft(func(r *muc.Room, o *muc.Occupant) {
		for _, mm := range stateOf[avModeration](r).media {
			mm.allowed = slices.DeleteFunc(mm.allowed, func(a string) bool { return a == o.Addr().String() })
		}
	})
}

// tellLists gives a moderator who comes to it the lists as they are.
func (m *Rules) tellLists(d *desk, r *muc.Room, o *muc.Occupant) {
	if s := stateOf[avModeration](r); len(s.media) > 0 && o.Role() == muc.Moderator {
		r.SendTo(o, d.note(moderationNote{Type: typeAVModeration, Room: r.Addr().String(), Whitelists: s.lists()}))
	}
}

func switched(r *muc.Room, media, actor string, on bool) moderationNote {
	return moderationNote{Type: typeAVModeration, Room: r.Addr().String(), MediaType: media, Actor: actor, Enabled: &on}
}

// lists are those that hold somebody.
func (s *avModeration) lists() map[string][]string {
	out := make(map[string][]string)
	for media, mm := range s.media {
		if len(mm.allowed) > 0 {
			out[media] = mm.allowed
		}
	}
	return out
}

func (m *Rules) moderate(d *desk, q *request) *stanza.Error {
	media := q.attr("mediaType")
	if !slices.Contains(moderatedMedia, media) {
		return errBadContent
	}
	approve, withdraw := q.attr("jidToWhitelist"), q.attr("jidToBlacklist")
	switch enable := q.attr("enable"); {
	case enable == "true", enable == "false":
		m.switchModeration(d, q, media, enable == "true")
		return nil
	case approve != "":
		return m.approve(d, q, media, approve)
	case withdraw != "":
		return m.withdraw(d, q, media, withdraw)
	}
	return errBadContent
}

// switchModeration begins or ends it; what is so already stays so without a word.
func (m *Rules) switchModeration(d *desk, q *request, media string, on bool) {
	r, s := q.room, stateOf[avModeration](q.room)
	if (s.media[media] != nil) == on {
		return
	}
	note := d.note(switched(r, media, q.by.Addr().String(), on))
	if !on {
		m.restoreStartMuted(r, media, s.media[media].before)
		delete(s.media, media)
		r.Broadcast(note)
		return
	}
	mm := &moderatedMedium{actor: q.by.Addr().String(), before: m.forceStartMuted(r, media)}
	for _, o := range r.Occupants() {
		if o.Role() == muc.Moderator && !m.isAdmin(o) {
			mm.allowed = append(mm.allowed, o.Addr().String())
		}
	}
	if s.media == nil {
		s.media = make(map[string]*moderatedMedium)
	}
	s.media[media] = mm
	// The focus mutes at once, so it hears first whom to spare. Clients expect the
	// other order.
	m.tellModerators(d, r, media, false, true)
	r.Broadcast(note)
	m.tellModerators(d, r, media, false, false)
}

// tellModerators sends the lists to the focus, or to all other moderators.
func (m *Rules) tellModerators(d *desk, r *muc.Room, media string, removed, admins bool) {
	note := d.note(moderationNote{Type: typeAVModeration, Room: r.Addr().String(), MediaType: media,
		Whitelists: stateOf[avModeration](r).lists(), Removed: removed})
	for _, o := range r.Occupants() {
		if o.Role() == muc.Moderator && m.isAdmin(o) == admins {
			r.SendTo(o, note)
		}
	}
}

func (m *Rules) approve(d *desk, q *request, media, who string) *stanza.Error {
	o := occupantAt(q.room, who)
	if o == nil {
		return errBadContent
	}
	note := moderationNote{Type: typeAVModeration, Room: q.room.Addr().String(), MediaType: media, Approved: true}
	mm := stateOf[avModeration](q.room).media[media]
	if mm == nil {
		note.From = q.by.Addr().String()
		q.room.SendTo(o, d.note(note))
		return nil
	}
	if slices.Contains(mm.allowed, o.Addr().String()) {
		return nil
	}
	mm.allowed = append(mm.allowed, o.Addr().String())
	m.tellModerators(d, q.room, media, false, true)
	m.tellModerators(d, q.room, media, false, false)
	if o.Role() != muc.Moderator {
		q.room.SendTo(o, d.note(note))
	}
	return nil
}

func (m *Rules) withdraw(d *desk, q *request, media, who string) *stanza.Error {
	mm, o := stateOf[avModeration](q.room).media[media], occupantAt(q.room, who)
	if o == nil {
		return errBadContent
	}
	if mm == nil || !slices.Contains(mm.allowed, who) {
		return nil
	}
	mm.allowed = slices.DeleteFunc(mm.allowed, func(a string) bool { return a == who })
	m.tellModerators(d, q.room, media, true, true)
	m.tellModerators(d, q.room, media, true, false)
	if o.Role() != muc.Moderator {
		q.room.SendTo(o, d.note(moderationNote{Type: typeAVModeration, Room: q.room.Addr().String(), MediaType: media, Removed: true}))
	}
	return nil
}

// occupantAt finds the occupant of an address room/nick.
func occupantAt(r *muc.Room, addr string) *muc.Occupant {
	a, err := stanza.ParseAddr(addr)
	if err != nil || a.Bare() != r.Addr() || a.String() != addr {
		return nil
	}
	return r.Occupant(a.Resource())
}

// forceStartMuted makes newcomers begin muted while a medium is moderated. Only
// they hear of it. It returns what was there.
func (m *Rules) forceStartMuted(r *muc.Room, media string) any {
	md := stateOf[metadata](r)
	old, _ := md.values["startMuted"].(map[string]any)
	next := maps.Clone(old)
	if next == nil {
		next = make(map[string]any)
	}
	next[media] = true
	md.set("startMuted", next)
	return old[media]
}

func (m *Rules) restoreStartMuted(r *muc.Room, media string, before any) {
	md := stateOf[metadata](r)
	old, _ := md.values["startMuted"].(map[string]any)
	next := maps.Clone(old)
	if before != nil && next != nil {
		next[media] = before
	} else {
		delete(next, media)
	}
	if len(next) == 0 {
		md.set("startMuted", nil)
		return
	}
	md.set("startMuted", next)
}
