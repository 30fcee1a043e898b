package channel

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
)

// leanBuffer is the size of both buffers of a WebSocket. Messages are few and small; a
// larger one is read and written beside the buffer.
const leanBuffer = 512

// lean makes a hijacked connection come with small buffers instead of the 4 KiB each way
// of the HTTP server, which there would be for every client as long as it stays.
type lean struct{ http.ResponseWriter }

// Hijack implements http.Hijacker.
func (l lean) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(l.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	var from io.Reader = conn
	n := rw.Reader.Buffered()
	if n > 0 { // the client did not wait for our answer
		early, _ := rw.Peek(n)
		from = io.MultiReader(bytes.NewReader(slices.Clone(early)), conn)
	}
	r := bufio.NewReaderSize(from, max(n, leanBuffer))
	_, _ = r.Peek(n)
	return conn, bufio.NewReadWriter(r, bufio.NewWriterSize(conn, leanBuffer)), nil
}
