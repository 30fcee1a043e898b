package transport

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
)

// forger is a peer that changes a byte of one of its packets, cuts it, and puts another
// before it.
type forger struct {
	*dtlsPeer
	which, at, cut int
	change         byte
	extra          []byte
	written        int
}

func (p *forger) WriteTo(b []byte, _ net.Addr) (int, error) {
	out := slices.Clone(b)
	if p.written == p.which {
		if len(p.extra) > 0 {
			p.s.dtls.push(p.extra)
		}
		out[p.at%len(out)] ^= p.change
		out = out[:max(1, len(out)-p.cut%len(out))]
	}
	p.written++
	p.s.dtls.push(out)
	return len(b), nil
}

// FuzzHandshake lets a peer send anything in any step of the handshake, which the library
// reads on goroutines of its own: it may fail, but the bridge goes on.
func FuzzHandshake(f *testing.F) {
	f.Add(uint8(0), uint16(0), uint8(0), uint8(0), []byte(nil))
	f.Add(uint8(0), uint16(60), uint8(0xFF), uint8(0), []byte{22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 1, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(uint8(0), uint16(24), uint8(1), uint8(9), []byte{21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 10})
	f.Add(uint8(1), uint16(200), uint8(7), uint8(0), []byte{20, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1})
	f.Add(uint8(1), uint16(14), uint8(2), uint8(40), []byte{25, 0xFE, 0xFD, 0, 1})
	f.Add(uint8(2), uint16(20), uint8(0x80), uint8(1), []byte{0x30, 0, 0, 0})
	f.Fuzz(func(t *testing.T, which uint8, at uint16, change, cut uint8, extra []byte) {
		if len(extra) > 1500 {
			return
		}
		p := newDTLSPeer(t, SessionOptions{Controlling: true})
		if err := p.s.SetRemote(Description{Setup: SetupActive, Fingerprints: []Fingerprint{p.cert.fingerprint}}); err != nil {
			t.Fatal(err)
		}
		conn, err := dtls.ClientWithOptions(
			&forger{dtlsPeer: p, which: int(which % 4), at: int(at), cut: int(cut), change: change, extra: extra}, p.LocalAddr(),
			dtls.WithCertificates(tls.Certificate{Certificate: p.cert.tls.Certificate, PrivateKey: p.cert.tls.PrivateKey}),
			dtls.WithInsecureSkipVerify(true), dtls.WithSRTPProtectionProfiles(profiles...),
			dtls.WithFlightInterval(10*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		p.s.beginHandshake()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_ = conn.HandshakeContext(ctx)
		_ = conn.Close()
		p.s.Close()
	})
}
