package xmppd

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oneConn is a listener of a single connection.
type oneConn chan net.Conn

func (l oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, io.EOF
}
func (l oneConn) Close() error   { return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// A client that names a body and does not send it is not waited for, whether anybody
// reads it or not.
func TestSlowBodiesEnd(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"read":     func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) },
		"not read": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				l := make(oneConn, 1)
				l <- server
				srv := &http.Server{Handler: bounded(h)}
				done := make(chan error)
				go func() { done <- srv.Serve(l) }()
				began := time.Now()
				_, err := io.WriteString(client, "POST /end-meeting HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, client) // until the server hangs up
				assert.NoError(t, err)
				assert.Equal(t, bodyTime, time.Since(began).Truncate(time.Second))
				close(l)
				if err := <-done; !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				_ = srv.Close()
				_ = client.Close()
			})
		})
	}
}
