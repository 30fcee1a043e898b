package conference_test

import (
	"fmt"
	"testing"

	"parley/bridge/allocate"
	"parley/bridge/conference"
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
