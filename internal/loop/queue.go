package loop

import "sync"

// Queue runs posted functions one after the other, as a Loop does, on a goroutine that is
// there only while something waits: for owners of which there are thousands, and which
// hardly ever have anything to do. Make one with NewQueue.
type Queue struct {
	size      int
	start     func(func())
	recovered func(any)

	// mu guards what follows; room is closed, and made anew, when something was taken.
	mu      sync.Mutex
	mail    []func()
	running bool
	ended   bool
	room    chan struct{} // nil while nobody waits
}

// NewQueue makes a queue that holds size functions. start starts its goroutine, as the go
// statement does; nil is that statement. recovered is that of New.
func NewQueue(size int, start func(func()), recovered func(any)) *Queue {
	if start == nil {
		start = func(f func()) { go f() }
	}
	return &Queue{size: size, start: start, recovered: recovered}
}

// Post hands f over. It returns false, and f never runs, if the queue is full or has ended.
// It never blocks.
func (q *Queue) Post(f func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended || len(q.mail) >= q.size {
		return false
	}
	q.addLocked(f)
	return true
}

// PostWait is Post, but waits while the queue is full. It must not be called by what the
// queue runs.
func (q *Queue) PostWait(f func()) bool {
	for {
		q.mu.Lock()
		if q.ended {
			q.mu.Unlock()
			return false
		}
		if len(q.mail) < q.size {
			q.addLocked(f)
			q.mu.Unlock()
			return true
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		<-room
	}
}

// End throws away what waits, and makes last, unless it is nil, the last thing that is run.
// Only the first call counts, and it says so. It does not wait.
func (q *Queue) End(last func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return false
	}
	q.ended, q.mail = true, nil
	q.makeRoomLocked()
	if last != nil {
		q.addLocked(last)
	}
	return true
}

func (q *Queue) addLocked(f func()) {
	q.mail = append(q.mail, f)
	if !q.running {
		q.running = true
		q.start(q.run)
	}
}

func (q *Queue) makeRoomLocked() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

func (q *Queue) run() {
	for {
		q.mu.Lock()
		if len(q.mail) == 0 {
			q.running, q.mail = false, nil
			q.mu.Unlock()
			return
		}
		f := q.mail[0]
		q.mail[0] = nil
		q.mail = q.mail[1:]
		q.makeRoomLocked()
		q.mu.Unlock()
		call(f, q.recovered)
	}
}
