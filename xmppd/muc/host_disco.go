package muc

import (
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// handleHost answers what is addressed to the domain itself.
func (h *Host) handleHost(st *stanza.Stanza) {
	if !st.IsRequest() {
		h.rt.Bounce(st, errUnavailable)
		return
	}
	p, _ := st.Payload()
	switch {
	case st.Type == stanza.Get && p.Is(ns.DiscoInfo, "query"):
		h.answerInfo(st, p)
	case st.Type == stanza.Get && p.Is(ns.DiscoItems, "query"):
		h.answerItems(st)
	case st.Type == stanza.Get && p.Is(ns.Ping, "ping"):
		h.rt.Reply(st, nil)
	default:
		h.rt.Bounce(st, errUnavailable)
	}
}

func (h *Host) answerInfo(st *stanza.Stanza, query stanza.Child) {
	if st.ChildAttr(query, "node") != "" {
		h.rt.Bounce(st, stanza.Err(stanza.Cancel, stanza.ItemNotFound, ""))
		return
	}
	var b stanza.Builder
	b.Start(ns.DiscoInfo, "query")
	b.Empty("", "identity", "category", "conference", "type", "text", "name", h.cfg.Name)
	for _, f := range []string{ns.DiscoInfo, ns.DiscoItems, ns.MUC, ns.OccupantID, ns.Ping} {
		b.Empty("", "feature", "var", f)
	}
	h.rt.Reply(st, b.Bytes())
}

// answerItems lists the public rooms. It must not wait for the rooms, so each room
// keeps its line ready.
func (h *Host) answerItems(st *stanza.Stanza) {
	h.mu.Lock()
	rooms := h.list()
	h.mu.Unlock()
	var b stanza.Builder
	b.Start(ns.DiscoItems, "query")
	for _, r := range rooms {
		if l := r.listed.Load(); l != nil {
			b.Empty("", "item", "jid", r.addr.String(), "name", *l)
		}
	}
	h.rt.Reply(st, b.Bytes())
}
