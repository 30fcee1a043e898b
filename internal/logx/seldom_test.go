package logx_test

import (
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/logx"
)

func TestSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s logx.Seldom
		said := 0
		for range 150 {
			if s.Due() {
				said++
			}
			time.Sleep(time.Second)
		}
		if said != 3 {
			t.Errorf("said %d times in 150 s, want 3", said)
		}
	})
}
