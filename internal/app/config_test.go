package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parley/internal/xmppclient"
)

// derived is a configuration as a start of parts would see it, with fixed secrets.
func derived(t *testing.T, parts []Part, text string, environ ...string) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "parley.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	c, err := Load(file, environ, nil)
	require.NoError(t, err)
	require.NoError(t, c.derive(parts, "/data", testSecrets))
	require.NoError(t, c.validate(parts))
	return c
}

func testSecrets() (Secrets, error) {
	return Secrets{"a token secret of thirty-two bytes", "focus password", "bridge password", "focus component", "bridge component"}, nil
}

func TestEverythingFollowsFromTheDomain(t *testing.T) {
	c := derived(t, All, "domain: Meet.Example.com")
	require.Equal(t, "meet.example.com", c.XMPPD.Domain)
	require.Equal(t, "auth.meet.example.com", c.Focus.Client.Domain)
	require.Equal(t, map[string]string{"focus.meet.example.com": "focus component"}, c.XMPPD.Components)
	require.Len(t, c.XMPPD.ServiceAccounts, 2)
	require.Equal(t, "focus.client.password", c.XMPPD.ServiceAccounts[0].Setting)
	require.Equal(t, "bridge password", c.XMPPD.ServiceAccounts[1].Password)
	require.Equal(t, []string{"jvbbrewery@internal.auth.meet.example.com"}, c.Bridge.XMPP[0].Rooms)
	require.Equal(t, "focus@auth.meet.example.com", c.Web.FocusUser)
	require.Equal(t, "conference.meet.example.com", c.Web.MUCDomain)
	require.Equal(t, "/data/parley.db", c.XMPPD.Database)
	require.Equal(t, "/data/upload", c.XMPPD.Services.Upload.Directory)
	require.Equal(t, "https://meet.example.com:8443/upload/", c.XMPPD.Services.Upload.URL)
	// In one process the parts meet in-process, and nobody dials the network.
	require.Equal(t, []string{nearC2S, nearComponents, nearHTTP, nearBridge},
		[]string{c.Focus.Client.Address, c.Focus.Component.Address, c.Web.XMPPAddress, c.Web.Bridges["default-id"]})
}

func TestUploadsFollowTheFront(t *testing.T) {
	for listen, want := range map[string]string{
		":443": "https://meet.example.com/upload/", "": "https://meet.example.com/upload/", "192.0.2.1:444": "https://meet.example.com:444/upload/",
	} {
		require.Equal(t, want, uploadURL("meet.example.com", listen))
	}
	c := derived(t, All, "xmppd: {services: {upload: {directory: /files, url: 'https://files.example.com/'}}}")
	require.Equal(t, "/files", c.XMPPD.Services.Upload.Directory)
	require.Equal(t, "https://files.example.com/", c.XMPPD.Services.Upload.URL)
}

func TestApartThePartsFollowTheListeners(t *testing.T) {
	const text = `
xmppd: {c2s_listen: ":6222", http_listen: "127.0.0.1:6280", component_listen: "127.0.0.1:6347"}
bridge: {websocket: {listen: "127.0.0.1:6090", server_id: b1}}
`
	c := derived(t, []Part{Web}, text)
	require.Equal(t, "127.0.0.1:6280", c.Web.XMPPAddress)
	require.Equal(t, map[string]string{"b1": "127.0.0.1:6090"}, c.Web.Bridges)
	require.Empty(t, c.Focus.Client.Password, "the web front needs no secrets")
	c = derived(t, []Part{Focus}, text)
	require.Equal(t, "127.0.0.1:6222", c.Focus.Client.Address)
	require.Equal(t, "127.0.0.1:6347", c.Focus.Component.Address)
	require.Empty(t, c.XMPPD.Token.Secret, "the focus has no use for the token secret")
	require.Equal(t, xmppclient.TLSIfPossible, c.Focus.Client.TLS)
	c = derived(t, []Part{Focus}, text+"focus: {client: {address: '192.0.2.1:5222'}}\n")
	require.Equal(t, xmppclient.TLSRequired, c.Focus.Client.TLS, "a network is no loopback")
	c = derived(t, []Part{Bridge}, text)
	require.Equal(t, "127.0.0.1:6222", c.Bridge.XMPP[0].Address)
	require.Equal(t, "/data/tls/cert.pem", c.Bridge.XMPP[0].CAFile)
}

func TestExplicitSecretsNeedNoFile(t *testing.T) {
	c, err := Load("", []string{"PARLEY_FOCUS_CLIENT_PASSWORD=p", "PARLEY_FOCUS_COMPONENT_SECRET=s"}, nil)
	require.NoError(t, err)
	require.NoError(t, c.derive([]Part{Focus}, "/data", func() (Secrets, error) { return Secrets{}, errors.New("asked") }))
	require.Equal(t, "p", c.Focus.Client.Password)
	require.ErrorContains(t, c.derive([]Part{XMPPD}, "/data", func() (Secrets, error) { return Secrets{}, errors.New("asked") }), "asked")
}

func TestAccountsLookedAfterByTheOperator(t *testing.T) {
	c := derived(t, All, "managed_accounts: false\n")
	require.Empty(t, c.XMPPD.ServiceAccounts)
	require.Equal(t, []string{"focus@auth.meet.localhost", "jvb@auth.meet.localhost"}, c.XMPPD.Admins)
}

func TestMistakesNameTheKey(t *testing.T) {
	for text, want := range map[string]string{
		"web: {http_listen: x}": "web.http_listen: \"x\" is not HOST:PORT",
		"tls: {cert_file: x}":   "tls: cert_file and key_file belong together",
		"domain: 'a b'":         "domain: \"a b\" is not a domain",
		"log: {level: loud}":    "log.level: ",
		"{focus: {http_listen: ':8888'}, xmppd: {meeting: {reservations: {url: 'https://x/'}}}}": "focus.http_listen: ",
		"xmppd: {token: {secret: short}}":                   "xmppd.token.secret: ",
		"bridge: {xmpp: [{component: true, allow: ['@']}]}": "bridge.xmpp[0].allow: ",
	} {
		file := filepath.Join(t.TempDir(), "parley.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		c, err := Load(file, nil, nil)
		require.NoError(t, err)
		require.NoError(t, c.derive(All, "/data", testSecrets))
		require.ErrorContains(t, c.validate(All), want)
	}
}

// Each file in configs/ is what it says it is.
func TestShippedConfigurationsLoad(t *testing.T) {
	files, err := filepath.Glob("../../configs/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 3)
	for _, file := range files {
		for _, parts := range [][]Part{All, {XMPPD}, {Focus}, {Bridge}, {Web}} {
			c, err := Load(file, []string{"PARLEY_FOCUS_CLIENT_PASSWORD=from the environment"}, nil)
			require.NoError(t, err)
			require.NoError(t, c.derive(parts, "/data", testSecrets), file)
			require.NoError(t, c.validate(parts), file)
		}
	}
}

// All names follow from the domain, so a wrong one is one sentence, not six.
func TestDomainIsSaidToBeWrongOnce(t *testing.T) {
	for _, domain := range []string{"", "a b", "a..b", "a@b", "a/b", "a:1"} {
		c := DefaultConfig()
		c.Domain = domain
		require.NoError(t, c.derive(All, testData(t), func() (Secrets, error) { return Secrets{TokenSecret: strings.Repeat("x", 32)}, nil }))
		require.EqualError(t, c.validate(All), fmt.Sprintf("domain: %q is not a domain", domain))
	}
}
