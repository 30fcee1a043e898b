package conference_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/focus/conference"
)

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestTwoMeet(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		kim := w.enter("kim", 3000)
		same(t, "lone participant heard", kim.log(), nil)
		ada := w.enter("ada", 2000)
		w.words("kim:active", "ada:active")
		same(t, "endpoints on the bridge", b.has(), []string{"ada", "kim"})

		reqs := b.got()
		if !reqs[0].Create || reqs[0].Name != room || reqs[1].Create || reqs[1].Name != "" {
			t.Errorf("create is not on the first request alone: %+v, %+v", reqs[0], reqs[1])
		}
		// Strip-simulcast: the first layer and its retransmission only.
		same(t, "kim sees of ada", kim.sees("ada"), []uint32{2000, 2010, 2020})
		same(t, "ada sees of kim", ada.sees("kim"), []uint32{3000, 3010, 3020})
		same(t, "kim sees of the bridge", kim.sees("jvb"), []uint32{1001, 1002})
		// The bridge hears of everything.
		n := 0
		for _, m := range b.last("kim").Sources.Media {
			n += len(m.Sources)
		}
		same(t, "sources of kim on the bridge", n, 7)
		if s := w.shown(); !strings.Contains(s, `key="bridge-count" value="1"`) {
			t.Errorf("presence does not say that there is a bridge: %s", s)
		}
		kim.check()
		ada.check()
	})
}

func TestThirdHearsOfAllOnce(t *testing.T) {
	play(t, func(w *world) {
		w.bridge("jvb1")
		a, b := w.enter("a", 1100), w.enter("b", 1200)
		xmlOnly := func(c *client) {
			c.features = slices.DeleteFunc(slices.Clone(headFeatures), func(f string) bool { return strings.Contains(f, "json-encoded") })
		}
		c := w.enter("c", 1300, xmlOnly)
		for _, x := range []*client{a, b, c} {
			x.check()
			for _, y := range []*client{a, b, c} {
				if x != y {
					same(t, x.nick+" sees of "+y.nick, len(x.sees(y.nick)), 3)
				}
			}
		}
		if strings.Contains(strings.Join(c.raw, ""), "json-message") {
			t.Error("a client without the feature got JSON")
		}
		same(t, "a heard", a.log(), []string{"session-initiate", "source-add", "source-add"})
	})
}

func TestLeaving(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		kim, ada := w.enter("kim", 3000), w.enter("ada", 2000)
		before := len(kim.log())
		ada.leave()
		same(t, "endpoints left", b.has(), []string{"kim"})
		same(t, "kim heard of the leaving", len(kim.log())-before, 0)

		w.pass(19 * time.Second)
		w.words("kim:active")
		w.pass(2 * time.Second)
		w.words("kim:none")
		same(t, "reasons", kim.reasons, []string{"expired: Idle session timeout"})
		same(t, "endpoints after the idle end", b.has(), []string{})
		if reqs := b.got(); !reqs[len(reqs)-1].Expire {
			t.Error("the conference on the bridge was not expired")
		}

		bob := w.enter("bob", 4000)
		w.words("kim:active", "bob:active")
		kim.leave()
		bob.leave()
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.ended || w.inside {
			t.Errorf("after the last one left: ended %v, focus inside %v", w.ended, w.inside)
		}
	})
}

func TestSecondJoinCancelsSingleTimer(t *testing.T) {
	play(t, func(w *world) {
		w.bridge("jvb1")
		kim, ada := w.enter("kim", 3000), w.enter("ada", 2000)
		ada.leave()
		w.pass(10 * time.Second)
		w.enter("bob", 4000)
		w.pass(30 * time.Second)
		w.words("kim:active", "bob:active")
		same(t, "sessions of kim", len(kim.offers), 1)
	})
}

func TestNobodyComes(t *testing.T) {
	play(t, func(w *world) {
		w.pass(14 * time.Second)
		if w.conf.Over() {
			t.Fatal("over too early")
		}
		w.pass(2 * time.Second)
		if !w.conf.Over() {
			t.Fatal("not over")
		}
	})
}

func TestChatClientIsNotInvited(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		chat := func(c *client) { c.features = []string{"http://jabber.org/protocol/muc"} }
		kim, carol := w.enter("kim", 3000), w.enter("carol", 1, chat)
		same(t, "requests to the bridge", len(b.got()), 0)
		w.enter("ada", 2000)
		w.words("kim:active", "ada:active", "carol:none")
		same(t, "carol heard", carol.log(), nil)
		kim.check()
	})
}

