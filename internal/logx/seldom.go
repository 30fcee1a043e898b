package logx

import (
	"sync/atomic"
	"time"
)

// seldomEvery is how often Seldom lets a message through.
const seldomEvery = time.Minute

// Seldom is for messages that a shortage or an attack would repeat without end: one a
// minute tells the operator as much, and the log does not fill the disk as well. The zero
// value is ready; it may be used from any goroutine.
type Seldom struct{ next atomic.Int64 }

// Due says whether to log now.
func (s *Seldom) Due() bool {
	now := time.Now()
	next := s.next.Load()
	return now.UnixNano() >= next && s.next.CompareAndSwap(next, now.Add(seldomEvery).UnixNano())
}
