package meeting

import (
	"slices"
	"strings"
	"sync"

	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// whereabouts knows which rooms a session is in, so that what it writes to a
// service finds its room. An entry may outlive a stay for a moment; who acts on it
// looks into the room.
type whereabouts struct {
	mu    sync.Mutex // guards rooms; leaf lock
	rooms map[stanza.Addr][]*muc.Room
}

// watch follows who enters and leaves the rooms of a host.
func (w *whereabouts) watch(h *muc.Hooks) {
	h.OnEntering(func(r *muc.Room, o *muc.Occupant) {
		if w.enter(o.Real(), r) && o.Session() != nil {
			real := o.Real()
			o.Session().OnEnd(func() { w.forget(real) })
		}
	})
	h.OnLeft(func(r *muc.Room, o *muc.Occupant) { w.leave(o.Real(), r) })
}

// enter notes a stay; first says that nothing was known of the session.
func (w *whereabouts) enter(real stanza.Addr, r *muc.Room) (first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list, known := w.rooms[real]
	if !slices.Contains(list, r) {
		w.rooms[real] = append(slices.Clone(list), r)
	}
	return !known
}

func (w *whereabouts) leave(real stanza.Addr, r *muc.Room) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(w.rooms[real]), func(o *muc.Room) bool { return o == r })
	if _, known := w.rooms[real]; known {
		w.rooms[real] = list // kept while empty: the end of the session is watched
	}
}

func (w *whereabouts) forget(real stanza.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.rooms, real)
}

func (w *whereabouts) of(real stanza.Addr) []*muc.Room {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rooms[real]
}

// find is the room somebody means: the one named, else the one in the URL of the
// session, else the only one.
func (w *whereabouts) find(real stanza.Addr, s *router.Session, named string) (*muc.Room, *stanza.Error) {
	list := w.of(real)
	if named != "" {
		addr, err := stanza.ParseAddr(named)
		if err != nil {
			return nil, errBadContent
		}
		for _, r := range list {
			if r.Addr() == addr {
				return r, nil
			}
		}
		return nil, errNotInside
	}
	switch len(list) {
	case 0:
		return nil, errNotInside
	case 1:
		return list[0], nil
	}
	node := urlRoom(s)
	for _, r := range list {
		if node != "" && r.Node() == node {
			return r, nil
		}
	}
	return nil, errWhichRoom
}

// urlRoom is the name of the room a session was opened for, "" if the URL did not
// tell (mod_jitsi_session, mod_muc_domain_mapper).
func urlRoom(s *router.Session) string {
	if s == nil || s.Info().Room == "" {
		return ""
	}
	node := strings.ToLower(s.Info().Room)
	if p := s.Info().Prefix; p != "" {
		node = "[" + strings.ToLower(p) + "]" + node
	}
	return node
}
