package meetweb

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// bodyTimeout is how long a client may take for the whole body of a request.
const bodyTimeout = 30 * time.Second

// timedBody bounds the time for a body, and lifts the bound when all is there, since
// the answer may take longer. Otherwise the bound stays: net/http itself reads what a
// handler left over before it answers, for as long as that takes.
type timedBody struct {
	io.ReadCloser
	rc   *http.ResponseController
	slow atomic.Bool // the time was not enough; the proxy reads on another goroutine
}

// late says whether the time was not enough.
func (b *timedBody) late() bool { return b != nil && b.slow.Load() }

// boundBody gives the client of a request with a body the time limit.
func boundBody(w http.ResponseWriter, r *http.Request, limit time.Duration) {
	if r.Body == nil || r.Body == http.NoBody || r.Header.Get("Upgrade") != "" {
		return
	}
	b := &timedBody{ReadCloser: r.Body, rc: http.NewResponseController(w)}
	b.rc.SetReadDeadline(time.Now().Add(limit)) // not every carrier can; those bound streams themselves
	r.Body = b
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.rc.SetReadDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.slow.Store(true)
	}
	return n, err
}
