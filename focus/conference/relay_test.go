package conference_test

import (
	"testing"
	"time"

	"parley/focus/conference"
	"parley/focus/selector"
	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
)

// split puts every participant on another bridge.
func split() selector.Config {
	c := selector.DefaultConfig()
	c.Strategy = selector.Split
	return c
}

// three bridges that can be linked.
func three(w *world) [3]*fakeBridge {
	return [3]*fakeBridge{
		w.bridge("jvb1", "relay_id", "r1", "version", "1"),
		w.bridge("jvb2", "relay_id", "r2", "version", "1", "stress_level", "0.1"),
		w.bridge("jvb3", "relay_id", "r3", "version", "1", "stress_level", "0.2"),
	}
}

func TestThreeBridges(t *testing.T) {
	playOn(t, split(), func(w *world) {
		b := three(w)
		kim, ada, bob := w.enter("kim", 3000), w.enter("ada", 2000), w.enter("bob", 4000)
		w.words("kim:active", "ada:active", "bob:active")
		placed := map[string]int{}
		for i, x := range b {
			same(t, "people on bridge "+x.addr, len(x.has()), 1)
			placed[x.has()[0]] = i
		}
		for i, x := range b {
			behind := x.behind()
			same(t, "links of "+x.addr, len(behind), 2)
			for k, y := range b {
				if i == k {
					continue
				}
				r := x.relays[relayOf(k)]
				who := y.has()[0]
				if r == nil || len(r.remote) != 1 || r.remote[who] == nil || len(r.remote[who].Media) != 2 {
					t.Fatalf("%s knows %v", x.addr, behind)
				}
				checkRoles(t, x, y, r, y.relays[relayOf(i)])
			}
		}
		for _, c := range []*client{kim, ada, bob} {
			c.check()
		}
		for _, owner := range []string{"kim", "ada", "bob"} {
			same(t, "sources kim sees of "+owner, len(kim.sees(owner)) > 0, owner != "kim")
		}
		same(t, "bridges", len(w.status().Bridges), 3)

		// Ada leaves: her bridge goes, and the links to it.
		ada.leave()
		w.settle()
		gone := b[placed["ada"]]
		same(t, "conference on the bridge nobody is on", gone.exists, false)
		for i, x := range b {
			if x != gone {
				same(t, "links of "+x.addr, len(x.behind()), 1)
				if x.relays[relayOf(placed["ada"])] != nil {
					t.Errorf("bridge %d is still linked to that", i)
				}
			}
		}
	})
}

func relayOf(i int) string { return "r" + string(rune('1'+i)) }

// checkRoles: of two bridges one is the initiator in everything.
func checkRoles(t *testing.T, x, y *fakeBridge, a, b *fakeRelay) {
	t.Helper()
	ta, tb := a.created.Transport, b.created.Transport
	if ta.ICEControlling == tb.ICEControlling || ta.UseUniquePort != ta.ICEControlling || tb.UseUniquePort != tb.ICEControlling {
		t.Errorf("%s and %s: %+v, %+v", x.addr, y.addr, ta, tb)
	}
	role, setup := "server", "passive"
	if ta.ICEControlling {
		role, setup = "client", "active"
	}
	switch {
	case ta.SCTP == nil || ta.SCTP.Role != role:
		t.Errorf("%s: %+v, want %s", x.addr, ta.SCTP, role)
	case a.peer == nil || a.peer.Fingerprints[0].Setup != setup:
		t.Errorf("%s was told of %+v, want setup %s", x.addr, a.peer, setup)
	case len(a.peer.WebSockets) > 0:
		t.Errorf("%s was told of a WebSocket beside the data channel", x.addr)
	case a.peer.Ufrag != "u-relay-"+y.addr+"-"+relayName(x):
		t.Errorf("%s was told of %s", x.addr, a.peer.Ufrag)
	}
	if len(a.created.Media) != 2 || a.created.MeshID != "0" {
		t.Errorf("%s: %d media, mesh %q", x.addr, len(a.created.Media), a.created.MeshID)
	}
}

// relayName is the relay id of a fake bridge jvbN.
func relayName(b *fakeBridge) string { return "r" + b.addr[len(b.addr)-1:] }

func TestSourcesFollowToOtherBridges(t *testing.T) {
	playOn(t, split(), func(w *world) {
		b := three(w)
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		one, two := b[0], b[1]
		who := one.has()[0]
		before := len(two.relays["r1"].remote[who].Media)
		c := w.clients[who]
		same(t, "source-add", c.call(c.change(jingle.SourceAdd, fid(video(who, "m 1", 7001, 7002), 7001, 7002))), "ok")
		w.settle()
		if got := len(two.relays["r1"].remote[who].Media); got <= before {
			t.Errorf("%d sources on the other bridge, %d before", got, before)
		}
	})
}

