package stream

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"parley/xmppd/stanza"
)

// clumsy is a Handler that panics at the first element.
type clumsy struct {
	c    Carrier
	lost chan error
}

func (h clumsy) Header(x Header)        { h.c.Header(Header{ID: "1"}) }
func (h clumsy) Element(*stanza.Stanza) { panic("oops") }
func (h clumsy) End()                   {}
func (h clumsy) Lost(err error)         { h.lost <- err }
func (h clumsy) Idle() bool             { return false }

func TestPanicCostsOneStream(t *testing.T) {
	client, server := net.Pipe()
	told := make(chan any, 1)
	h := clumsy{lost: make(chan error, 1)}
	go ServeTCP(context.Background(), server, &TCPOptions{Recovered: func(v any, stack []byte) { told <- v }},
		func(c Carrier, _ Meta) Handler { h.c = c; return h })
	go func() { _, _ = io.WriteString(client, open+"<a/>") }()
	got, _ := io.ReadAll(client)
	if v := <-told; v != "oops" {
		t.Errorf("told %v", v)
	}
	if err := <-h.lost; err != ErrPanic {
		t.Errorf("lost %v", err)
	}
	if !strings.Contains(string(got), "<internal-server-error ") {
		t.Errorf("the peer heard %s", got)
	}
}
