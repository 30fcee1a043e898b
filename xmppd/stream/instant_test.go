package stream

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/wire/ns"
)

// TestReaderRests: who waits for an element to begin has no buffer, who waits for the
// rest of one keeps what there is, and a time-out takes nothing away.
func TestReaderRests(t *testing.T) {
	client, server := pair(t)
	r := NewReader(server, ns.Client, 0)
	next := func() (Event, error) {
		require.NoError(t, server.SetReadDeadline(time.Now().Add(time.Minute)))
		return r.Next()
	}
	quiet := func() {
		require.NoError(t, server.SetReadDeadline(time.Now().Add(-time.Second)))
		_, err := r.Next()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	quiet()
	_, err := io.WriteString(client, `<stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams"><presence><show>aw`)
	require.NoError(t, err)
	ev, err := next()
	require.NoError(t, err)
	assert.Equal(t, Opened, ev.Kind)
	// Bytes may have come in pieces, but the element is not complete.
	quiet()
	_, err = io.WriteString(client, `ay</show></presence><message><body>`+strings.Repeat("x", 3*readSize)+`</body></message>`)
	require.NoError(t, err)
	ev, err = next()
	require.NoError(t, err)
	assert.Equal(t, "<show>away</show>", string(ev.Stanza.Content()))
	ev, err = next()
	require.NoError(t, err)
	assert.Len(t, ev.Stanza.Content(), 3*readSize+len("<body></body>"))
	for wait := 10 * time.Millisecond; r.buf != nil; wait *= 2 { // until it was long enough for a try
		require.Less(t, wait, time.Minute, "a stream that rests keeps its buffer")
		require.NoError(t, server.SetReadDeadline(time.Now().Add(wait)))
		_, err = r.Next()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	require.NoError(t, client.Close())
	_, err = next()
	assert.ErrorIs(t, err, io.EOF)
}

// TestInstant: a reader of a socket behaves as the connection itself would.
func TestInstant(t *testing.T) {
	client, server := pair(t)
	r := Instant(server)
	assert.NotEqual(t, io.Reader(server), r)
	_, err := io.WriteString(client, "hello")
	require.NoError(t, err)
	b := make([]byte, 5)
	_, err = io.ReadFull(r, b)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(b))
	n, err := r.Read(nil)
	assert.Zero(t, n)
	assert.NoError(t, err)
	require.NoError(t, server.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err = r.Read(b)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, server.SetReadDeadline(time.Time{}))
	require.NoError(t, client.Close())
	_, err = r.Read(b)
	assert.ErrorIs(t, err, io.EOF)
	require.NoError(t, server.Close())
	_, err = r.Read(b)
	assert.ErrorIs(t, err, net.ErrClosed)
	inner, _ := net.Pipe()
	assert.Equal(t, io.Reader(inner), Instant(inner), "no socket")
}
