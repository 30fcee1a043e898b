//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// transport is how clients reach a server.
type transport string

const (
	tcp       transport = "tcp"
	webSocket transport = "ws"
	bosh      transport = "bosh"
)

// client is one anonymous session. It logs in by question and answer, see steps;
// afterwards each stanza goes to on.
type client struct {
	l      *loop
	srv    *server
	by     transport
	jid    []byte
	nick   string
	on     func(c *client, st []byte)
	ready  func()
	step   int
	sock   *sock
	up     bool // ws: the connection is one now
	web    *exchange
	joined map[string]bool // nicks that were seen
	pos    int             // deliveries that came
	leave  bool
}

// newClient starts a log-in; ready is called when it is done.
func newClient(l *loop, srv *server, by transport, ready func(*client)) (*client, error) {
	c := &client{l: l, srv: srv, by: by, joined: make(map[string]bool)}
	c.ready = func() { ready(c) }
	var err error
	switch by {
	case tcp:
		if c.sock, err = l.dial(srv.xmpp, c.feedTCP, c.lost); err == nil {
			c.open()
		}
	case webSocket:
		if c.sock, err = l.dial(srv.http, c.feedWS, c.lost); err == nil {
			c.sock.write([]byte("GET /xmpp-websocket HTTP/1.1\r\nHost: " + srv.domain + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
				"Sec-WebSocket-Key: bG9hZGxvYWRsb2FkbG9hZA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n"))
		}
	case bosh:
		c.web = &exchange{c: c, rid: 1000}
		c.open()
	}
	return c, err
}

func (c *client) lost(err error) {
	if !c.leave {
		c.l.fail(fmt.Errorf("a session over %s was lost at step %d: %w", c.by, c.step, err))
	}
}

// open begins the stream, and begins it again after the log-in.
func (c *client) open() {
	switch c.by {
	case tcp:
		c.sock.write([]byte("<?xml version='1.0'?><stream:stream to='" + c.srv.domain + "' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"))
	case webSocket:
		c.send([]byte("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='" + c.srv.domain + "' version='1.0'/>"))
	case bosh:
		c.web.open(c.srv.domain)
	}
}

// space is the declaration a stanza needs.
func (c *client) space() string {
	if c.by == tcp {
		return ""
	}
	return " xmlns='jabber:client'"
}

func (c *client) send(st []byte) {
	switch c.by {
	case tcp:
		c.sock.write(st)
	case webSocket:
		c.sock.write(maskedFrame(st))
	case bosh:
		c.web.out = append(c.web.out, st...)
		c.web.flush()
	}
}

// got takes one element from the server.
func (c *client) got(el []byte) {
	switch {
	case bytes.HasPrefix(el, []byte("<?xml")), bytes.HasPrefix(el, []byte("<stream:stream")), bytes.HasPrefix(el, []byte("<open")):
	case bytes.HasPrefix(el, []byte("<stream:error")), bytes.HasPrefix(el, []byte("</stream")), bytes.HasPrefix(el, []byte("<failure")), bytes.HasPrefix(el, []byte("<close")):
		c.lost(fmt.Errorf("the server says %.200s", el))
	case c.step < len(steps):
		if s := steps[c.step]; bytes.HasPrefix(el, []byte(s.want)) || bytes.HasPrefix(el, []byte(strings.Replace(s.want, "stream:", "", 1))) {
			c.step++
			s.then(c, el)
		}
	case bytes.HasPrefix(el, []byte("<iq")) && bytes.Contains(el, []byte("urn:xmpp:ping")):
		c.send([]byte("<iq" + c.space() + " type='result' id='" + string(attr(el, "id")) + "' to='" + string(attr(el, "from")) + "'/>"))
	case c.on != nil:
		c.on(c, el)
	}
}

// step is what is waited for in the log-in, and what is done then.
type step struct {
	want string
	then func(c *client, el []byte)
}

var steps []step

func init() {
	steps = []step{
		{"<stream:features", (*client).authenticate},
		{"<success", func(c *client, _ []byte) { c.open() }},
		{"<stream:features", func(c *client, _ []byte) {
			c.send([]byte("<iq" + c.space() + " type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"))
		}},
		{"<iq", (*client).bound},
	}
}

func (c *client) authenticate(features []byte) {
	if !bytes.Contains(features, []byte(">ANONYMOUS<")) {
		c.l.fail(fmt.Errorf("ANONYMOUS is not offered over %s: %.300s", c.by, features))
		return
	}
	c.send([]byte("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>"))
}

func (c *client) bound(el []byte) {
	c.jid = []byte(text(el, "jid"))
	if len(c.jid) == 0 {
		c.l.fail(fmt.Errorf("binding was refused: %.300s", el))
	}
	if c.web != nil {
		c.web.live = true
	}
	c.ready()
}

func (c *client) feedTCP(b []byte) int {
	taken := 0
	for {
		el, n := element(b[taken:])
		if n == 0 {
			return taken
		}
		taken += n
		c.got(el)
	}
}

func maskedFrame(p []byte) []byte {
	f := append(make([]byte, 0, len(p)+8), 0x81)
	if len(p) < 126 {
		f = append(f, 0x80|byte(len(p)))
	} else {
		f = binary.BigEndian.AppendUint16(append(f, 0x80|126), uint16(len(p)))
	}
	// The mask is zero: allowed, and no work for us; the server unmasks all the same.
	return append(append(f, 0, 0, 0, 0), p...)
}

