package speaker_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parley/bridge/speaker"
)

// play feeds 20 ms levels of the speakers for the given time, decides every
// 300 ms, and returns the sequence of dominant speakers.
type stage struct {
	d   *speaker.Identifier
	now time.Time
	rng *rand.Rand
}

func newStage() *stage {
	return &stage{speaker.New(), time.Unix(1000, 0), rand.New(rand.NewPCG(1, 2))}
}

func (s *stage) play(dur time.Duration, talking map[string]bool) []string {
	var seen []string
	names := make([]string, 0, len(talking))
	for n := range talking {
		names = append(names, n)
	}
	slices.Sort(names)
	next := s.now.Add(speaker.DecisionInterval)
	for end := s.now.Add(dur); s.now.Before(end); {
		for _, n := range names {
			level := 15 + s.rng.IntN(5)
			if talking[n] {
				level = 95 + s.rng.IntN(15)
			}
			s.d.Level(n, uint8(level), s.now)
		}
		s.now = s.now.Add(20 * time.Millisecond)
		if !s.now.Before(next) {
			if id, changed := s.d.Decide(s.now); changed {
				seen = append(seen, id)
			}
			next = next.Add(speaker.DecisionInterval)
		}
	}
	return seen
}

func TestFirstHeardBecomesDominant(t *testing.T) {
	s := newStage()
	got := s.play(time.Second, map[string]bool{"a": false})
	if !slices.Equal(got, []string{"a"}) {
		t.Fatalf("dominant speakers %v, want [a]", got)
	}
}

func TestSwitchToTheOneWhoTalks(t *testing.T) {
	s := newStage()
	s.play(2*time.Second, map[string]bool{"a": true, "b": false})
	if s.d.Dominant() != "a" {
		t.Fatalf("dominant %q, want a", s.d.Dominant())
	}
	start := s.now
	got := s.play(3*time.Second, map[string]bool{"a": false, "b": true})
	if !slices.Equal(got, []string{"b"}) {
		t.Fatalf("dominant speakers %v, want [b]", got)
	}
	_ = start
}

func TestCoughDoesNotTakeTheStage(t *testing.T) {
	s := newStage()
	s.play(2*time.Second, map[string]bool{"a": true, "b": false})
	if got := s.play(100*time.Millisecond, map[string]bool{"a": true, "b": true}); len(got) != 0 {
		t.Fatalf("a cough changed the speaker to %v", got)
	}
	if got := s.play(2*time.Second, map[string]bool{"a": true, "b": false}); len(got) != 0 {
		t.Fatalf("a cough changed the speaker to %v", got)
	}
}

func TestSilenceKeepsTheSpeaker(t *testing.T) {
	s := newStage()
	s.play(2*time.Second, map[string]bool{"a": true, "b": false})
	if got := s.play(5*time.Second, map[string]bool{"a": false, "b": false}); len(got) != 0 {
		t.Fatalf("silence changed the speaker to %v", got)
	}
}

func TestStoppedSenderLosesToTalker(t *testing.T) {
	s := newStage()
	s.play(2*time.Second, map[string]bool{"a": true, "b": false})
	// a sends nothing any more (muted tracks do not send), b talks.
	got := s.play(5*time.Second, map[string]bool{"b": true})
	if !slices.Equal(got, []string{"b"}) {
		t.Fatalf("dominant speakers %v, want [b]", got)
	}
}

func TestRemoveDominant(t *testing.T) {
	s := newStage()
	s.play(time.Second, map[string]bool{"a": true, "b": false})
	s.d.Remove("a")
	if s.d.Dominant() != "" {
		t.Fatal("a removed speaker is still dominant")
	}
	if got := s.play(time.Second, map[string]bool{"b": false}); !slices.Equal(got, []string{"b"}) {
		t.Fatalf("dominant speakers %v, want [b]", got)
	}
}

func TestIdleSpeakerIsForgotten(t *testing.T) {
	s := newStage()
	s.play(time.Second, map[string]bool{"a": true, "b": false})
	s.now = s.now.Add(2 * time.Hour)
	s.play(time.Second, map[string]bool{"a": true})
	if s.d.Dominant() != "a" {
		t.Fatalf("dominant %q, want a", s.d.Dominant())
	}
}

func TestRecentOrder(t *testing.T) {
	var r speaker.Recent
	for _, id := range []string{"a", "b", "c", "d"} {
		r.Join(id)
	}
	if r.Dominant() != "" || r.Previous() != nil {
		t.Fatal("somebody is dominant before anybody spoke")
	}
	r.Speak("c")
	r.Speak("b")
	if got := r.Order(); !slices.Equal(got, []string{"b", "c", "a", "d"}) {
		t.Fatalf("order %v", got)
	}
	if got := r.Previous(); !slices.Equal(got, []string{"c"}) {
		t.Fatalf("previous %v", got)
	}
	r.Leave("b")
	if r.Dominant() != "c" || r.Previous() != nil {
		t.Fatalf("after leaving: dominant %q previous %v", r.Dominant(), r.Previous())
	}
	if !r.Spoke("c") || r.Spoke("a") {
		t.Fatal("recent speakers are wrong")
	}
}

func TestRecentPreviousIsBounded(t *testing.T) {
	var r speaker.Recent
	for i := range 20 {
		id := string(rune('a' + i))
		r.Join(id)
		r.Speak(id)
	}
	if n := len(r.Previous()); n != speaker.RecentLimit {
		t.Fatalf("%d previous speakers, want %d", n, speaker.RecentLimit)
	}
}