func TestBridgeOfThreeDies(t *testing.T) {
	playOn(t, split(), func(w *world) {
		b := three(w)
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.enter("bob", 4000)
		moved := b[1].has()[0]
		w.kill(b[1])
		w.words("kim:active", "ada:active", "bob:active")
		same(t, "people on those that are left", len(b[0].has())+len(b[2].has()), 3)
		same(t, "links", [2]int{len(b[0].behind()), len(b[2].behind())}, [2]int{1, 1})
		for _, x := range []*fakeBridge{b[0], b[2]} {
			here := map[string]bool{}
			for _, id := range x.has() {
				here[id] = true
			}
			for _, r := range x.relays {
				for id := range r.remote {
					if here[id] {
						t.Errorf("%s is on %s and behind it", id, x.addr)
					}
					here[id] = true
				}
			}
			same(t, "all "+x.addr+" knows of", len(here), 3)
			same(t, "the one who moved among them", here[moved], true)
		}
	})
}

// TestShutdownMovesPeople: a bridge that says it is going away is left at once.
func TestShutdownMovesPeople(t *testing.T) {
	playOn(t, split(), func(w *world) {
		b := three(w)
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		going := new(colibri.Stats)
		going.AddBool(colibri.StatShuttingDown, true)
		same(t, "the news", w.pool.Report(b[0].addr, going, time.Now()), selector.Lost)
		w.conf.BridgeLost(b[0].addr)
		w.settle()
		w.words("kim:active", "ada:active")
		same(t, "people on the bridge that goes", len(b[0].has()), 0)
		same(t, "people elsewhere", len(b[1].has())+len(b[2].has()), 2)
	})
}

func TestBridgeThatCannotBeLinkedServesAlone(t *testing.T) {
	playOn(t, split(), func(w *world) {
		one := w.bridge("jvb1", "relay_id", "r1", "version", "1")
		two := w.bridge("jvb2", "relay_id", "r2", "version", "1", "stress_level", "0.1")
		two.fail = []string{"+", stanzaError("feature-not-implemented", "")}
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.pass(11 * time.Second)
		w.words("kim:active", "ada:active")
		same(t, "people on the first", one.has(), []string{"ada", "kim"})
		same(t, "people on the second", two.has(), []string{})
		same(t, "links", one.behind(), []string{})
	})
}

// TestBridgesThatDoNotReachEachOther: a bridge takes away a link that did not come about.
// The focus asks in time, and puts everybody on one of the two.
func TestBridgesThatDoNotReachEachOther(t *testing.T) {
	playOn(t, split(), func(w *world) {
		one := w.bridge("jvb1", "relay_id", "r1", "version", "1")
		two := w.bridge("jvb2", "relay_id", "r2", "version", "1", "stress_level", "0.1")
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		same(t, "links", [2]int{len(one.behind()), len(two.behind())}, [2]int{1, 1})
		for _, b := range []*fakeBridge{one, two} {
			b.mu.Lock()
			clear(b.relays)
			b.mu.Unlock()
		}
		w.pass(time.Minute)
		w.words("kim:active", "ada:active")
		same(t, "people on the first", one.has(), []string{"ada", "kim"})
		same(t, "people on the second", two.has(), []string{})
	})
}

// TestWebSocketBetweenBridges: without data channels only the initiator is told where to
// connect.
func TestWebSocketBetweenBridges(t *testing.T) {
	playOn(t, split(), func(w *world) {
		b := three(w)
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		one, two := b[0].relays["r2"], b[1].relays["r1"]
		if one.created.Transport.SCTP != nil || len(one.peer.WebSockets)+len(two.peer.WebSockets) != 1 {
			t.Errorf("told of %v and %v", one.peer.WebSockets, two.peer.WebSockets)
		}
		if one.created.Transport.ICEControlling != (len(one.peer.WebSockets) == 1) {
			t.Error("not the initiator connects")
		}
	}, func(c *conference.Config) { c.SCTP = false })
}

// TestLinkAcrossAReconnect: a link that was being made when our connection broke is made
// anew.
func TestLinkAcrossAReconnect(t *testing.T) {
	playOn(t, split(), func(w *world) {
		b := three(w)
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		same(t, "links", [2]int{len(b[0].behind()), len(b[1].behind())}, [2]int{1, 1})
		w.mu.Lock()
		w.lost = true
		w.mu.Unlock()
		w.enter("bob", 4000)
		w.mu.Lock()
		w.lost, w.inside = false, false
		w.mu.Unlock()
		w.conf.Reconnected()
		w.settle()
		w.words("kim:active", "ada:active", "bob:active")
		for _, x := range b {
			same(t, "links of "+x.addr, len(x.behind()), 2)
		}
	})
}

func TestOneBridgeByDefault(t *testing.T) {
	play(t, func(w *world) {
		b := three(w)
		w.enter("kim", 3000)
		w.enter("ada", 2000)
		w.enter("bob", 4000)
		same(t, "people on the first", len(b[0].has()), 3)
		same(t, "links", b[0].behind(), []string{})
	})
}
