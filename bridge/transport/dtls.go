package transport

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
	"github.com/pion/transport/v4/deadline"
	"github.com/sirupsen/logrus"

	"parley/internal/logx"
)

const (
	// handshakeTimeout bounds the DTLS handshake.
	handshakeTimeout = 30 * time.Second
	// dtlsQueue bounds the DTLS packets that wait to be read: handshake flights and data
	// channel traffic. What comes on top is dropped and sent again by the peer.
	dtlsQueue = 128
	// replayWindow is the width of the replay protection in packets.
	replayWindow = 512
)

// profiles lists the SRTP profiles in our order of preference. As DTLS server we choose,
// and GCM costs a sixth of the other.
var profiles = []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80}

// dtlsConn is what the DTLS library sees of the network: a packet connection fed by the
// mux, with a bounded queue that drops what comes last.
type dtlsConn struct {
	s     *Session
	queue chan []byte
	done  chan struct{}
	once  sync.Once
	// deadline ends reads: the library gets out of them that way when a handshake fails.
	deadline *deadline.Deadline
}

func newDTLSConn(s *Session) *dtlsConn {
	return &dtlsConn{s: s, queue: make(chan []byte, dtlsQueue), done: make(chan struct{}), deadline: deadline.New()}
}

func (c *dtlsConn) push(b []byte) {
	select {
	case c.queue <- append([]byte(nil), b...):
	default:
		c.s.t.stats.queueDropped.Add(1)
	}
}

func (c *dtlsConn) shutdown() { c.once.Do(func() { close(c.done) }) }

// peerAddr stands for "wherever the path of the session leads".
type peerAddr struct{}

func (peerAddr) Network() string { return "udp" }
func (peerAddr) String() string  { return "peer" }

func (c *dtlsConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-c.queue:
		return copy(b, p), peerAddr{}, nil
	case <-c.deadline.Done():
		return 0, nil, os.ErrDeadlineExceeded
	case <-c.done:
		return 0, nil, net.ErrClosed
	}
}

func (c *dtlsConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case <-c.done:
		return 0, net.ErrClosed
	default:
	}
	// A packet that does not leave is lost like any other and will be repeated.
	_ = c.s.t.sendSlow(b, c.s.slot.dest.Load())
	return len(b), nil
}

func (c *dtlsConn) Close() error {
	c.shutdown()
	return nil
}

func (c *dtlsConn) LocalAddr() net.Addr           { return peerAddr{} }
func (c *dtlsConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *dtlsConn) SetReadDeadline(t time.Time) error {
	c.deadline.Set(t)
	return nil
}

// SetWriteDeadline does nothing: writes never block.
func (c *dtlsConn) SetWriteDeadline(time.Time) error { return nil }

// beginHandshake starts DTLS once there is a path and the peer's fingerprint is known.
func (s *Session) beginHandshake() {
	s.readyOnce.Do(func() {
		s.t.mu.Lock()
		defer s.t.mu.Unlock()
		if !s.t.closed {
			s.t.sessionWork.Go(s.handshake)
		}
	})
}

func (s *Session) handshake() {
	s.mu.Lock()
	setup, fingerprints := s.remote.Setup, s.remote.Fingerprints
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(s.ctx, handshakeTimeout)
	defer cancel()
	conn, err := s.dtlsConnect(setup, fingerprints)
	if err == nil {
		err = conn.HandshakeContext(ctx)
	}
	if err != nil {
		s.dtlsFailed(err)
		return
	}
	keys, err := deriveKeys(conn, setup == SetupActive)
	if err != nil {
		_ = conn.Close()
		s.dtlsFailed(err)
		return
	}
	s.t.stats.dtlsOK.Add(1)
	s.log.WithField("profile", keys.Profile).Debug("DTLS is done")
	s.post(func() { s.opts.Handler.TransportReady(keys) })
	s.serveDTLS(conn)
}

func (s *Session) dtlsFailed(err error) {
	if s.ctx.Err() != nil {
		return
	}
	s.t.stats.dtlsFailed.Add(1)
	s.log.WithFields(logrus.Fields{logx.Reason: err.Error()}).Debug("DTLS failed")
	if !errors.Is(err, ErrFingerprint) {
		err = fmt.Errorf("%w: %w", ErrDTLS, err)
	}
	s.fail(err)
}

func (s *Session) dtlsConnect(setup Setup, fingerprints []Fingerprint) (*dtls.Conn, error) {
	verify := func(certs [][]byte, _ [][]*x509.Certificate) error {
		if len(certs) == 0 {
			return ErrFingerprint
		}
		return checkFingerprint(fingerprints, certs[0])
	}
	common := []dtls.Option{
		dtls.WithCertificates(s.cert.tls),
		dtls.WithInsecureSkipVerify(true),
		dtls.WithVerifyPeerCertificate(verify),
		dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithMTU(1200),
		dtls.WithFlightInterval(400 * time.Millisecond),
		dtls.WithLoggerFactory(pionLogs{s.log}),
	}
	if setup == SetupPassive {
		options := make([]dtls.ClientOption, 0, len(common))
		for _, o := range common {
			options = append(options, o)
		}
		return dtls.ClientWithOptions(s.dtls, peerAddr{}, options...)
	}
	options := []dtls.ServerOption{
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		// The address has passed ICE, a cookie exchange would prove it a second time.
		dtls.WithInsecureSkipVerifyHello(true),
	}
	for _, o := range common {
		options = append(options, o)
	}
	return dtls.ServerWithOptions(s.dtls, peerAddr{}, options...)
}

// deriveKeys makes the SRTP contexts from the handshake (RFC 5764, section 4.2).
func deriveKeys(conn *dtls.Conn, server bool) (Keys, error) {
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return Keys{}, errors.New("no SRTP profile in common")
	}
	profile := srtp.ProtectionProfile(chosen)
	keyLen, err := profile.KeyLen()
	if err != nil {
		return Keys{}, err
	}
	saltLen, err := profile.SaltLen()
	if err != nil {
		return Keys{}, err
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return Keys{}, errors.New("no connection state")
	}
	material, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(keyLen+saltLen))
	if err != nil {
		return Keys{}, err
	}
	clientKey, rest := material[:keyLen], material[keyLen:]
	serverKey, rest := rest[:keyLen], rest[keyLen:]
	clientSalt, serverSalt := rest[:saltLen], rest[saltLen:]
	if !server {
		clientKey, clientSalt, serverKey, serverSalt = serverKey, serverSalt, clientKey, clientSalt
	}
	send, err := srtp.CreateContext(serverKey, serverSalt, profile)
	if err != nil {
		return Keys{}, err
	}
	receive, err := srtp.CreateContext(clientKey, clientSalt, profile,
		srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	if err != nil {
		return Keys{}, err
	}
	keys := Keys{Send: send, Receive: receive, Profile: "AES128_CM_HMAC_SHA1_80"}
	if profile == srtp.ProtectionProfileAeadAes128Gcm {
		keys.Profile, keys.AEAD = "AEAD_AES_128_GCM", true
	}
	return keys, nil
}
