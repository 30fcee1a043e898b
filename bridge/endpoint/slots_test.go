package endpoint

import (
	"testing"

	"pgregory.net/rapid"
)

func TestLeastRecentlyUsedSlotIsGivenAway(t *testing.T) {
	m := NewSlots(2, true)
	a, b, c := &Source{Name: "a"}, &Source{Name: "b"}, &Source{Name: "c"}
	sa, _ := m.Assign(a)
	m.Assign(b)
	m.Touch(a)
	sc, evicted := m.Assign(c)
	if evicted != b || m.Get(b) != nil || sc == sa || m.Get(a) != sa {
		t.Fatalf("evicted %v", evicted)
	}
	if again, evicted := m.Assign(c); again != sc || evicted != nil {
		t.Fatal("a source that has a slot got another")
	}
}

func TestFreedSlotIsUsedAgain(t *testing.T) {
	m := NewSlots(50, true)
	a, b := &Source{Name: "a"}, &Source{Name: "b"}
	sa, _ := m.Assign(a)
	m.Free(a)
	if len(m.Mapped()) != 0 {
		t.Fatal("a freed slot is still mapped")
	}
	if sb, _ := m.Assign(b); sb != sa {
		t.Fatal("a new slot was made although one was free")
	}
}

// TestSlotsProperties: never more slots than the limit, never two sources on one, and
// every SSRC is its own.
func TestSlotsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		m := NewSlots(limit, true)
		sources := make([]*Source, 8)
		for i := range sources {
			sources[i] = &Source{}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			s := sources[rapid.IntRange(0, 7).Draw(t, "source")]
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				slot, _ := m.Assign(s)
				if slot.Source() != s || m.Get(s) != slot {
					t.Fatal("an assigned slot carries something else")
				}
			case 1:
				m.Free(s)
			case 2:
				if m.Touch(s) != (m.Get(s) != nil) {
					t.Fatal("touched what is not there")
				}
			}
			seen := make(map[uint32]bool)
			for _, slot := range m.Mapped() {
				if seen[slot.SSRC] || seen[slot.RTX] || m.Get(slot.Source()) != slot {
					t.Fatal("two sources share something")
				}
				seen[slot.SSRC], seen[slot.RTX] = true, true
			}
			if len(m.Mapped()) > limit {
				t.Fatalf("%d slots of %d", len(m.Mapped()), limit)
			}
		}
	})
}
