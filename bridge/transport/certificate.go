package transport

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	_ "crypto/sha1" // for peers that announce nothing better
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// certificateAge is how long new sessions get the same certificate.
const certificateAge = 24 * time.Hour

// certificate is a self-signed certificate with its fingerprint.
type certificate struct {
	tls         tls.Certificate
	fingerprint Fingerprint
	made        time.Time
}

// certificates keeps the current certificate. A session keeps the one it started with.
// mu guards last.
type certificates struct {
	mu   sync.Mutex
	last *certificate
}

func (c *certificates) current() (*certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.last == nil || now.Sub(c.last.made) >= certificateAge {
		cert, err := newCertificate(now)
		if err != nil {
			return nil, fmt.Errorf("make certificate: %w", err)
		}
		c.last = cert
	}
	return c.last, nil
}

func newCertificate(now time.Time) (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:       serial,
		Subject:            pkix.Name{CommonName: "Parley"},
		NotBefore:          now.Add(-24 * time.Hour),
		NotAfter:           now.Add(7 * 24 * time.Hour),
		SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &certificate{
		tls:         tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		fingerprint: fingerprintOf(crypto.SHA256, "sha-256", der),
		made:        now,
	}, nil
}

// hashes lists the accepted hash functions, the strongest first.
var hashes = []struct {
	name string
	hash crypto.Hash
}{
	{"sha-512", crypto.SHA512}, {"sha-384", crypto.SHA384}, {"sha-256", crypto.SHA256}, {"sha-1", crypto.SHA1},
}

func fingerprintOf(hash crypto.Hash, name string, der []byte) Fingerprint {
	h := hash.New()
	h.Write(der)
	digits := strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
	var b strings.Builder
	for i := 0; i < len(digits); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(digits[i : i+2])
	}
	return Fingerprint{Hash: name, Value: b.String()}
}

// decode checks the form of a fingerprint and returns the digest.
func (f Fingerprint) decode() ([]byte, error) {
	for _, h := range hashes {
		if !strings.EqualFold(h.name, f.Hash) {
			continue
		}
		digest, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(f.Value), ":", ""))
		if err != nil || len(digest) != h.hash.Size() {
			return nil, fmt.Errorf("%w: fingerprint is not a %s digest", ErrBadRemote, h.name)
		}
		return digest, nil
	}
	// An unknown hash is no mistake, there may be another fingerprint (RFC 8122).
	return nil, nil
}

// checkFingerprint compares a certificate with what the peer announced. Of several
// fingerprints only those of the strongest hash count.
func checkFingerprint(announced []Fingerprint, der []byte) error {
	for _, h := range hashes {
		seen := false
		for _, f := range announced {
			if !strings.EqualFold(h.name, f.Hash) {
				continue
			}
			seen = true
			want, err := f.decode()
			if err != nil {
				continue
			}
			sum := h.hash.New()
			sum.Write(der)
			if subtle.ConstantTimeCompare(want, sum.Sum(nil)) == 1 {
				return nil
			}
		}
		if seen {
			return ErrFingerprint
		}
	}
	return ErrFingerprint
}
