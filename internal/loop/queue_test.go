package loop_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"parley/internal/loop"
)

func TestQueueKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := loop.NewQueue(100, nil, nil)
		var got []int
		for i := range 100 {
			assert.True(t, q.Post(func() { got = append(got, i) }))
		}
		synctest.Wait()
		assert.Len(t, got, 100)
		assert.IsIncreasing(t, got)
		assert.True(t, q.Post(func() { got = nil }), "a queue that slept wakes up")
		synctest.Wait()
		assert.Empty(t, got)
	})
}

func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := loop.NewQueue(1, nil, nil)
		started, release := make(chan struct{}), make(chan struct{})
		q.Post(func() { close(started); <-release })
		<-started
		assert.True(t, q.Post(func() {}))
		assert.False(t, q.Post(func() {}), "a full queue refuses")
		waited := false
		go func() { waited = q.PostWait(func() {}) }()
		synctest.Wait()
		assert.False(t, waited)
		close(release)
		synctest.Wait()
		assert.True(t, waited)
	})
}

func TestQueueEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := loop.NewQueue(1, nil, nil)
		release := make(chan struct{})
		var did []string
		q.Post(func() { <-release; did = append(did, "first") })
		synctest.Wait()
		q.Post(func() { did = append(did, "thrown away") })
		refused := false
		go func() { refused = !q.PostWait(func() { did = append(did, "refused") }) }()
		synctest.Wait()
		assert.True(t, q.End(func() { did = append(did, "last") }))
		assert.False(t, q.End(func() { did = append(did, "twice") }))
		assert.False(t, q.Post(func() {}))
		close(release)
		synctest.Wait()
		assert.True(t, refused)
		assert.Equal(t, []string{"first", "last"}, did)
	})
}

func TestQueuePanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var caught any
		q := loop.NewQueue(4, nil, func(p any) { caught = p })
		q.Post(func() { panic("oops") })
		ran := false
		q.Post(func() { ran = true })
		synctest.Wait()
		assert.Equal(t, "oops", caught)
		assert.True(t, ran)
	})
}

func TestQueueManyPosters(t *testing.T) {
	var work sync.WaitGroup
	q := loop.NewQueue(8, work.Go, nil)
	n := 0
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 100 {
				q.PostWait(func() { n++ })
			}
		})
	}
	wg.Wait()
	work.Wait()
	assert.Equal(t, 1000, n)
}
