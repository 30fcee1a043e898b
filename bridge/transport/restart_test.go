package transport_test

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"parley/bridge/transport"
)

// hears waits until n more packets of audio come, and returns the longest pause between two.
func (c *client) hears(n int) (longest time.Duration) {
	c.b.t.Helper()
	last := time.Now()
	for range n {
		await(c.b.t, "audio", c.packets[webrtc.RTPCodecTypeAudio])
		longest = max(longest, time.Since(last))
		last = time.Now()
	}
	return longest
}

// drain forgets what came before.
func (c *client) drain() {
	for {
		select {
		case <-c.packets[webrtc.RTPCodecTypeAudio]:
		default:
			return
		}
	}
}

// TestRestartInPlace: ICE begins anew twice while the call goes on; keys and channel stay.
func TestRestartInPlace(t *testing.T) {
	b := newBench(t, nil)
	x, y := newClient(b, nil), newClient(b, nil)
	if d, err := x.session.Restart(); err != nil || d.Generation != 0 || d.Ufrag != x.session.Local().Ufrag {
		t.Fatalf("before there is a way the first one holds, but it is %+v, %v", d, err)
	}
	connect(t, x, y)
	seen := map[string]bool{x.session.Local().Ufrag: true}
	for generation := 1; generation <= 2; generation++ {
		d, err := x.session.Restart()
		if err != nil {
			t.Fatal(err)
		}
		if d.Generation != generation || d.Setup != transport.SetupPassive || seen[d.Ufrag] || len(d.Candidates) == 0 {
			t.Fatalf("restart %d is described as %+v", generation, d)
		}
		seen[d.Ufrag] = true
		x.drain()
		y.drain()
		remote := x.answer(y, d)
		// What is about a way that is over, or never was, changes nothing.
		for _, stale := range []int{generation - 2, generation + 1} {
			if err := x.session.SetRemote(transport.Description{Ufrag: "abcd", Pwd: "a-password-of-22-letters", Generation: stale}); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.session.SetRemote(remote); err != nil {
			t.Fatal(err)
		}
		pause := max(x.hears(100), y.hears(100))
		t.Logf("longest pause around restart %d: %v", generation, pause)
		if pause > 30*time.Second {
			t.Errorf("media paused for %v", pause)
		}
		// The client checks anew, so it is heard only when the new way carries.
		if got := x.session.Local(); got.Generation != generation || got.Ufrag != d.Ufrag {
			t.Errorf("after restart %d the way is %d", generation, got.Generation)
		}
	}
	if s := b.transport.Stats(); s.Restarts != 2 || s.RestartsSucceeded != 2 || s.ICEFailed != 0 || s.DTLSSucceeded != 2 {
		t.Errorf("stats are %+v", s)
	}
}

// TestRestartThatFindsNoWay: the call goes on over the old one, and a later restart works.
func TestRestartThatFindsNoWay(t *testing.T) {
	b := newBench(t, nil)
	x, y := call(t, b, nil)
	if _, err := x.session.Restart(); err != nil {
		t.Fatal(err)
	}
	x.drain()
	if pause := x.hears(100); pause > 30*time.Second {
		t.Errorf("media paused for %v", pause)
	}
	d, err := x.session.Restart()
	if err != nil || d.Generation != 2 {
		t.Fatalf("second restart: %+v, %v", d, err)
	}
	if err := x.session.SetRemote(x.answer(y, d)); err != nil {
		t.Fatal(err)
	}
	x.drain()
	y.drain()
	x.hears(100)
	y.hears(100)
	x.session.Close()
	deadline := time.Now().Add(45 * time.Second)
	for {
		if _, err := x.session.Restart(); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a closed session restarts")
		}
	}
}

// router stands between a client and the bridge like a home router: what it sends comes
// from its outer address, which can change.
type router struct {
	inner *net.UDPConn
	to    *net.UDPAddr

	mu     sync.Mutex
	outer  *net.UDPConn
	client *net.UDPAddr
	work   sync.WaitGroup
}

func newRouter(t *testing.T, bridge netip.AddrPort) *router {
	t.Helper()
	r := &router{inner: loopback(t), to: net.UDPAddrFromAddrPort(bridge)}
	r.change(t)
	r.work.Go(func() {
		b := make([]byte, 2048)
		for {
			n, from, err := r.inner.ReadFromUDP(b)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.client = from
			out := r.outer
			r.mu.Unlock()
			_, _ = out.WriteToUDP(b[:n], r.to)
		}
	})
	t.Cleanup(func() {
		_ = r.inner.Close()
		_ = r.outer.Close()
		r.work.Wait()
	})
	return r
}

func loopback(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// change gives the router another outer address; the old one is dead.
func (r *router) change(t *testing.T) {
	out := loopback(t)
	r.mu.Lock()
	old := r.outer
	r.outer = out
	r.mu.Unlock()
	if old != nil {
		_ = old.Close()
	}
	r.work.Go(func() {
		b := make([]byte, 2048)
		for {
			n, _, err := out.ReadFromUDP(b)
			if err != nil {
				return
			}
			r.mu.Lock()
			to := r.client
			r.mu.Unlock()
			if to != nil {
				_, _ = r.inner.WriteToUDP(b[:n], to)
			}
		}
	})
}

// TestPeerThatRoams: a client whose outer address changes is heard and served again without
// anybody asking for a restart.
func TestPeerThatRoams(t *testing.T) {
	b := newBench(t, nil)
	// The client, too, waits long for answers.
	x, y := newClient(b, func(s *webrtc.SettingEngine) { s.SetICETimeouts(time.Minute, 2*time.Minute, time.Second) }), newClient(b, nil)
	r := newRouter(t, b.transport.Addresses()[0])
	x.way = func(c []transport.Candidate) []transport.Candidate {
		c = c[:1]
		c[0].Addr = r.inner.LocalAddr().(*net.UDPAddr).AddrPort()
		return c
	}
	connect(t, x, y)
	r.change(t)
	began := time.Now()
	x.drain()
	y.drain()
	x.hears(50)
	y.hears(50)
	t.Logf("served again after %v", time.Since(began))
	if s := b.transport.Stats(); s.Roamed != 1 || s.ICEFailed != 0 {
		t.Errorf("stats are %+v", s)
	}
}
