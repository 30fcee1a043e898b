package chatroom

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
	"parley/internal/wire/jitsimeet"
	"parley/internal/xmppclient"
)

// maxMembers bounds a room; the server's own limit is far below. Beyond it, members
// are not seen.
const maxMembers = 5000

// Reasons for which a room is lost.
var (
	ErrDestroyed = errors.New("the room was destroyed")
	ErrRemoved   = errors.New("the focus was removed from the room")
	ErrNotOwner  = errors.New("the focus has no owner rights in the room")
)

// state of our own occupancy:
//
//	outside ──Join──► entering ──self-presence──► configuring ──both answers──► inside
//	   ▲                  │ error                      │ error                    │
//	   └──────────────────┴────────────────────────────┴──────── Leave, lost ◄────┘
type state int

const (
	outside state = iota
	entering
	configuring
	inside
)

// String returns the word used in logs.
func (s state) String() string {
	return [...]string{"outside", "entering", "configuring", "inside"}[s]
}

// Info is what the room's configuration tells the focus.
type Info struct {
	MeetingID string // may be empty
	Breakout  bool
	MainRoom  string // of a breakout room
}

// Room is one room.
type Room struct {
	addr    string // bare
	nick    string
	link    Link
	trusted func(domain string) bool
	log     *logrus.Entry

	state   state
	joined  func(Info, error)
	stay    int // counts entrances, so that answers of an earlier one are told apart
	pending int // answers still missing while configuring
	info    Info
	members map[string]*Member
	held    []*jitsimeet.Presence // seen before we were inside
}

// New makes a room we are not in yet. trusted says from which login domains members
// may declare themselves recorders and the like.
func New(addr, nick string, link Link, trusted func(domain string) bool, log *logrus.Entry) *Room {
	return &Room{
		addr: addr, nick: nick, link: link, trusted: trusted,
		log: log.WithField(logx.Room, addr), members: make(map[string]*Member),
	}
}

// Addr is the room's bare address.
func (r *Room) Addr() string { return r.addr }

// Self is our occupant address.
func (r *Room) Self() string { return r.addr + "/" + r.nick }

// Inside says whether we have entered and configured the room.
func (r *Room) Inside() bool { return r.state == inside }

// Member returns the member of that nick, or nil.
func (r *Room) Member(nick string) *Member { return r.members[nick] }

// Members lists the members, by nick.
func (r *Room) Members() []*Member {
	out := make([]*Member, 0, len(r.members))
	for _, m := range r.members {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b *Member) int { return strings.Compare(a.Nick, b.Nick) })
	return out
}

// Len is the number of members, ourselves not counted.
func (r *Room) Len() int { return len(r.members) }

// Join enters the room, creating it if needed, and makes addresses visible. payload
// is our first presence there. done is told how that ended; presences that came
// before are handed out by Release.
func (r *Room) Join(done func(Info, error), payload ...any) {
	r.state, r.joined, r.held = entering, done, nil
	r.stay++
	clear(r.members)
	r.presence("", append([]any{joinMarker{}}, payload...)...)
}

// Publish replaces our presence in the room.
func (r *Room) Publish(payload ...any) {
	if r.state == inside {
		r.presence("", payload...)
	}
}

// Leave leaves the room.
func (r *Room) Leave() {
	if r.state != outside {
		r.presence(xmppclient.TypeUnavailable)
	}
	r.state = outside
	clear(r.members)
}

func (r *Room) presence(kind string, payload ...any) {
	r.link.Send(xmppclient.Presence{Type: kind, To: r.Self(), Payload: payload})
}

// GrantOwner makes a member an owner of the room.
func (r *Room) GrantOwner(m *Member) {
	q := &adminQuery{Item: adminItem{Affiliation: "owner", JID: m.Real.Bare().String()}}
	r.link.Request(xmppclient.IQ{Type: xmppclient.TypeSet, To: r.addr, Payload: q}, func(_ *xmppclient.Stanza, err error) {
		if err != nil {
			r.log.WithError(err).WithField(logx.Occupant, m.Addr).Warn("The room refused to make a member owner.")
		}
	})
}

// Failed ends an attempt to enter, for instance because no answer came.
func (r *Room) Failed(err error) {
	if r.state != entering && r.state != configuring {
		return
	}
	r.Leave()
	r.finish(err)
}

func (r *Room) finish(err error) {
	if done := r.joined; done != nil {
		r.joined = nil
		done(r.info, err)
	}
}

// configure reads the room's configuration and opens addresses; neither waits for
// the other.
func (r *Room) configure() {
	r.state, r.pending = configuring, 2
	r.ask(xmppclient.TypeGet, &ownerQuery{}, "read the room's configuration", r.readForm)
	r.ask(xmppclient.TypeSet, openAddresses(), "configure the room", func(*xmppclient.Stanza) error { return nil })
}

// ask is one of the two requests of configure.
func (r *Room) ask(kind string, q *ownerQuery, what string, read func(*xmppclient.Stanza) error) {
	stay := r.stay
	r.link.Request(xmppclient.IQ{Type: kind, To: r.addr, Payload: q}, func(answer *xmppclient.Stanza, err error) {
		if r.state != configuring || r.stay != stay {
			return
		}
		if err == nil {
			err = read(answer)
		}
		if err != nil {
			r.Failed(fmt.Errorf("%s: %w", what, err))
			return
		}
		if r.pending--; r.pending == 0 {
			r.state = inside
			r.finish(nil)
		}
	})
}

func (r *Room) readForm(answer *xmppclient.Stanza) error {
	var q ownerQuery
	if err := answer.DecodePayload(&q); err != nil {
		return err
	}
	r.info = Info{
		MeetingID: q.field(fieldMeetingID),
		Breakout:  truth(q.field(fieldBreakout)),
		MainRoom:  q.field(fieldMainRoom),
	}
	return nil
}

func truth(s string) bool { return s == "1" || s == "true" }
