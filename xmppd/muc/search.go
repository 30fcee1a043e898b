package muc

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// The search for rooms (XEP-0433), among those that disco#items shows to everybody.

const (
	nsSearchForm  = ns.ChannelSearch + ":search-params"
	nsSearchError = ns.ChannelSearch + ":error"
	nsSearch      = ns.ChannelSearch + ":search"
	orderPeople   = "{" + ns.ChannelSearch + ":order}nusers"
	orderAddress  = "{" + ns.ChannelSearch + ":order}address"
	typeMUC       = "xep-0045"
)

// Bounds of a search.
const (
	maxFound = 100 // rooms in an answer
	maxWords = 16
)

// listing is a room as lists and searches show it. It is not changed once it is shown.
type listing struct {
	name, description, language string
	open                        bool // anybody may enter
	anonymity                   string

	lowName, lowDescription string // to compare with
}

// found is a room a search has found.
type found struct {
	*listing
	addr   string
	people int
}

// search is what somebody looks for.
type search struct {
	words                    []string // in lower case; all have to be somewhere
	name, address, describes bool     // where to look
	order                    string
}

// answerSearch gives the form, or what was found with it.
func (h *Host) answerSearch(st *stanza.Stanza, query stanza.Child) {
	raw := st.Raw(query)
	form, err := parseSubmission(raw)
	page, ok := parsePage(raw)
	switch {
	case err != nil:
		h.rt.Bounce(st, err)
		return
	case !ok:
		h.rt.Bounce(st, errBadRequest)
		return
	case form == nil:
		h.rt.Reply(st, searchForm())
		return
	}
	s, err := readSearch(form)
	if err != nil {
		h.rt.Bounce(st, err)
		return
	}
	var all []found
	if slices.Contains(form.values("types", typeMUC), typeMUC) {
		all = h.search(s)
	}
	shown, first, there := page.searched(all)
	if !there {
		h.rt.Bounce(st, errNoRoomHere)
		return
	}
	var b stanza.Builder
	b.Start(nsSearch, "result")
	for _, f := range shown {
		f.write(&b)
	}
	if len(all) > 0 {
		b.Start(nsRSM, "set")
		if len(shown) > 0 {
			b.Leaf("", "first", shown[0].addr, "index", strconv.Itoa(first)).Leaf("", "last", shown[len(shown)-1].addr)
		}
		b.Leaf("", "count", strconv.Itoa(len(all))).End()
	}
	h.rt.Reply(st, b.End().Bytes())
}

func searchForm() []byte {
	f := &Form{Type: "form", FormType: nsSearchForm, Title: "Search for rooms"}
	f.Add("q", "text-single", "Words to look for")
	f.Add("sinname", "boolean", "Look in names")
	f.Add("sindescription", "boolean", "Look in descriptions")
	f.Add("sinaddress", "boolean", "Look in addresses")
	f.Add("all", "boolean", "List all rooms")
	f.Fields = append(f.Fields,
		Field{Var: "types", Type: "list-multi", Label: "Kinds of rooms", Values: []string{typeMUC}, Options: []Option{{"Rooms (XEP-0045)", typeMUC}}},
		Field{Var: "key", Type: "list-single", Label: "Order", Values: []string{orderPeople},
			Options: []Option{{"Number of people", orderPeople}, {"Address", orderAddress}}})
	var b stanza.Builder
	b.Start(nsSearch, "search")
	f.write(&b)
	return b.End().Bytes()
}

// refuseSearch is an error with the condition of XEP-0433 §4.2.2.
func refuseSearch(typ, condition, why, text string) *stanza.Error {
	var b stanza.Builder
	e := stanza.Err(typ, condition, text)
	e.App = b.Empty(nsSearchError, why).Bytes()
	return e
}

