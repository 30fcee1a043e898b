package muc

import (
	"fmt"
	"time"

	"parley/xmppd/stanza"
)

// Open runs f on the goroutine of a room, which comes into being if nobody was in
// it yet. The room then stays, empty, until somebody calls SetPersistent(false) or
// Destroy. It does not wait for f.
func (h *Host) Open(room stanza.Addr, f func(*Room)) error {
	node, addr, ok := h.locate(room)
	if !ok || node == "" {
		return fmt.Errorf("%s: %w", room, ErrNoRoom)
	}
	for {
		r, refusal := h.room(node, addr, true)
		switch {
		case refusal != nil:
			return fmt.Errorf("%s: %w", room, refusal)
		case r == nil:
			return ErrClosed
		}
		res := r.box.post(func() {
			r.open()
			f(r)
		}, internal)
		if res == posted {
			return nil
		}
		h.forget(r)
	}
}

// open brings the room into being without anybody inside.
func (r *Room) open() {
	if r.exists {
		return
	}
	r.exists, r.created = true, time.Now()
	r.config.persistent = true
	r.host.stats.rooms.Add(1)
	r.host.stats.created.Add(1)
	r.log.Info("room opened")
	for _, f := range r.host.hooks.created {
		f(r)
	}
}

// Locate is the name under which the host keeps a room, and the address people know it
// by; false for an address that is none of a room here.
func (h *Host) Locate(room stanza.Addr) (node string, addr stanza.Addr, ok bool) {
	return h.locate(room)
}

// Wire is the address under which people know a room that is named by an address
// of this host: rooms of tenants have a domain of their own.
func (h *Host) Wire(room stanza.Addr) stanza.Addr {
	if _, addr, ok := h.locate(room); ok {
		return addr
	}
	return room.Bare()
}

// Exists says whether there is a room, or it is about to be.
func (h *Host) Exists(room stanza.Addr) bool { return h.find(room) != nil }
