package dataform

import (
	"errors"
	"strconv"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// SetXML is a result set request inside a struct that encoding/xml reads; its tag
// is `xml:"http://jabber.org/protocol/rsm set"`.
type SetXML struct {
	Max    *string `xml:"max"`
	Before *string `xml:"before"`
	After  *string `xml:"after"`
	Index  *string `xml:"index"`
}

// Page says which part of a result is wanted (XEP-0059).
type Page struct {
	Max    int // how many; negative: as many as there are
	Before string
	Last   bool // an empty before: the last page; or with Before: backwards from there
	After  string
	Index  int // position of the first, negative: not asked by position
}

// ErrPage is returned for a request that is none.
var ErrPage = errors.New("the result set request cannot be read")

// Read checks a request; none asks for everything.
func (x *SetXML) Read() (Page, error) {
	p := Page{Max: -1, Index: -1}
	if x == nil {
		return p, nil
	}
	number := func(s *string, to *int) error {
		if s == nil {
			return nil
		}
		n, err := strconv.Atoi(strings.TrimSpace(*s))
		if err != nil || n < 0 {
			return ErrPage
		}
		*to = n
		return nil
	}
	if err := number(x.Max, &p.Max); err != nil {
		return p, err
	}
	if err := number(x.Index, &p.Index); err != nil {
		return p, err
	}
	if x.Before != nil {
		p.Last, p.Before = true, *x.Before
	}
	if x.After != nil {
		p.After = *x.After
	}
	if p.Index >= 0 && (p.Last || p.After != "") {
		return p, ErrPage
	}
	return p, nil
}

// Set is the answer to a request: which part was given, out of how many.
type Set struct {
	First, Last string
	Index       int // of First, negative: not told
	Count       int // of all, negative: not told
}

// Append writes it.
func (s Set) Append(b *stanza.Builder) {
	b.Start(ns.RSM, "set")
	if s.First != "" || s.Last != "" {
		index := ""
		if s.Index >= 0 {
			index = strconv.Itoa(s.Index)
		}
		b.Leaf("", "first", s.First, "index", index)
		b.Leaf("", "last", s.Last)
	}
	if s.Count >= 0 {
		b.Leaf("", "count", strconv.Itoa(s.Count))
	}
	b.End()
}

// Cut finds the part of n ids that a page asks for: from (inclusive), to
// (exclusive). ok is false if it names an id that is not there.
func (p Page) Cut(ids []string) (from, to int, ok bool) {
	to = len(ids)
	find := func(id string) int {
		for i, x := range ids {
			if x == id {
				return i
			}
		}
		return -1
	}
	if p.After != "" {
		i := find(p.After)
		if i < 0 {
			return 0, 0, false
		}
		from = i + 1
	}
	if p.Before != "" {
		i := find(p.Before)
		if i < 0 {
			return 0, 0, false
		}
		to = i
	}
	if p.Index >= 0 {
		from = min(p.Index, len(ids))
	}
	from = min(from, to)
	if p.Max >= 0 && to-from > p.Max {
		if p.Last {
			from = to - p.Max
		} else {
			to = from + p.Max
		}
	}
	return from, to, true
}
