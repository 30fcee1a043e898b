package conference

import "time"

// timer posts to the conference's loop. It is started and stopped in the loop, and
// what it runs, runs there; after stop it runs no more, even if it fired before.
type timer struct {
	c   *Conference
	t   *time.Timer
	seq int
}

func (t *timer) start(d time.Duration, f func()) {
	t.stop()
	seq := t.seq
	t.t = time.AfterFunc(d, func() {
		t.c.post(func() {
			if t.seq == seq {
				t.t = nil
				f()
			}
		})
	})
}

func (t *timer) stop() {
	t.seq++
	if t.t != nil {
		t.t.Stop()
		t.t = nil
	}
}

func (t *timer) running() bool { return t.t != nil }
