package loop_test

import (
	"runtime"
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

// Nothing is lost or run twice when posts come while the mailbox is emptied.
func TestEveryPostRunsOnce(t *testing.T) {
	l := loop.New(1<<20, nil)
	const n = 20_000
	ran := make([]int, n)
	for i := range n {
		l.Post(func() { ran[i]++ })
		if i%3 == 0 {
			runtime.Gosched()
		}
	}
	l.Stop()
	for i, times := range ran {
		if times != 1 {
			t.Fatalf("%d ran %d times", i, times)
		}
	}
}

// Many loops exist at one time, and nearly all of them are idle.
func TestIdleLoopsAreSmall(t *testing.T) {
	const n = 100
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	loops := make([]*loop.Loop, n)
	for i := range loops {
		loops[i] = loop.New(1<<16, nil)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, (after.TotalAlloc-before.TotalAlloc)/n, uint64(16<<10), "bytes of an idle loop")
	for _, l := range loops {
		l.Stop()
	}
}

// The bound counts everything that has not begun, also while a long queue is worked off.
func TestBoundWhileBusy(t *testing.T) {
	l := loop.New(3, nil)
	started, release := make(chan struct{}), make(chan struct{})
	step := func() { started <- struct{}{}; <-release }
	assert.True(t, l.Post(step))
	<-started
	for range 3 {
		assert.True(t, l.Post(step))
	}
	assert.False(t, l.Post(step))
	release <- struct{}{}
	<-started
	assert.Equal(t, 2, l.Len())
	assert.True(t, l.Post(step))
	assert.False(t, l.Post(step))
	go func() {
		for range started {
		}
	}()
	close(release)
	l.Stop()
	close(started)
}
