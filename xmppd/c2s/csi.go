package c2s

import (
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// maxHeld bounds what waits for a client nobody looks at; then all of it is sent.
const maxHeld = 500

// held is what a client that said inactive need not hear at once (XEP-0352): the
// last presence of each sender, in order. It is guarded by its session's lock.
type held struct {
	on   bool
	list []sent
	at   map[stanza.Addr]int // sender → place in list
}

// take keeps a stanza back. It is false if the stanza must go out now.
func (h *held) take(s sent) bool {
	st := s.e.Stanza()
	if !h.on || len(h.list) >= maxHeld || !patient(st) {
		return false
	}
	if st.Kind != stanza.Presence {
		return true // a chat state is stale when anybody looks
	}
	if i, ok := h.at[st.From]; ok {
		h.list[i] = s
		return true
	}
	if h.at == nil {
		h.at = make(map[stanza.Addr]int)
	}
	h.at[st.From] = len(h.list)
	h.list = append(h.list, s)
	return true
}

// patient says that a stanza is worth nothing to somebody who does not look: that
// contacts come and go, and that somebody types. What rooms say about presence may
// carry status codes and is not held.
func patient(st *stanza.Stanza) bool {
	switch st.Kind {
	case stanza.Presence:
		return (st.Type == "" || st.Type == stanza.Unavailable) && !st.Has(ns.MUCUser, "x")
	case stanza.Message:
		if len(st.Children()) == 0 || st.Type == stanza.ErrorType {
			return false
		}
		for _, c := range st.Children() {
			if c.Space != ns.ChatStates && c.Space != ns.Hints && !c.Is(ns.Client, "thread") {
				return false
			}
		}
		return true
	}
	return false
}

// setActive takes what the client says about itself.
func (s *session) setActive(c *conn, active bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c || s.ended {
		return
	}
	s.rs.SetIdle(!active)
	s.held.on = !active
	if active {
		s.releaseLocked()
	}
}

// releaseLocked sends what was held back.
func (s *session) releaseLocked() {
	list := s.held.list
	s.held.list, s.held.at = nil, nil
	for _, x := range list {
		s.deliverLocked(nil, x)
	}
}
