package xmppclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"mellium.im/xmpp/jid"
)

// TLSMode says whether a user's stream is encrypted (STARTTLS).
type TLSMode string

// The modes. A component's stream is never encrypted (XEP-0114 knows no STARTTLS), and
// an in-process connection never needs it.
const (
	TLSRequired   TLSMode = "required"
	TLSIfPossible TLSMode = "ifpossible"
	TLSDisabled   TLSMode = "disabled"
)

// Config is one way to the XMPP server.
type Config struct {
	// Address is host:port of the XMPP server, e.g. 127.0.0.1:5222, or :5347 for components.
	Address string `yaml:"address"`
	// Component makes this a component login (XEP-0114); otherwise it is a user's.
	Component bool `yaml:"component"`
	// Domain is the host of the account, e.g. auth.meet.localhost, or the address of the component.
	Domain string `yaml:"domain"`
	// Username is the account's name, e.g. focus. Unused for components.
	Username string `yaml:"username"`
	// Password is the account's password or the component's secret.
	Password string `yaml:"password"`
	// Resource is the resource to bind; empty lets the server choose.
	Resource string `yaml:"resource"`
	// TLS is required, ifpossible or disabled.
	TLS TLSMode `yaml:"tls"`
	// CAFile is a PEM file with the certificates to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
	// InsecureSkipVerify accepts any certificate. For tests only.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
}

// Validate says what is wrong with c, naming the key.
func (c Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fmt.Errorf("address: %q is not host:port", c.Address)
	}
	if d, err := jid.Parse(c.Domain); err != nil || d.Domainpart() != c.Domain || c.Domain == "" {
		return fmt.Errorf("domain: %q is not a domain", c.Domain)
	}
	if c.Password == "" {
		return errors.New("password: is empty")
	}
	if c.Component {
		return nil
	}
	if _, err := jid.New(c.Username, c.Domain, c.Resource); err != nil || c.Username == "" {
		return fmt.Errorf("username: %q with resource %q makes no address", c.Username, c.Resource)
	}
	switch c.TLS {
	case "", TLSRequired, TLSIfPossible, TLSDisabled:
		return nil
	}
	return fmt.Errorf("tls: %q is not required, ifpossible or disabled", c.TLS)
}

// tlsConfig reads the CA file each time, so that a certificate made anew is trusted
// after a reconnect.
func (c Config) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{ServerName: c.Domain, MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.InsecureSkipVerify}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: no certificate in %s", c.CAFile)
	}
	return t, nil
}
