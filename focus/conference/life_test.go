package conference_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/focus/conference"
	"parley/internal/wire/jitsimeet"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

func TestStoppingFocusLeavesMediaAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.forgetful = true
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		w.begin(ctx, done)
		synctest.Wait()
		b := w.bridge("jvb1")
		kim := w.enter("kim", 3000)
		w.enter("ada", 2000)
		heard := kim.log()
		stop()
		<-done
		same(t, "endpoints", b.has(), []string{"ada", "kim"})
		same(t, "kim heard", kim.log(), heard)
		if w.inside {
			t.Error("the focus is still in the room")
		}
		// The next focus finds the conference on the bridge in its way.
		ctx, stop = context.WithCancel(context.Background())
		done = make(chan struct{})
		w.begin(ctx, done)
		w.settle()
		w.words("kim:active", "ada:active")
		same(t, "sessions of kim", len(kim.offers), 2)
		stop()
		<-done
	})
}

// Somebody who was told to come in finds the room, even if the last member leaves at
// that very moment.
func TestLastMemberLeavesWhileSomebodyIsOnTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		done := make(chan struct{})
		w.begin(t.Context(), done)
		synctest.Wait()
		w.bridge("jvb1")
		ask := func() {
			w.conf.Ready(func(yes bool) {
				if !yes {
					t.Error("not ready")
				}
			})
			synctest.Wait()
		}
		ask()
		kim := w.enter("kim", 3000)
		ask()
		kim.leave()
		synctest.Wait()
		if w.conf.Over() || !w.inside {
			t.Fatal("the focus left the room it had asked somebody to")
		}
		ada := w.enter("ada", 2000)
		ada.leave() // and now nobody is on the way
		<-done
		if w.inside {
			t.Error("the focus stays in an empty room")
		}
	})
}

func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		w.begin(ctx, done)
		got := make(chan bool, 10)
		for range 5 {
			w.conf.Ready(func(yes bool) { got <- yes })
		}
		synctest.Wait()
		for range 5 {
			if !<-got {
				t.Error("not ready")
			}
		}
		// Asking again keeps an empty room for another while.
		w.pass(10 * time.Second)
		w.conf.Ready(func(yes bool) { got <- yes })
		w.pass(10 * time.Second)
		if !<-got || w.conf.Over() {
			t.Error("the room was given up though it was asked for")
		}
		w.pass(6 * time.Second)
		w.conf.Ready(func(yes bool) { got <- yes })
		synctest.Wait()
		if <-got {
			t.Error("a conference that is over says it is ready")
		}
		stop()
		<-done
	})
}

func TestRoomDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lost = true // what we send goes nowhere
		done := make(chan struct{})
		w.begin(context.Background(), done)
		got := make(chan bool, 1)
		w.conf.Ready(func(yes bool) { got <- yes })
		<-done
		if <-got {
			t.Error("ready")
		}
	})
}

func TestStartMuted(t *testing.T) {
	muted := func(c *client) string {
		offer := c.raw[0]
		i := strings.Index(offer, "<startmuted")
		if i < 0 {
			return ""
		}
		return offer[i : i+strings.Index(offer[i:], ">")+1]
	}
	play(t, func(w *world) {
		w.bridge("jvb1")
		w.enter("kim", 3000)
		ada := w.enter("ada", 2000)
		same(t, "without a wish", muted(ada), "")
		w.conf.Metadata(jitsimeet.Metadata{StartMuted: &struct {
			Audio bool `json:"audio"`
			Video bool `json:"video"`
		}{Audio: true}})
		bob := w.enter("bob", 4000)
		same(t, "the room's wish", muted(bob), `<startmuted xmlns="`+ns.StartMuted+`" audio="true" video="false">`)
		w.conf.Metadata(jitsimeet.Metadata{})
		same(t, "the wish is gone", muted(w.enter("cyd", 5000)), "")
	})
}

