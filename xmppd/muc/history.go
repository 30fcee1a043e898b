package muc

import (
	"encoding/xml"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// history is the last messages of a room, oldest first, bounded in number and bytes.
type history struct {
	lines []line
	bytes int
}

type line struct {
	st    *stanza.Stanza // from room/nick, with its delay stamp
	at    time.Time
	bytes int
}

const stampFormat = "2006-01-02T15:04:05Z"

// add remembers a message; old ones make room.
func (h *history) add(st *stanza.Stanza, room stanza.Addr, now time.Time, maxLines, maxBytes int) {
	var b stanza.Builder
	b.Empty(ns.Delay, "delay", "from", room.String(), "stamp", now.UTC().Format(stampFormat))
	st = st.With(b.Bytes())
	h.lines = append(h.lines, line{st: st, at: now, bytes: len(st.Content())})
	h.bytes += len(st.Content())
	h.trim(maxLines, maxBytes)
}

func (h *history) trim(maxLines, maxBytes int) {
	drop := 0
	for len(h.lines)-drop > 0 && (len(h.lines)-drop > maxLines || h.bytes > maxBytes) {
		h.bytes -= h.lines[drop].bytes
		drop++
	}
	if drop > 0 {
		h.lines = append(h.lines[:0:0], h.lines[drop:]...)
	}
}

// remembered says whether a message belongs into the history: what a latecomer
// wants to read, and nothing that asks not to be kept.
func remembered(st *stanza.Stanza) bool {
	if st.Has(nsHints, "no-store") || st.Has(nsHints, "no-permanent-store") {
		return false
	}
	if st.Has(ns.Client, "body") || st.Has(nsHints, "store") {
		return true
	}
	for _, c := range st.Children() {
		if strings.HasPrefix(c.Space, nsMarkers) || strings.HasPrefix(c.Space, nsOMEMO) {
			return true
		}
	}
	return false
}

// historyWish is the history element of a join (XEP-0045, 7.2.13). A negative
// number means no wish.
type historyWish struct {
	stanzas, chars int
	since          time.Time
}

func parseHistoryWish(x []byte, now time.Time) historyWish {
	w := historyWish{stanzas: -1, chars: -1}
	var v struct {
		XMLName xml.Name
		History *struct {
			MaxStanzas string `xml:"maxstanzas,attr"`
			MaxChars   string `xml:"maxchars,attr"`
			Seconds    string `xml:"seconds,attr"`
			Since      string `xml:"since,attr"`
		} `xml:"history"`
	}
	if stanza.Decode(x, &v) != nil || v.History == nil {
		return w
	}
	if n, err := strconv.Atoi(v.History.MaxStanzas); err == nil && n >= 0 {
		w.stanzas = n
	}
	if n, err := strconv.Atoi(v.History.MaxChars); err == nil && n >= 0 {
		w.chars = n
	}
	const longest = 10 * 365 * 24 * 3600
	if n, err := strconv.Atoi(v.History.Seconds); err == nil && n >= 0 && n < longest {
		w.since = now.Add(-time.Duration(n) * time.Second)
	}
	if t, err := time.Parse(time.RFC3339, v.History.Since); err == nil && t.After(w.since) {
		w.since = t
	}
	return w
}

// pick is what a newcomer gets: usual many if he has no wish, else what he asks for,
// at most most.
func (h *history) pick(w historyWish, usual, most int) []line {
	limit := usual
	if w.stanzas >= 0 {
		limit = min(most, w.stanzas)
	} else if w.chars >= 0 || !w.since.IsZero() {
		limit = most
	}
	from := len(h.lines)
	chars := 0
	for from > 0 && len(h.lines)-from < limit {
		l := h.lines[from-1]
		if w.chars >= 0 {
			// The characters of whole stanzas count (XEP-0045, 7.2.14).
			chars += utf8.RuneCount(l.st.Append(nil, ns.Client))
		}
		if (w.chars >= 0 && chars > w.chars) || (!w.since.IsZero() && l.at.Before(w.since)) {
			break
		}
		from--
	}
	return h.lines[from:]
}
