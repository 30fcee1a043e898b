package conference_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/focus/conference"
	"parley/focus/selector"
	"parley/internal/source"
	"parley/internal/wire/jingle"
)

// killed plays with a focus that is killed after before, and with the one that takes its
// place after meanwhile.
func killed(t *testing.T, rules selector.Config, before, meanwhile, after func(w *world), change ...func(*conference.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		w.pool = selector.NewPool(rules)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		w.begin(ctx, done)
		w.settle()
		before(w)
		w.pass(time.Second) // what is to be kept is kept
		w.mu.Lock()
		w.lost, w.kept = true, w.keep // it says nothing any more
		w.mu.Unlock()
		stop()
		<-done
		w.mu.Lock()
		w.lost, w.inside = false, false
		w.mu.Unlock()
		meanwhile(w)
		ctx, stop = context.WithCancel(t.Context())
		done = make(chan struct{})
		w.begin(ctx, done)
		w.settle()
		after(w)
		for _, c := range w.clients {
			c.check()
		}
		stop()
		<-done
	})
}

func nothing(*world) {}

// TestStoppedFocusStaysForTheNext: it does not leave the room, and says what changed last.
func TestStoppedFocusStaysForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		w.begin(ctx, done)
		w.settle()
		w.bridge("jvb1")
		kim := w.enter("kim", 3000)
		w.enter("ada", 2000)
		stop()
		<-done
		if !w.inside {
			t.Error("the focus left the room")
		}
		w.kept = w.keep
		ctx, stop = context.WithCancel(t.Context())
		done = make(chan struct{})
		w.begin(ctx, done)
		w.settle()
		w.words("kim:active", "ada:active")
		same(t, "kim's offers", len(kim.offers), 1)
		stop()
		<-done
	})
}

// TestStoppedBeforeItWasInside: a focus that is stopped before it is in the room again leaves
// all to the next one, as if it had never been there.
func TestStoppedBeforeItWasInside(t *testing.T) {
	var kim *client
	var b *fakeBridge
	var n int
	killed(t, selector.DefaultConfig(), func(w *world) {
		b = w.bridge("jvb1")
		kim = w.enter("kim", 3000)
		w.enter("ada", 2000)
		n = len(b.got())
	}, func(w *world) {
		w.shut = true
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		w.begin(ctx, done)
		w.settle()
		stop()
		<-done
		w.shut = false
		same(t, "what the bridge was asked for", b.asked(n), nil)
	}, func(w *world) {
		w.words("kim:active", "ada:active")
		same(t, "kim's offers", len(kim.offers), 1)
	})
}

// TestOwnerLeavesWhileThereIsNoFocus: the next focus makes another one.
func TestOwnerLeavesWhileThereIsNoFocus(t *testing.T) {
	killed(t, selector.DefaultConfig(), func(w *world) {
		w.bridge("jvb1")
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.enter("bob", 4000)
	}, func(w *world) {
		delete(w.clients, "kim")
	}, func(w *world) {
		same(t, "how many were made owners", len(w.granted), 2)
		w.words("kim:absent", "ada:active", "bob:active")
	}, func(c *conference.Config) { c.AutoOwner = true })
}

// asked is what a bridge was asked for since it had n requests: "create", "sources" and so on.
func (b *fakeBridge) asked(n int) []string {
	var out []string
	for _, m := range b.got()[n:] {
		switch {
		case m.Expire:
			out = append(out, "end")
		case m.Create:
			out = append(out, "begin")
		}
		for _, e := range m.Endpoints {
			switch {
			case e.Create:
				out = append(out, "create "+e.ID)
			case e.Expire:
				out = append(out, "expire "+e.ID)
			case e.Sources != nil:
				out = append(out, "sources "+e.ID)
			default:
				out = append(out, "other "+e.ID)
			}
		}
		for _, r := range m.Relays {
			out = append(out, fmt.Sprintf("relay %s create=%v expire=%v", r.ID, r.Create, r.Expire))
		}
	}
	return out
}

