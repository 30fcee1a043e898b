package transport

import (
	"strings"
	"testing"
	"time"
)

// TestConsentDoesNotFollowTheClock: whether a peer is there must not depend on the time of
// day, which somebody may set while calls run. What is read from the monotonic clock says so.
func TestConsentDoesNotFollowTheClock(t *testing.T) {
	s := &Session{began: time.Now()}
	if !s.LastReceived().IsZero() {
		t.Error("a peer was heard that never was")
	}
	s.consented()
	at := s.LastReceived()
	if !strings.Contains(at.String(), " m=") {
		t.Errorf("%v is a time of day", at)
	}
	if d := time.Since(at); d < 0 || d > time.Minute {
		t.Errorf("heard %v ago", d)
	}
}

// TestAgesSurviveASetClock: what the clock says a packet waited is not believed when it
// cannot be.
func TestAgesSurviveASetClock(t *testing.T) {
	var q inbox
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 3 * time.Second, -3 * time.Second} {
		q.begin()
		if !q.add(1, []byte{0x80}, time.Now().Add(jump).UnixMicro()) {
			t.Fatal("no room")
		}
		q.end()
		sizes, peers, ages := make([]int, 1), make([]uint32, 1), make([]int64, 1)
		if n := q.drain([][]byte{make([]byte, slotSize)}, sizes, peers, ages); n != 1 || ages[0] != 0 {
			t.Errorf("jump of %v: %d packets, %d µs old", jump, n, ages[0])
		}
	}
}
