package loop_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"parley/internal/loop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOrder(t *testing.T) {
	l := loop.New(100, nil)
	var got []int
	for i := range 100 {
		assert.True(t, l.Post(func() { got = append(got, i) }))
	}
	l.Stop()
	assert.Len(t, got, 100)
	assert.IsIncreasing(t, got)
	assert.False(t, l.Post(func() {}))
	l.Stop()
}

func TestFull(t *testing.T) {
	l := loop.New(1, nil)
	started, release := make(chan struct{}), make(chan struct{})
	l.Post(func() { close(started); <-release })
	<-started
	assert.True(t, l.Post(func() {}))
	assert.Equal(t, 1, l.Len())
	assert.False(t, l.Post(func() {}), "a full mailbox refuses")
	close(release)
	l.Stop()
}

func TestStopFromInside(t *testing.T) {
	l := loop.New(4, nil)
	ran := false
	l.Post(func() { l.StopSoon(); assert.False(t, l.Post(func() {})) })
	l.Post(func() { ran = true })
	<-l.Done()
	l.Stop()
	_ = ran // may or may not have been in time
}

func TestPanic(t *testing.T) {
	var caught any
	l := loop.New(4, func(p any) { caught = p })
	l.Post(func() { panic("oops") })
	ran := false
	l.Post(func() { ran = true })
	l.Stop()
	assert.Equal(t, "oops", caught)
	assert.True(t, ran)
}

func TestManyPosters(t *testing.T) {
	l := loop.New(1000, nil)
	n := 0
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 100 {
				l.Post(func() { n++ })
			}
		})
	}
	wg.Wait()
	l.Stop()
	assert.Equal(t, 1000, n)
}
