//go:build linux

package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sizes of what is sent: a line of chat, and the presence of a browser client.
const (
	chatBytes     = 200
	presenceBytes = 1200
	underWay      = 8 // messages sent and not yet with everybody; joins begun
	patience      = time.Minute
)

// room is one room with its clients, and what went through it.
type room struct {
	l       *loop
	srv     *server
	name    string
	clients []*client

	kind     string // message or presence
	order    []int  // numbers in the order the first receiver saw them
	sent     []time.Time
	left     []int // receivers that a number has not reached
	complete int
	limit    int  // numbers to send
	paced    bool // a clock sends, not what arrived
	delays   []time.Duration
	padding  []byte
}

// fill logs n clients in and lets them join; times are of the joins alone.
func fill(l *loop, srv *server, by transport, name string, n int) (*room, error) {
	r := &room{l: l, srv: srv, name: name + "@" + srv.rooms}
	var err error
	if r.clients, err = login(l, srv, by, n); err != nil {
		return nil, err
	}
	for i, c := range r.clients {
		c.nick = "o" + strconv.Itoa(i)
	}
	return r, nil
}

// login makes n sessions, some at a time.
func login(l *loop, srv *server, by transport, n int) ([]*client, error) {
	var all []*client
	begun, done := 0, 0
	var more func()
	more = func() {
		if begun == n {
			return
		}
		begun++
		c, err := newClient(l, srv, by, func(*client) { done++; more() })
		if err != nil {
			l.fail(err)
			return
		}
		all = append(all, c)
	}
	for range min(2*underWay, n) {
		more()
	}
	err := l.until("log-ins over "+string(by), patience, func() bool { return done == n })
	return all, err
}

// join lets everybody in. It is done when each has heard of each.
func (r *room) join() error {
	n, begun, inside, heard := len(r.clients), 0, 0, 0
	more := func() {
		if begun < n {
			c := r.clients[begun]
			begun++
			c.send([]byte("<presence" + c.space() + " to='" + r.name + "/" + c.nick + "'><x xmlns='http://jabber.org/protocol/muc'/>" + describe(presenceBytes) + "</presence>"))
		}
	}
	for _, c := range r.clients {
		c.on = func(c *client, st []byte) {
			if !bytes.HasPrefix(st, []byte("<presence")) {
				return
			}
			from, nick, _ := strings.Cut(string(attr(st, "from")), "/")
			switch {
			case from != r.name || !bytes.Equal(attr(st, "to"), c.jid) || len(attr(st, "type")) > 0:
				r.l.fail(fmt.Errorf("a presence that is not expected: %.300s", st))
			case c.joined[nick]:
				r.l.fail(fmt.Errorf("%s heard of %s twice while joining", c.nick, nick))
			default:
				c.joined[nick] = true
				heard++
			}
			if nick == c.nick {
				inside++
				more()
			}
		}
	}
	for range underWay {
		more()
	}
	return r.l.until("joining "+r.name, patience, func() bool { return inside == n && heard == n*n })
}

// describe is what a browser client says of itself, about so many bytes.
func describe(size int) string {
	s := `<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://jitsi.org/jitsi-meet' ver='nLHFaqSzPkmH4MnYSf0pBFbmkKs='/>` +
		`<nick xmlns='http://jabber.org/protocol/nick'>Somebody</nick><stats-id>Ada-Z1x</stats-id>` +
		`<SourceInfo>{"a1b2c3d4-a0":{"muted":false},"a1b2c3d4-v0":{"muted":true,"videoType":"camera"}}</SourceInfo>` +
		`<jitsi_participant_codecList>av1,vp9,vp8,h264</jitsi_participant_codecList>`
	return s + "<key>" + strings.Repeat("k", max(size-len(s)-11, 0)) + "</key>"
}

// start makes the room ready to count one kind of stanza.
func (r *room) start(kind string) {
	r.kind = kind
	r.padding = []byte(strings.Repeat("x", chatBytes))
	for _, c := range r.clients {
		c.on = r.delivered
	}
}

