package focus

import (
	"testing"
	"time"
)

func TestQuota(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	q := quota{max: 2}
	for i, c := range []struct {
		who   string
		after time.Duration
		want  bool
	}{
		{"ann", 0, true}, {"ann", 1, true}, {"ann", 2, false}, {"bob", 3, true},
		{"ann", 59 * time.Second, false}, {"ann", time.Minute, true},
	} {
		if got := q.allow(c.who, now.Add(c.after)); got != c.want {
			t.Errorf("%d: %s is answered %v", i, c.who, got)
		}
	}
}

// TestTenantsRoomsHaveTwoAddresses: both lead to one conference.
func TestTenantsRoomsHaveTwoAddresses(t *testing.T) {
	s := &Service{cfg: Config{RoomDomains: []string{"conference.meet.localhost", "breakout.meet.localhost"}}}
	for room, want := range map[string]string{
		"demo@conference.meet.localhost":       "demo@conference.meet.localhost",
		"demo@conference.acme.meet.localhost":  "[acme]demo@conference.meet.localhost",
		"[acme]demo@conference.meet.localhost": "[acme]demo@conference.meet.localhost",
		"demo@conference.a.b.meet.localhost":   "demo@conference.a.b.meet.localhost",
		"demo@elsewhere.acme.meet.localhost":   "demo@elsewhere.acme.meet.localhost",
	} {
		if got := s.key(room); got != want {
			t.Errorf("%s is kept under %s, want %s", room, got, want)
		}
	}
}
