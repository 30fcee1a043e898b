package transport_test

import (
	"crypto/rand"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"parley/bridge/transport"
)

// stranger is somebody at an address nobody knows; it counts what comes back.
type stranger struct {
	conn           net.Conn
	sent, answered atomic.Int64
}

func newStranger(t *testing.T, b *bench) *stranger {
	t.Helper()
	conn, err := net.Dial("udp4", b.transport.Addresses()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	s := &stranger{conn: conn}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			s.answered.Add(int64(n))
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return s
}

func (s *stranger) address() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (s *stranger) send(t *testing.T, b []byte) {
	t.Helper()
	n, err := s.conn.Write(b)
	if err != nil {
		t.Fatal(err)
	}
	s.sent.Add(int64(n))
}

// binding is a check for a user name.
func binding(ufrag, pwd string) []byte {
	return stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(ufrag+":peer"),
		stun.NewShortTermIntegrity(pwd), stun.Fingerprint).Raw
}

// TestFloodsAreNotAnswered: checks, handshakes and media from strangers cost a look each;
// nothing is answered, nothing remembered, and a call works meanwhile.
func TestFloodsAreNotAnswered(t *testing.T) {
	b := newBench(t, nil)
	x, y := call(t, b, nil)
	_, _, conns := b.transport.State()
	hello := append([]byte{22, 0xFE, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, make([]byte, 200)...)
	media := append([]byte{0x80, 100}, make([]byte, 1000)...)
	s := newStranger(t, b)
	for range 5000 {
		s.send(t, binding(rand.Text(), rand.Text()))
		s.send(t, hello)
		s.send(t, media)
	}
	// What the call hears comes after it, in the same queue.
	x.drain()
	x.hears(20)
	if n := s.answered.Load(); n != 0 {
		t.Errorf("%d bytes were answered to %d of strangers", n, s.sent.Load())
	}
	if r, tr, c := b.transport.State(); r > 40 || c != conns || tr > 200 || b.transport.Knows(s.address()) {
		t.Errorf("%d addresses, %d transactions and %d connections are remembered", r, tr, c)
	}
	if b.transport.Stats().Garbage == 0 {
		t.Error("nothing was counted")
	}

	// Who knows the user name but not the password gets no more than he sent, and is not
	// believed.
	ufrag := x.session.Local().Ufrag
	s = newStranger(t, b)
	for range 2000 {
		s.send(t, binding(ufrag, "wrong"))
	}
	x.drain()
	x.hears(20)
	if s.answered.Load() > s.sent.Load() {
		t.Errorf("%d bytes were answered to %d of a liar", s.answered.Load(), s.sent.Load())
	}
	if b.transport.Knows(s.address()) {
		t.Error("a liar may send media")
	}
	y.drain()
	y.hears(20)
}

// TestAddressesOfOnePeerAreBounded: a peer that checks from everywhere is heard from so many
// addresses, and can send media from the last few.
func TestAddressesOfOnePeerAreBounded(t *testing.T) {
	b := newBench(t, nil)
	s, err := b.transport.NewSession(transport.SessionOptions{Controlling: true, Handler: &client{
		connected: make(chan struct{}), failed: make(chan error, 4),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetRemote(transport.Description{Ufrag: "peer", Pwd: "a password of the peer"}); err != nil {
		t.Fatal(err)
	}
	local := s.Local()
	for i := range transport.MaxSources + 40 {
		conn, err := net.Dial("udp4", b.transport.Addresses()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() // not before the end: each must have a port of its own
		m := check(t, local, "peer")
		if _, err := conn.Write(m.Raw); err != nil {
			t.Fatal(err)
		}
		if i < transport.MaxSources {
			_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
			answerTo(t, m, conn.Read)
		}
	}
	if n := s.Heard(); n != transport.MaxSources {
		t.Errorf("%d addresses are remembered, want %d", n, transport.MaxSources)
	}
	if r, _, _ := b.transport.State(); r > 16 {
		t.Errorf("%d addresses may send media", r)
	}
}