func (r *room) sender(number int) *client { return r.clients[number%len(r.clients)] }

func (r *room) sendNext() {
	number := len(r.sent)
	c := r.sender(number)
	r.left = append(r.left, len(r.clients))
	r.sent = append(r.sent, time.Now())
	mark := "PL:" + strconv.Itoa(number) + ":"
	if r.kind == "message" {
		c.send([]byte("<message" + c.space() + " type='groupchat' id='m" + strconv.Itoa(number) + "' to='" + r.name + "'><body>" + mark + string(r.padding) + "</body></message>"))
		return
	}
	c.send([]byte("<presence" + c.space() + " to='" + r.name + "/" + c.nick + "'>" + describe(presenceBytes-len(mark)-chatBytes-13) + "<mark>" + mark + string(r.padding) + "</mark></presence>"))
}

// delivered checks and counts one stanza at one receiver.
func (r *room) delivered(c *client, st []byte) {
	if !bytes.HasPrefix(st[1:], []byte(r.kind)) {
		return
	}
	k := bytes.Index(st, []byte(">PL:"))
	if k < 0 {
		return // a subject, or a presence of before
	}
	digits, rest, ok := bytes.Cut(st[k+4:], []byte(":"))
	number, err := strconv.Atoi(string(digits))
	from := attr(st, "from")
	switch {
	case !ok || err != nil || number >= len(r.sent) || !bytes.HasPrefix(rest, r.padding):
		r.l.fail(fmt.Errorf("a changed %s: %.300s", r.kind, st))
		return
	case len(from) <= len(r.name) || string(from[:len(r.name)]) != r.name || string(from[len(r.name)+1:]) != r.sender(number).nick:
		r.l.fail(fmt.Errorf("number %d came from %s", number, from))
		return
	case !bytes.Equal(attr(st, "to"), c.jid):
		r.l.fail(fmt.Errorf("%s got what is for %s", c.jid, attr(st, "to")))
		return
	}
	if c.pos == len(r.order) {
		if r.left[number] != len(r.clients) {
			r.l.fail(fmt.Errorf("number %d came twice to %s", number, c.nick))
			return
		}
		r.order = append(r.order, number)
	}
	if r.order[c.pos] != number {
		r.l.fail(fmt.Errorf("%s got number %d where the first receiver got %d", c.nick, number, r.order[c.pos]))
		return
	}
	c.pos++
	r.delays = append(r.delays, time.Since(r.sent[number]))
	if r.left[number]--; r.left[number] == 0 {
		r.complete++
		if !r.paced && len(r.sent) < r.limit {
			r.sendNext()
		}
	}
}

// full sends n more, always some under way.
func (r *room) full(n int) error {
	r.limit, r.paced, r.delays = len(r.sent)+n, false, r.delays[:0]
	for range min(underWay, n) {
		r.sendNext()
	}
	return r.l.until(r.kind+"s at full rate", patience, func() bool { return r.complete == r.limit })
}

// pace sends n more, one every gap.
func (r *room) pace(n int, gap time.Duration) error {
	r.limit, r.paced, r.delays = len(r.sent)+n, true, r.delays[:0]
	begin := time.Now()
	var tick func()
	tick = func() {
		r.sendNext()
		if left := r.limit - len(r.sent); left > 0 {
			r.l.after(time.Until(begin.Add(time.Duration(n-left)*gap)), tick)
		}
	}
	r.l.after(0, tick)
	return r.l.until(r.kind+"s, paced", patience+time.Duration(n)*gap, func() bool { return r.complete == r.limit })
}

// quantile is of what was delivered last.
func (r *room) quantile(q float64) time.Duration {
	if len(r.delays) == 0 {
		return 0
	}
	slices.Sort(r.delays)
	return r.delays[int(q*float64(len(r.delays)-1))]
}