func TestGoesOnWithTheConferenceOfTheLastFocus(t *testing.T) {
	var b *fakeBridge
	var kim, ada *client
	var heard [2][]string
	var n int
	killed(t, selector.DefaultConfig(), func(w *world) {
		b = w.bridge("jvb1")
		kim, ada = w.enter("kim", 3000), w.enter("ada", 2000)
		w.words("kim:active", "ada:active")
		heard, n = [2][]string{kim.log(), ada.log()}, len(b.got())
	}, nothing, func(w *world) {
		w.words("kim:active", "ada:active")
		same(t, "what was said to the clients", [2][]string{kim.log(), ada.log()}, heard)
		same(t, "what the bridge was asked for", b.asked(n), []string{"sources ada", "sources kim"})
		same(t, "who is counted", w.count.Members.Value(), int64(2))

		// The sessions are alive: a screen is shown, somebody comes, somebody goes.
		screen := source.Set{Sources: []source.Source{{Media: "video", SSRC: 3900, Name: "kim-v1", MSID: "kim-video-1-1 s"}}}
		same(t, "source-add", kim.call(kim.jingle(jingle.SourceAdd, func(j *jingle.Jingle) {
			j.Contents = source.Contents(map[string]source.Set{"": screen})
		})), "ok")
		w.settle()
		if !slices.Contains(ada.sees("kim"), 3900) {
			t.Errorf("ada sees %v of kim", ada.sees("kim"))
		}
		bob := w.enter("bob", 4000)
		w.words("kim:active", "ada:active", "bob:active")
		same(t, "what bob sees of kim", len(bob.sees("kim")), 4)
		same(t, "what bob sees of the bridge", bob.sees("jvb"), []uint32{1001, 1002})
		same(t, "what ada sees of bob", len(ada.sees("bob")), 3)
		ada.leave()
		same(t, "endpoints", b.has(), []string{"bob", "kim"})
		same(t, "offers", [2]int{len(kim.offers), len(ada.offers)}, [2]int{1, 1})
		bob.leave()
		kim.leave()
		same(t, "endpoints at the end", b.has(), []string{})
		same(t, "who is counted at the end", w.count.Members.Value(), int64(0))
	})
}

// TestPeopleWhileThereIsNoFocus: who went, who came, and who has somebody else's nick now.
func TestPeopleWhileThereIsNoFocus(t *testing.T) {
	var b *fakeBridge
	var kim *client
	killed(t, selector.DefaultConfig(), func(w *world) {
		b = w.bridge("jvb1")
		kim = w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.enter("bob", 4000)
	}, func(w *world) {
		delete(w.clients, "ada")
		delete(w.clients, "bob")
		w.enter("bob", 5000, func(c *client) { c.real = "another@example/res" })
		w.enter("eve", 6000)
	}, func(w *world) {
		w.words("ada:absent", "kim:active", "bob:active", "eve:active")
		same(t, "endpoints", b.has(), []string{"bob", "eve", "kim"})
		same(t, "kim's offers", len(kim.offers), 1)
		same(t, "what kim sees of bob", slices.Min(kim.sees("bob")), uint32(4000)) // what he saw go he drops himself
		same(t, "what bob sees of kim", len(w.clients["bob"].sees("kim")), 3)
		w.clients["kim"].errs = nil
	})
}

func TestBridgesWhileThereIsNoFocus(t *testing.T) {
	for name, happens := range map[string]func(w *world, b *fakeBridge){
		"gone": func(w *world, b *fakeBridge) {
			delete(w.bridges, b.addr)
			w.pool.Remove(b.addr)
		},
		"forgot the meeting": func(_ *world, b *fakeBridge) {
			b.exists = false
			clear(b.endpoints)
		},
		"forgot somebody": func(_ *world, b *fakeBridge) { delete(b.endpoints, "kim") },
	} {
		t.Run(name, func(t *testing.T) {
			var b *fakeBridge
			killed(t, selector.DefaultConfig(), func(w *world) {
				b = w.bridge("jvb1")
				w.bridge("jvb2", "stress_level", "0.5")
				w.enter("kim", 3000)
				w.enter("ada", 2000)
			}, func(w *world) { happens(w, b) }, func(w *world) {
				w.pass(10 * time.Second)
				w.words("kim:active", "ada:active")
				same(t, "kim's offers", len(w.clients["kim"].offers), 2)
				same(t, "what ada sees of kim", len(w.clients["ada"].sees("kim")), 3)
			})
		})
	}
}

// TestKilledWhileInviting: a place that was being asked for, and an offer that was not
// accepted yet, are begun anew; the others do not notice.
func TestKilledWhileInviting(t *testing.T) {
	var b *fakeBridge
	killed(t, selector.DefaultConfig(), func(w *world) {
		b = w.bridge("jvb1")
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.enter("bob", 4000, func(c *client) { c.manual = true })
		b.mu.Lock()
		b.fail = []string{"-"}
		b.mu.Unlock()
		w.enter("eve", 5000)
		w.words("kim:active", "ada:active", "bob:pending", "eve:allocating")
	}, func(w *world) {
		w.clients["bob"].manual = false
	}, func(w *world) {
		w.words("kim:active", "ada:active", "bob:active", "eve:active")
		for nick, n := range map[string]int{"kim": 1, "ada": 1, "bob": 2, "eve": 1} {
			same(t, "offers to "+nick, len(w.clients[nick].offers), n)
		}
		same(t, "endpoints", b.has(), []string{"ada", "bob", "eve", "kim"})
	})
}

