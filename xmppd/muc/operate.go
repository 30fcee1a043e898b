package muc

import (
	"errors"
	"fmt"
	"time"

	"parley/xmppd/stanza"
)

// What an operator can do with rooms. These methods wait for the room's goroutine, so
// they must not be called from one.

// Errors of the operator's methods.
var (
	// ErrRoomExists is returned for a room that exists already.
	ErrRoomExists = errors.New("room exists already")
	// ErrNoOccupant is returned for a nick nobody in the room has.
	ErrNoOccupant = errors.New("nobody has this nick")
	// ErrAdministrator is returned for an account that owns every room.
	ErrAdministrator = errors.New("an administrator of the server owns every room")

	errFailed = errors.New("the room failed, see the log")
)

// ask runs f on the goroutine of a room and waits for it.
func (h *Host) ask(room stanza.Addr, f func(*Room) error) error {
	r := h.find(room)
	if r == nil {
		return fmt.Errorf("%s: %w", room, ErrNoRoom)
	}
	return r.wait(func() error {
		if !r.exists {
			return fmt.Errorf("%s: %w", room, ErrNoRoom)
		}
		return f(r)
	})
}

func (r *Room) wait(f func() error) error {
	answer := make(chan error, 1)
	if r.box.post(func() {
		err := errFailed
		defer func() { answer <- err }()
		err = f()
	}, internal) != posted {
		return fmt.Errorf("%s: %w", r.addr, ErrClosed)
	}
	return <-answer
}

// CreateRoom opens a plain room that stays when it is empty. owner may be zero.
func (h *Host) CreateRoom(room, owner stanza.Addr) error {
	node, addr, ok := h.locate(room)
	if !ok || node == "" {
		return fmt.Errorf("%s: %w", room, ErrNoRoom)
	}
	r, refusal := h.room(node, addr, true)
	switch {
	case refusal != nil:
		return fmt.Errorf("%s: %w", room, refusal)
	case r == nil:
		return ErrClosed
	}
	return r.wait(func() error {
		if r.exists {
			return fmt.Errorf("%s: %w", room, ErrRoomExists)
		}
		r.config = plainRoomConfig(&h.cfg)
		r.config.persistent = true
		if err := r.keep(r.config); err != nil {
			r.reset()
			return err
		}
		r.exists, r.plain, r.created = true, true, time.Now()
		r.dropArchive()
		if !owner.IsZero() {
			r.affiliations[owner.Bare()] = Owner
		}
		h.stats.rooms.Add(1)
		h.stats.created.Add(1)
		r.publish()
		if err := r.save(); err != nil {
			return err
		}
		return nil
	})
}

// DestroyRoom ends a room; everybody inside hears the reason.
func (h *Host) DestroyRoom(room stanza.Addr, reason string) error {
	return h.ask(room, func(r *Room) error {
		r.Destroy(reason, stanza.Addr{}, "")
		return nil
	})
}

// KickOccupant puts somebody out of a room.
func (h *Host) KickOccupant(room stanza.Addr, nick, reason string) error {
	return h.ask(room, func(r *Room) error {
		o := r.occupants[nick]
		if o == nil {
			return fmt.Errorf("%s in %s: %w", nick, room, ErrNoOccupant)
		}
		r.Kick(o, nil, reason)
		return nil
	})
}

// Affiliate gives an account an affiliation in a room.
func (h *Host) Affiliate(room, account stanza.Addr, aff Affiliation, reason string) error {
	return h.ask(room, func(r *Room) error {
		if h.rt.IsAdmin(account) {
			return fmt.Errorf("%s: %w", account, ErrAdministrator)
		}
		r.SetAffiliation(account, aff, nil, reason)
		err := r.save()
		r.closeIfEmpty("")
		if err != nil {
			return err
		}
		return nil
	})
}

// Affiliations are the accounts a room keeps an affiliation for.
func (h *Host) Affiliations(room stanza.Addr) (map[string]Affiliation, error) {
	out := make(map[string]Affiliation)
	err := h.ask(room, func(r *Room) error {
		for a, aff := range r.affiliations {
			out[a.String()] = aff
		}
		return nil
	})
	return out, err
}