func TestNoBridge(t *testing.T) {
	play(t, func(w *world) {
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		if s := w.shown(); !strings.Contains(s, "bridgeNotAvailable") {
			t.Errorf("the room is not told: %s", s)
		}
		w.bridge("jvb1")
		w.settle()
		w.words("kim:active", "ada:active")
		if s := w.shown(); strings.Contains(s, "bridgeNotAvailable") {
			t.Errorf("the room is still told: %s", s)
		}
	})
}

func TestBridgeDies(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		kim, ada := w.enter("kim", 3000), w.enter("ada", 2000)
		old := kim.bridgeSession()
		w.kill(b)
		w.words("kim:none", "ada:none")
		if s := w.shown(); !strings.Contains(s, "bridgeNotAvailable") || !strings.Contains(s, `key="bridge-count" value="0"`) {
			t.Errorf("presence after the loss: %s", s)
		}
		same(t, "reasons", kim.reasons, []string{"success: moving"})

		again := w.bridge("jvb1") // restarted, same name
		w.settle()
		w.words("kim:active", "ada:active")
		same(t, "endpoints", again.has(), []string{"ada", "kim"})
		if kim.bridgeSession() == old {
			t.Error("the bridge session kept its id")
		}
		same(t, "kim sees of ada", kim.sees("ada"), []uint32{2000, 2010, 2020})
		kim.check()
		ada.check()
	})
}

func TestMoveToOtherBridge(t *testing.T) {
	play(t, func(w *world) {
		one := w.bridge("jvb1")
		two := w.bridge("jvb2", "stress_level", "0.5")
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		same(t, "first choice", one.has(), []string{"ada", "kim"})
		w.kill(one)
		same(t, "second choice", two.has(), []string{"ada", "kim"})
		w.words("kim:active", "ada:active")
	})
}

func TestStuckClientHoldsUpNobody(t *testing.T) {
	play(t, func(w *world) {
		w.bridge("jvb1")
		deaf := func(c *client) { c.deaf = true }
		w.enter("deaf", 100, deaf)
		kim, ada := w.enter("kim", 3000), w.enter("ada", 2000)
		w.words("kim:active", "ada:active", "deaf:pending")
		same(t, "kim sees of ada", len(kim.sees("ada")), 3)
		same(t, "ada sees of kim", len(ada.sees("kim")), 3)
	})
}

func TestRefusedOffer(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		no := w.enter("no", 100, func(c *client) { c.refuse = "feature-not-implemented" })
		w.words("no:none", "kim:active")
		same(t, "endpoints", b.has(), []string{"ada", "kim"})
		w.pass(time.Minute)
		same(t, "offers", len(slices.DeleteFunc(no.log(), func(s string) bool { return s != "session-initiate" })), 1)
	})
}

func TestReconnect(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		kim, ada := w.enter("kim", 3000), w.enter("ada", 2000)
		w.enter("bob", 4000)
		w.mu.Lock()
		w.lost, w.inside = true, false
		delete(w.clients, "bob") // leaves while we are away
		w.mu.Unlock()
		w.pass(5 * time.Second)
		w.mu.Lock()
		w.lost = false
		w.mu.Unlock()
		w.conf.Reconnected()
		w.settle()
		w.words("kim:active", "ada:active", "bob:absent")
		same(t, "sessions of kim", len(kim.offers), 1)
		same(t, "endpoints", b.has(), []string{"ada", "kim"})
		kim.check()
		ada.check()
	})
}

// A server that began anew has made the room anew. The bridge goes on with the meeting of
// before until everybody is in the new one.
func TestReconnectToNewRoom(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		kim := w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.renew("meeting-2")
		w.words("kim:active", "ada:active")
		same(t, "sessions of kim", len(kim.offers), 2)
		same(t, "meeting", w.status().MeetingID, "meeting-2")
		same(t, "left behind", b.before(), []string{"meeting-1"})
		w.pass(10 * time.Second)
		w.renew("meeting-3") // and again, before that is over
		same(t, "left behind", b.before(), []string{"meeting-1", "meeting-2"})
		w.pass(20 * time.Second)
		same(t, "left behind", b.before(), []string{})
		same(t, "endpoints", b.has(), []string{"ada", "kim"})
		w.words("kim:active", "ada:active")
	})
}

// A conference that ends takes along what it left behind.
func TestEndAfterNewRoom(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.renew("meeting-2")
		w.conf.Stop("enough")
		w.settle()
		same(t, "left behind", b.before(), []string{})
		same(t, "endpoints", b.has(), []string{})
	})
}

func TestAutoOwner(t *testing.T) {
	play(t, func(w *world) {
		kim := w.enter("kim", 3000)
		w.enter("ada", 2000)
		same(t, "owners", w.granted, []string{"kim"})
		kim.leave()
		same(t, "owners", w.granted, []string{"kim", "ada"})
	}, func(c *conference.Config) { c.AutoOwner = true })
}
