package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"parley/internal/logx"
)

const (
	certificateLife = 397 * 24 * time.Hour // browsers accept no more
	renewBefore     = 30 * 24 * time.Hour
)

// certificates gives the current certificate to every listener. It is replaced
// by reload while connections go on.
type certificates struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
}

func (c *certificates) reload() error {
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("tls.cert_file, tls.key_file: %w", explainPair(err, c.certFile, c.keyFile))
	}
	c.current.Store(&cert)
	return nil
}

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// selfSigned makes sure that the data directory holds a certificate for names
// that is valid for a while, and says whether it made one. An existing one is
// kept as long as it covers all names, so that people need not accept a new one.
func (d data) selfSigned(names []string, now time.Time) (made bool, err error) {
	l, err := d.waitLock("tls/certificate")
	if err != nil {
		return false, err
	}
	defer l.release()
	if cert, err := tls.LoadX509KeyPair(d.certificate(), d.key()); err == nil && covers(cert.Leaf, names, now) {
		return false, nil
	}
	certPEM, keyPEM, err := makeCertificate(names, now)
	if err != nil {
		return false, err
	}
	// The key goes first: a start in between finds a pair that does not fit and
	// makes both anew.
	err = writePrivate(d.key(), keyPEM)
	if err == nil {
		err = writePrivate(d.certificate(), certPEM)
	}
	if err != nil {
		return false, d.explain(fmt.Errorf("write the certificate: %w", err))
	}
	return true, nil
}

func covers(leaf *x509.Certificate, names []string, now time.Time) bool {
	if now.Before(leaf.NotBefore) || now.Add(renewBefore).After(leaf.NotAfter) {
		return false
	}
	return !slices.ContainsFunc(names, func(name string) bool { return leaf.VerifyHostname(name) != nil })
}

func makeCertificate(names []string, now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Parley, self-signed"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(certificateLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("write the key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

// certificateNames are the names people and parts reach this machine by.
func certificateNames(domain string) []string {
	names := []string{"localhost", domain, "auth." + domain, "127.0.0.1", "::1"}
	for _, a := range machineAddresses() {
		names = append(names, a.String())
	}
	return names
}

// machineAddresses are the addresses other devices may reach us at: neither
// loopback nor link-local, IPv4 first.
func machineAddresses() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var list []netip.Addr
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		if ip := p.Addr().Unmap(); !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && ip.IsValid() {
			list = append(list, ip)
		}
	}
	slices.SortStableFunc(list, func(a, b netip.Addr) int { return a.Compare(b) }) // IPv4 sorts first
	return slices.Compact(list)
}

// warnOfCertificate tells the operator of a certificate that does not hold now, or not for
// long.
func (in *instance) warnOfCertificate(now time.Time) {
	leaf := in.certs.current.Load().Leaf
	log := in.log.WithField(logx.Path, in.certs.certFile)
	switch left := leaf.NotAfter.Sub(now); {
	case now.Before(leaf.NotBefore):
		log.Error("the certificate is not valid yet, so browsers and XMPP clients refuse it; is the clock right?")
	case left <= 0:
		log.Error("the certificate has expired, so browsers and XMPP clients refuse it; put a new one in its place, then `parley ctl reload`")
	case left < soon:
		log.WithField(logx.Count, int(left.Hours()/24)).Warn("the certificate ends in so many days; put a new one in its place, then `parley ctl reload`")
	}
}

// watchCertificate looks at the certificate once a day: a server runs longer than one is
// valid. Our own is made anew in time; of another one only its owner can do so.
func (in *instance) watchCertificate(ctx context.Context) {
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := in.renewCertificate(time.Now()); err != nil {
			in.log.WithError(err).Error("the certificate cannot be taken up; the one before goes on")
		}
		in.warnOfCertificate(time.Now())
	}
}

// renewCertificate makes our own anew if that is due, and takes up what the files hold.
func (in *instance) renewCertificate(now time.Time) error {
	if in.cfg.TLS.CertFile == "" {
		made, err := in.data.selfSigned(certificateNames(in.cfg.Domain), now)
		if err != nil {
			return err
		}
		if made {
			in.log.WithField(logx.Path, in.data.certificate()).Info("self-signed certificate made")
		}
	}
	return in.certs.reload()
}

// explainPair adds to what is wrong with a pair of files what to do about it.
func explainPair(err error, certFile, keyFile string) error {
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return explainFile(err)
	}
	return fmt.Errorf("%s and %s: %w; both are PEM files, the first with the certificate and its chain, the second with the key it was made for", certFile, keyFile, err)
}

// describeCertificate is what `ctl check` says about a certificate file.
func describeCertificate(file string, now time.Time) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", explainFile(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return "", fmt.Errorf("%s holds no certificate", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	switch {
	case now.After(cert.NotAfter):
		return "", fmt.Errorf("%s expired on %s; get a new one from who signed it, then `parley ctl reload`", file, cert.NotAfter.Format(time.DateOnly))
	case now.Before(cert.NotBefore):
		return "", fmt.Errorf("%s is valid from %s on; is the clock right?", file, cert.NotBefore.Format(time.DateOnly))
	}
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return fmt.Sprintf("valid until %s for %s", cert.NotAfter.Format(time.DateOnly), joinWords(names)), nil
}
