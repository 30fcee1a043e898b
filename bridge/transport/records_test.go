package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/sctp"

	"parley/internal/logx"
)

// ears hears what happens to a session.
type ears struct {
	ready          chan Keys
	failed         chan error
	opened, closed chan struct{}
	messages       chan string
}

func (e *ears) TransportConnected()        {}
func (e *ears) TransportReady(k Keys)      { e.ready <- k }
func (e *ears) TransportFailed(err error)  { e.failed <- err }
func (e *ears) ChannelOpened()             { e.opened <- struct{}{} }
func (e *ears) ChannelMessage(text []byte) { e.messages <- string(text) }
func (e *ears) ChannelClosed()             { e.closed <- struct{}{} }

// dtlsPeer is the other side of a session's DTLS. What it writes goes to the session at
// once, and through pass, what it reads comes over a socket.
type dtlsPeer struct {
	*net.UDPConn
	s *Session
	*ears
	cert *certificate

	mu   sync.Mutex
	pass func(b []byte) bool // nil lets everything in
	sent [][]byte
}

func (p *dtlsPeer) WriteTo(b []byte, _ net.Addr) (int, error) {
	p.mu.Lock()
	p.sent = append(p.sent, slices.Clone(b))
	p.mu.Unlock()
	p.s.dtls.push(slices.Clone(b))
	return len(b), nil
}

func (p *dtlsPeer) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := p.UDPConn.ReadFrom(b)
		if err != nil || p.pass == nil || p.pass(b[:n]) {
			return n, from, err
		}
	}
}

// lastSent is what the peer wrote last.
func (p *dtlsPeer) lastSent() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent[len(p.sent)-1])
}

