package conference_test

import (
	"testing"
	"time"

	"parley/focus/colibrisession"
	"parley/internal/wire/jingle"
)

// TestAllocationFaults goes through what a bridge may answer to an invitation
// (Jicofo's ColibriV2SessionManager). There is a second bridge, and two participants.
func TestAllocationFaults(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fail   []string
		after  time.Duration // until everybody is in the call
		second bool          // …on the second bridge
		usable bool          // the first bridge is still to be used
	}{
		{"conference_not_found", []string{colibriError("item-not-found", "conference_not_found")}, 0, false, true},
		{"conference_already_exists", []string{colibriError("conflict", "conference_already_exists")}, 0, false, true},
		{"conflict", []string{stanzaError("conflict", "")}, 0, false, true},
		{"graceful_shutdown", []string{colibriError("service-unavailable", "graceful_shutdown")}, 0, true, true},
		{"service-unavailable", []string{stanzaError("service-unavailable", "")}, 0, true, false},
		{"internal-server-error", []string{stanzaError("internal-server-error", "")}, 0, true, false},
		{"silence", []string{"-", "-"}, 16 * time.Second, true, false},
		{"no data channels", []string{stanzaError("feature-not-implemented", "")}, 0, false, true},
		{"bad-request", []string{stanzaError("bad-request", "")}, 11 * time.Second, false, true},
		{"item-not-found", []string{stanzaError("item-not-found", "")}, 11 * time.Second, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(w *world) {
				one := w.bridge("jvb1")
				two := w.bridge("jvb2", "stress_level", "0.5")
				one.fail = tc.fail
				kim, ada := w.enter("kim", 3000), w.enter("ada", 2000)
				if tc.after > 0 {
					if len(kim.offers)+len(ada.offers) == 2 && w.word("kim") == "active" && w.word("ada") == "active" {
						t.Error("everybody was in the call too early")
					}
					w.pass(tc.after)
				}
				w.words("kim:active", "ada:active")
				want, other := one, two
				if tc.second {
					want, other = two, one
				}
				same(t, "endpoints", want.has(), []string{"ada", "kim"})
				same(t, "endpoints elsewhere", other.has(), []string{})
				same(t, "usable", w.pool.Usable(one.addr, time.Now()), tc.usable)
				if tc.name == "silence" {
					same(t, "offers", []int{len(kim.offers), len(ada.offers)}, []int{1, 1})
				}
				kim.check()
				ada.check()
			})
		})
	}
}

func TestStrangeAnswers(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		b.bare = true
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.words("kim:none", "ada:none")
		b.mu.Lock()
		b.bare = false
		b.mu.Unlock()
		w.pass(11 * time.Second)
		w.words("kim:active", "ada:active")
	})
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		b.strange = true
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.words("kim:none", "ada:none")
		same(t, "usable", w.pool.Usable(b.addr, time.Now()), false)
	})
}

func TestBrokenBridgeIsNotAskedInALoop(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		for range 1000 {
			b.fail = append(b.fail, stanzaError("conflict", ""))
		}
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.pass(time.Minute)
		if n := len(b.got()); n > 60 {
			t.Errorf("%d requests in a minute", n)
		}
	})
}

func TestBridgeWithoutSCTP(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		b.sctp = false
		kim, ada := w.enter("kim", 3000), w.enter("ada", 2000)
		w.words("kim:active", "ada:active")
		for _, c := range []*client{kim, ada} {
			if o := c.offers[len(c.offers)-1]; o.Content("data") != nil || len(o.FirstTransport().WebSockets) == 0 {
				t.Errorf("%s was offered %+v", c.nick, o.Contents)
			}
		}
		asked := len(b.got())
		bob := w.enter("bob", 4000)
		same(t, "refused again", b.got()[asked].Endpoints[0].Transport.SCTP == nil, true)
		bob.check()
	})
}

// A session that follows another waits for the end of that one.
func TestBridgeThatEndsInItsTurn(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		b.sctp, b.inTurn = false, true
		kim, ada := w.enter("kim", 3000), w.enter("ada", 2000)
		w.pass(time.Second)
		w.words("kim:active", "ada:active")
		creates := 0
		for _, m := range b.got() {
			if m.Create {
				creates++
			}
		}
		same(t, "times the meeting was made", creates, 2)
		kim.check()
		ada.check()
	})
}

// A bridge that was killed and is back under its name is asked what it remembers.
func TestBridgeThatReturned(t *testing.T) {
	for name, forgot := range map[string]bool{"it began anew": true, "it had lost its connection": false} {
		t.Run(name, func(t *testing.T) {
			pair(t, func(w *world, b *fakeBridge, kim, ada *client) {
				if forgot {
					b.mu.Lock()
					b.exists = false
					clear(b.endpoints)
					b.mu.Unlock()
				}
				w.conf.BridgeReturned("nobody")
				w.conf.BridgeReturned(b.addr)
				w.settle()
				w.words("kim:active", "ada:active")
				same(t, "endpoints", b.has(), []string{"ada", "kim"})
				offers := 1
				if forgot {
					offers = 2
				}
				same(t, "offers", []int{len(kim.offers), len(ada.offers)}, []int{offers, offers})
			})
		})
	}
}

func TestUpdateFaults(t *testing.T) {
	for _, tc := range []struct {
		name       string
		fail       string
		kim, ada   int // offers after that
		createSeen bool
	}{
		{"silence", "-", 1, 1, false},
		{"unknown endpoint", stanzaError("item-not-found", `<error xmlns="jitsi:colibri2" reason="unknown_endpoint"/><endpoint xmlns="jitsi:colibri2" id="kim"/>`), 2, 1, false},
		{"conference gone", colibriError("item-not-found", "conference_not_found"), 2, 2, true},
		{"anything else", stanzaError("internal-server-error", ""), 2, 2, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pair(t, func(w *world, b *fakeBridge, kim, ada *client) {
				before := len(b.got())
				b.fail = []string{tc.fail}
				same(t, "source-add", kim.call(kim.change(jingle.SourceAdd, video("kim", "m 1", 77))), "ok")
				w.pass(20 * time.Second)
				same(t, "offers", []int{len(kim.offers), len(ada.offers)}, []int{tc.kim, tc.ada})
				created := false
				for _, m := range b.got()[before:] {
					created = created || m.Create
				}
				same(t, "conference made anew", created, tc.createSeen)
				w.words("kim:active", "ada:active")
			})
		})
	}
}

func TestJudge(t *testing.T) {
	// The rows no bridge can be made to answer by a request of ours.
	f := colibrisession.Fault{Condition: "feature-not-implemented"}
	if v := colibrisession.JudgeAllocation(f, false); !v.Failed || v.Scope != colibrisession.WholeSession {
		t.Errorf("refused without a data channel asked for: %+v", v)
	}
	if v := colibrisession.JudgeUpdate(colibrisession.Fault{Malformed: true}); v != (colibrisession.Verdict{}) {
		t.Errorf("malformed answer to an update: %+v", v)
	}
}