func TestRoomDestroyed(t *testing.T) {
	pair(t, func(w *world, b *fakeBridge, _, _ *client) {
		w.deliver(`<presence type="unavailable" from="%s/focus"><x xmlns="%s"><item affiliation="none" role="none"/><destroy/></x></presence>`, room, ns.MUCUser)
		w.settle()
		if !w.conf.Over() {
			t.Error("not over")
		}
		same(t, "endpoints", b.has(), []string{})
	})
}

func TestSwitchToBreakoutKeepsRoom(t *testing.T) {
	play(t, func(w *world) {
		kim := w.enter("kim", 3000)
		w.mu.Lock()
		delete(w.clients, "kim")
		w.mu.Unlock()
		w.deliver(`<presence type="unavailable" from="%s"><status>switch_room</status><x xmlns="%s"><item affiliation="none" role="none"/></x></presence>`, kim.addr(), ns.MUCUser)
		w.pass(14 * time.Second)
		if w.conf.Over() {
			t.Error("over at once")
		}
		w.pass(2 * time.Second)
		if !w.conf.Over() {
			t.Error("not over")
		}
	})
}

func TestManyJoinAtOnce(t *testing.T) {
	const n = 60
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		for i := range n {
			w.enter(fmt.Sprintf("p%03d", i), uint32(1000*(i+1)), func(c *client) { c.set.Groups, c.set.Sources = nil, c.set.Sources[:1] })
			if i%20 == 19 {
				w.pass(time.Second)
			}
		}
		w.pass(time.Second)
		same(t, "endpoints", len(b.has()), n)
		first := w.clients["p000"]
		for _, c := range w.clients {
			if got := len(c.sources); got != n { // all others, and the bridge
				t.Fatalf("%s sees %d owners", c.nick, got)
			}
			c.check()
		}
		if heard := len(first.log()); heard > 40 {
			t.Errorf("the first heard %d messages in spite of batching", heard)
		}
	}, func(c *conference.Config) {
		c.SourceDelays = []conference.SourceDelay{{Participants: 20, Delay: 500 * time.Millisecond}}
	})
}

// FuzzRequest sends anything to a conference in full swing. It must answer, and go on.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`<jingle xmlns="urn:xmpp:jingle:1" action="session-accept" sid="SID"/>`,
		`<jingle xmlns="urn:xmpp:jingle:1" action="source-add" sid="SID"><content name="video"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="video"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="5" name="kim-v1"><parameter name="msid" value="a b"/></source><ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="FID"><source ssrc="5"/><source ssrc="6"/></ssrc-group></description></content></jingle>`,
		`<jingle xmlns="urn:xmpp:jingle:1" action="source-remove" sid="SID"><content name="audio"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="3000"/></description></content></jingle>`,
		`<jingle xmlns="urn:xmpp:jingle:1" action="transport-info" sid="SID"><content name="audio"><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="a" pwd="b"><candidate port="x"/></transport></content></jingle>`,
		`<jingle xmlns="urn:xmpp:jingle:1" action="session-info" sid="SID"><bridge-session xmlns="http://jitsi.org/protocol/focus" ice-restart="true"/></jingle>`,
		`<jingle xmlns="urn:xmpp:jingle:1" action="session-terminate" sid="SID"><bridge-session xmlns="http://jitsi.org/protocol/focus" id="x" restart="true"/></jingle>`,
		`<mute xmlns="http://jitsi.org/jitmeet/audio" jid="demo@conference.example/ada">true</mute>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		play(t, func(w *world) {
			w.bridge("jvb1")
			kim := w.enter("kim", 3000)
			w.enter("ada", 2000)
			payload = strings.ReplaceAll(payload, "SID", kim.sid)
			if _, err := xmppclient.Parse([]byte(`<iq type="set" id="q" from="` + kim.addr() + `">` + payload + `</iq>`)); err != nil {
				return
			}
			w.callAs(kim.addr(), "set", payload)
			w.settle()
			w.words("ada:active")
		})
	})
}
