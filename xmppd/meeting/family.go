package meeting

import (
	"slices"
	"sync"
	"time"

	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// family is a main room and its breakout rooms. Each room writes down here who is
// in it, on its own goroutine, so that any of them can tell about all.
type family struct {
	main *muc.Room

	mu      sync.Mutex // guards the fields below; leaf lock
	split   bool       // there are or were breakout rooms
	pending bool       // an update is on its way
	counter int
	rooms   []*groupRoom // main room first, once split
	seen    map[stanza.Addr]*router.Session
	kept    map[string]reservation // nicks of people on their way
}

// groupRoom is one of its rooms.
type groupRoom struct {
	addr   stanza.Addr
	name   string
	people map[string]groupPerson // by nick
}

type groupPerson struct {
	addr, real stanza.Addr
	role, name string
}

type reservation struct {
	bare  stanza.Addr
	until time.Time
}

func newFamily(main *muc.Room) *family {
	return &family{main: main, seen: make(map[stanza.Addr]*router.Session), kept: make(map[string]reservation)}
}

// visit remembers for the length of his session that somebody was in the main room.
func (f *family) visit(o *muc.Occupant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) >= f.main.Host().Config().MaxAffiliations {
		for addr, s := range f.seen {
			if s == nil || over(s) {
				delete(f.seen, addr)
			}
		}
	}
	f.seen[o.Real()] = o.Session()
}

func over(s *router.Session) bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

func (f *family) visited(real stanza.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.seen[real]
	return ok && (s == nil || !over(s))
}

// divide begins to write down who is where. It runs on the main room's goroutine.
func (f *family) divide() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.split {
		return
	}
	f.split = true
	main := &groupRoom{addr: f.main.Addr(), name: f.main.Subject(), people: make(map[string]groupPerson)}
	for _, o := range f.main.Occupants() {
		if !f.main.Host().Router().IsAdmin(o.Bare()) {
			main.people[o.Nick()] = person(o)
		}
	}
	f.rooms = slices.Insert(f.rooms, 0, main)
}

func person(o *muc.Occupant) groupPerson {
	return groupPerson{addr: o.Addr(), real: o.Real(), role: o.Role().String(), name: displayName(o)}
}

func (f *family) divided() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.split
}

// add makes a room known; false if there are too many.
func (f *family) add(addr stanza.Addr, name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rooms) > maxBreakouts {
		return false
	}
	f.counter++
	f.rooms = append(f.rooms, &groupRoom{addr: addr, name: name, people: make(map[string]groupPerson)})
	return true
}

// at is a room by its address; f.mu is held.
func (f *family) at(addr string) *groupRoom {
	for _, g := range f.rooms {
		if g.addr.String() == addr {
			return g
		}
	}
	return nil
}

// drop forgets a breakout room.
func (f *family) drop(addr string) (stanza.Addr, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.at(addr)
	if g == nil || g.addr == f.main.Addr() {
		return stanza.Addr{}, false
	}
	f.rooms = slices.DeleteFunc(f.rooms, func(o *groupRoom) bool { return o == g })
	return g.addr, true
}

func (f *family) rename(addr, name string) (stanza.Addr, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.at(addr)
	if g == nil || g.addr == f.main.Addr() {
		return stanza.Addr{}, false
	}
	g.name = name
	return g.addr, true
}

// clear forgets all breakout rooms and says which there were.
func (f *family) clear() []stanza.Addr {
	out := f.addrs()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rooms, f.split = nil, false
	return out
}

// addrs are the breakout rooms.
func (f *family) addrs() []stanza.Addr {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []stanza.Addr
	for _, g := range f.rooms {
		if g.addr != f.main.Addr() {
			out = append(out, g.addr)
		}
	}
	return out
}

// has says that an address is that of one of its rooms.
func (f *family) has(addr string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at(addr) != nil
}

func (f *family) name(addr stanza.Addr) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.at(addr.String()); g != nil {
		return g.name
	}
	return ""
}

// holds says that somebody is in one of its rooms.
func (f *family) holds(real stanza.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.rooms {
		for _, p := range g.people {
			if p.real == real {
				return true
			}
		}
	}
	return false
}

// mayUse says that nobody else in the meeting has a nick, or had it a moment ago.
func (f *family) mayUse(node, nick string, from stanza.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r, ok := f.kept[nick]; ok && r.bare != from.Bare() && time.Now().Before(r.until) {
		return false
	}
	for _, g := range f.rooms {
		if p, ok := g.people[nick]; ok && g.addr.Local() != node && p.real.Bare() != from.Bare() {
			return false
		}
	}
	return true
}

// put writes down who somebody in a room is; true if that is news.
func (f *family) put(r *muc.Room, o *muc.Occupant) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.at(r.Addr().String())
	if g == nil || g.people[o.Nick()] == person(o) {
		return false
	}
	g.people[o.Nick()] = person(o)
	delete(f.kept, o.Nick())
	return true
}

func (f *family) renamed(r *muc.Room, o *muc.Occupant, name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.at(r.Addr().String())
	if g == nil || g.people[o.Nick()].name == name || g.people[o.Nick()].real.IsZero() {
		return false
	}
	p := g.people[o.Nick()]
	p.name = name
	g.people[o.Nick()] = p
	return true
}

// left strikes somebody out, and keeps his nick for a while: he may be on his way to
// another room. It is false where nobody counts.
func (f *family) left(r *muc.Room, o *muc.Occupant) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.split {
		return false
	}
	now := time.Now()
	for nick, k := range f.kept {
		if now.After(k.until) {
			delete(f.kept, nick)
		}
	}
	f.kept[o.Nick()] = reservation{o.Bare(), now.Add(switchTime)}
	if g := f.at(r.Addr().String()); g != nil {
		delete(g.people, o.Nick())
	}
	return true
}

// deserted says that nobody is in any room of a divided meeting.
func (f *family) deserted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.rooms {
		if len(g.people) > 0 {
			return false
		}
	}
	return f.split
}

// wakes says that an update has to be sent soon that nobody has begun yet.
func (f *family) wakes() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending {
		return false
	}
	f.pending = true
	return true
}

type familyNote struct {
	Type    string                `json:"type"`
	Event   string                `json:"event"`
	Counter int                   `json:"roomCounter"`
	Rooms   map[string]groupsNote `json:"rooms"`
}

type groupsNote struct {
	Main   bool                  `json:"isMainRoom,omitempty"`
	ID     string                `json:"id"`
	JID    string                `json:"jid"`
	Name   string                `json:"name,omitempty"`
	People map[string]personNote `json:"participants"`
}

type personNote struct {
	JID  string `json:"jid"`
	Role string `json:"role"`
	Name string `json:"displayName,omitempty"`
}

// note is the update everybody gets, as things are now.
func (f *family) note() familyNote {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = false
	n := familyNote{Type: typeBreakout, Event: breakoutUpdate, Counter: f.counter, Rooms: make(map[string]groupsNote)}
	for _, g := range f.rooms {
		r := groupsNote{ID: g.addr.Local(), JID: g.addr.String(), Name: g.name, People: make(map[string]personNote)}
		if g.addr == f.main.Addr() {
			r.Main, r.ID = true, f.main.Node()
		}
		for _, p := range g.people {
			r.People[p.addr.String()] = personNote{p.real.String(), p.role, p.name}
		}
		n.Rooms[r.ID] = r
	}
	return n
}