func wait[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// until waits for something to be true of the session's DTLS.
func (p *dtlsPeer) until(t *testing.T, what string, f func(d *dtlsPath) bool) {
	t.Helper()
	d := p.s.dtls
	for end := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		d.mu.Lock()
		ok := f(d)
		d.mu.Unlock()
		switch {
		case ok:
			return
		case time.Now().After(end):
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// newDTLSPeer makes a session whose way leads to the peer, without ICE.
func newDTLSPeer(t *testing.T, opts SessionOptions) *dtlsPeer {
	t.Helper()
	tr := onLoopback(t)
	p := &dtlsPeer{ears: &ears{
		make(chan Keys, 1), make(chan error, 1), make(chan struct{}, 4), make(chan struct{}, 4), make(chan string, 64),
	}}
	opts.Handler = p.ears
	var err error
	if p.s, err = tr.NewSession(opts); err != nil {
		t.Fatal(err)
	}
	if p.UDPConn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.UDPConn.Close() })
	at := p.UDPConn.LocalAddr().(*net.UDPAddr).AddrPort()
	p.s.slot.dest.Store(newDestination(tr.sockets[0], netip.AddrPortFrom(at.Addr().Unmap(), at.Port())))
	if p.cert, err = newCertificate(time.Now()); err != nil {
		t.Fatal(err)
	}
	return p
}

// connect does the handshake with the peer in a role.
func (p *dtlsPeer) connect(t *testing.T, setup Setup, suites ...dtls.CipherSuiteID) *dtls.Conn {
	t.Helper()
	if err := p.s.SetRemote(Description{Setup: setup, Fingerprints: []Fingerprint{p.cert.fingerprint}}); err != nil {
		t.Fatal(err)
	}
	common := []dtls.Option{
		dtls.WithCertificates(tls.Certificate{Certificate: p.cert.tls.Certificate, PrivateKey: p.cert.tls.PrivateKey}),
		dtls.WithInsecureSkipVerify(true), dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithFlightInterval(50 * time.Millisecond),
	}
	if len(suites) > 0 {
		common = append(common, dtls.WithCipherSuites(suites...))
	}
	var conn *dtls.Conn
	var err error
	if setup == SetupActive {
		var o []dtls.ClientOption
		for _, c := range common {
			o = append(o, c)
		}
		conn, err = dtls.ClientWithOptions(p, p.LocalAddr(), o...)
	} else {
		o := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithInsecureSkipVerifyHello(true)}
		for _, c := range common {
			o = append(o, c)
		}
		conn, err = dtls.ServerWithOptions(p, p.LocalAddr(), o...)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p.s.beginHandshake()
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	wait(t, "the bridge's keys", p.ready)
	p.until(t, "the record layer", func(d *dtlsPath) bool { return d.records != nil })
	return conn
}

// TestDTLSAfterTheHandshake: in both roles and with every cipher the peer can say something,
// a forged alert ends nothing, and either side can take leave.
func TestDTLSAfterTheHandshake(t *testing.T) {
	for name, c := range map[string]struct {
		setup Setup
		suite dtls.CipherSuiteID
	}{
		"server, AES-128": {SetupActive, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		"server, AES-256": {SetupActive, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
		"server, ChaCha":  {SetupActive, dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
		"client, AES-128": {SetupPassive, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		"client, ChaCha":  {SetupPassive, dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
	} {
		t.Run(name, func(t *testing.T) {
			p := newDTLSPeer(t, SessionOptions{})
			conn := p.connect(t, c.setup, c.suite)
			if _, err := conn.Write([]byte("nobody listens")); err != nil {
				t.Fatal(err)
			}
			for _, level := range []byte{1, 2} {
				alert := []byte{21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, level, 0}
				p.s.dtls.push(slices.Clone(alert)) // in the clear, then as if it were encrypted
				alert[4], alert[12] = recordEpoch, 26
				p.s.dtls.push(append(alert, make([]byte, 24)...))
			}
			select {
			case err := <-p.failed:
				t.Fatalf("a forged alert ended the session: %v", err)
			default:
			}
			_ = conn.Close()
			if err := wait(t, "the end", p.failed); !errors.Is(err, ErrLeft) {
				t.Fatalf("ended with %v", err)
			}
		})
	}
}

func TestBridgeTakesLeave(t *testing.T) {
	p := newDTLSPeer(t, SessionOptions{})
	conn := p.connect(t, SetupActive)
	p.s.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 100))
		ended <- err
	}()
	if err := wait(t, "the end", ended); err == nil {
		t.Fatal("something else came")
	}
}

// TestLostLastFlight: a client that does not get the end of the handshake asks again, when
// the bridge has long gone on.
func TestLostLastFlight(t *testing.T) {
	p := newDTLSPeer(t, SessionOptions{})
	lost := 0
	p.pass = func(b []byte) bool {
		if b[0] == byte(protocol.ContentTypeChangeCipherSpec) && lost < 3 {
			lost++
			return false
		}
		return true
	}
	conn := p.connect(t, SetupActive)
	if lost != 3 {
		t.Fatalf("%d packets were lost", lost)
	}
	_ = conn.Close()
	if err := wait(t, "the end", p.failed); !errors.Is(err, ErrLeft) {
		t.Fatal(err)
	}
}

// TestAskingOftenDoesNotHelp: a peer with keys that asks for the end of the handshake all the
// time does not keep the bridge busy with sending it.
func TestAskingOftenDoesNotHelp(t *testing.T) {
	p := newDTLSPeer(t, SessionOptions{})
	var flights atomic.Int64
	p.pass = func(b []byte) bool {
		if b[0] == byte(protocol.ContentTypeChangeCipherSpec) {
			flights.Add(1)
		}
		return true
	}
	conn := p.connect(t, SetupActive)
	through := func() { // what was sent before has come
		t.Helper()
		if err := p.s.dtls.send(protocol.ContentTypeApplicationData, []byte("through")); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	through()
	flights.Store(0)
	began := time.Now()
	for range 1000 {
		p.s.dtls.take(protocol.ContentTypeHandshake, []byte{byte(handshake.TypeFinished)})
	}
	most := 1 + int64(time.Since(began)/flightPause)
	through()
	if n := flights.Load(); n > most {
		t.Errorf("the flight was sent %d times, expected up to %d", n, most)
	}
}

// TestRecordsAreTakenOnce: what comes twice counts once.
func TestRecordsAreTakenOnce(t *testing.T) {
	p := newDTLSPeer(t, SessionOptions{})
	conn := p.connect(t, SetupActive)
	if _, err := conn.Write([]byte("once")); err != nil {
		t.Fatal(err)
	}
	b := p.lastSent()
	r := p.s.dtls.records
	took := 0
	r.open(slices.Clone(b), func(protocol.ContentType, []byte) { took++ })
	if took != 0 {
		t.Error("a record was taken twice")
	}
	sealed, err := r.seal(protocol.ContentTypeApplicationData, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	r.open(sealed, func(protocol.ContentType, []byte) { t.Error("our own record came back as the peer's") })
	r.mu.Lock()
	r.next = 1 << 48
	r.mu.Unlock()
	if _, err := r.seal(protocol.ContentTypeApplicationData, nil); err == nil {
		t.Error("the numbers of records began anew")
	}
}

// TestAssociationBeginsAnew: a peer may give up its data channel and come back to it.
func TestAssociationBeginsAnew(t *testing.T) {
	p := newDTLSPeer(t, SessionOptions{SCTP: true})
	conn := p.connect(t, SetupActive)
	for i := range 2 {
		assoc, err := sctp.ClientWithOptions(sctp.WithNetConn(keepOpen{conn}), sctp.WithRTOMax(300))
		if err != nil {
			t.Fatal(err)
		}
		ch, err := datachannel.Dial(assoc, 1, &datachannel.Config{Label: "x", LoggerFactory: pionLogs{logx.Discard()}})
		if err != nil {
			t.Fatal(err)
		}
		wait(t, "the channel", p.opened)
		if _, err := ch.WriteDataChannel([]byte("hello"), true); err != nil {
			t.Fatal(err)
		}
		if m := wait(t, "the message", p.messages); m != "hello" {
			t.Fatalf("round %d: got %q", i, m)
		}
		assoc.Abort("enough")
		wait(t, "the end of the channel", p.closed)
		if err := conn.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		p.until(t, "the end of the association", func(d *dtlsPath) bool { return d.sctp == nil })
	}
}

// TestTooLargeMessageEndsTheChannel: it would be offered again and again, and keep a
// processor busy.
func TestTooLargeMessageEndsTheChannel(t *testing.T) {
	p := newDTLSPeer(t, SessionOptions{SCTP: true})
	conn := p.connect(t, SetupActive)
	assoc, err := sctp.ClientWithOptions(sctp.WithNetConn(keepOpen{conn}), sctp.WithMaxMessageSize(4*maxMessage))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { assoc.Abort("the test is over") })
	ch, err := datachannel.Dial(assoc, 1, &datachannel.Config{Label: "x", LoggerFactory: pionLogs{logx.Discard()}})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "the channel", p.opened)
	for _, n := range []int{1, smallMessage, smallMessage + 1, maxMessage, 2} {
		if _, err := ch.WriteDataChannel(make([]byte, n), true); err != nil {
			t.Fatal(err)
		}
		if m := wait(t, "the message", p.messages); len(m) != n {
			t.Fatalf("got %d bytes, want %d", len(m), n)
		}
	}
	if _, err := ch.WriteDataChannel(make([]byte, maxMessage+1), true); err != nil {
		t.Fatal(err)
	}
	wait(t, "the end of the channel", p.closed)
}

// keepOpen lends a connection to an association.
type keepOpen struct{ *dtls.Conn }

func (keepOpen) Close() error { return nil }

func FuzzRecords(f *testing.F) {
	a := agreed{
		LocalEpoch: 1, RemoteEpoch: 1, CipherSuiteID: uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
		MasterSecret: make([]byte, 48),
	}
	newPair := func(tb testing.TB) (ours, theirs *records) {
		for _, client := range []bool{false, true} {
			a.IsClient = client
			c, err := a.cipher()
			if err != nil {
				tb.Fatal(err)
			}
			ours, theirs = &records{cipher: c, seen: neverSeen{}}, ours
		}
		return ours, theirs
	}
	_, theirs := newPair(f)
	for _, kind := range []protocol.ContentType{protocol.ContentTypeAlert, protocol.ContentTypeApplicationData, protocol.ContentTypeHandshake} {
		b, err := theirs.seal(kind, []byte{1, 0})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, true)
		f.Add(b[:len(b)-1], false)
	}
	f.Add([]byte{25, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0}, false)
	f.Fuzz(func(t *testing.T, b []byte, _ bool) {
		ours, theirs := newPair(t)
		ours.open(slices.Clone(b), func(kind protocol.ContentType, payload []byte) {
			// Who does not have the keys cannot make one, so this is one of the seeds.
			if !slices.Equal(payload, []byte{1, 0}) {
				t.Errorf("took %v %x", kind, payload)
			}
		})
		if len(b) > 1000 {
			return
		}
		sealed, err := theirs.seal(protocol.ContentTypeApplicationData, b)
		if err != nil {
			t.Fatal(err)
		}
		took := false
		ours.open(append(sealed, b...), func(_ protocol.ContentType, payload []byte) {
			took = took || slices.Equal(payload, b)
		})
		if !took {
			t.Error("a good record was not taken")
		}
	})
}

// neverSeen takes every number.
type neverSeen struct{}

func (neverSeen) Check(uint64) (func() bool, bool) { return func() bool { return true }, true }
