package conference_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"parley/bridge/allocate"
	"parley/bridge/conference"
	"parley/bridge/conference/conferencetest"
	"parley/bridge/media"
)

// pictures counts the video sources of others a leg gets.
func (m *meeting) pictures(of int) (n int) {
	for i := range m.n {
		if i != of && m.net.Leg(of).Gets(m.net.Leg(i).Track(1)).Target != media.LayerNone {
			n++
		}
	}
	return n
}

// watcher joins, shows a picture and wants to see everybody's.
func (m *meeting) watcher(id string) {
	leg := m.join(id)
	leg.Track(1).SetLayers(media.LayerInfo{Height: 180, FPS: 30, Bitrate: 100_000})
	leg.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"defaultConstraints":{"maxHeight":180}}`)
	m.set.Reduce(99) // everybody is decided anew
	m.set.Reduce(allocate.Unlimited)
}

// TestLoadTakesPicturesAway: the bridge's own bound holds at once, for everybody, and goes.
func TestLoadTakesPicturesAway(t *testing.T) {
	meet(t, func(m *meeting) {
		for i := range 6 {
			m.watcher(fmt.Sprintf("%c", 'a'+i))
		}
		m.settle()
		check := func(want int) {
			t.Helper()
			for i := range m.n {
				if got := m.pictures(i); got != want {
					t.Errorf("%d gets %d pictures, want %d", i, got, want)
				}
			}
		}
		check(5)
		m.set.Reduce(2)
		m.settle()
		check(2)
		m.set.Reduce(allocate.Unlimited)
		m.settle()
		check(5)
	})
}

func TestLastNBySize(t *testing.T) {
	meet(t, func(m *meeting) {
		for i := range 6 {
			m.watcher(fmt.Sprintf("%c", 'a'+i))
			m.settle()
			want := i
			if i+1 >= 4 {
				want = 1
			}
			if got := m.pictures(0); got != want {
				t.Errorf("%d participants: %d pictures, want %d", i+1, got, want)
			}
		}
	}, func(c *conference.Config) {
		c.LastNOf = func(sources int) int {
			if sources >= 4 {
				return 1
			}
			return allocate.Unlimited
		}
	})
}

// TestMoreSourcesThanSlots: of sixty people with cameras a receiver gets fifty at once;
// who is asked for takes the slot used longest ago, and the client is told whose it is.
func TestMoreSourcesThanSlots(t *testing.T) {
	const people, slots = 60, 50
	meet(t, func(m *meeting) {
		b := m.join("b", func(r *conference.EndpointRequest) { r.Capabilities.SSRCRewriting = true })
		legs := map[string]*conferencetest.Leg{}
		for i := range people {
			id := fmt.Sprintf("%c%d", rune('C'+i), i)
			legs[id] = m.join(id)
			legs[id].Track(1).SetLayers(media.LayerInfo{Height: 180, FPS: 30, Bitrate: 10_000})
		}
		owner := map[uint32]string{} // as the client was told
		ask := func(selected ...string) {
			t.Helper()
			b.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"selectedSources":["` + strings.Join(selected, `","`) + `"]}`)
			m.settle()
			for _, text := range b.Heard("VideoSourcesMap") {
				var msg struct {
					MappedSources []struct {
						Owner string
						SSRC  uint32
					} `json:"mappedSources"`
				}
				if err := json.Unmarshal([]byte(text), &msg); err != nil {
					t.Fatal(err)
				}
				for _, e := range msg.MappedSources {
					owner[e.SSRC] = e.Owner
				}
			}
			shown := 0
			for id, l := range legs {
				f := b.Gets(l.Track(1))
				if f.Target == media.LayerNone {
					continue
				}
				shown++
				if owner[f.SSRC] != id {
					t.Errorf("the picture of %s comes as that of %s", id, owner[f.SSRC])
				}
			}
			if shown != slots || len(owner) != slots {
				t.Fatalf("%d pictures on %d SSRCs, want %d", shown, len(owner), slots)
			}
		}
		ask("none")
		var hidden []string
		for id, l := range legs {
			if b.Gets(l.Track(1)).Target == media.LayerNone {
				hidden = append(hidden, id+"-v0")
			}
		}
		ask(hidden...)
		for _, name := range hidden {
			if id := strings.TrimSuffix(name, "-v0"); b.Gets(legs[id].Track(1)).Target == media.LayerNone {
				t.Errorf("%s is asked for, but not shown", id)
			}
		}
	})
}

// TestDecisionsAreCoalesced: a client that changes its mind a hundred times in fifty
// milliseconds, and those it watches, are told twice at most.
func TestDecisionsAreCoalesced(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		a.Track(1).SetLayers(media.LayerInfo{Height: 180, FPS: 30, Bitrate: 100_000})
		m.settle()
		a.Heard("")
		b.Heard("")
		for i := range 100 {
			b.Say(fmt.Sprintf(`{"colibriClass":"ReceiverVideoConstraints","defaultConstraints":{"maxHeight":%d}}`, 180*(i%2)))
		}
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","defaultConstraints":{"maxHeight":180}}`)
		m.settle()
		if n := len(b.Heard("ForwardedSources")); n == 0 || n > 2 {
			t.Errorf("the receiver was told %d times", n)
		}
		if n := len(a.Heard("SenderSourceConstraints")); n == 0 || n > 2 {
			t.Errorf("the sender was told %d times", n)
		}
	})
}
