package transport_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"

	"parley/bridge/transport"
)

func TestDataChannel(t *testing.T) {
	b := newBench(t, nil)
	c := newClient(b, nil)
	dc, err := c.pc.CreateDataChannel("JVB data channel", nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, answers := make(chan struct{}), make(chan string, 300)
	dc.OnOpen(func() { close(opened) })
	dc.OnMessage(func(m webrtc.DataChannelMessage) { answers <- string(m.Data) })
	if err := c.session.SendMessage([]byte("early")); !errors.Is(err, transport.ErrNoChannel) {
		t.Errorf("before the channel: %v", err)
	}
	c.join(c)
	await(t, "channel at the client", opened)
	await(t, "channel at the bridge", c.opened)
	long := strings.Repeat("x", 40000)
	for _, m := range []string{`{"colibriClass":"X"}`, long} {
		if err := dc.SendText(m); err != nil {
			t.Fatal(err)
		}
		if got := await(t, "message", c.messages); got != m {
			t.Errorf("got %d bytes, want %d", len(got), len(m))
		}
	}
	for i := range 100 {
		if err := c.session.SendMessage(fmt.Appendf(nil, "m%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		if got := await(t, "answer", answers); got != fmt.Sprintf("m%d", i) {
			t.Fatalf("answer %d is %q", i, got)
		}
	}
	if _, err := c.pc.CreateDataChannel("another", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second channel to be rejected", func() bool { return b.transport.Stats().RejectedChannels == 1 })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, ticker := time.After(45*time.Second), time.NewTicker(5*time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestPeerThatLeavesFails(t *testing.T) {
	b := newBench(t, nil)
	c := newClient(b, nil)
	connected := make(chan struct{}, 4)
	c.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			connected <- struct{}{}
		}
	})
	c.join(c)
	await(t, "DTLS", c.ready)
	await(t, "DTLS at the client", connected)
	// Not the whole connection: closing that, the library may stop ICE before the alert is out.
	if err := c.pc.SCTP().Transport().Stop(); err != nil {
		t.Fatal(err)
	}
	if err := await(t, "failure", c.failed); !errors.Is(err, transport.ErrLeft) {
		t.Errorf("failed with %v", err)
	}
	c.session.Close()
	eventually(t, "the session to go", func() bool { return b.transport.Stats().Sessions == 0 })
}

func TestWrongFingerprintFails(t *testing.T) {
	b := newBench(t, nil)
	c := newClient(b, nil)
	wrong := strings.TrimSuffix(strings.Repeat("AB:", 32), ":")
	if err := c.session.SetRemote(transport.Description{Setup: transport.SetupActive, Fingerprints: []transport.Fingerprint{{Hash: "sha-256", Value: wrong}}}); err != nil {
		t.Fatal(err)
	}
	c.join(c)
	if err := await(t, "failure", c.failed); !errors.Is(err, transport.ErrFingerprint) {
		t.Errorf("failed with %v", err)
	}
	if s := b.transport.Stats(); s.DTLSFailed != 1 {
		t.Errorf("stats are %+v", s)
	}
}

