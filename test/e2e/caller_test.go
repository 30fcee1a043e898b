package e2e

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/calltest"
	"parley/internal/wire/jingle"
	"parley/internal/wire/ns"
)

// caller is an actor who takes part in a call: it accepts what the focus offers, sends
// audio with levels and video, counts what it gets, and has a bridge channel.
type caller struct {
	*actor
	t    *testing.T
	room string

	sid string
	leg *callerLeg
}

// callerLeg is one session of a caller: it ends when the caller is moved to another bridge.
type callerLeg struct {
	*calltest.Peer
	transport *jingle.Transport
	ws        *websocket.Conn
	messages  chan string
	reader    sync.WaitGroup

	mu      sync.Mutex
	speaker string // who speaks, as told last
}

// arrive logs in, asks the focus for the room, and enters it.
func arrive(t *testing.T, srv server, v vars, name string) *caller {
	t.Helper()
	host, claims := "conference.", map[string]string{"name": name, "moderator": "true"}
	if tenant := v["tenant"]; tenant != "" {
		host, claims["sub"] = "conference."+tenant+".", tenant
	}
	c := &caller{actor: newActor(name, claims), t: t, room: v["roomname"] + "@" + host + srv.domain}
	t.Cleanup(func() {
		if c.leg != nil {
			c.leg.close()
		}
		c.hangUp()
	})
	if failure, err := c.connect(srv, v); failure != nil || err != nil {
		t.Fatalf("log-in of %s: %s %v", name, failure, err)
	}
	c.say(`<iq id="c" to="focus.%s" type="set" xmlns="jabber:client"><conference room="%s" xmlns="http://jitsi.org/protocol/focus"/></iq>`, srv.domain, c.room)
	c.gets(`<iq id="c" type="result" play:more="x" xmlns="jabber:client"/>`)
	c.say(`<presence to="%s/%s" xmlns="jabber:client"><x xmlns="http://jabber.org/protocol/muc"/><SourceInfo>{}</SourceInfo></presence>`, c.room, c.id())
	return c
}

// id is the endpoint id: as web clients do, a part of the login.
func (c *caller) id() string { return c.jid[:8] }

func (c *caller) say(format string, args ...any) {
	c.t.Helper()
	list, err := parseElements(fmt.Sprintf(format, args...))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.send(list[0]); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) gets(pattern string) *element {
	c.t.Helper()
	p, err := parseElements(pattern)
	if err != nil {
		c.t.Fatal(err)
	}
	e, _, err := c.take(p[0], vars{})
	if err != nil {
		c.t.Fatalf("%s: %v", c.name, err)
	}
	return e
}

// isOffered waits for a session, and prepares this side of it.
func (c *caller) isOffered() {
	c.t.Helper()
	e := c.gets(`<iq type="set" play:more="x" xmlns="jabber:client"><jingle action="session-initiate" play:more="x" xmlns="` + ns.Jingle + `"/></iq>`)
	var j jingle.Jingle
	if err := xml.Unmarshal([]byte(e.child("jingle").String()), &j); err != nil {
		c.t.Fatal(err)
	}
	c.say(`<iq type="result" id="%s" to="%s/focus" xmlns="jabber:client"/>`, escape(e.attr("id")), c.room)
	c.sid = j.SID
	if c.leg != nil {
		c.leg.close()
	}
	c.leg = newCallerLeg(c.t, j.FirstTransport())
}

