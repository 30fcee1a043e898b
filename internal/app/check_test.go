package app

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/admin"
)

// book is a resolver of its own.
type book struct {
	hosts map[string][]string
	srv   map[string]uint16
}

func (b book) LookupHost(_ context.Context, host string) ([]string, error) {
	if list := b.hosts[host]; list != nil {
		return list, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (b book) LookupSRV(_ context.Context, service, _, _ string) (string, []*net.SRV, error) {
	if port := b.srv[service]; port != 0 {
		return "", []*net.SRV{{Target: "x.", Port: port}}, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", IsNotFound: true}
}

func TestCheckDNS(t *testing.T) {
	at := map[string][]string{"meet.example.com": {"192.0.2.7"}}
	for _, tt := range []struct {
		name, settings string
		book           book
		bad            bool
		want           []string
	}{
		{"this machine", "", book{}, false, []string{"good  dns          meet.localhost needs no records"}},
		{"nobody", "domain: meet.example.com", book{}, true, []string{"bad   dns          nobody finds meet.example.com"}},
		{"found", "domain: meet.example.com", book{hosts: at}, false,
			[]string{"meet.example.com is at 192.0.2.7", "none of these is an address of this machine"}},
		{"another port", "{domain: meet.example.com, xmppd: {c2s_listen: ':6222', direct_tls_listen: ':5223'}}", book{hosts: at, srv: map[string]uint16{"xmpp-client": 5222}}, false,
			[]string{"names port 5222, the server listens on 6222", "there is no _xmpps-client._tcp.meet.example.com"}},
		{"a record too many", "domain: meet.example.com", book{hosts: at, srv: map[string]uint16{"xmpps-client": 5223}}, true, []string{"bad   dns", "nobody listens"}},
		{"right", "{domain: meet.example.com, xmppd: {direct_tls_listen: ':5223'}}", book{hosts: at, srv: map[string]uint16{"xmpps-client": 5223, "xmpp-client": 5222}}, false,
			[]string{"names port 5222\n", "names port 5223\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			c := &checker{out: &out, names: tt.book, now: time.Now()}
			err := c.run(t.Context(), Options{ConfigFile: settingsFile(t, tt.settings), Data: string(testData(t))}, []string{checkDNS})
			if tt.bad {
				require.ErrorIs(t, err, admin.ErrProblems)
			} else {
				require.NoError(t, err, out.String())
			}
			for _, want := range tt.want {
				require.Contains(t, out.String(), want)
			}
		})
	}
}

func settingsFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "parley.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestCheckCertificate(t *testing.T) {
	dir := t.TempDir()
	pair := func(name string, now time.Time, names ...string) (settings string) {
		cert, key, err := makeCertificate(names, now)
		require.NoError(t, err)
		certFile, keyFile := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
		require.NoError(t, os.WriteFile(certFile, cert, 0o600))
		require.NoError(t, os.WriteFile(keyFile, key, 0o600))
		return "{domain: meet.example.com, tls: {cert_file: " + certFile + ", key_file: " + keyFile + "}}"
	}
	now := time.Now()
	good := pair("good", now, "meet.example.com")
	other := pair("other", now, "www.example.com")
	for _, tt := range []struct {
		name, settings string
		bad            bool
		want           string
	}{
		{"good", good, false, "it does not name auth.meet.example.com"},
		{"other name", other, true, "not meet.example.com"},
		{"other key", "{domain: meet.example.com, tls: {cert_file: " + filepath.Join(dir, "good.crt") + ", key_file: " + filepath.Join(dir, "other.key") + "}}", true, "private key does not match"},
		{"soon over", pair("old", now.Add(-certificateLife+5*24*time.Hour), "meet.example.com"), false, "ends in 4 days"},
		{"over", pair("over", now.Add(-certificateLife-time.Hour), "meet.example.com"), true, "expired"},
		{"no file", "{domain: meet.example.com, tls: {cert_file: " + dir + "/none, key_file: " + dir + "/none}}", true, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			c := &checker{out: &out, names: book{}, now: now}
			err := c.run(t.Context(), Options{ConfigFile: settingsFile(t, tt.settings), Data: string(testData(t))}, []string{checkCerts})
			require.Equal(t, tt.bad, err != nil, out.String())
			require.Contains(t, out.String(), tt.want)
		})
	}
}

func TestCheckWords(t *testing.T) {
	run := tool(t, testData(t))
	out, err := run("", "check", "config")
	require.NoError(t, err)
	require.Contains(t, out, "All checks passed.")
	require.NotContains(t, out, "port")
	_, err = run("", "check", "turn")
	require.ErrorContains(t, err, `"turn" cannot be checked; there are config, certs, ports, dns`)
	_, err = run("", "check", "config", "dns")
	require.ErrorIs(t, err, admin.ErrUsage)
}
