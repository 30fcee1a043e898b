package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"parley/internal/app"
)

// wire is a way to a server on this machine that can be cut.
type wire struct {
	listener net.Listener
	target   string
	work     sync.WaitGroup

	mu     sync.Mutex // guards what follows
	open   map[net.Conn]bool
	closed bool
}

func newWire(t *testing.T, port int) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, target: fmt.Sprintf("127.0.0.1:%d", port), open: make(map[net.Conn]bool)}
	w.work.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		w.cut()
		w.work.Wait()
	})
	return w
}

func (w *wire) port() int { return w.listener.Addr().(*net.TCPAddr).Port }

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		if !w.keep(near, far) {
			return
		}
		for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
			w.work.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				_ = pair[0].Close()
			})
		}
	}
}

// keep notes connections to be cut; after the end they are closed at once.
func (w *wire) keep(list ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range list {
		if w.closed {
			_ = c.Close()
			continue
		}
		w.open[c] = true
	}
	return !w.closed
}

// cut resets all connections, and says how many there were.
func (w *wire) cut() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.open) / 2
	for c := range w.open {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	clear(w.open)
	return n
}

// TestCutOff: the connections of focus and bridge to the server break in the middle of a
// call. Nobody in it is invited anew, and the next one comes in as before.
func TestCutOff(t *testing.T) {
	in := newInstallation(t)
	in.start(app.XMPPD)
	w := newWire(t, in.ports["c2s"])
	in.ports["c2s"] = w.port()
	focus := in.start(app.Focus)
	bridge := in.bridgeBeside("east").start(app.Bridge)
	bridge.says("entered room")
	srv := in.server()
	if err := awaitFocus(srv); err != nil {
		t.Fatal(err)
	}
	v := vars{"roomname": uniqueRoom()}
	ann, bob := arrive(t, srv, v, "Ann"), arrive(t, srv, v, "Bob")
	for _, c := range []*caller{ann, bob} {
		c.isOffered()
	}
	ann.accepts(bob)
	bob.accepts(ann)
	ann.hears(bob)
	bob.hears(ann)

	if n := w.cut(); n < 2 { // more, if one had to try twice
		t.Fatalf("%d connections were cut", n)
	}
	for _, p := range []*process{focus, bridge} {
		p.says("the session with the XMPP server goes on")
	}
	ann.hears(bob)
	cyd := arrive(t, srv, v, "Cyd")
	cyd.isOffered()
	cyd.accepts(ann, bob)
	ann.sees(bob, cyd)
	cyd.hears(ann, bob)
	ann.hears(bob, cyd)
	if sessions := strings.Count(focus.logs.String(), "Sending session-initiate."); sessions != 3 {
		t.Errorf("%d invitations for three people", sessions)
	}
}
