package muc

import "strings"

// A plain room is one that somebody with an account has opened to talk, without a
// focus. It follows XEP-0045 and nothing else: rules that join in by Hooks are for
// meetings. When the focus enters, it becomes a meeting, until all have left.

// noHooks are those of a plain room.
var noHooks = &Hooks{}

// hooks are the rules that join in at this room.
func (r *Room) hooks() *Hooks {
	if r.plain {
		return noHooks
	}
	return r.host.hooks
}

// Plain says that the room was opened by an account and is no meeting: no focus has
// been in it.
func (r *Room) Plain() bool { return r.plain }

// Locked says that the room waits for its first configuration (XEP-0045, 10.1).
func (r *Room) Locked() bool { return r.locked }

// plainly says that only this package's rules apply to a join: somebody with an
// account enters a plain room, or opens one.
func (j *Join) plainly() bool {
	r := j.Room
	return r.host.cfg.AccountRooms && j.account() && (r.plain || !r.exists) && !j.focus()
}

// focus says that it is the focus, or another service, that enters.
func (j *Join) focus() bool { return j.Admin && j.Room.host.reserved(j.Nick) }

// becomeMeeting makes a plain room a meeting.
func (r *Room) becomeMeeting() {
	r.plain = false
	r.unlock()
	for _, f := range r.host.hooks.created {
		f(r)
	}
}

// becomePlain makes a room plain again that stays when everybody has left.
func (r *Room) becomePlain() {
	if r.plain {
		return
	}
	for _, f := range r.host.hooks.destroyed {
		f(r)
	}
	r.values = make(map[any]any)
	r.plain = true
}

// unlock opens a room to others than its owners.
func (r *Room) unlock() {
	r.locked = false
	r.publish()
}

// publish keeps ready what disco#items and searches show of the room.
func (r *Room) publish() {
	if !r.exists || !r.config.public || r.locked {
		r.listed.Store(nil)
		return
	}
	name := r.config.name
	if name == "" {
		name = r.addr.Local()
	}
	l := &listing{name: name, description: r.config.description, language: r.config.language,
		open: !r.config.membersOnly && r.config.password == "", anonymity: "semi",
		lowName: strings.ToLower(name), lowDescription: strings.ToLower(r.config.description)}
	if r.config.whoisAnyone {
		l.anonymity = "none"
	}
	r.listed.Store(l)
}
