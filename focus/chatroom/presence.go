package chatroom

import (
	"strings"

	"parley/internal/wire/jitsimeet"
	"parley/internal/xmppclient"
)

// EventKind says what a presence meant.
type EventKind int

// The kinds of events.
const (
	MemberJoined EventKind = iota
	MemberChanged
	MemberLeft
	RoomLost
)

// String returns the word used in logs.
func (k EventKind) String() string {
	return [...]string{"joined", "changed", "left", "room lost"}[k]
}

// Event is one thing that happened in the room.
type Event struct {
	Kind   EventKind
	Member *Member // of MemberJoined, MemberChanged, MemberLeft
	// ToOtherRoom: the member left for a breakout room, or back.
	ToOtherRoom bool
	Err         error // of RoomLost
}

// HandlePresence takes a presence from the room.
func (r *Room) HandlePresence(st *xmppclient.Stanza) []Event {
	if err := st.Err(); err != nil {
		r.Failed(err)
		return nil
	}
	p := new(jitsimeet.Presence)
	if err := st.Decode(p); err != nil {
		r.log.WithError(err).Debug("A presence could not be read.")
		return nil
	}
	nick, ok := strings.CutPrefix(p.From, r.addr+"/")
	switch {
	case r.state == outside || (!ok && p.From != r.addr):
		return nil
	case nick == r.nick || p.MUC.Has(jitsimeet.StatusSelf):
		return r.handleSelf(p)
	case !ok:
		return nil
	case r.state != inside:
		if len(r.held) < maxMembers {
			r.held = append(r.held, p)
		}
		return nil
	}
	return r.handleMember(nick, p)
}

// Release hands out what happened before we were inside. Call it once Join is done.
func (r *Room) Release() []Event {
	held := r.held
	r.held = nil
	var out []Event
	for _, p := range held {
		out = append(out, r.handleMember(strings.TrimPrefix(p.From, r.addr+"/"), p)...)
	}
	return out
}

func (r *Room) handleSelf(p *jitsimeet.Presence) []Event {
	item := p.MUC.Item()
	if p.Type == "unavailable" {
		if r.state == entering {
			return nil // the end of an earlier stay; refusals are of type error
		}
		err := ErrRemoved
		if p.MUC != nil && p.MUC.Destroy != nil {
			err = ErrDestroyed
		}
		return r.lose(err)
	}
	if p.MUC == nil {
		return nil
	}
	if item.Affiliation != "owner" {
		return r.lose(ErrNotOwner)
	}
	if r.state == entering {
		r.configure()
	}
	return nil
}

// lose ends our occupancy against our will.
func (r *Room) lose(err error) []Event {
	was := r.state
	if err == ErrNotOwner {
		r.Leave()
	}
	r.state = outside
	clear(r.members)
	if was != inside {
		r.finish(err)
		return nil
	}
	return []Event{{Kind: RoomLost, Err: err}}
}

func (r *Room) handleMember(nick string, p *jitsimeet.Presence) []Event {
	m := r.members[nick]
	switch {
	case p.Type == "unavailable":
		if m == nil {
			return nil
		}
		delete(r.members, nick)
		return []Event{{Kind: MemberLeft, Member: m, ToOtherRoom: strings.TrimSpace(p.Status) == jitsimeet.StatusSwitchRoom}}
	case p.Type != "" || nick == "":
		return nil
	case m != nil:
		m.apply(p, r.trusted)
		return []Event{{Kind: MemberChanged, Member: m}}
	case len(r.members) >= maxMembers:
		return nil
	}
	m = &Member{Nick: nick, Addr: p.From}
	m.apply(p, r.trusted)
	if m.Real.String() == "" {
		r.log.WithField("nick", nick).Warn("A member without a real address is ignored.")
		return nil
	}
	r.members[nick] = m
	return []Event{{Kind: MemberJoined, Member: m}}
}
