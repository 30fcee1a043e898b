package muc

import "parley/internal/wire/ns"

// Subject is what the room is about, empty if nobody has said.
func (r *Room) Subject() string {
	if r.subject == nil {
		return ""
	}
	c, ok := r.subject.Child(ns.Client, "subject")
	if !ok {
		return ""
	}
	return r.subject.ChildText(c)
}
