package allocate_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"parley/bridge/allocate"
)

// hearing is one receiver that reports once a second.
type hearing struct {
	r   allocate.Redundancy
	now time.Time
}

// run lets time pass and returns how often the sound changed, and whether it is repeated.
func (h *hearing) run(d time.Duration, p allocate.Path, loss func(on bool) float64) (changes int, on bool) {
	for end := h.now.Add(d); h.now.Before(end); h.now = h.now.Add(500 * time.Millisecond) {
		if h.now.UnixMilli()%1000 == 0 {
			h.r.Report(loss(h.r.On()))
		}
		before := h.r.On()
		if h.r.Decide(p, h.now) != before {
			changes++
		}
	}
	return changes, h.r.On()
}

func always(loss float64) func(bool) float64 { return func(bool) float64 { return loss } }

func TestRedundancy(t *testing.T) {
	full := func(rate int64) allocate.Path {
		return allocate.Path{Bitrate: rate, Target: 400_000, Ideal: 400_000, Talkers: 1}
	}
	for _, c := range []struct {
		name string
		path allocate.Path
		loss float64
		on   bool
	}{
		{"room, no loss", full(1_000_000), 0, false},
		{"room and loss", full(1_000_000), 0.03, true},
		{"ample room", full(2_500_000), 0, true},
		{"ample room for what is sent, but not for what is wanted", allocate.Path{Bitrate: 2_500_000, Target: 400_000, Ideal: 2_600_000, Talkers: 1}, 0, false},
		{"300 kbit/s that lose", allocate.Path{Bitrate: 260_000, Target: 150_000, Ideal: 1_400_000, Talkers: 1}, 0.1, false},
		{"the picture takes next to all of much", allocate.Path{Bitrate: 1_500_000, Target: 1_490_000, Ideal: 1_490_000, Talkers: 1}, 0.1, true},
		{"the picture takes it all", allocate.Path{Bitrate: 520_000, Target: 500_000, Ideal: 1_400_000, Talkers: 1}, 0.1, false},
		{"no estimate, no loss", allocate.Path{Bitrate: allocate.Unlimited, Talkers: 3}, 0, false},
		{"no estimate, loss", allocate.Path{Bitrate: allocate.Unlimited, Talkers: 3}, 0.1, true},
	} {
		h := hearing{now: time.Unix(1000, 0)}
		changes, on := h.run(time.Minute, c.path, always(c.loss))
		if on != c.on || changes > 1 {
			t.Errorf("%s: repeated %v after %d changes, want %v", c.name, on, changes, c.on)
		}
	}
}

// What has begun does not end at the first wavering, and ends at once when pictures need it.
func TestRedundancyIsSteady(t *testing.T) {
	h := hearing{now: time.Unix(1000, 0)}
	lossy := allocate.Path{Bitrate: 600_000, Target: 400_000, Ideal: 1_400_000, Talkers: 2}
	if changes, on := h.run(10*time.Second, lossy, always(0.1)); changes != 1 || !on {
		t.Fatalf("10 %% loss: %d changes, repeated %v", changes, on)
	}
	wavers := lossy
	wavers.Bitrate = 380_000 // less than is sent, until that is decided anew
	for range 10 {
		for _, p := range []allocate.Path{wavers, lossy} {
			if changes, _ := h.run(time.Second, p, always(0.02)); changes != 0 {
				t.Fatal("an estimate that wavers changes the sound")
			}
		}
	}
	if changes, on := h.run(25*time.Second, lossy, always(0)); changes != 0 || !on {
		t.Errorf("25 s without loss: %d changes, repeated %v", changes, on)
	}
	if changes, on := h.run(30*time.Second, lossy, always(0)); changes != 1 || on {
		t.Errorf("55 s without loss: %d changes, repeated %v", changes, on)
	}
	h.run(5*time.Second, lossy, always(0.1))
	narrow := allocate.Path{Bitrate: 260_000, Target: 200_000, Ideal: 1_400_000, Talkers: 2}
	if _, on := h.run(500*time.Millisecond, narrow, always(0.1)); on {
		t.Error("sound is repeated on a path that has become narrow")
	}
	if _, on := h.run(9*time.Second, lossy, always(0.1)); on {
		t.Error("sound is repeated again at once")
	}
	if _, on := h.run(2*time.Second, lossy, always(0.1)); !on {
		t.Error("sound is not repeated again")
	}
	// A narrow path that is tried with more now and then stays without.
	h.run(time.Second, narrow, always(0.1))
	for range 10 {
		if _, on := h.run(4*time.Second, lossy, always(0.1)); on {
			t.Fatal("sound is repeated after a moment of more")
		}
		h.run(500*time.Millisecond, narrow, always(0.1))
	}
}

// Loss that is the same all along, as reports of a second tell it, never takes the sound back.
func TestRedundancyUnderLossThatWavers(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		h := hearing{now: time.Unix(1000, 0)}
		changes, on := h.run(5*time.Minute, allocate.Path{Bitrate: 900_000, Target: 400_000, Ideal: 1_400_000, Talkers: 1}, func(bool) float64 {
			lost := 0.0
			for range 60 {
				if rng.Float64() < 0.1 {
					lost++
				}
			}
			return lost / 60
		})
		if !on || changes != 1 {
			t.Errorf("seed %d: repeated %v after %d changes", seed, on, changes)
		}
	}
}

// Ample room is known of sooner than loss; that there is some is no reason to end it.
func TestRedundancyBeforeTheFirstLoss(t *testing.T) {
	h := hearing{now: time.Unix(1000, 0)}
	ample := allocate.Path{Bitrate: 2_500_000, Target: 1_400_000, Ideal: 1_400_000, Talkers: 1}
	if h.r.Decide(ample, h.now.Add(-time.Second)) != true {
		t.Fatal("ample room is not used")
	}
	if changes, on := h.run(2*time.Minute, ample, always(0.15)); changes != 0 || !on {
		t.Errorf("%d changes, repeated %v", changes, on)
	}
}

// Where nobody knows what the path carries, more loss than before tells that it is full.
func TestRedundancyThatFillsThePath(t *testing.T) {
	h := hearing{now: time.Unix(1000, 0)}
	fills := func(on bool) float64 {
		if on {
			return 0.4
		}
		return 0.03
	}
	changes, _ := h.run(5*time.Minute, allocate.Path{Bitrate: allocate.Unlimited, Talkers: 3}, fills)
	t.Logf("%d changes in five minutes", changes)
	if changes > 10 || changes < 2 {
		t.Errorf("sound changed %d times in five minutes", changes)
	}
}
