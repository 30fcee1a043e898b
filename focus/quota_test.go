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
