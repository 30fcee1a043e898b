package transport_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"

	"parley/bridge/transport"
	"parley/internal/udptest"
)

func bothWays(s *webrtc.SettingEngine) {
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeTCP4})
}

// behind puts a bad network on a client's way to the bridge over UDP; TCP is as it was.
func (c *client) behind(t *testing.T, cfg udptest.Config) *udptest.Relay {
	t.Helper()
	r, err := udptest.Listen(netip.MustParseAddrPort("127.0.0.1:0"), c.b.transport.Addresses()[0], cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	c.way = func(list []transport.Candidate) []transport.Candidate {
		for i := range list {
			if list[i].Protocol == transport.UDP {
				list[i].Addr = r.Addr()
			}
		}
		return list
	}
	return r
}

// TestLossyUDPIsPreferred: where one packet in five is lost and TCP would be there sooner,
// UDP carries the call. TCP waits for longer here than in life, so that a slow machine
// changes nothing.
func TestLossyUDPIsPreferred(t *testing.T) {
	b := newBenchWith(t, nil, func(tr *transport.Transport) { transport.SetUDPHead(tr, time.Hour) })
	x, y := newClient(b, bothWays), newClient(b, bothWays)
	for i, c := range []*client{x, y} {
		c.behind(t, udptest.Config{Delay: 50 * time.Millisecond, Loss: 0.2, Seed: uint64(i)})
	}
	connect(t, x, y)
	if s := b.transport.Stats(); s.ICESucceeded != 2 || s.ICESucceededTCP != 0 {
		t.Errorf("stats are %+v", s)
	}
	if x.session.OverTCP() || y.session.OverTCP() {
		t.Error("media goes over TCP")
	}
}

// TestMovesUp: UDP is blocked, so TCP carries the call. When UDP is there it takes over, and
// the media does not pause. The client tries nothing by itself once it has a way: we do.
func TestMovesUp(t *testing.T) {
	b := newBench(t, nil)
	x, y := newClient(b, bothWays), newClient(b, nil)
	blocked := x.behind(t, udptest.Config{Loss: 1, Seed: 1})
	gathered := webrtc.GatheringCompletePromise(x.pc)
	connect(t, x, y)
	if s := b.transport.Stats(); s.ICESucceededTCP != 1 || !x.session.OverTCP() {
		t.Fatalf("stats are %+v", s)
	}
	await(t, "candidates", gathered)
	remote := transport.Description{}
	for l := range strings.SplitSeq(x.pc.LocalDescription().SDP, "\r\n") {
		if f := strings.Fields(l); len(f) > 7 && f[2] == "udp" {
			remote.Candidates = append(remote.Candidates, transport.Candidate{
				Foundation: "1", Component: 1, Protocol: transport.UDP, Type: transport.TypeHost, Priority: 2130706431,
				Addr: netip.MustParseAddrPort(net.JoinHostPort(f[4], f[5])),
			})
		}
	}
	x.drain()
	y.drain()
	began := time.Now()
	if err := x.session.SetRemote(remote); err != nil {
		t.Fatal(err)
	}
	eventually(t, "UDP", func() bool { return !x.session.OverTCP() })
	t.Logf("UDP carries after %v", time.Since(began))
	pause := max(x.hears(100), y.hears(100))
	t.Logf("longest pause: %v", pause)
	if pause > 10*time.Second {
		t.Errorf("media paused for %v", pause)
	}
	if _, lost := blocked.Counts(); lost == 0 {
		t.Error("nothing was blocked")
	}
}

// checker is a peer that speaks nothing but ICE, over one connection.
type checker struct {
	local transport.Description
	write func([]byte) error
	// nominated is the greatest number of a nomination, 1 for one without.
	nominated atomic.Uint32
}

const peerPassword = "a password of the peer"

// newChecker checks a session every 50 ms and answers its checks until ctx is done.
func newChecker(ctx context.Context, t *testing.T, work *sync.WaitGroup, conn net.Conn, local transport.Description) *checker {
	t.Helper()
	c := &checker{local: local, write: func(b []byte) error { _, err := conn.Write(b); return err }}
	read := conn.Read
	if conn.RemoteAddr().Network() == "tcp" {
		c.write = func(b []byte) error { _, err := conn.Write(frame(b)); return err }
		read = func(b []byte) (int, error) { return readFrame(conn, b) }
	}
	work.Go(func() {
		buf := make([]byte, 2000)
		for {
			n, err := read(buf)
			if err != nil {
				return
			}
			c.answer(append([]byte(nil), buf[:n]...))
		}
	})
	work.Go(func() {
		defer conn.Close()
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_ = c.write(check(t, c.local, "peer").Raw)
			case <-ctx.Done():
				return
			}
		}
	})
	return c
}

