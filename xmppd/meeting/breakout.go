package meeting

import (
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Bounds and times of breakout rooms.
const (
	maxBreakouts     = 100
	maxBreakoutName  = 1024
	breakoutDebounce = 300 * time.Millisecond
	breakoutPatience = 5 * time.Second
	switchTime       = 15 * time.Second // how long a nick is kept for who changes rooms
)

// The requests and messages as clients know them (mod_muc_breakout_rooms).
const (
	breakoutAdd    = "features/breakout-rooms/add"
	breakoutRemove = "features/breakout-rooms/remove"
	breakoutRename = "features/breakout-rooms/rename"
	breakoutMove   = "features/breakout-rooms/move-to-room"
	breakoutUpdate = "features/breakout-rooms/update"

	featureRename = "http://jitsi.org/protocol/breakout_rooms#rename"
)

var (
	errNoBreakout      = stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "This breakout room does not exist")
	errNotFromMain     = stanza.Err(stanza.Cancel, stanza.NotAllowed, "Only people of the meeting may enter its breakout rooms")
	errNickElsewhere   = stanza.Err(stanza.Cancel, stanza.Conflict, "Somebody else in this meeting has this nickname")
	errNotParticipant  = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "Nobody in this meeting has this address")
	errUnknownBreakout = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "This meeting has no such room")
)

// installBreakout lets moderators divide a meeting. The groups are rooms of a host
// of their own; what they share with their main room is a family.
func (m *Rules) installBreakout(d *desk) (router.Host, error) {
	cfg := *m.host.Config()
	cfg.AccountRooms = false // people with an account open rooms beside meetings, not inside one
	cfg.Name = "Breakout rooms"
	host, err := muc.NewHost(d.addr.Domain(), cfg, m.rt, &muc.Hooks{}, m.log)
	if err != nil {
		return nil, err
	}
	m.breakoutHost, m.breakoutDesk = host, d
	d.nodes[typeBreakout] = func(s *router.Session) []string {
		if urlRoom(s) == "" {
			return nil
		}
		return []string{featureRename}
	}
	d.on(topic{space: ns.Client, name: "breakout_rooms", moderators: true, anywhere: true, handle: m.arrange})
	m.installMainRoom(m.host.Hooks())
	m.installBreakoutRoom(host.Hooks())
	m.where.watch(host.Hooks())
	return front{Host: host, desk: d}, nil
}

// familyOf is the family a room belongs to; nil for a breakout room nobody knows.
func (m *Rules) familyOf(r *muc.Room) *family {
	if r.Host() == m.host {
		key := (*family)(nil)
		if f, ok := r.Value(key).(*family); ok {
			return f
		}
		f := newFamily(r)
		r.SetValue(key, f)
		return f
	}
	if f, ok := m.families.Load(r.Node()); ok {
		return f.(*family)
	}
	return nil
}

// arrange does what a moderator asks of the rooms of a meeting.
func (m *Rules) arrange(q *request) *stanza.Error {
	f := m.familyOf(q.room)
	if f == nil {
		return errNoBreakout
	}
	subject, which := q.attr("subject"), q.attr("breakoutRoomJid")
	if len(subject) > maxBreakoutName {
		return errBadContent
	}
	switch q.attr("type") {
	case breakoutAdd:
		return m.addBreakout(f, q.room, subject)
	case breakoutRemove:
		addr, ok := f.drop(which)
		if !ok {
			return errUnknownBreakout
		}
		m.families.Delete(addr.Local())
		_ = m.breakoutHost.Do(addr, func(br *muc.Room) { br.Destroy("Breakout room removed.", f.main.Addr(), "") })
	case breakoutRename:
		addr, ok := f.rename(which, subject)
		if !ok {
			return errUnknownBreakout
		}
		_ = m.breakoutHost.Do(addr, func(br *muc.Room) { br.SetSubject(subject) })
	case breakoutMove:
		return m.move(f, q.attr("participantJid"), q.attr("roomJid"))
	default:
		return errBadContent
	}
	m.familyChanged(f)
	return nil
}

func (m *Rules) addBreakout(f *family, from *muc.Room, name string) *stanza.Error {
	addr, err := stanza.NewAddr(newUUID(), m.breakoutHost.Domain(), "")
	if err != nil {
		return errBadContent
	}
	// The rooms must not go away with those who go into them.
	divide := func() {
		f.divide()
		f.main.SetPersistent(true)
	}
	if !f.add(addr, name) {
		return errTooMuch
	}
	if from == f.main {
		divide()
	} else if !f.main.Post(divide) {
		return errRoomBusy
	}
	m.families.Store(addr.Local(), f)
	m.familyChanged(f)
	return nil
}

// move asks somebody's client to go to another room of the meeting.
func (m *Rules) move(f *family, who, where string) *stanza.Error {
	to, err := stanza.ParseAddr(who)
	switch {
	case err != nil:
		return errBadContent
	case !f.has(where):
		return errUnknownBreakout
	case !f.holds(to):
		return errNotParticipant
	}
	m.rt.Send(m.breakoutDesk.note(map[string]any{"type": typeBreakout, "event": breakoutMove, "roomJid": where}).WithTo(to))
	return nil
}

// familyChanged tells everybody, a moment later and once for all that happens until then.
func (m *Rules) familyChanged(f *family) {
	if !f.wakes() {
		return
	}
	f.main.After(breakoutDebounce, func() {
		st := m.breakoutDesk.note(f.note())
		m.tellPeople(f.main, st)
		for _, addr := range f.addrs() {
			_ = m.breakoutHost.Do(addr, func(br *muc.Room) { m.tellPeople(br, st) })
		}
	})
}

// personLeft ends a divided meeting when nobody has been in any of its rooms for a while.
func (m *Rules) personLeft(f *family) {
	if !f.deserted() {
		return
	}
	f.main.After(breakoutPatience, func() {
		if f.main.Exists() && f.deserted() {
			m.endBreakouts(f, "All occupants left.")
			f.main.Destroy("All occupants left.", stanza.Addr{}, "")
		}
	})
}

// endBreakouts ends all breakout rooms of a meeting.
func (m *Rules) endBreakouts(f *family, reason string) {
	for _, addr := range f.clear() {
		m.families.Delete(addr.Local())
		_ = m.breakoutHost.Do(addr, func(br *muc.Room) { br.Destroy(reason, stanza.Addr{}, "") })
	}
}
