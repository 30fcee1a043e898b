//go:build linux

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
	"github.com/pion/transport/v4/deadline"

	"parley/internal/wire/jingle"
)

// client is a participant. What is below the line belongs to the engine.
type client struct {
	e          *engine
	name       string
	udp        udp
	ufrag, pwd string
	remote     *jingle.Transport

	incoming  chan []byte // DTLS
	deadline  *deadline.Deadline
	nominated chan struct{}
	gone      chan struct{}
	leaving   sync.Once
	dtls      *dtls.Conn
	channel   *websocket.Conn

	// ---
	sender, opener *srtp.Context
	ready          bool
	checks         bool
	selected       bool
	nextCheck      int64
	stamp          uint16
	sources        []*source
	streams        map[uint32]*stream
	feedback       feedback
	// lossy drops one packet of so many, 0 none; deaf clients tell nothing of what arrives.
	lossy int
	deaf  bool
	got   int
}

var certificate = sync.OnceValues(func() (c tls.Certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
})

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

func randomWord(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[mathrand.IntN(len(letters))]
	}
	return string(b)
}

func newClient(e *engine, name string, peer netip.AddrPort) (*client, error) {
	u, err := listenUDP(peer)
	if err != nil {
		return nil, err
	}
	c := &client{
		e: e, name: name, udp: u, ufrag: randomWord(8), pwd: randomWord(24),
		incoming: make(chan []byte, 64), deadline: deadline.New(), nominated: make(chan struct{}), gone: make(chan struct{}),
		streams: map[uint32]*stream{},
	}
	e.do(func() { err = e.add(c) })
	return c, err
}

// connect does ICE and DTLS with the bridge, and opens the bridge channel.
func (c *client) connect(ctx context.Context) error {
	c.e.do(func() { c.checks = true })
	select {
	case <-c.nominated:
	case <-ctx.Done():
		return fmt.Errorf("%s: ICE: %w", c.name, ctx.Err())
	}
	cert, err := certificate()
	if err != nil {
		return err
	}
	c.dtls, err = dtls.ClientWithOptions(clientConn{c}, c.addr(),
		dtls.WithCertificates(cert), dtls.WithInsecureSkipVerify(true), dtls.WithVerifyPeerCertificate(c.verify),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM), dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithFlightInterval(200*time.Millisecond))
	if err == nil {
		err = c.dtls.HandshakeContext(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: DTLS: %w", c.name, err)
	}
	sender, opener, err := keys(c.dtls)
	if err != nil {
		return fmt.Errorf("%s: keys: %w", c.name, err)
	}
	c.e.do(func() { c.sender, c.opener, c.ready = sender, opener, true })
	return c.openChannel(ctx)
}

func (c *client) openChannel(ctx context.Context) error {
	if len(c.remote.WebSockets) == 0 {
		return errors.New("the bridge offers no channel")
	}
	ws, _, err := websocket.Dial(ctx, c.remote.WebSockets[0].URL, nil)
	if err != nil {
		return fmt.Errorf("%s: channel: %w", c.name, err)
	}
	c.channel = ws
	go func() {
		for {
			if _, _, err := ws.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	return nil
}

// leave closes what connect opened.
func (c *client) leave() {
	c.leaving.Do(func() {
		if c.channel != nil {
			_ = c.channel.CloseNow()
		}
		if c.dtls != nil {
			_ = c.dtls.Close()
		}
		close(c.gone)
	})
}

func (c *client) verify(certs [][]byte, _ [][]*x509.Certificate) error {
	for _, f := range c.remote.Fingerprints {
		if len(certs) > 0 && f.Hash == "sha-256" && strings.EqualFold(strings.TrimSpace(f.Value), fingerprint(certs[0])) {
			return nil
		}
	}
	return errors.New("the certificate is not the one that was signalled")
}

// keys makes the SRTP contexts of a DTLS client (RFC 5764, section 4.2).
func keys(conn *dtls.Conn) (sender, opener *srtp.Context, err error) {
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, nil, errors.New("no connection state")
	}
	cfg := &srtp.Config{Profile: srtp.ProtectionProfileAeadAes128Gcm}
	if err := cfg.ExtractSessionKeysFromDTLS(&state, true); err != nil {
		return nil, nil, err
	}
	if sender, err = srtp.CreateContext(cfg.Keys.LocalMasterKey, cfg.Keys.LocalMasterSalt, cfg.Profile); err != nil {
		return nil, nil, err
	}
	// Most packets are not opened, so what was seen before is not remembered.
	opener, err = srtp.CreateContext(cfg.Keys.RemoteMasterKey, cfg.Keys.RemoteMasterSalt, cfg.Profile, srtp.SRTPNoReplayProtection(), srtp.SRTCPNoReplayProtection())
	return sender, opener, err
}

// check sends a connectivity check (RFC 8445); later it is the consent (RFC 7675).
func (c *client) check(now int64) {
	c.nextCheck = now + int64(checkEvery)
	if !c.selected {
		c.nextCheck = now + int64(50*time.Millisecond)
	}
	m, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername(c.remote.Ufrag+":"+c.ufrag),
		ice.AttrControlled(1), ice.PriorityAttr(1<<24), stun.NewShortTermIntegrity(c.remote.Pwd), stun.Fingerprint)
	if err == nil {
		_ = c.udp.send(m.Raw)
	}
}

// stun answers a check of the bridge.
func (c *client) stun(b []byte) {
	m := &stun.Message{Raw: append([]byte(nil), b...)}
	if m.Decode() != nil || m.Type != stun.BindingRequest || stun.NewShortTermIntegrity(c.pwd).Check(m) != nil {
		return
	}
	answer, err := stun.Build(m, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(127, 0, 0, 1), Port: c.peerPort()},
		stun.NewShortTermIntegrity(c.pwd), stun.Fingerprint)
	if err != nil {
		return
	}
	_ = c.udp.send(answer.Raw)
	if m.Contains(stun.AttrUseCandidate) && !c.selected {
		c.selected = true
		close(c.nominated)
	}
}

func (c *client) peerPort() int { return int(c.remote.Candidates[0].Port) }

func (c *client) addr() net.Addr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: c.peerPort()} }

// clientConn is the client's DTLS as a packet connection, fed by the engine.
type clientConn struct{ c *client }

func (x clientConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-x.c.incoming:
		return copy(b, p), x.c.addr(), nil
	case <-x.c.deadline.Done():
		return 0, nil, os.ErrDeadlineExceeded
	case <-x.c.gone:
		return 0, nil, net.ErrClosed
	}
}

func (x clientConn) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), x.c.udp.send(b) }
func (x clientConn) Close() error                              { return nil }
func (x clientConn) LocalAddr() net.Addr                       { return net.UDPAddrFromAddrPort(x.c.udp.local) }
func (x clientConn) SetDeadline(t time.Time) error             { return x.SetReadDeadline(t) }
func (x clientConn) SetWriteDeadline(time.Time) error          { return nil }
func (x clientConn) SetReadDeadline(t time.Time) error {
	x.c.deadline.Set(t)
	return nil
}

// candidate is the address of the bridge.
func candidate(t *jingle.Transport) netip.AddrPort {
	for _, c := range t.Candidates {
		if a, err := netip.ParseAddr(c.IP); err == nil && c.Protocol == "udp" {
			return netip.AddrPortFrom(a, c.Port)
		}
	}
	return netip.AddrPort{}
}
