package sasl

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"

	"github.com/xdg-go/scram"
)

// Bindings are what a log-in can be bound to an encryption with, best first: keys
// of the encryption itself (RFC 9266), then our certificate (RFC 5929 §4).
func Bindings(state *tls.ConnectionState, cert *tls.Certificate) []scram.ChannelBinding {
	var out []scram.ChannelBinding
	if state.Version >= tls.VersionTLS13 {
		if key, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32); err == nil {
			out = append(out, scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: key})
		}
	}
	if cert != nil && len(cert.Certificate) > 0 {
		if leaf, err := x509.ParseCertificate(cert.Certificate[0]); err == nil {
			out = append(out, scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: digest(leaf)})
		}
	}
	return out
}

// digest is a certificate's hash by the function of its signature, SHA-256 for weaker ones.
func digest(c *x509.Certificate) []byte {
	switch c.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		sum := sha512.Sum384(c.Raw)
		return sum[:]
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512, x509.PureEd25519:
		sum := sha512.Sum512(c.Raw)
		return sum[:]
	}
	sum := sha256.Sum256(c.Raw)
	return sum[:]
}
