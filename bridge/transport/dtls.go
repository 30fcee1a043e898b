package transport

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
	"github.com/sirupsen/logrus"

	"parley/internal/logx"
)

const (
	// handshakeTimeout bounds the DTLS handshake.
	handshakeTimeout = 30 * time.Second
	// replayWindow is the width of the replay protection in packets.
	replayWindow = 512
)

// profiles lists the SRTP profiles in our order of preference. As DTLS server we choose,
// and GCM costs a sixth of the other.
var profiles = []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80}

// peerAddr stands for "wherever the path of the session leads".
type peerAddr struct{}

func (peerAddr) Network() string { return "udp" }
func (peerAddr) String() string  { return "peer" }

// beginHandshake starts DTLS once there is a path and the peer's fingerprint is known.
func (s *Session) beginHandshake() {
	s.readyOnce.Do(func() { s.t.spawn(s.handshake) })
}

// spawn runs f on a goroutine of a session, unless the transport is closing.
func (t *Transport) spawn(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.sessionWork.Go(f)
	}
}

func (s *Session) handshake() {
	s.mu.Lock()
	setup, fingerprints := s.remote.Setup, s.remote.Fingerprints
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(s.ctx, handshakeTimeout)
	defer cancel()
	conn, err := s.dtlsConnect(setup, fingerprints)
	if err != nil {
		s.dtlsFailed(err)
		return
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		s.dtlsFailed(err)
		return
	}
	r, keys, err := s.takeOver(conn, setup == SetupActive)
	if err != nil {
		s.dtlsFailed(err)
		return
	}
	s.t.stats.dtlsOK.Add(1)
	s.log.WithField("profile", keys.Profile).Debug("DTLS is done")
	s.post(func() { s.opts.Handler.TransportReady(keys) })
	s.dtls.established(r)
	if s.opts.SCTP {
		s.dtls.startSCTP(nil)
	}
}

// takeOver ends the library's connection, of which the peer notices nothing, and returns
// what is needed from then on.
func (s *Session) takeOver(conn *dtls.Conn, server bool) (*records, Keys, error) {
	s.dtls.mu.Lock()
	c := s.dtls.opening
	if !server {
		c.flight = nil // the peer's is the last
	}
	s.dtls.mu.Unlock()
	c.mute()
	_, gone := conn.Write(nil) // goes nowhere, but says whether the peer has left
	keys, err := deriveKeys(conn, server)
	_ = conn.Close()
	if gone != nil {
		err = gone
	}
	state, ok := conn.ConnectionState()
	if err == nil && !ok {
		err = errors.New("no connection state")
	}
	if err != nil {
		return nil, Keys{}, err
	}
	r, err := newRecords(&state)
	return r, keys, err
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
		dtls.WithCipherSuites(suiteIDs()...),
		dtls.WithMTU(1200),
		dtls.WithFlightInterval(400 * time.Millisecond),
		dtls.WithLoggerFactory(pionLogs{s.log}),
	}
	if setup == SetupPassive {
		options := make([]dtls.ClientOption, 0, len(common))
		for _, o := range common {
			options = append(options, o)
		}
		return dtls.ClientWithOptions(s.dtls.opening, peerAddr{}, options...)
	}
	options := []dtls.ServerOption{
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		// The address has passed ICE, a cookie exchange would prove it a second time.
		dtls.WithInsecureSkipVerifyHello(true),
	}
	for _, o := range common {
		options = append(options, o)
	}
	return dtls.ServerWithOptions(s.dtls.opening, peerAddr{}, options...)
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