func (c *client) feedWS(b []byte) int {
	taken := 0
	if !c.up {
		k := bytes.Index(b, []byte("\r\n\r\n"))
		if k < 0 {
			return 0
		}
		if !bytes.HasPrefix(b, []byte("HTTP/1.1 101")) {
			c.lost(fmt.Errorf("no WebSocket: %.60q", b))
			return len(b)
		}
		c.up, taken = true, k+4
		c.open()
	}
	for {
		f := b[taken:]
		if len(f) < 2 {
			return taken
		}
		n, head := int(f[1]), 2
		if n == 126 {
			if len(f) < 4 {
				return taken
			}
			n, head = int(binary.BigEndian.Uint16(f[2:])), 4
		} else if n == 127 {
			c.lost(errors.New("a frame of more than 64 KiB"))
			return len(b)
		}
		if len(f) < head+n {
			return taken
		}
		taken += head + n
		switch f[0] {
		case 0x81:
			c.got(f[head : head+n])
		case 0x89:
			c.sock.write(append([]byte{0x8a, 0x80 | byte(n), 0, 0, 0, 0}, f[head:head+n]...))
		default:
			c.lost(fmt.Errorf("a frame of kind %x", f[0]))
			return len(b)
		}
	}
}

// exchange is the requests of a BOSH session: two connections, one request held.
type exchange struct {
	c    *client
	rid  int
	sid  string
	out  []byte
	attr string // of the next body
	live bool   // logged in: a request is always open
	line [2]line
	next int // rid whose answer comes next
}

type line struct {
	sock *sock
	rid  int    // of the open request, 0: none
	body []byte // an answer that waits for the one before it
}

func (x *exchange) open(domain string) {
	x.attr = " to='" + domain + "' xml:lang='en' wait='60' hold='1' ver='1.6' xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'"
	if x.sid != "" {
		x.attr = " to='" + domain + "' xml:lang='en' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'"
	}
	x.flush()
}

// flush sends what waits, and keeps one request open after the log-in.
func (x *exchange) flush() {
	free := -1
	for i := range x.line {
		if x.line[i].rid == 0 && free < 0 {
			free = i
		}
	}
	open := x.line[0].rid != 0 || x.line[1].rid != 0
	if free < 0 || len(x.out) == 0 && x.attr == "" && (open || !x.live) {
		return
	}
	ln := &x.line[free]
	if ln.sock == nil || ln.sock.closed {
		s, err := x.c.l.dial(x.c.srv.http, func(b []byte) int { return x.feed(ln, b) }, func(err error) {
			if ln.rid != 0 {
				x.c.lost(err)
			}
		})
		if err != nil {
			x.c.l.fail(err)
			return
		}
		ln.sock = s
	}
	x.rid++
	if x.next == 0 {
		x.next = x.rid
	}
	ln.rid = x.rid
	sid := ""
	if x.sid != "" {
		sid = " sid='" + x.sid + "'"
	}
	body := "<body xmlns='http://jabber.org/protocol/httpbind' rid='" + strconv.Itoa(x.rid) + "'" + sid + x.attr + ">" + string(x.out) + "</body>"
	x.out, x.attr = x.out[:0], ""
	ln.sock.write([]byte("POST /http-bind HTTP/1.1\r\nHost: " + x.c.srv.domain + "\r\nContent-Type: text/xml\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body))
}

// feed takes HTTP answers; they are worked on in the order of the requests.
func (x *exchange) feed(ln *line, b []byte) int {
	head, rest, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return 0
	}
	_, length, _ := strings.Cut(strings.ToLower(string(head)), "content-length: ")
	length, _, _ = strings.Cut(length, "\r\n")
	n, err := strconv.Atoi(length)
	if err != nil || !bytes.HasPrefix(head, []byte("HTTP/1.1 200")) {
		x.c.lost(fmt.Errorf("HTTP: %.100q", head))
		return len(b)
	}
	if len(rest) < n {
		return 0
	}
	ln.body = bytes.Clone(rest[:n])
	for again := true; again; {
		again = false
		for i := range x.line {
			if l := &x.line[i]; l.body != nil && l.rid == x.next {
				body := l.body
				l.body, l.rid, again = nil, 0, true
				x.next++
				x.answer(body)
			}
		}
	}
	x.flush()
	return len(head) + 4 + n
}

func (x *exchange) answer(b []byte) {
	end := tagEnd(b, 0)
	if end < 0 || !bytes.HasPrefix(b, []byte("<body")) {
		x.c.lost(fmt.Errorf("no body: %.100q", b))
		return
	}
	if x.sid == "" {
		x.sid = string(attr(b, "sid"))
	}
	if string(attr(b, "type")) == "terminate" {
		x.c.lost(fmt.Errorf("the server ended the session: %.200q", b))
		return
	}
	if b[end-1] == '/' {
		return
	}
	for rest := b[end+1:]; len(rest) > 0 && !bytes.HasPrefix(rest, []byte("</body")); {
		el, n := element(rest)
		if n == 0 {
			x.c.lost(fmt.Errorf("a body with half an element: %.100q", rest))
			return
		}
		x.c.got(el)
		rest = rest[n:]
	}
}