func TestBadRemoteIsRefused(t *testing.T) {
	b := newBench(t, nil)
	c := newClient(b, nil)
	for name, d := range map[string]transport.Description{
		"setup actpass":     {Setup: transport.SetupActPass},
		"ufrag alone":       {Ufrag: "abcd"},
		"ufrag with colon":  {Ufrag: "ab:d", Pwd: "x"},
		"short fingerprint": {Fingerprints: []transport.Fingerprint{{Hash: "sha-256", Value: "AB:CD"}}},
	} {
		if err := c.session.SetRemote(d); !errors.Is(err, transport.ErrBadRemote) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// check builds the Binding request a client would send.
func check(t *testing.T, local transport.Description, remoteUfrag string) *stun.Message {
	t.Helper()
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest,
		stun.NewUsername(local.Ufrag+":"+remoteUfrag),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{0x6e, 0, 1, 0xff}},
		stun.RawAttribute{Type: stun.AttrICEControlled, Value: make([]byte, 8)},
		stun.NewShortTermIntegrity(local.Pwd), stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// answerTo reads until the success response to a request arrives.
func answerTo(t *testing.T, m *stun.Message, read func([]byte) (int, error)) {
	t.Helper()
	buf := make([]byte, 2000)
	for {
		n, err := read(buf)
		if err != nil {
			t.Fatalf("no answer: %v", err)
		}
		r := &stun.Message{Raw: append([]byte(nil), buf[:n]...)}
		if r.Decode() == nil && r.Type == stun.BindingSuccess && r.TransactionID == m.TransactionID {
			return
		}
	}
}

// TestSameSourcePortNewSession: a page is loaded again and the browser happens to use
// the same port. The new session's checks must not end up at the old one.
func TestSameSourcePortNewSession(t *testing.T) {
	b := newBench(t, nil)
	conn, err := net.Dial("udp4", b.transport.Addresses()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range 2 {
		s, err := b.transport.NewSession(transport.SessionOptions{Controlling: true, Handler: &client{
			connected: make(chan struct{}), failed: make(chan error, 4),
		}})
		if err != nil {
			t.Fatal(err)
		}
		m := check(t, s.Local(), "peer")
		// The first check comes before the bridge knows the peer: it waits, it is not lost.
		if _, err := conn.Write(m.Raw); err != nil {
			t.Fatal(err)
		}
		if err := s.SetRemote(transport.Description{Ufrag: "peer", Pwd: "a password of the peer"}); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(45 * time.Second))
		answerTo(t, m, conn.Read)
		_ = i
	}
}

func TestGarbageIsDropped(t *testing.T) {
	b := newBench(t, nil)
	conn, err := net.Dial("udp4", b.transport.Addresses()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, d := range [][]byte{
		{}, {1}, make([]byte, 1999), {0x80, 0x6f, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, {0x16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
		{0x00, 0x01, 0xff, 0xff, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		if _, err := conn.Write(d); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "garbage to be counted", func() bool { return b.transport.Stats().Garbage >= 5 })
}

func frame(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }

func TestTCPGreetingAndSplitReads(t *testing.T) {
	hello, _ := hex.DecodeString("8046010301002d000000100100800300800700c006004002008004008000000400feff00000a00fefe0000090000640000620000030000061f170ca62f0078fc46552eb18339f1ea")
	for _, ssl := range []bool{false, true} {
		t.Run(fmt.Sprintf("ssltcp=%v", ssl), func(t *testing.T) {
			b := newBench(t, nil)
			s, err := b.transport.NewSession(transport.SessionOptions{Controlling: true, PrivateCandidates: true, Handler: &client{
				connected: make(chan struct{}), failed: make(chan error, 4),
			}})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.SetRemote(transport.Description{Ufrag: "peer", Pwd: "a password of the peer"}); err != nil {
				t.Fatal(err)
			}
			conn := dialTCP(t, s.Local())
			m := check(t, s.Local(), "peer")
			stream := frame(m.Raw)
			if ssl {
				stream = append(hello, stream...)
			}
			for _, c := range stream {
				if _, err := conn.Write([]byte{c}); err != nil {
					t.Fatal(err)
				}
			}
			if ssl {
				answer := make([]byte, 79)
				if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 0x16 {
					t.Fatalf("greeting: %x, %v", answer, err)
				}
			}
			answerTo(t, m, func(p []byte) (int, error) { return readFrame(conn, p) })
		})
	}
}

func readFrame(r io.Reader, p []byte) (int, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, err
	}
	return io.ReadFull(r, p[:binary.BigEndian.Uint16(head[:])])
}

func dialTCP(t *testing.T, local transport.Description) net.Conn {
	t.Helper()
	for _, c := range local.Candidates {
		if c.Protocol != transport.TCP {
			continue
		}
		conn, err := net.Dial("tcp", c.Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
		return conn
	}
	t.Fatal("no TCP candidate")
	return nil
}

func TestTCPStrangersAreClosed(t *testing.T) {
	b := newBench(t, func(c *transport.Config) { c.TCP.MaxUnidentified = 1 })
	s, err := b.transport.NewSession(transport.SessionOptions{Controlling: true, PrivateCandidates: true, Handler: &client{failed: make(chan error, 4)}})
	if err != nil {
		t.Fatal(err)
	}
	closed := func(conn net.Conn) {
		t.Helper()
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("connection is still open: %v", err)
		}
	}
	for name, bytes := range map[string][]byte{
		"not a check":      frame(make([]byte, 100)),
		"HTTP":             []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"unknown session":  frame(check(t, transport.Description{Ufrag: "nobody", Pwd: "x"}, "p").Raw),
		"half a greeting?": append([]byte{0x80, 0x46}, make([]byte, 70)...),
	} {
		t.Run(name, func(t *testing.T) {
			conn := dialTCP(t, s.Local())
			if _, err := conn.Write(bytes); err != nil {
				t.Fatal(err)
			}
			closed(conn)
			eventually(t, "the stranger to be forgotten", func() bool { return b.transport.Stats().TCPConnections == 0 })
		})
	}
	first := dialTCP(t, s.Local())
	eventually(t, "the first stranger", func() bool { return b.transport.Stats().TCPConnections == 1 })
	second := dialTCP(t, s.Local()) // whoever is silent makes room
	closed(first)
	eventually(t, "the first to be forgotten", func() bool { return b.transport.Stats().TCPConnections == 1 })
	_ = second.Close()
}

func TestCandidates(t *testing.T) {
	b := newBench(t, func(c *transport.Config) {
		c.Mappings = []transport.Mapping{{LocalAddress: "127.0.0.1", PublicAddress: "203.0.113.7", PublicPort: 10000}}
	})
	s, err := b.transport.NewSession(transport.SessionOptions{Controlling: true, Handler: &client{failed: make(chan error, 4)}})
	if err != nil {
		t.Fatal(err)
	}
	local := s.Local()
	var kinds []string
	last := ^uint32(0)
	for _, c := range local.Candidates {
		kinds = append(kinds, fmt.Sprint(c.Protocol, " ", c.Type))
		if c.Priority >= last {
			t.Errorf("candidate %+v is not less than the one before", c)
		}
		last = c.Priority
	}
	if got, want := strings.Join(kinds, ", "), "udp host, udp srflx, tcp host, tcp srflx"; got != want {
		t.Errorf("candidates are %s, want %s", got, want)
	}
	if c := local.Candidates[1]; c.Addr != netip.MustParseAddrPort("203.0.113.7:10000") || c.Related != b.transport.Addresses()[0] {
		t.Errorf("mapped candidate is %+v", c)
	}
	if len(local.Ufrag) < 4 || len(local.Pwd) < 22 || local.Setup != transport.SetupActPass {
		t.Errorf("description is %+v", local)
	}
}