func (c *checker) answer(raw []byte) {
	m := &stun.Message{Raw: raw}
	if m.Decode() != nil || m.Type != stun.BindingRequest || stun.NewShortTermIntegrity(peerPassword).Check(m) != nil {
		return
	}
	number := uint32(0)
	if m.Contains(stun.AttrUseCandidate) {
		number = 1
	}
	if v, err := m.Get(0xC001); err == nil && len(v) == 4 {
		number = binary.BigEndian.Uint32(v)
	}
	if number > c.nominated.Load() {
		c.nominated.Store(number)
	}
	_ = c.write(stun.MustBuild(m, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(127, 0, 0, 1), Port: 1},
		stun.NewShortTermIntegrity(peerPassword), stun.Fingerprint).Raw)
}

// TestPeerMovesUp: a peer that is on TCP and tries UDP, as browsers do, is answered there
// by a nomination that outranks the first.
func TestPeerMovesUp(t *testing.T) {
	b := newBench(t, nil)
	k := &client{connected: make(chan struct{}), failed: make(chan error, 4)}
	s, err := b.transport.NewSession(transport.SessionOptions{Controlling: true, PrivateCandidates: true, Handler: k})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetRemote(transport.Description{Ufrag: "peer", Pwd: peerPassword}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	t.Cleanup(work.Wait)
	t.Cleanup(cancel)
	tcp := dialTCP(t, s.Local())
	_ = tcp.SetDeadline(time.Time{})
	first := newChecker(ctx, t, &work, tcp, s.Local())
	await(t, "ICE", k.connected)
	if !s.OverTCP() || first.nominated.Load() != 1 {
		t.Fatalf("over TCP: %v, nominated by %d", s.OverTCP(), first.nominated.Load())
	}
	udp, err := net.Dial("udp4", b.transport.Addresses()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	second := newChecker(ctx, t, &work, udp, s.Local())
	eventually(t, "UDP", func() bool { return !s.OverTCP() })
	t.Logf("UDP carries after %v", time.Since(began))
	if n := second.nominated.Load(); n < 2 {
		t.Errorf("nominated by %d", n)
	}
	if st := b.transport.Stats(); st.Roamed != 0 || st.ICEFailed != 0 {
		t.Errorf("stats are %+v", st)
	}
}

// TestForgedAddressGetsNothing: who knows the password can forge where a check comes from. No
// media goes to an address that does not answer, also when the one before has fallen silent.
func TestForgedAddressGetsNothing(t *testing.T) {
	b := newBench(t, nil)
	k := &client{connected: make(chan struct{}), failed: make(chan error, 4)}
	s, err := b.transport.NewSession(transport.SessionOptions{Controlling: true, PrivateCandidates: true, Handler: k})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetRemote(transport.Description{Ufrag: "peer", Pwd: peerPassword}); err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		conn, err := net.Dial("udp4", b.transport.Addresses()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(45 * time.Second))
		return conn
	}
	var work sync.WaitGroup
	t.Cleanup(work.Wait)
	first, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	home := dial()
	newChecker(first, t, &work, home, s.Local())
	await(t, "ICE", k.connected)
	stop()
	work.Wait()
	s.Silence()
	forged := dial()
	for range 5 {
		m := check(t, s.Local(), "peer")
		if _, err := forged.Write(m.Raw); err != nil {
			t.Fatal(err)
		}
		answerTo(t, m, forged.Read)
	}
	second, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	now := dial()
	newChecker(second, t, &work, now, s.Local())
	eventually(t, "the address that answers", func() bool { return s.To().String() == now.LocalAddr().String() })
	// What the agent says comes in order: an address that was believed before would have counted.
	if st := b.transport.Stats(); st.Roamed != 1 {
		t.Errorf("roamed %d times", st.Roamed)
	}
}