// accepts takes the offer, given what the others send.
func (c *caller) accepts(others ...*caller) {
	c.t.Helper()
	c.sees(others...)
	l := c.leg
	transport := l.Transport()
	content := func(media, sources string) string {
		return fmt.Sprintf(`<content creator="responder" name="%[1]s" senders="both"><description xmlns="%[2]s" media="%[1]s">%[3]s</description>%[4]s</content>`, media, ns.RTP, sources, transport)
	}
	source := func(ssrc uint32, name, msid string) string {
		return fmt.Sprintf(`<source xmlns="%s" ssrc="%d" name="%s-%s"><parameter name="msid" value="%[3]s-%[5]s %[5]s"/></source>`, ns.SSMA, ssrc, c.id(), name, msid)
	}
	c.say(`<iq type="set" id="accept" to="%s/focus" xmlns="jabber:client"><jingle xmlns="%s" action="session-accept" sid="%s" initiator="%[1]s/focus" responder="%[4]s">%[5]s%[6]s</jingle></iq>`,
		c.room, ns.Jingle, c.sid, c.jid,
		content("audio", source(l.Own.Audio, "a0", "a")),
		content("video", source(l.Own.Video, "v0", "v")+source(l.Own.RTX, "v0", "v")+
			fmt.Sprintf(`<ssrc-group xmlns="%s" semantics="FID"><source ssrc="%d"/><source ssrc="%d"/></ssrc-group>`, ns.SSMA, l.Own.Video, l.Own.RTX)))
	c.gets(`<iq id="accept" type="result" play:more="x" xmlns="jabber:client"/>`)
	l.openChannel(c.t)
	c.tells(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"assumedBandwidthBps":-1}`)
}

// sees negotiates anew with what the others send now.
func (c *caller) sees(others ...*caller) {
	c.t.Helper()
	var list []calltest.SSRCs
	for _, o := range others {
		list = append(list, o.leg.Own)
	}
	c.leg.Negotiate(c.t, c.leg.transport, netip.AddrPort{}, list...)
}

// bridge is the server id of the bridge the caller is on.
func (c *caller) bridge() string {
	_, path, _ := strings.Cut(c.leg.transport.WebSockets[0].URL, "/colibri-ws/")
	id, _, _ := strings.Cut(path, "/")
	return id
}

// tells sends a message over the bridge channel.
func (c *caller) tells(text string) {
	c.t.Helper()
	if err := c.leg.ws.Write(c.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// isTold waits for a message that contains all parts.
func (c *caller) isTold(parts ...string) {
	c.t.Helper()
	deadline := time.After(calltest.Patience)
	var seen []string
next:
	for {
		select {
		case m := <-c.leg.messages:
			seen = append(seen, m)
			for _, p := range parts {
				if !strings.Contains(m, p) {
					continue next
				}
			}
			return
		case <-deadline:
			c.t.Fatalf("%s waited in vain for %v; there was\n%s", c.name, parts, strings.Join(seen, "\n"))
		}
	}
}

// knowsSpeaker waits until the caller was told that another one speaks.
func (c *caller) knowsSpeaker(o *caller) {
	c.t.Helper()
	l := c.leg
	speaker := func() string {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.speaker
	}
	if !l.Until(func() bool { return speaker() == o.id() }) { // asked after some packet: that is often enough
		c.t.Fatalf("%s thinks that %q speaks", c.name, speaker())
	}
}

// hears waits until more audio and video of each of the others came.
func (c *caller) hears(others ...*caller) {
	c.t.Helper()
	for _, o := range others {
		c.counts(o.name+"'s audio", o.leg.Own.Audio, 5)
		c.counts(o.name+"'s video", o.leg.Own.Video, 5)
	}
}

func (c *caller) counts(what string, ssrc uint32, n int) {
	c.t.Helper()
	c.leg.Hears(c.t, c.name+": "+what, ssrc, n)
}

func newCallerLeg(t *testing.T, transport *jingle.Transport) *callerLeg {
	t.Helper()
	return &callerLeg{Peer: calltest.New(t, calltest.Options{}), transport: transport, messages: make(chan string, 1024)}
}

func (l *callerLeg) close() {
	if l.ws != nil {
		_ = l.ws.CloseNow()
	}
	l.Close()
	l.reader.Wait()
}

// openChannel opens the bridge channel at the bridge itself.
func (l *callerLeg) openChannel(t *testing.T) {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), l.transport.WebSockets[0].URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.ws = ws
	l.reader.Go(func() {
		for {
			_, text, err := ws.Read(context.Background())
			if err != nil {
				return
			}
			l.note(string(text))
		}
	})
}

// note keeps a message, and who speaks.
func (l *callerLeg) note(text string) {
	if _, rest, ok := strings.Cut(text, `"dominantSpeakerEndpoint":"`); ok {
		l.mu.Lock()
		l.speaker, _, _ = strings.Cut(rest, `"`)
		l.mu.Unlock()
	}
	select {
	case l.messages <- text:
	default: // nobody asks any more
	}
}