// readSearch understands a form; fields it does not know are skipped.
func readSearch(form *submission) (search, *stanza.Error) {
	s := search{order: orderPeople}
	if form.typ != "submit" || form.formType != nsSearchForm {
		return s, errSearchForm
	}
	q, asked := form.text("q")
	for _, b := range []struct {
		name  string
		to    *bool
		usual bool
	}{{"sinname", &s.name, true}, {"sindescription", &s.describes, true}, {"sinaddress", &s.address, true}} {
		*b.to = b.usual
		if v, ok := form.text(b.name); ok && v != "" {
			if *b.to, ok = boolean(v); !ok {
				return s, errSearchForm
			}
		}
	}
	text, _ := form.text("all")
	all, ok := boolean(text)
	if !ok {
		return s, errSearchForm
	}
	if key, ok := form.text("key"); ok && key != "" {
		s.order = key
	}
	s.words = strings.Fields(strings.ToLower(q))
	switch {
	case s.order != orderPeople && s.order != orderAddress:
		return s, refuseSearch(stanza.Modify, stanza.FeatureNotImplemented, "invalid-sort-key", "Rooms cannot be sorted by that")
	case all && asked && q != "":
		return s, refuseSearch(stanza.Modify, stanza.BadRequest, "conflicting-fields", "Ask for all rooms, or for some words")
	case !all && q == "":
		return s, refuseSearch(stanza.Cancel, stanza.BadRequest, "no-search-conditions", "Say what to look for")
	case !all && (len(s.words) == 0 || len(s.words) > maxWords):
		return s, refuseSearch(stanza.Modify, stanza.BadRequest, "invalid-search-terms", "Give between one and sixteen words")
	}
	return s, nil
}

// search finds rooms, in order. It must not wait for them, see answerItems.
func (h *Host) search(s search) []found {
	h.mu.Lock()
	rooms := h.list()
	h.mu.Unlock()
	var out []found
	for _, r := range rooms {
		l := r.listed.Load()
		if l == nil || !s.matches(r, l) {
			continue
		}
		out = append(out, found{listing: l, addr: r.addr.String(), people: int(r.present.Load())})
	}
	slices.SortFunc(out, func(a, b found) int {
		if s.order == orderPeople {
			if c := cmp.Compare(b.people, a.people); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.addr, b.addr)
	})
	return out
}

func (s *search) matches(r *Room, l *listing) bool {
	for _, w := range s.words {
		if !(s.name && strings.Contains(l.lowName, w) || s.describes && strings.Contains(l.lowDescription, w) ||
			s.address && strings.Contains(r.addr.String(), w)) {
			return false
		}
	}
	return true
}

func (f *found) write(b *stanza.Builder) {
	b.Start("", "item", "address", f.addr)
	for _, x := range [][2]string{{"name", f.name}, {"description", f.description}, {"language", f.language}} {
		if x[1] != "" {
			b.Leaf("", x[0], x[1])
		}
	}
	b.Leaf("", "nusers", strconv.Itoa(f.people)).Leaf("", "service-type", typeMUC)
	if f.open {
		b.Empty("", "is-open")
	}
	b.Leaf("", "anonymity-mode", f.anonymity).End()
}

// searched takes a page out of what was found; more than maxFound are never shown at
// once. first is where it begins.
func (p *listPage) searched(all []found) (page []found, first int, ok bool) {
	from, to, most := 0, len(all), maxFound
	place := func(addr string) int { return slices.IndexFunc(all, func(f found) bool { return f.addr == addr }) }
	switch {
	case p == nil:
	case p.After != nil:
		at := place(*p.After)
		if at < 0 {
			return nil, 0, false
		}
		from = at + 1
	case p.Before != nil && *p.Before != "":
		if to = place(*p.Before); to < 0 {
			return nil, 0, false
		}
	case p.Index != nil:
		if from = *p.Index; from > len(all) {
			return nil, 0, false
		}
	}
	if p != nil && p.Max != nil {
		most = min(most, *p.Max)
	}
	if p != nil && p.Before != nil {
		from = max(0, to-most)
	}
	return all[from:min(to, from+most)], from, true
}
