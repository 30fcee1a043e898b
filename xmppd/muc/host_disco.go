package muc

import (
	"slices"
	"strconv"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
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
		h.answerItems(st, p)
	case st.Type == stanza.Get && p.Is(nsSearch, "search") && h.cfg.AccountRooms:
		h.answerSearch(st, p)
	case st.Type == stanza.Get && p.Is(ns.Ping, "ping"):
		h.rt.Reply(st, nil)
	case st.Type == stanza.Get && p.Is(ns.MUCUnique, "unique"):
		var b stanza.Builder
		h.rt.Reply(st, b.Leaf(ns.MUCUnique, "unique", strings.ToLower(router.NewID())).Bytes())
	default:
		h.rt.Bounce(st, errUnavailable)
	}
}

func (h *Host) answerInfo(st *stanza.Stanza, query stanza.Child) {
	switch st.ChildAttr(query, "node") {
	case "":
	case nodeTraffic:
		h.rt.Bounce(st, errUnavailable) // see Room.answerInfo
		return
	default:
		h.rt.Bounce(st, stanza.Err(stanza.Cancel, stanza.ItemNotFound, ""))
		return
	}
	var b stanza.Builder
	b.Start(ns.DiscoInfo, "query")
	b.Empty("", "identity", "category", "conference", "type", "text", "name", h.cfg.Name)
	features := []string{ns.DiscoInfo, ns.DiscoItems, ns.MUC, ns.OccupantID, ns.Ping, ns.MUCUnique, nsRSM}
	if h.cfg.AccountRooms {
		features = append(features, nsSearch)
	}
	for _, f := range features {
		b.Empty("", "feature", "var", f)
	}
	h.rt.Reply(st, b.Bytes())
}

// answerItems lists the public rooms, sorted by address, by pages if asked to
// (XEP-0059). It must not wait for the rooms, so each room keeps its line ready.
func (h *Host) answerItems(st *stanza.Stanza, query stanza.Child) {
	page, ok := parsePage(st.Raw(query))
	if !ok {
		h.rt.Bounce(st, errBadRequest)
		return
	}
	h.mu.Lock()
	rooms := h.list()
	h.mu.Unlock()
	var lines []listLine
	for _, r := range rooms {
		if l := r.listed.Load(); l != nil {
			lines = append(lines, listLine{r.addr.String(), l.name})
		}
	}
	slices.SortFunc(lines, func(a, b listLine) int { return strings.Compare(a.addr, b.addr) })
	shown, first, found := page.cut(lines)
	if !found || st.ChildAttr(query, "node") != "" {
		h.rt.Bounce(st, stanza.Err(stanza.Cancel, stanza.ItemNotFound, ""))
		return
	}
	var b stanza.Builder
	b.Start(ns.DiscoItems, "query")
	for _, l := range shown {
		b.Empty("", "item", "jid", l.addr, "name", l.name)
	}
	if page != nil {
		b.Start(nsRSM, "set")
		if len(shown) > 0 {
			b.Leaf("", "first", shown[0].addr, "index", strconv.Itoa(first)).Leaf("", "last", shown[len(shown)-1].addr)
		}
		b.Leaf("", "count", strconv.Itoa(len(lines))).End()
	}
	h.rt.Reply(st, b.Bytes())
}

// listLine is a room as the list shows it.
type listLine struct{ addr, name string }

// listPage is the part of a list that is wished (XEP-0059).
type listPage struct {
	Max    *int    `xml:"max"`
	After  *string `xml:"after"`
	Before *string `xml:"before"`
	Index  *int    `xml:"index"`
}

// parsePage is nil where everything is wanted.
func parsePage(query []byte) (p *listPage, ok bool) {
	var q struct {
		Set *listPage `xml:"http://jabber.org/protocol/rsm set"`
	}
	if stanza.Decode(query, &q) != nil {
		return nil, false
	}
	if p = q.Set; p != nil && (p.Max != nil && *p.Max < 0 || p.Index != nil && *p.Index < 0) {
		return nil, false
	}
	return p, true
}

// cut takes the page out of all lines; first is where it begins. A room that is gone
// since the last page still has its place in the order.
func (p *listPage) cut(all []listLine) (page []listLine, first int, ok bool) {
	if p == nil {
		return all, 0, true
	}
	from, to, most := 0, len(all), len(all)
	if p.Max != nil {
		most = min(most, *p.Max)
	}
	place := func(addr string) (int, bool) {
		return slices.BinarySearchFunc(all, addr, func(l listLine, a string) int { return strings.Compare(l.addr, a) })
	}
	switch {
	case p.After != nil:
		i, there := place(*p.After)
		if from = i; there {
			from++
		}
	case p.Before != nil:
		if *p.Before != "" {
			to, _ = place(*p.Before)
		}
		from = max(0, to-most)
	case p.Index != nil:
		if *p.Index > len(all) {
			return nil, 0, false
		}
		from = *p.Index
	}
	return all[from:min(to, from+most)], from, true
}