func TestLinkedBridgesWhileThereIsNoFocus(t *testing.T) {
	var b [3]*fakeBridge
	var n [3]int
	killed(t, split(), func(w *world) {
		b = three(w)
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		for i, fail := range [][]string{{"~"}, {"~"}, {"+", "~", "~"}} { // nobody answers when the third is linked
			b[i].mu.Lock()
			b[i].fail = fail
			b[i].mu.Unlock()
		}
		w.enter("bob", 4000)
		for i := range b {
			n[i] = len(b[i].got())
		}
	}, nothing, func(w *world) {
		w.words("kim:active", "ada:active", "bob:active")
		for i, x := range b {
			same(t, "links of "+x.addr, len(x.behind()), 2)
			for _, what := range x.asked(n[i]) {
				if strings.HasPrefix(what, "create") || what == "begin" {
					t.Errorf("%s was asked to %s", x.addr, what)
				}
			}
			x.mu.Lock()
			for id, r := range x.relays {
				if r.peer == nil {
					t.Errorf("%s does not know where %s waits", x.addr, id)
				}
			}
			x.mu.Unlock()
		}
		for nick, c := range w.clients {
			same(t, "offers to "+nick, len(c.offers), 1)
		}
		w.enter("eve", 5000)
		w.words("eve:active")
	})
}

// TestAnotherMeetingWhileThereIsNoFocus: the room was made anew. The bridge goes on with the
// meeting of before until everybody has come into the new one.
func TestAnotherMeetingWhileThereIsNoFocus(t *testing.T) {
	var b *fakeBridge
	killed(t, selector.DefaultConfig(), func(w *world) {
		b = w.bridge("jvb1")
		w.enter("kim", 3000)
		w.enter("ada", 2000)
	}, func(w *world) {
		w.meeting = "meeting-2"
	}, func(w *world) {
		w.words("kim:active", "ada:active")
		same(t, "kim's offers", len(w.clients["kim"].offers), 2)
		same(t, "meetings of before", b.before(), []string{"meeting-1"})
		w.pass(30 * time.Second)
		same(t, "meetings of before, later", b.before(), []string{})
	})
}

// TestNotToldYet: what large conferences collect is told by the next focus.
func TestNotToldYet(t *testing.T) {
	var kim *client
	killed(t, selector.DefaultConfig(), func(w *world) {
		w.bridge("jvb1")
		kim = w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.enter("bob", 4000)
		same(t, "what kim sees of bob", len(kim.sees("bob")), 0)
	}, nothing, func(w *world) {
		w.pass(time.Minute)
		same(t, "what kim sees of ada", len(kim.sees("ada")), 3)
		same(t, "what kim sees of bob", len(kim.sees("bob")), 3)
		same(t, "kim's offers", len(kim.offers), 1)
	}, func(c *conference.Config) {
		c.SourceDelays = []conference.SourceDelay{{Participants: 2, Delay: 20 * time.Second}}
	})
}

// FuzzKept: whatever was left behind, the conference begins, and everybody is in it.
func FuzzKept(f *testing.F) {
	f.Add("")
	f.Add(`{"version":1,"meeting":"meeting-1","sessions":[{"id":"s","bridge":"` + brew + `jvb1","seq":1,"endpoints":{"kim":{}}}],` +
		`"participants":[{"nick":"kim","real":"user-kim@example/res","bridge":"` + brew + `jvb1","session":{"sid":"x","bridge_session":"s","accepted":true}},{"nick":"ada","real":"user-ada@example/res"}]}`)
	f.Add(`{"version":1,"meeting":"meeting-1","participants":[{"nick":"kim"}]}`)
	f.Add(`{"version":1,"meeting":"meeting-1","sessions":[{"feedback":"<"}]}`)
	f.Add(`{"version":2,"meeting":"meeting-1","participants":[{"nick":"kim","real":"user-kim@example/res"}]}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.kept = []byte(text)
			b := w.bridge("jvb1")
			b.exists, b.meeting = true, "meeting-1"
			b.endpoints["kim"] = true
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			w.begin(ctx, done)
			w.settle()
			w.enter("ada", 2000)
			w.pass(time.Minute)
			if s := w.status(); len(s.Participants) != 1 {
				t.Errorf("there are %v", s.Participants)
			}
			stop()
			<-done
		})
	})
}
