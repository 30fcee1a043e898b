package stream

import (
	"errors"
	"runtime/debug"
)

// ErrPanic is what a Handler is Lost with after it panicked.
var ErrPanic = errors.New("the stream's handler panicked")

// Guard runs f, which eats what a peer sent. If f panics, recovered hears of it
// with the stack, and Guard returns false: one peer's bytes that we did not foresee
// must not end the process. Without recovered a panic goes on.
func Guard(recovered func(v any, stack []byte), f func()) (ok bool) {
	if recovered != nil {
		defer func() {
			if v := recover(); v != nil {
				recovered(v, debug.Stack())
				ok = false
			}
		}()
	}
	f()
	return true
}
